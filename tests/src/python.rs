//! Scripts that drive the server with the unmodified Python SDK.

use std::path::Path;
use std::process::Command;

use crate::server::Server;

/// Run `tests/python/<script>` against a server. Without a Python that has the SDK the test says what it skips
/// and why; in CI that is a failure.
pub fn run_python(server: &Server, script: &str) {
    let Ok(python) = std::env::var("ZEROID_TEST_PYTHON") else {
        let why = "ZEROID_TEST_PYTHON names no Python with the SDK; `cargo xtask test` makes one";
        assert!(std::env::var_os("CI").is_none(), "{script}: {why}");
        eprintln!("skipped {script}: {why}");
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let ran = Command::new(python)
        .arg(folder.join(script))
        .env("ZEROID_BASE_URL", &server.base)
        .env("ZEROID_API_KEY", &server.management_key)
        .env("PYTHONPATH", &folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python runs");
    let printed = String::from_utf8_lossy(&ran.stdout);
    let failed = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{script} failed\n{printed}\n{failed}\nserver:\n{}", server.printed());
    assert!(printed.contains("done"), "{script} ended early\n{printed}\n{failed}");
}
