//! Scripts that drive the server with the unmodified Python SDK, and schemathesis.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::server::Server;

/// Run `tests/python/<script>` against a server; it must end with "done".
pub fn run_python(server: &Server, script: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let path = folder.join(script).to_string_lossy().into_owned();
    if let Some(printed) = run(server, script, &[&path]) {
        assert!(printed.contains("done"), "{script} ended early: {printed}");
    }
}

/// Run a script given as text; gives what it printed, or nothing when there is no Python to run it.
pub fn run_python_text(server: &Server, script: &str) -> Option<String> {
    run(server, "the script", &["-c", script])
}

/// How long schemathesis may take.
const SCHEMATHESIS_WITHIN: Duration = Duration::from_secs(60);

/// Let schemathesis read the server's OpenAPI document and hold the server against it, as an operator.
pub fn run_schemathesis(server: &Server, operator_key: &str, arguments: &[&str]) {
    let Some(python) = python("schemathesis") else { return };
    // It leaves files where it runs.
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("output");
    let file = std::fs::File::create(&output).expect("a file");
    let mut child = Command::new(python)
        .args(["-m", "schemathesis.cli", "run", "--no-color", "--warnings=off"])
        .arg(format!("--url={}", server.base))
        .arg(format!("--header=Authorization: Bearer {operator_key}"))
        .arg("--header=X-User-ID: dev@company.com")
        .args(arguments)
        .arg(format!("{}/openapi.json", server.base))
        .current_dir(folder.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(file.try_clone().expect("a handle"))
        .stderr(file)
        .stdin(Stdio::null())
        .spawn()
        .expect("python runs");
    let began = Instant::now();
    let ended = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break Some(status),
            None if began.elapsed() > SCHEMATHESIS_WITHIN => {
                child.kill().expect("it can be stopped");
                child.wait().expect("a child");
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    let printed = std::fs::read_to_string(&output).unwrap_or_default();
    let seconds = began.elapsed().as_secs();
    let good = ended.is_some_and(|status| status.success());
    assert!(good, "schemathesis, after {seconds} s:\n{printed}\nserver:\n{}", server.printed());
    assert!(printed.contains("passed"), "it tried nothing: {printed}");
}

/// Without a Python that has the packages the test says what it skips and why; in CI that is a failure.
fn python(name: &str) -> Option<String> {
    let found = std::env::var("ZEROID_TEST_PYTHON").ok();
    if found.is_none() {
        let why =
            "ZEROID_TEST_PYTHON names no Python with the SDK and schemathesis; `cargo xtask test` makes one";
        assert!(std::env::var_os("CI").is_none(), "{name}: {why}");
        eprintln!("skipped {name}: {why}");
    }
    found
}

fn run(server: &Server, name: &str, arguments: &[&str]) -> Option<String> {
    let ran = Command::new(python(name)?)
        .args(arguments)
        .env("ZEROID_BASE_URL", &server.base)
        .env("ZEROID_API_KEY", &server.management_key)
        .env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join("python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python runs");
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
    let failed = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{name} failed\n{printed}\n{failed}\nserver:\n{}", server.printed());
    Some(printed)
}
