//! Structured logs on standard error. Never a token, secret, code or proof.

use std::io::IsTerminal;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::prelude::*;

/// Start logging: JSON lines for `serve`, readable lines for `dev`. The level is a word such as `info`, or several for
/// parts of the program, such as `warn,zeroid_server=debug`.
///
/// # Errors
/// When the level is no filter.
pub(crate) fn start(level: &str, json: bool) -> Result<(), String> {
    let filter: Targets = level.parse().map_err(|error| format!("log_level: {error}"))?;
    let logs = tracing_subscriber::registry();
    let lines = layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
    let started = if json {
        logs.with(lines.json().flatten_event(true).with_filter(filter)).try_init()
    } else {
        logs.with(lines.with_filter(filter)).try_init()
    };
    started.map_err(|error| error.to_string())
}
