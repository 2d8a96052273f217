//! `cargo xtask bench`: the server under load, on each database, beside the raw limits of the same run.
//!
//! Rates are per second and per CPU-second of the server together with its database; the load runs on the same cores.
//! Latencies are of a closed loop: every connection sends as soon as it has its answer.

mod load;
mod scenarios;
mod server;

use crate::outcome::{Failure, Outcome};
use crate::process;
use scenarios::{Raw, Sizes};

/// # Errors
/// A scenario that fails: a bench of wrong answers says nothing.
pub(crate) fn run(args: &[String]) -> Outcome {
    let has = |word: &str| args.iter().any(|arg| arg == word);
    if let Some(unknown) =
        args.iter().find(|arg| !["--quick", "--sqlite", "--postgres"].contains(&arg.as_str()))
    {
        return Err(Failure::new(format!(
            "cargo xtask bench [--quick] [--sqlite] [--postgres], not `{unknown}`"
        )));
    }
    let sizes = if has("--quick") { Sizes::QUICK } else { Sizes::FULL };
    process::run(&mut process::cargo(&["build", "--release", "--quiet", "-p", "zeroid-server"]))?;
    let size = std::fs::metadata(server::binary()?).map_err(|error| Failure::new(error.to_string()))?.len();
    let raw = raw_limits()?;
    println!(
        "raw, one core: {:.0} signatures/s, {:.0} verifications/s, {:.0} digests/s; server binary {:.1} MB",
        raw.sign,
        raw.verify,
        raw.digest,
        size as f64 / 1e6
    );
    if !has("--postgres") {
        println!("\nSQLite");
        scenarios::run(false, &raw, &sizes)?;
    }
    if !has("--sqlite") {
        println!("\nPostgreSQL, its own CPU and memory included");
        scenarios::run(true, &raw, &sizes)?;
    }
    Ok(())
}

/// What one core allows, measured by the same machine in the same run.
fn raw_limits() -> Outcome<Raw> {
    let arguments = ["run", "--release", "--quiet", "-p", "zeroid-jose", "--example", "rates"];
    let printed = process::capture(&mut process::cargo(&arguments))?;
    let rate = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rate| rate.trim().parse().ok())
            .ok_or_else(|| Failure::new(format!("no rate of {name}")))
    };
    Ok(Raw { sign: rate("sign ")?, verify: rate("verify ")?, digest: rate("digest ")?, empty: 0.0 })
}
