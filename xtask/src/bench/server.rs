//! The server under load: the release binary, on a folder of its own, with a database of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use zeroid_test_postgres::{Cluster, Durability};

use super::load::{self, Connection};
use crate::outcome::{Failure, Outcome};

/// A running server; stopped and its folder removed when dropped.
pub(crate) struct BenchServer {
    child: Child,
    folder: PathBuf,
    /// The PostgreSQL it uses, if it uses one.
    cluster: Option<Cluster>,
    /// Where it listens, as `host:port`.
    pub(crate) address: String,
}

impl BenchServer {
    /// Start on SQLite, or on a PostgreSQL that flushes to disk at every commit.
    pub(crate) fn start(on_postgres: bool) -> Outcome<Self> {
        let folder = std::env::temp_dir().join(format!("zeroid-bench-{}", std::process::id()));
        let cluster = match on_postgres {
            true => Some(Cluster::start(Durability::OfTheMachine).map_err(Failure::new)?),
            false => None,
        };
        let url = cluster.as_ref().map(Cluster::fresh_database).transpose().map_err(Failure::new)?;
        let mut command = Command::new(binary()?);
        command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(&folder);
        if let Some(url) = &url {
            command.env("ZEROID_DATABASE_URL", url);
        }
        Self::run(command, folder, cluster)
    }

    fn run(mut command: Command, folder: PathBuf, cluster: Option<Cluster>) -> Outcome<Self> {
        let failed = |error: std::io::Error| Failure::new(format!("the server did not start: {error}"));
        command.env("ZEROID_LOG_LEVEL", "warn").stdout(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::new("the server prints nothing"))?;
        let mut lines = BufReader::new(stdout).lines();
        let address =
            lines.find_map(|line| Some(line.ok()?.strip_prefix("listening on http://")?.to_owned()));
        std::thread::spawn(move || lines.for_each(drop));
        match address {
            Some(address) => Ok(Self { child, folder, cluster, address }),
            None => Err(Failure::new("the server ended before it listened")),
        }
    }

    /// Register an agent; gives its API key.
    pub(crate) fn register(&self, name: &str) -> Outcome<String> {
        let body = format!(r#"{{"name":"{name}","external_id":"{name}","created_by":"bench"}}"#);
        let answer = Connection::open(&self.address)?.send("/agents/register", "application/json", &body)?;
        load::member(&answer, "api_key")
    }

    /// Register an agent with a public key; gives its URI.
    pub(crate) fn register_with_key(&self, name: &str, pem: &str) -> Outcome<String> {
        let body = serde_json::json!({"name": name, "external_id": name, "created_by": "bench", "public_key_pem": pem});
        let mut connection = Connection::open(&self.address)?;
        let answer = connection.send("/agents/register", "application/json", &body.to_string())?;
        load::member(&answer, "identity/wimse_uri")
    }

    /// Ask for a token.
    pub(crate) fn token(&self, form: &str) -> Outcome<String> {
        load::access_token(&self.post("/oauth2/token", form)?)
    }

    /// Post a form on a connection of its own.
    pub(crate) fn post(&self, path: &str, form: &str) -> Outcome<String> {
        Connection::open(&self.address)?.post(path, form)
    }

    /// CPU seconds used so far by the server and its database, in user and system mode.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.processes().iter().map(|process| process.cpu_seconds).sum()
    }

    /// Resident memory of the server and its database. What PostgreSQL's processes share is counted once.
    pub(crate) fn memory_mib(&self) -> f64 {
        let own = |id: u32| proc_kib(id, "VmRSS:");
        let of_database: f64 = self
            .processes()
            .iter()
            .skip(1)
            .map(|process| own(process.id) - proc_kib(process.id, "RssShmem:"))
            .sum();
        let shared = self
            .processes()
            .iter()
            .skip(1)
            .map(|process| proc_kib(process.id, "RssShmem:"))
            .fold(0.0, f64::max);
        (own(self.child.id()) + of_database + shared) / 1024.0
    }

    /// The server first, then the processes of its database.
    fn processes(&self) -> Vec<Process> {
        let mut processes: Vec<Process> = Process::read(self.child.id()).into_iter().collect();
        let Some(postmaster) = self.cluster.as_ref().and_then(Cluster::pid) else { return processes };
        let entries = std::fs::read_dir("/proc").into_iter().flatten();
        let all = entries.filter_map(|entry| Process::read(entry.ok()?.file_name().to_str()?.parse().ok()?));
        processes.extend(all.filter(|process| process.id == postmaster || process.parent == postmaster));
        processes
    }
}

/// What the system tells of a process.
struct Process {
    id: u32,
    parent: u32,
    /// Its own and that of its children it has waited for.
    cpu_seconds: f64,
}

impl Process {
    fn read(id: u32) -> Option<Self> {
        const TICKS_PER_SECOND: f64 = 100.0; // USER_HZ, the same on every Linux.
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        let cpu_seconds = (11..=14).map(ticks).sum::<f64>() / TICKS_PER_SECOND;
        Some(Self { id, parent: fields.get(1)?.parse().ok()?, cpu_seconds })
    }
}

fn proc_kib(id: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0)
}

impl Drop for BenchServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The release binary, beside the folder this command was built into.
pub(crate) fn binary() -> Outcome<PathBuf> {
    let here = std::env::current_exe().map_err(|error| Failure::new(error.to_string()))?;
    let target = here.parent().and_then(Path::parent).ok_or_else(|| Failure::new("no target folder"))?;
    Ok(target.join("release").join("zeroid-server"))
}
