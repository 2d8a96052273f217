//! The server under load: a binary on a folder of its own, with a database of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use zeroid_test_postgres::{Cluster, Durability};

use super::connection::{Connection, access_token, member};
use crate::outcome::{Failure, Outcome};

/// The issuer of every server, so that tokens outlive a restart on another port.
pub(super) const ISSUER: &str = "http://127.0.0.1:8899";

/// How long tokens last: longer than any bench takes.
const TTL_SECONDS: &str = "14400";

/// What a load is sent to.
pub(super) trait Target: Sync {
    /// Where it listens, as `host:port`.
    fn address(&self) -> &str;

    /// CPU seconds used so far by it and its database, in user and system mode.
    fn cpu_seconds(&self) -> f64;
}

/// A running server; stopped and its folder removed when dropped.
pub(super) struct BenchServer {
    program: PathBuf,
    child: Child,
    folder: PathBuf,
    /// The PostgreSQL it uses, if it uses one, and the URL of its database there.
    cluster: Option<(Cluster, String)>,
    settings: Settings,
    address: String,
}

/// Variables of the environment that differ from those of every server here.
pub(super) type Settings = &'static [(&'static str, &'static str)];

impl BenchServer {
    /// Start on SQLite, or on a PostgreSQL that flushes to disk at every commit.
    pub(super) fn start(program: &Path, on_postgres: bool) -> Outcome<Self> {
        Self::start_with(program, on_postgres, &[])
    }

    /// The same with these settings.
    pub(super) fn start_with(program: &Path, on_postgres: bool, settings: Settings) -> Outcome<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("zeroid-bench-{}-{number}", std::process::id()));
        let cluster = match on_postgres {
            true => {
                let cluster = Cluster::start(Durability::OfTheMachine).map_err(Failure::new)?;
                let url = cluster.fresh_database().map_err(Failure::new)?;
                Some((cluster, url))
            }
            false => None,
        };
        let (child, address) =
            spawn(command(program, &folder, cluster.as_ref()).envs(settings.iter().copied()))?;
        Ok(Self { program: program.to_owned(), child, folder, cluster, settings, address })
    }

    /// Stop the server as an operator would. The database of a PostgreSQL goes on.
    pub(super) fn stop(&mut self) -> Outcome {
        zeroid_test_postgres::signal("TERM", &[self.child.id()]).map_err(Failure::new)?;
        self.child.wait().map(drop).map_err(|error| Failure::new(error.to_string()))
    }

    /// Start the stopped server on its data and ask for a token; gives the time from the start of the process to the
    /// answer.
    pub(super) fn resume(&mut self, form: &str) -> Outcome<Duration> {
        let mut command = command(&self.program, &self.folder, self.cluster.as_ref());
        command.envs(self.settings.iter().copied());
        let began = Instant::now();
        (self.child, self.address) = spawn(&mut command)?;
        self.token(form)?;
        Ok(began.elapsed())
    }

    /// Register an agent; gives its API key.
    pub(super) fn register(&self, name: &str) -> Outcome<String> {
        self.registered(&registration(name), "api_key")
    }

    /// Register an agent with a public key; gives its URI.
    pub(super) fn register_with_key(&self, name: &str, pem: &str) -> Outcome<String> {
        let body = serde_json::json!({"name": name, "external_id": name, "created_by": "bench",
            "public_key_pem": pem});
        self.registered(&body.to_string(), "identity/wimse_uri")
    }

    fn registered(&self, body: &str, wanted: &str) -> Outcome<String> {
        member(Connection::open(&self.address)?.send(REGISTER, "application/json", body)?, wanted)
    }

    /// Ask for a token.
    pub(super) fn token(&self, form: &str) -> Outcome<String> {
        access_token(&self.post("/oauth2/token", form)?)
    }

    /// Post a form on a connection of its own.
    pub(super) fn post(&self, path: &str, form: &str) -> Outcome<String> {
        Ok(Connection::open(&self.address)?.post(path, form)?.to_owned())
    }

    /// Memory of the server and its database, in MiB. What processes share is counted once ("proportional set size").
    pub(super) fn memory_mib(&self) -> Outcome<f64> {
        let mut kib = 0.0;
        for id in self.process_ids() {
            // A process that ended meanwhile has none.
            let Ok(rollup) = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")) else { continue };
            kib +=
                kib_of(&rollup).ok_or_else(|| Failure::new("the system tells no proportional set size"))?;
        }
        Ok(kib / 1024.0)
    }

    /// The PostgreSQL it uses, if it uses one, and the URL of its database there.
    pub(super) fn postgres(&self) -> Option<&(Cluster, String)> {
        self.cluster.as_ref()
    }

    /// Its data folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Bytes of the database on disk.
    pub(super) fn disk_bytes(&self) -> u64 {
        let data = self.cluster.as_ref().map_or(self.folder.clone(), |(cluster, _)| cluster.folder().into());
        folder_bytes(&data)
    }

    /// The server first, then the processes of its database.
    pub(super) fn process_ids(&self) -> Vec<u32> {
        self.processes().iter().map(|process| process.id).collect()
    }

    fn processes(&self) -> Vec<Process> {
        let mut processes: Vec<Process> = Process::read(self.child.id()).into_iter().collect();
        let postmaster = self.cluster.as_ref().and_then(|(cluster, _)| cluster.pid());
        let Some(postmaster) = postmaster else { return processes };
        let entries = std::fs::read_dir("/proc").into_iter().flatten();
        let all = entries.filter_map(|entry| Process::read(entry.ok()?.file_name().to_str()?.parse().ok()?));
        processes.extend(all.filter(|process| process.id == postmaster || process.parent == postmaster));
        processes
    }
}

impl Target for BenchServer {
    fn address(&self) -> &str {
        &self.address
    }

    fn cpu_seconds(&self) -> f64 {
        self.processes().iter().map(|process| process.cpu_seconds).sum()
    }
}

impl Drop for BenchServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A server that only answers.
pub(super) struct BareServer {
    child: Child,
    address: String,
}

impl BareServer {
    pub(super) fn start(program: &Path) -> Outcome<Self> {
        let (child, address) = spawn(&mut Command::new(program))?;
        Ok(Self { child, address })
    }
}

impl Target for BareServer {
    fn address(&self) -> &str {
        &self.address
    }

    fn cpu_seconds(&self) -> f64 {
        Process::read(self.child.id()).map_or(0.0, |process| process.cpu_seconds)
    }
}

impl Drop for BareServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where agents register.
pub(super) const REGISTER: &str = "/agents/register";

/// The body that registers an agent.
pub(super) fn registration(name: &str) -> String {
    format!(r#"{{"name":"{name}","external_id":"{name}","created_by":"bench"}}"#)
}

/// CPU seconds this process has used.
pub(super) fn own_cpu_seconds() -> f64 {
    Process::read(std::process::id()).map_or(0.0, |process| process.own_cpu_seconds)
}

/// The folder of what a profile built, beside the one this command was built into.
pub(super) fn built(profile: &str) -> Outcome<PathBuf> {
    let here = std::env::current_exe().map_err(|error| Failure::new(error.to_string()))?;
    let target = here.parent().and_then(Path::parent).ok_or_else(|| Failure::new("no target folder"))?;
    Ok(target.join(profile))
}

fn command(program: &Path, folder: &Path, cluster: Option<&(Cluster, String)>) -> Command {
    let mut command = Command::new(program);
    command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(folder);
    command.env("ZEROID_ISSUER", ISSUER).env("ZEROID_LOG_LEVEL", "warn");
    command.env("ZEROID_TRUSTED_PROXIES", "127.0.0.1");
    // What is measured must not have ended by itself meanwhile.
    command.env("ZEROID_TOKEN_TTL_SECONDS", TTL_SECONDS).env("ZEROID_DELEGATED_TTL_SECONDS", TTL_SECONDS);
    if let Some((_, url)) = cluster {
        command.env("ZEROID_DATABASE_URL", url);
    }
    command
}

fn spawn(command: &mut Command) -> Outcome<(Child, String)> {
    let failed = |error: std::io::Error| Failure::new(format!("the server did not start: {error}"));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
    let stdout = child.stdout.take().ok_or_else(|| Failure::new("the server prints nothing"))?;
    let mut lines = BufReader::new(stdout).lines();
    let address = lines.find_map(|line| Some(line.ok()?.strip_prefix("listening on http://")?.to_owned()));
    std::thread::spawn(move || lines.for_each(drop));
    let address = address.ok_or_else(|| Failure::new("the server ended before it listened"))?;
    Ok((child, address))
}

/// What the system tells of a process.
struct Process {
    id: u32,
    parent: u32,
    own_cpu_seconds: f64,
    /// With that of its children it has waited for.
    cpu_seconds: f64,
}

impl Process {
    fn read(id: u32) -> Option<Self> {
        const TICKS_PER_SECOND: f64 = 100.0; // USER_HZ, the same on every Linux.
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        let seconds = |from, to| (from..=to).map(ticks).sum::<f64>() / TICKS_PER_SECOND;
        let parent = fields.get(1)?.parse().ok()?;
        Some(Self { id, parent, own_cpu_seconds: seconds(11, 12), cpu_seconds: seconds(11, 14) })
    }
}

fn kib_of(rollup: &str) -> Option<f64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => folder_bytes(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}
