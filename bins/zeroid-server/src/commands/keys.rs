//! `keys list`, `keys rotate`, `keys retire`: done by the running server if one has the data folder, else here.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};
use zeroid_core::{Engine, KeyInfo};
use zeroid_identity_model::Timestamp;
use zeroid_jose::Rotation;

use super::{Outcome, folder, open, run, understood, values};
use crate::control;

/// What `keys` does.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Show every signing key and its state.
    List,
    /// Sign with the next key from now on; the old one verifies until its last token has ended.
    Rotate {
        /// Do it although clients may not know the next key yet, and cut off everything the old key signed.
        #[arg(long)]
        emergency: bool,
    },
    /// Retire a key at once, and cut off everything it signed.
    Retire {
        /// The id of the key.
        // It is base64url, and may begin with a hyphen.
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
}

pub(super) fn keys(command: &KeysCommand, config: Option<PathBuf>, data: Option<PathBuf>) -> Outcome {
    let settings = understood(&values(config, data)?, true)?;
    let request = command.request();
    run::block_on(async move {
        let text = match control::ask(&settings.data_dir, &request).await? {
            Some(answer) => answer?,
            None => {
                let folder = folder::existing(&settings)?;
                let engine = open::engine(&settings, &folder, "https://init.invalid").await?;
                answer(&engine, &request).await?
            }
        };
        print!("{text}");
        Ok(())
    })
}

impl KeysCommand {
    fn request(&self) -> Value {
        match self {
            Self::List => json!({"command": "keys list"}),
            Self::Rotate { emergency } => json!({"command": "keys rotate", "emergency": emergency}),
            Self::Retire { kid } => json!({"command": "keys retire", "kid": kid}),
        }
    }
}

/// Do what a request says, and give the text to print.
pub(crate) async fn answer(engine: &Engine, request: &Value) -> Result<String, String> {
    let keys = match request["command"].as_str() {
        Some("keys list") => {
            engine.keep_keys().await.map_err(|error| error.to_string())?;
            Ok(engine.keys())
        }
        Some("keys rotate") if request["emergency"] == json!(true) => {
            engine.rotate_keys(Rotation::Emergency, "emergency key rotation").await
        }
        Some("keys rotate") => engine.rotate_keys(Rotation::Planned, "key rotation").await,
        Some("keys retire") => {
            engine.retire_key(request["kid"].as_str().unwrap_or_default(), "key retired").await
        }
        _ => return Err("this server does not know that command".to_owned()),
    };
    Ok(table(&keys.map_err(|error| error.to_string())?))
}

fn table(keys: &[KeyInfo]) -> String {
    let mut text = format!("{:<10}{:<8}{:<45}{:<29}{}\n", "STATE", "ALG", "KID", "SINCE", "WHERE");
    for key in keys {
        let since = [key.retired_at, key.retiring_at, key.activated_at, Some(key.created_at)];
        let since = since.into_iter().flatten().next().map_or_else(String::new, shown);
        let (state, algorithm) = (key.state.as_str(), key.algorithm.as_str());
        // In the database, wrapped under the master key; or where the reference says.
        let place = key.reference.as_deref().unwrap_or("database");
        let _ = writeln!(text, "{state:<10}{algorithm:<8}{:<45}{since:<29}{place}", key.kid.as_str());
    }
    text
}

fn shown(at: Timestamp) -> String {
    at.floor_to_second().to_string()
}
