//! `cargo xtask soak [SECONDS]`: the tests that CI cuts short, at full length and in release.

use crate::outcome::{Failure, Outcome};
use crate::process::{self, cargo};

/// How long the replicas are asked, unless told otherwise, in seconds.
const SECONDS: &str = "600";

/// # Errors
/// An argument that is no number, or the exit code of the tests.
pub(crate) fn run(args: &[String]) -> Outcome {
    let seconds = args.first().map_or(SECONDS, String::as_str);
    if seconds.parse::<u64>().is_err() {
        return Err(Failure::new(format!("cargo xtask soak [SECONDS]: `{seconds}` is no number")));
    }
    let words = ["test", "--release", "-p", "zeroid-tests", "--test", "replicas", "--", "--nocapture"];
    process::run(cargo(&words).env("ZEROID_SOAK_SECONDS", seconds))
}
