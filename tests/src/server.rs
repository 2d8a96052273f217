//! The real binary, started for one test.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use tempfile::TempDir;

use crate::client::{Answer, Client};

/// A running server with its own data folder; stopped when dropped.
pub struct Server {
    child: Child,
    data: Arc<TempDir>,
    /// Where it listens.
    pub base: String,
    /// The management key it printed on the first start of its folder; empty later.
    pub management_key: String,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    settings: Vec<(String, String)>,
}

/// The path of the server binary, built once for this test run.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "-p", "zeroid-server"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        // Build scripts watch what cargo sets for a test; without it nothing is built twice.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let of_this_test = [
                "CARGO_PKG_",
                "CARGO_MANIFEST_",
                "CARGO_CRATE_NAME",
                "CARGO_BIN_NAME",
                "CARGO_PRIMARY_PACKAGE",
            ];
            if of_this_test.iter().any(|prefix| name.starts_with(prefix)) {
                build.env_remove(name);
            }
        }
        let built = build.status();
        assert!(built.expect("cargo runs").success(), "the server builds");
        // target/debug/deps/<this test> -> target/debug/zeroid-server
        let test = std::env::current_exe().expect("a test has a path");
        let folder = test.parent().and_then(Path::parent).expect("tests live in target/debug/deps");
        folder.join("zeroid-server")
    })
}

/// The binary on a data folder, with these settings and none of this process's own.
pub fn command(data: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ZEROID_")) {
        command.env_remove(name);
    }
    command.env("ZEROID_DATA_DIR", data);
    if let Some(url) = crate::database::url_of(data) {
        command.env("ZEROID_DATABASE_URL", url);
    }
    command.envs(settings.iter().copied());
    command
}

impl Server {
    /// Start in `dev` mode on a fresh folder.
    pub fn start() -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().expect("a folder")), &[], "127.0.0.1:0")
    }

    /// Start in `dev` mode on a fresh folder, with settings from the environment.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().expect("a folder")), settings, "127.0.0.1:0")
    }

    /// Start in `dev` mode on a fresh folder, and let no file it writes grow beyond so many bytes until it is restarted.
    pub fn start_with_small_files(bytes: u64) -> Self {
        let data = Arc::new(tempfile::tempdir().expect("a folder"));
        let plain = command(data.path(), &[]);
        let mut limited = Command::new("/bin/sh");
        // The signal is ignored, so that a write fails as it does on a full disk.
        limited.args(["-c", r#"trap "" XFSZ; ulimit -f "$1"; shift; exec "$@""#, "limited"]);
        limited.arg((bytes / 512).to_string()).arg(plain.get_program());
        limited.args(["dev", "--listen", "127.0.0.1:0"]);
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        Self::launch(limited, data)
    }

    fn start_in(data: Arc<TempDir>, settings: &[(&str, &str)], listen: &str) -> Self {
        let mut command = command(data.path(), settings);
        command.args(["dev", "--listen", listen]);
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut server = Self::launch(command, data);
        server.settings = settings.collect();
        server
    }

    /// One more server with the same folder and settings, and more settings, on another port.
    #[must_use]
    pub fn replica(&self, more: &[(&str, &str)]) -> Self {
        let own = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let settings: Vec<_> = own.chain(more.iter().copied()).collect();
        Self::start_in(Arc::clone(&self.data), &settings, "127.0.0.1:0")
    }

    /// Start in production mode on a folder that `init` made, on a free port.
    pub fn serve(data: Arc<TempDir>, settings: &[(&str, &str)]) -> Self {
        let mut command = command(data.path(), settings);
        command.env("ZEROID_LISTEN", "127.0.0.1:0").arg("serve");
        Self::launch(command, data)
    }

    fn launch(mut command: Command, data: Arc<TempDir>) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the server starts");
        let log = Arc::new(Mutex::new(String::new()));
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let stderr = child.stderr.take().expect("piped");
        let mut readers = vec![follow(BufReader::new(stderr), Arc::clone(&log))];
        let (mut base, mut management_key, mut line) = (String::new(), String::new(), String::new());
        while base.is_empty() {
            line.clear();
            let read = stdout.read_line(&mut line).expect("the server prints text");
            assert!(read > 0, "the server ended before it listened: {}", log.lock().unwrap());
            if let Some(url) = line.trim().strip_prefix("listening on ") {
                url.trim().clone_into(&mut base);
            }
            if let Some(key) = line.split_whitespace().find(|word| word.starts_with("zid_sk_")) {
                key.clone_into(&mut management_key);
            }
            log.lock().unwrap().push_str(&line);
        }
        readers.push(follow(stdout, Arc::clone(&log)));
        let mut server = Self { child, data, base, management_key, log, readers, settings: Vec::new() };
        let client = server.client();
        for _ in 0..200 {
            let ready =
                client.try_send("GET", "/ready", &[], Vec::new()).is_ok_and(|answer| answer.status == 200);
            if ready {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        if server.management_key.is_empty() {
            let printed = server.printed();
            let found = printed.split_whitespace().find(|word| word.starts_with("zid_sk_"));
            server.management_key = found.unwrap_or_default().to_owned();
        }
        server
    }

    /// A caller of this server.
    pub fn client(&self) -> Client {
        Client::new(&self.base)
    }

    /// A caller with the management token of the printed key.
    pub fn manager(&self) -> Client {
        let scope = "nhi:manage credentials:manage";
        let token = crate::issue(&self.client(), &self.management_key, scope).token();
        self.client().bearer(&token)
    }

    /// Everything printed and logged so far.
    pub fn printed(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Everything printed and logged up to the line that tells of this answer, which is written before the answer
    /// but may arrive here after it.
    #[track_caller]
    pub fn printed_until(&self, answer: &Answer) -> String {
        let id = answer.header("x-request-id");
        for _ in 0..500 {
            let printed = self.printed();
            if printed.lines().any(|line| line.contains(id) && line.contains("micros")) {
                return printed;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("no line tells of request {id}: {}", self.printed())
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kill the process as a crash would, and start again on the same folder and port.
    #[must_use]
    pub fn crash_and_restart(mut self) -> Self {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("it ends");
        let listen = self.base.trim_start_matches("http://").to_owned();
        let key = std::mem::take(&mut self.management_key);
        let settings = std::mem::take(&mut self.settings);
        let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut next = Self::start_in(Arc::clone(&self.data), &settings, &listen);
        next.management_key = key;
        next
    }

    /// Ask it to stop as an operator would, and give its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        zeroid_test_postgres::signal("TERM", &[self.pid()]).expect("it runs");
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

fn follow(mut from: impl Read + Send + 'static, log: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut bytes = [0_u8; 4096];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            log.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    })
}
