//! One server with its own data.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::authority::Authority;
use crate::tools::{self, User};

/// How long a server may take to answer its first query.
const START: Duration = Duration::from_secs(30);

/// What a commit of this server survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The death of every process, not of the machine; what tests need.
    OfTheProcess,
    /// The death of the machine; what is measured.
    OfTheMachine,
}

/// A running server, stopped when dropped or when this process ends in any way.
pub struct Cluster {
    folder: TempDir,
    user: Option<User>,
    port: u16,
    settings: Vec<String>,
    /// The shell that watches over the server; it stops it when its standard input closes.
    keeper: Mutex<Option<Child>>,
}

impl Cluster {
    /// Make a cluster and start it.
    ///
    /// # Errors
    /// Why it did not start.
    pub fn start(durability: Durability) -> Result<Self, String> {
        let mut cluster = Self::in_fresh_folder()?;
        if durability == Durability::OfTheProcess {
            cluster.settings.push("fsync=off".to_owned());
        }
        cluster.init()?;
        cluster.resume()?;
        Ok(cluster)
    }

    /// Make a cluster that speaks TLS and nothing else over TCP, and start it. Its certificate names `localhost` alone.
    ///
    /// # Errors
    /// Why it did not start.
    pub fn start_with_tls() -> Result<(Self, Authority), String> {
        let mut cluster = Self::in_fresh_folder()?;
        cluster.init()?;
        let authority = Authority::make(cluster.folder(), cluster.user)?;
        let own = |name: &str| cluster.folder().join(name).display().to_string();
        let settings = [
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", own("server.pem")),
            format!("ssl_key_file={}", own("server.key")),
        ];
        cluster.settings.extend(settings);
        let rules =
            "local all all trust\nhostssl all all 127.0.0.1/32 trust\nhostssl all all ::1/128 trust\n";
        std::fs::write(cluster.folder().join("data/pg_hba.conf"), rules)
            .map_err(|error| error.to_string())?;
        cluster.resume()?;
        Ok((cluster, authority))
    }

    /// Copy this cluster to another that follows it, and start that one. From then on a commit here is answered when it
    /// is there, too.
    ///
    /// # Errors
    /// Why it did not start.
    pub fn standby(&self) -> Result<Self, String> {
        let mut standby = Self::in_fresh_folder()?;
        standby.settings.clone_from(&self.settings);
        let mut copy = tools::command(&tools::folder()?.join("pg_basebackup"), standby.user);
        copy.arg("-D")
            .arg(standby.folder.path().join("data"))
            .args(["-R", "-X", "stream", "-c", "fast", "-d"]);
        tools::run(copy.arg(self.url()))?;
        standby.resume()?;
        let administer = format!("{}/postgres", self.url());
        for text in ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"] {
            tools::sql(&administer, text)?;
        }
        self.until("SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = 'sync'")?;
        Ok(standby)
    }

    /// Make a standby the one that takes writes.
    ///
    /// # Errors
    /// What the server says.
    pub fn promote(&self) -> Result<(), String> {
        tools::sql(&format!("{}/postgres", self.url()), "SELECT pg_promote()")?;
        self.until("SELECT NOT pg_is_in_recovery()")
    }

    /// Where the server listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stop every process of the server where it stands, or let all go on: what a machine that hangs looks like.
    ///
    /// # Errors
    /// That there are none.
    pub fn freeze(&self, frozen: bool) -> Result<(), String> {
        let postmaster = self.pid().ok_or("the server does not run")?;
        let signal = if frozen { "STOP" } else { "CONT" };
        // The one that starts the others first: after it there are no new ones.
        tools::signal_as(self.user, signal, &[postmaster])?;
        let entries = std::fs::read_dir("/proc").map_err(|error| error.to_string())?;
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let of_it = |id: &u32| tools::parent(*id) == Some(postmaster);
        match tools::signal_as(self.user, signal, &ids.filter(of_it).collect::<Vec<_>>()) {
            // One that ended meanwhile does nothing either; the others have their signal.
            Err(why) if !why.contains("No such process") => Err(why),
            _ => Ok(()),
        }
    }

    fn until(&self, question: &str) -> Result<(), String> {
        let began = Instant::now();
        while began.elapsed() < START {
            if tools::sql(&format!("{}/postgres", self.url()), question)?.trim() == "t" {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        Err(format!("never came true: {question}"))
    }

    fn in_fresh_folder() -> Result<Self, String> {
        let user = tools::unprivileged()?;
        let folder = tempfile::Builder::new().prefix("zeroid-postgres-").tempdir();
        let folder = folder.map_err(|error| format!("a temporary folder: {error}"))?;
        if let Some(user) = user {
            chown(folder.path(), Some(user.uid), Some(user.gid)).map_err(|error| error.to_string())?;
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = port.map_err(|error| error.to_string())?.port();
        Ok(Self { folder, user, port, settings: Vec::new(), keeper: Mutex::new(None) })
    }

    fn init(&self) -> Result<(), String> {
        let mut init = tools::command(&tools::folder()?.join("initdb"), self.user);
        init.arg("-D").arg(self.folder.path().join("data"));
        let words = ["-A", "trust", "-U", "zeroid", "--no-sync", "-E", "UTF8", "--locale=C"];
        tools::run(init.args(words)).map(drop)
    }

    /// The URL of the server, without a database.
    pub fn url(&self) -> String {
        format!("postgresql://zeroid@127.0.0.1:{}", self.port)
    }

    /// Make a database, and give its URL.
    ///
    /// # Errors
    /// What the server says.
    pub fn fresh_database(&self) -> Result<String, String> {
        tools::create_database(&self.url(), &crate::fresh_name())
    }

    /// Run SQL in a database of this server, given by its URL.
    ///
    /// # Errors
    /// What the server says.
    pub fn sql(&self, url: &str, text: &str) -> Result<String, String> {
        tools::sql(url, text)
    }

    /// The folder of the cluster.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process id of the server, while it runs.
    pub fn pid(&self) -> Option<u32> {
        let file = self.folder.path().join("data/postmaster.pid");
        std::fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()
    }

    /// Kill the server as a crash would.
    pub fn crash(&self) {
        if let Some(pid) = self.pid() {
            let _ = tools::signal_as(self.user, "KILL", &[pid]);
        }
        self.stop(b"keep\n");
    }

    /// Start the server again on its data and port.
    ///
    /// # Errors
    /// Why it did not start.
    pub fn resume(&self) -> Result<(), String> {
        // A shell waits for a word, or for the end of its input, which is the end of this process at the latest. Without
        // a word nobody will come back for the data.
        let script = r#"folder=$0; "$@" & server=$!; read -r word; kill -QUIT $server 2>/dev/null; wait $server
            [ "$word" = keep ] || rm -rf "$folder""#;
        let mut keeper = tools::command(Path::new("/bin/sh"), self.user);
        let bin = tools::folder()?;
        let data = self.folder.path().join("data");
        let log = self.folder.path().join("log");
        let log = std::fs::File::create(log).map_err(|error| error.to_string())?;
        keeper.arg("-c").arg(script).arg(self.folder.path()).arg(bin.join("postgres")).arg("-D").arg(data);
        let own = [
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", self.folder.path().display()),
            "max_connections=200".to_owned(),
            "shared_buffers=256MB".to_owned(),
        ];
        for setting in own.iter().chain(&self.settings) {
            keeper.args(["-c", setting]);
        }
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let child = keeper.stdin(Stdio::piped()).stdout(log).stderr(errors).spawn();
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(child.map_err(|error| error.to_string())?);
        self.wait()
    }

    fn wait(&self) -> Result<(), String> {
        let began = Instant::now();
        loop {
            match tools::sql(&format!("{}/postgres", self.url()), "SELECT 1") {
                Ok(_) => return Ok(()),
                Err(_) if began.elapsed() < START => std::thread::sleep(Duration::from_millis(30)),
                Err(why) => {
                    let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                    return Err(format!("PostgreSQL did not start: {why}\n{log}"));
                }
            }
        }
    }

    fn stop(&self, word: &[u8]) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut keeper) = keeper {
            if let Some(mut input) = keeper.stdin.take() {
                let _ = input.write_all(word);
            }
            let _ = keeper.wait();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop(b"");
    }
}
