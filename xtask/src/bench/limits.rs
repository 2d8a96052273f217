//! What the machine allows, measured in the same run.

use std::time::Duration;

use super::load::{Dice, Figures, Request};
use super::report::{Limit, Report};
use super::scenarios::{CONNECTIONS, Sizes, repeatedly};
use super::server::{BareServer, built};
use crate::outcome::{Failure, Outcome};
use crate::process;

/// Rates a CPU-second.
pub(super) struct Limits {
    pub(super) sign: Limit,
    /// A signature and a verification for each.
    pub(super) both: Limit,
    /// Requests that hyper answers without doing anything.
    pub(super) empty: Limit,
}

/// Build what is measured, and measure what it is compared with.
pub(super) fn measure(report: &Report, sizes: &Sizes, runs: usize) -> Outcome<Limits> {
    process::run(&mut process::cargo(&["build", "--release", "--quiet", "-p", "zeroid-server"]))?;
    let binary = built("release")?.join("zeroid-server");
    let bytes = std::fs::metadata(binary).map_err(|error| Failure::new(error.to_string()))?.len();
    report.value("server binary, stripped", bytes as f64 / 1e6, "MB")?;
    let arguments = ["run", "--release", "--quiet", "-p", "zeroid-jose", "--example", "rates"];
    let printed = process::capture(&mut process::cargo(&arguments))?;
    let rate = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rate| rate.trim().parse::<f64>().ok())
            .ok_or_else(|| Failure::new(format!("no rate of {name}")))
    };
    let (sign, verify, digest) = (rate("sign ")?, rate("verify ")?, rate("digest ")?);
    report.value("raw, one core: ES256 signatures", sign, "per s")?;
    report.value("raw, one core: ES256 verifications", verify, "per s")?;
    report.value("raw, one core: digests of a token matched", digest, "per s")?;
    let bare = empty_requests(sizes, runs)?;
    Report::head();
    report.rates("an empty hyper request", &bare, None)?;
    let mut rates: Vec<f64> = bare.iter().map(|run| run.per_cpu_second).collect();
    rates.sort_by(f64::total_cmp);
    let empty = rates.get(rates.len() / 2).copied().unwrap_or(0.0);
    Ok(Limits {
        sign: Limit { name: "signing", rate: sign },
        both: Limit { name: "verifying and signing", rate: 1.0 / (1.0 / sign + 1.0 / verify) },
        empty: Limit { name: "an empty hyper request", rate: empty },
    })
}

fn empty_requests(sizes: &Sizes, runs: usize) -> Outcome<Vec<Figures>> {
    let arguments = ["build", "--release", "--quiet", "-p", "zeroid-server", "--example", "bare_hyper"];
    process::run(&mut process::cargo(&arguments))?;
    let server = BareServer::start(&built("release")?.join("examples/bare_hyper"))?;
    let get = |_: &mut Dice| Ok(Request::new("/", ""));
    repeatedly(&server, CONNECTIONS, Duration::from_secs(1), &get)?;
    (0..runs).map(|_| repeatedly(&server, CONNECTIONS, sizes.time, &get)).collect()
}
