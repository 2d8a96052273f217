//! What the machine allows, measured beside each scenario: a guest is faster in one minute than in the next.

use std::time::Duration;

use super::load::{Dice, Figures, Request};
use super::report::{Report, Spread};
use super::scenarios::{CONNECTIONS, WARM_UP, repeatedly};
use super::server::{BareServer, built};
use crate::outcome::{Failure, Outcome};
use crate::process;

/// How long a limit is measured, each time.
const MOMENT: Duration = Duration::from_millis(500);

/// A rate a CPU-second to compare with.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    /// ES256 signatures.
    Sign,
    /// A signature and a verification for each.
    Both,
    /// Requests that hyper answers without doing anything, to the load of the scenario.
    Empty,
}

impl Limit {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sign => "signing",
            Self::Both => "verifying and signing",
            Self::Empty => "an empty hyper request",
        }
    }
}

/// What measures them.
pub(super) struct Limits {
    bare: BareServer,
}

impl Limits {
    /// Build what is measured, and what it is compared with; tell the limits of the machine as it is now.
    pub(super) fn start(report: &Report, runs: usize) -> Outcome<Self> {
        let build = |arguments: &[&str]| process::run(&mut process::cargo(arguments));
        build(&["build", "--release", "--quiet", "-p", "zeroid-server"])?;
        build(&["build", "--release", "--quiet", "-p", "zeroid-server", "--example", "bare_hyper"])?;
        build(&["build", "--release", "--quiet", "-p", "zeroid-jose", "--example", "rates"])?;
        let release = built("release")?;
        let bytes = std::fs::metadata(release.join("zeroid-server"))
            .map_err(|error| Failure::new(error.to_string()))?
            .len();
        report.value("server binary, stripped", bytes as f64 / 1e6, "MB")?;
        report.value("raw, one core: ES256 signatures", raw("sign")?, "per s")?;
        report.value("raw, one core: ES256 verifications", raw("verify")?, "per s")?;
        report.value("raw, one core: digests of a token matched", raw("digest")?, "per s")?;
        let limits = Self { bare: BareServer::start(&release.join("examples/bare_hyper"))? };
        limits.empty(WARM_UP)?;
        let bare = (0..runs).map(|_| limits.empty(4 * MOMENT)).collect::<Outcome<Vec<_>>>()?;
        Report::head();
        report.rates(Limit::Empty.name(), &bare, None)?;
        Ok(limits)
    }

    /// Measure several times, and before and after each the limit: a run is compared with what stood beside it.
    pub(super) fn beside(
        &self,
        limit: Limit,
        runs: usize,
        measure: impl Fn() -> Outcome<Figures>,
    ) -> Outcome<Vec<Figures>> {
        let mut before = self.now(limit)?;
        (0..runs)
            .map(|_| {
                let figures = measure()?;
                let after = self.now(limit)?;
                let limit = f64::midpoint(before, after);
                before = after;
                Ok(Figures { limit, ..figures })
            })
            .collect()
    }

    /// A limit as it is now.
    fn now(&self, limit: Limit) -> Outcome<f64> {
        Ok(match limit {
            Limit::Sign => raw("sign")?,
            Limit::Both => 1.0 / (1.0 / raw("sign")? + 1.0 / raw("verify")?),
            Limit::Empty => Spread::of(
                (0..2)
                    .map(|_| self.empty(MOMENT))
                    .collect::<Outcome<Vec<_>>>()?
                    .iter()
                    .map(|run| run.per_cpu_second),
            )
            .median(),
        })
    }

    fn empty(&self, time: Duration) -> Outcome<Figures> {
        repeatedly(&self.bare, CONNECTIONS, time, &|_: &mut Dice| Ok(Request::new("/", "")))
    }
}

/// How often a core does this in a CPU-second.
fn raw(what: &str) -> Outcome<f64> {
    let program = built("release")?.join("examples/rates");
    let printed =
        process::capture(std::process::Command::new(program).args([what, &MOMENT.as_millis().to_string()]))?;
    let rate = printed.split_whitespace().last().and_then(|rate| rate.parse().ok());
    rate.ok_or_else(|| Failure::new(format!("no rate of {what}")))
}
