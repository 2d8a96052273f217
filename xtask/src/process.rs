//! Child processes: cargo, python, git.

use std::ffi::OsString;
use std::process::Command;

use crate::outcome::{Failure, Outcome};

/// The cargo that runs us, with an environment as if the user had called it.
///
/// `cargo run` tells us which package we are. Build scripts of dependencies watch some of these variables, so
/// handing them on would rebuild those dependencies every time.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let ours = ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| text.starts_with(prefix))
            || ["CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"].contains(&text.as_ref());
        if ours {
            command.env_remove(&name);
        }
    }
    command.args(args);
    command
}

/// Run a command with our terminal.
///
/// # Errors
/// When it does not start, or with its own exit code.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let shown = shown(command);
    let status =
        command.status().map_err(|error| Failure::new(format!("`{shown}` did not start: {error}")))?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Failure { what: format!("`{shown}` failed"), code })
}

/// Run a command and give what it prints.
///
/// # Errors
/// When it does not start, or fails; the text ends with the last line of its errors.
pub(crate) fn capture(command: &mut Command) -> Outcome<String> {
    let shown = shown(command);
    let output =
        command.output().map_err(|error| Failure::new(format!("`{shown}` did not start: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("without a word").trim();
    Err(Failure::new(format!("`{shown}` failed: {last}")))
}

/// The command as one would type it, without the folders of its program.
fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
