//! The server under load: the release binary, on a folder of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::load::{self, Connection};
use crate::outcome::{Failure, Outcome};

/// A running server; stopped and its folder removed when dropped.
pub(crate) struct BenchServer {
    child: Child,
    folder: PathBuf,
    /// Where it listens, as `host:port`.
    pub(crate) address: String,
}

impl BenchServer {
    pub(crate) fn start() -> Outcome<Self> {
        let failed = |error: std::io::Error| Failure::new(format!("the server did not start: {error}"));
        let folder = std::env::temp_dir().join(format!("zeroid-bench-{}", std::process::id()));
        let mut command = Command::new(binary()?);
        command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(&folder);
        command.env("ZEROID_LOG_LEVEL", "warn").stdout(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::new("the server prints nothing"))?;
        let mut lines = BufReader::new(stdout).lines();
        let address =
            lines.find_map(|line| Some(line.ok()?.strip_prefix("listening on http://")?.to_owned()));
        std::thread::spawn(move || lines.for_each(drop));
        match address {
            Some(address) => Ok(Self { child, folder, address }),
            None => Err(Failure::new("the server ended before it listened")),
        }
    }

    /// Register an agent; gives its API key.
    pub(crate) fn register(&self, name: &str) -> Outcome<String> {
        let body = format!(r#"{{"name":"{name}","external_id":"{name}","created_by":"bench"}}"#);
        let answer = Connection::open(&self.address)?.send("/agents/register", "application/json", &body)?;
        load::member(&answer, "api_key")
    }

    /// Ask for a token.
    pub(crate) fn token(&self, form: &str) -> Outcome<String> {
        load::access_token(&self.post("/oauth2/token", form)?)
    }

    /// Post a form on a connection of its own.
    pub(crate) fn post(&self, path: &str, form: &str) -> Outcome<String> {
        Connection::open(&self.address)?.post(path, form)
    }

    /// CPU seconds used so far, in user and system mode.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        const TICKS_PER_SECOND: f64 = 100.0; // USER_HZ, the same on every Linux.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / TICKS_PER_SECOND
    }

    /// Resident memory.
    pub(crate) fn memory_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    }
}

impl Drop for BenchServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The release binary, beside the folder this command was built into.
fn binary() -> Outcome<PathBuf> {
    let here = std::env::current_exe().map_err(|error| Failure::new(error.to_string()))?;
    let target = here.parent().and_then(Path::parent).ok_or_else(|| Failure::new("no target folder"))?;
    Ok(target.join("release").join("zeroid-server"))
}
