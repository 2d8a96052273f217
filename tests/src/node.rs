//! Scripts that drive the server with an OAuth client in JavaScript.

use std::path::Path;
use std::process::Command;

use crate::server::Server;

/// Names the folder with the packages; `cargo xtask test` makes one.
const VARIABLE: &str = "ZEROID_TEST_NODE";

/// Run `tests/node/<script>` against a server; it must end with "done". Without Node the test says what it skips and
/// why; in CI that is a failure.
pub fn run_node(server: &Server, script: &str) {
    let Some(packages) = std::env::var_os(VARIABLE) else {
        let why = format!("{VARIABLE} names no folder with oauth4webapi; `cargo xtask test` makes one");
        assert!(std::env::var_os("CI").is_none(), "{script}: {why}");
        eprintln!("skipped {script}: {why}");
        return;
    };
    let ran = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("node").join(script))
        .env(VARIABLE, packages)
        .env("ZEROID_BASE_URL", &server.base)
        .env("ZEROID_API_KEY", &server.management_key)
        .output()
        .expect("node runs");
    let (printed, failed) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{script} failed\n{printed}\n{failed}\nserver:\n{}", server.printed());
    assert!(printed.contains("done"), "{script} ended early: {printed}");
}
