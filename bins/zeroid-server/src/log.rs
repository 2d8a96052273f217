//! Structured logs on standard error. Never a token, secret, code or proof.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Start logging: JSON lines for `serve`, readable lines for `dev`.
///
/// # Errors
/// When the level is no filter.
pub(crate) fn start(level: &str, json: bool) -> Result<(), String> {
    let filter = EnvFilter::try_new(level).map_err(|error| format!("log_level: {error}"))?;
    let colours = std::io::stderr().is_terminal();
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    let started = if json { builder.json().flatten_event(true).try_init() } else { builder.try_init() };
    started.map_err(|error| error.to_string())
}
