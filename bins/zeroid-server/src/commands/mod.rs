//! The commands.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user")]

mod folder;
mod keys;
mod open;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use zeroid_identity_model::Tenant;

pub(crate) use keys::answer;

use crate::settings::{Settings, Values};

/// Identity for autonomous agents: registers them, issues short-lived tokens, lets one agent delegate to the next,
/// and revokes any link with everything below it.
#[derive(Parser)]
#[command(name = "zeroid-server", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run on this machine alone: everything in one folder, keys made on the first start, the administrative routes
    /// open to whoever is on this machine.
    Dev {
        /// Where to listen; a loopback address. Port 0 takes a free port and prints it.
        #[arg(long, default_value = None)]
        listen: Option<String>,
        /// The folder for the database and the keys.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Make the keys and the database of a deployment, and print its operator key and a management key, once.
    Init {
        /// The folder for the database and the keys.
        #[arg(long)]
        data: Option<PathBuf>,
        /// Settings file.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Make a management key for a tenant, and print it, once.
    Bootstrap {
        /// The tenant's account.
        #[arg(long)]
        account: String,
        /// The tenant's project.
        #[arg(long)]
        project: String,
        /// Settings file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// The folder for the database and the keys.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// Run in production: settings from the file, then the environment; refuses unsafe settings with the reason.
    Serve {
        /// Settings file.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Bring the database up to this version.
    Migrate {
        /// Settings file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// The folder for the database and the keys.
        #[arg(long)]
        data: Option<PathBuf>,
    },
    /// The signing keys, without a restart: every replica follows within seconds.
    Keys {
        #[command(subcommand)]
        command: keys::KeysCommand,
        /// Settings file.
        #[arg(long, global = true)]
        config: Option<PathBuf>,
        /// The folder for the database and the keys.
        #[arg(long, global = true)]
        data: Option<PathBuf>,
    },
    /// Show the settings `serve` would run with, without secrets, or say why it would refuse them.
    CheckConfig {
        /// Settings file.
        #[arg(long)]
        config: Option<PathBuf>,
    },
}

/// Run the command line.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Dev { listen, data } => dev(listen, data),
        Command::Init { data, config } => init(config, data),
        Command::Bootstrap { account, project, config, data } => bootstrap(&account, &project, config, data),
        Command::Serve { config } => serve(config),
        Command::Migrate { config, data } => migrate(config, data),
        Command::Keys { command, config, data } => keys::keys(&command, config, data),
        Command::CheckConfig { config } => check_config(config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("zeroid-server: {why}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<(), String>;

fn values(config: Option<PathBuf>, data: Option<PathBuf>) -> Result<Values, String> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut values = Values::read(config.as_deref(), environment).map_err(|error| error.to_string())?;
    values.set("data_dir", data.map(|path| path.to_string_lossy().into_owned()));
    Ok(values)
}

fn understood(values: &Values, dev: bool) -> Result<Settings, String> {
    Settings::of(values, dev).map_err(|error| error.to_string())
}

fn dev(listen: Option<String>, data: Option<PathBuf>) -> Outcome {
    let mut values = values(None, data)?;
    values.set("listen", listen);
    let settings = understood(&values, true)?;
    if !settings.listen.ip().is_loopback() {
        return Err(
            "dev opens the administrative routes and listens on a loopback address only; use `serve`"
                .to_owned(),
        );
    }
    run::block_on(run::dev(settings))
}

fn serve(config: Option<PathBuf>) -> Outcome {
    let settings = understood(&values(config, None)?, false)?;
    run::block_on(run::serve(settings))
}

fn init(config: Option<PathBuf>, data: Option<PathBuf>) -> Outcome {
    let values = values(config, data)?;
    // Keys and database need no issuer; the management key's identity is named in the domain, for life.
    if values.take("wimse_domain").is_none() {
        return Err("wimse_domain is required: the trust domain of every SPIFFE ID".to_owned());
    }
    let settings = understood(&values, true)?;
    run::block_on(async move {
        let folder = folder::prepare(&settings)?;
        let engine = open::engine(&settings, &folder, "https://init.invalid").await?;
        match engine.create_operator_key().await.map_err(|error| error.to_string())? {
            Some(key) => println!("operator key (shown once):   {}", key.expose()),
            None => println!("operator key: made by an earlier init, and not shown again"),
        }
        let tenant = Tenant::new("default", "default").map_err(|error| error.to_string())?;
        let made = engine.bootstrap(&tenant).await.map_err(|error| error.to_string())?;
        println!("management key (shown once): {}", made.api_key.expose());
        println!("its identity:                {}", made.record.identity.spiffe_id);
        println!("its tenant:                  {tenant}");
        println!("data:                        {}", settings.data_dir.display());
        Ok(())
    })
}

fn bootstrap(account: &str, project: &str, config: Option<PathBuf>, data: Option<PathBuf>) -> Outcome {
    let tenant = Tenant::new(account, project).map_err(|error| format!("--account or --project {error}"))?;
    let settings = understood(&values(config, data)?, true)?;
    run::block_on(async move {
        let folder = folder::existing(&settings)?;
        let engine = open::engine(&settings, &folder, "https://init.invalid").await?;
        let made = engine.bootstrap(&tenant).await.map_err(|error| error.to_string())?;
        println!("management key (shown once): {}", made.api_key.expose());
        println!("its identity:                {}", made.record.identity.spiffe_id);
        Ok(())
    })
}

fn migrate(config: Option<PathBuf>, data: Option<PathBuf>) -> Outcome {
    let settings = understood(&values(config, data)?, true)?;
    let applied = settings.database.migrate()?;
    match applied.is_empty() {
        true => println!("{} is up to date", settings.database),
        false => applied.iter().for_each(|name| println!("applied {name}")),
    }
    Ok(())
}

fn check_config(config: Option<PathBuf>) -> Outcome {
    let settings = understood(&values(config, None)?, false)?;
    print!("{}", settings.shown());
    Ok(())
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    #[track_caller]
    fn retires(line: &str, expected: &str) {
        let words = ["zeroid-server", "keys", "retire"].into_iter().chain(line.split_whitespace());
        let Ok(Cli { command: Command::Keys { command: keys::KeysCommand::Retire { kid }, data, .. } }) =
            Cli::try_parse_from(words)
        else {
            panic!("`{line}` retires a key")
        };
        assert_eq!((kid.as_str(), data), (expected, Some(PathBuf::from("folder"))));
    }

    #[test]
    fn a_key_id_may_begin_with_a_hyphen() {
        for kid in ["qA7x", "-qA7x", "-hVx", "--data_7", "-"] {
            retires(&format!("{kid} --data folder"), kid);
            retires(&format!("--data folder {kid}"), kid);
        }
    }
}
