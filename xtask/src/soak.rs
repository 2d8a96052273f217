//! `cargo xtask soak replays|rounds|rows [COUNT]`: the tests that CI cuts short, at full size and in release.

use crate::outcome::{Failure, Outcome};
use crate::process::{self, cargo};

/// A test that CI cuts short.
struct Soak {
    name: &'static str,
    /// The file of tests, and what the names of the tests contain.
    test: (&'static str, &'static str),
    /// Where the test finds its size.
    variable: &'static str,
    /// Its full size.
    count: &'static str,
}

const SOAKS: [Soak; 3] = [
    Soak { name: "replays", test: ("replays", ""), variable: "ZEROID_SOAK_REPLAYS", count: "1000" },
    Soak { name: "rounds", test: ("replicas", "rounds"), variable: "ZEROID_SOAK_ROUNDS", count: "100000" },
    Soak { name: "rows", test: ("rows", ""), variable: "ZEROID_SOAK_ROWS", count: "10000000" },
];

/// # Errors
/// No such soak, a count that is no number, or the exit code of the tests.
pub(crate) fn run(args: &[String]) -> Outcome {
    let wanted: Vec<&Soak> = match args.first() {
        None => SOAKS.iter().collect(),
        Some(name) => SOAKS.iter().filter(|soak| soak.name == name).collect(),
    };
    let count = args.get(1);
    if wanted.is_empty() || args.len() > 2 || count.is_some_and(|count| count.parse::<u64>().is_err()) {
        return Err(Failure::new("cargo xtask soak [replays|rounds|rows [COUNT]]"));
    }
    for soak in wanted {
        let count = count.map_or(soak.count, String::as_str);
        let (file, names) = soak.test;
        println!("soak {}: {count}", soak.name);
        // The whole workspace, so that features and libraries are those of every other build.
        let words = ["test", "--release", "--workspace", "--test", file, "--", "--nocapture", names];
        // One after the other: what is measured must not be disturbed.
        process::run(cargo(&words).args(["--test-threads", "1"]).env(soak.variable, count))?;
    }
    Ok(())
}
