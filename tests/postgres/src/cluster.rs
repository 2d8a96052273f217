//! One server with its own data.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

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
    durability: Durability,
    /// The shell that watches over the server; it stops it when its standard input closes.
    keeper: Mutex<Option<Child>>,
}

impl Cluster {
    /// Make a cluster and start it.
    ///
    /// # Errors
    /// Why it did not start.
    pub fn start(durability: Durability) -> Result<Self, String> {
        let bin = tools::folder()?;
        let user = tools::unprivileged()?;
        let folder = tempfile::Builder::new().prefix("zeroid-postgres-").tempdir();
        let folder = folder.map_err(|error| format!("a temporary folder: {error}"))?;
        if let Some(user) = user {
            chown(folder.path(), Some(user.uid), Some(user.gid)).map_err(|error| error.to_string())?;
        }
        let mut init = tools::command(&bin.join("initdb"), user);
        init.arg("-D").arg(folder.path().join("data"));
        tools::run(init.args(["-A", "trust", "-U", "zeroid", "--no-sync", "-E", "UTF8", "--locale=C"]))?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = port.map_err(|error| error.to_string())?.port();
        let cluster = Self { folder, user, port, durability, keeper: Mutex::new(None) };
        cluster.resume()?;
        Ok(cluster)
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
            let _ = tools::run(tools::command(Path::new("kill"), self.user).args(["-9", &pid.to_string()]));
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
        let flush = if self.durability == Durability::OfTheMachine { "on" } else { "off" };
        for setting in [
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", self.folder.path().display()),
            "max_connections=200".to_owned(),
            "shared_buffers=256MB".to_owned(),
            format!("fsync={flush}"),
        ] {
            keeper.args(["-c", &setting]);
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
