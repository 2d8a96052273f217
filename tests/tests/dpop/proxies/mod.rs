//! Real proxies in front of a service, with the configurations of `docs/forward-auth.md`.

mod caddy;
mod nginx;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use zeroid_tests::Answer;

/// What the documentation tells operators to write.
const DOCUMENTED: &str = include_str!("../../../../docs/forward-auth.md");

/// A program that some machines lack.
struct Program {
    /// Where to look for it.
    names: &'static [&'static str],
    /// What makes it tell its version.
    version: &'static str,
    /// Its package in Debian.
    package: &'static str,
}

/// A proxy of its own; stopped when dropped.
struct Proxy {
    child: Child,
    base: String,
    _folder: TempDir,
}

impl Program {
    fn found(&self) -> Option<&'static str> {
        let runs = |name: &&&str| {
            let mut command = Command::new(name);
            let asked = command.arg(self.version).stdout(Stdio::null()).stderr(Stdio::null()).status();
            asked.is_ok_and(|status| status.success())
        };
        self.names.iter().find(runs).copied()
    }
}

impl Proxy {
    /// Start one in a folder of its own, on a port; absent when the program is not installed, which is said, and in CI
    /// is a failure.
    fn start(program: &Program, command: impl Fn(&str, &Path, u16) -> Command) -> Option<Self> {
        let package = program.package;
        let Some(found) = program.found() else {
            assert!(
                std::env::var_os("CI").is_none(),
                "{package} is not installed, which CI may not do without"
            );
            println!("skipped: {package} is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // A port that was free a moment ago may be taken by then.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let log = std::fs::File::create(folder.path().join("log")).unwrap();
            let mut command = command(found, folder.path(), port);
            let mut child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
            for _ in 0..200 {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    let base = format!("http://127.0.0.1:{port}");
                    return Some(Self { child, base, _folder: folder });
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(25));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("{package} did not start: {:?}", std::fs::read_to_string(folder.path().join("log")))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Asked to stop, a master takes its workers along.
        let _ = zeroid_test_postgres::signal("TERM", &[self.child.id()]);
        let _ = self.child.wait();
    }
}

/// The documented configuration in a language, with each of these, which is there once, put in another's place.
fn documented(language: &str, changes: &[(&str, &str)]) -> String {
    let (_, rest) = DOCUMENTED.split_once(&format!("```{language}\n")).expect("a block of the language");
    let (block, _) = rest.split_once("```").expect("the end of the block");
    changes.iter().fold(block.to_owned(), |block, (documented, ours)| {
        assert_eq!(block.matches(documented).count(), 1, "{documented}");
        block.replace(documented, ours)
    })
}

/// A service that answers every request with what it was sent.
struct Upstream {
    base: String,
    seen: Arc<Mutex<usize>>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(0));
        let count = Arc::clone(&seen);
        // It ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                *count.lock().unwrap() += 1;
                echo(stream.unwrap());
            }
        });
        Self { base, seen }
    }

    fn requests(&self) -> usize {
        *self.seen.lock().unwrap()
    }
}

fn echo(stream: TcpStream) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&lower);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let told = format!("{head}\n{}", String::from_utf8(body).unwrap());
    let mut stream = reader.into_inner();
    let length = told.len();
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{told}").unwrap();
}

/// What the service was told under a name, and nothing when it was not told.
fn told<'a>(answer: &'a Answer, name: &str) -> &'a str {
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut lines = answer.body.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| *known == name).map_or("", |(_, value)| value)
}
