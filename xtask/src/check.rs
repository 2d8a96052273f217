//! `cargo xtask check`: what CI runs, in its order.

use std::time::Instant;

use crate::outcome::{Failure, Outcome};
use crate::process::{self, capture, cargo};
use crate::{test, tidy};

/// Run each check until one fails.
///
/// # Errors
/// The first check that fails.
pub(crate) fn run(args: &[String]) -> Outcome {
    if let Some(arg) = args.first() {
        return Err(Failure::new(format!("`check` takes no arguments, not `{arg}`")));
    }
    step("format", || process::run(&mut cargo(&["fmt", "--all", "--check"])))?;
    step("clippy", || {
        process::run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    })?;
    step("documentation", || {
        process::run(cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    step("deny", deny)?;
    step("tidy", || tidy::run(&[]))?;
    step("test", || test::run(&[]))
}

fn deny() -> Outcome {
    if capture(&mut cargo(&["deny", "--version"])).is_err() {
        let how = "cargo-deny is not installed (`cargo install --locked cargo-deny@0.20.2`)";
        if std::env::var_os("CI").is_some() {
            return Err(Failure::new(how));
        }
        println!("SKIPPED: {how}");
        return Ok(());
    }
    process::run(&mut cargo(&["deny", "check", "bans", "licenses", "sources"]))
}

fn step(name: &str, run: impl FnOnce() -> Outcome) -> Outcome {
    println!("== {name}");
    let started = Instant::now();
    let outcome = run();
    let word = if outcome.is_ok() { "ok" } else { "FAILED" };
    println!("== {name}: {word} after {:.1} s", started.elapsed().as_secs_f64());
    outcome
}
