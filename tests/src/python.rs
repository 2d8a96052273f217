//! Scripts that drive the server with the unmodified Python SDK.

use std::path::Path;
use std::process::Command;

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

/// Without a Python that has the SDK the test says what it skips and why; in CI that is a failure.
fn run(server: &Server, name: &str, arguments: &[&str]) -> Option<String> {
    let Ok(python) = std::env::var("ZEROID_TEST_PYTHON") else {
        let why = "ZEROID_TEST_PYTHON names no Python with the SDK; `cargo xtask test` makes one";
        assert!(std::env::var_os("CI").is_none(), "{name}: {why}");
        eprintln!("skipped {name}: {why}");
        return None;
    };
    let ran = Command::new(python)
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
