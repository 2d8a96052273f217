//! `cargo xtask bench rate-limits`: what counting callers adds to a request, when nobody is refused.
//!
//! Pairs of servers, one that counts and one that does not, take turns under the same load, so that whatever else the machine
//! does meets both.

use std::time::Duration;

use super::agents::{INTROSPECT, TOKEN, issue_form};
use super::load::Request;
use super::options::Options;
use super::report::{Report, Spread};
use super::scenarios::{CONNECTIONS, WARM_UP, presented, repeatedly};
use super::server::{BenchServer, Settings, built};
use crate::outcome::Outcome;
use crate::process;

/// Limits that no load here reaches. Both count: everything comes from one address.
const COUNTING: Settings =
    &[("ZEROID_RATE_LIMIT_ADDRESS", "1000000/1000000"), ("ZEROID_RATE_LIMIT_CREDENTIAL", "1000000/1000000")];

/// Pairs of servers: one is faster than another of the same kind, by more than counting costs.
const PAIRS: usize = 6;

/// Turns of each server of a pair.
const TURNS: usize = 4;

/// What is asked of each.
const SCENARIOS: [(&str, Ask); 2] = [
    ("issue by API key", |side| Request::new(TOKEN, side.issue.as_str())),
    ("introspect", |side| Request::new(INTROSPECT, side.introspect.as_str())),
];

type Ask = for<'s> fn(&'s Side) -> Request<'s>;

/// A server, and what it is sent.
struct Side {
    server: BenchServer,
    issue: String,
    introspect: String,
}

/// Microseconds of CPU a request, of each turn.
#[derive(Default)]
struct Turns {
    plain: Vec<f64>,
    counting: Vec<f64>,
    added: Vec<f64>,
}

/// # Errors
/// A request that is not answered as it should be, a refusal for its number among them.
pub(super) fn run(options: &Options, report: &mut Report) -> Outcome {
    process::run(&mut process::cargo(&["build", "--release", "--quiet", "-p", "zeroid-server"]))?;
    let time = Duration::from_secs(if options.quick { 1 } else { 2 });
    for (on_postgres, name) in options.databases() {
        report.begin(name, "");
        let mut measured = SCENARIOS.map(|(name, ask)| (name, ask, Turns::default()));
        for pair in 0..PAIRS * options.runs {
            // Whoever is started first gains nothing by it.
            let (plain, counting) = if pair.is_multiple_of(2) {
                let plain = Side::start(on_postgres, &[])?;
                (plain, Side::start(on_postgres, COUNTING)?)
            } else {
                let counting = Side::start(on_postgres, COUNTING)?;
                (Side::start(on_postgres, &[])?, counting)
            };
            for (_, ask, turns) in &mut measured {
                turns.take(&plain, &counting, *ask, time, pair)?;
            }
        }
        for (name, _, turns) in measured {
            let row = |what: &str, micros: Vec<f64>| {
                report.spread(&format!("{name}, {what}"), &Spread::of(micros.into_iter()), "us of CPU")
            };
            row("nobody counted", turns.plain)?;
            row("callers counted", turns.counting)?;
            row("added by counting", turns.added)?;
        }
    }
    Ok(())
}

impl Side {
    fn start(on_postgres: bool, settings: Settings) -> Outcome<Self> {
        let program = built("release")?.join("zeroid-server");
        let server = BenchServer::start_with(&program, on_postgres, settings)?;
        let issue = issue_form(&server.register("boss")?);
        let introspect = presented(&server.token(&issue)?);
        Ok(Self { server, issue, introspect })
    }

    /// Microseconds of CPU a request.
    fn micros(&self, ask: Ask, time: Duration) -> Outcome<f64> {
        let figures = repeatedly(&self.server, CONNECTIONS, time, &|_| Ok(ask(self)))?;
        Ok(1e6 / figures.per_cpu_second)
    }
}

impl Turns {
    fn take(&mut self, plain: &Side, counting: &Side, ask: Ask, time: Duration, pair: usize) -> Outcome {
        for side in [plain, counting] {
            side.micros(ask, WARM_UP)?;
        }
        for turn in 0..TURNS {
            // Nor whoever is asked first.
            let (without, with) = if (pair + turn).is_multiple_of(2) {
                let without = plain.micros(ask, time)?;
                (without, counting.micros(ask, time)?)
            } else {
                let with = counting.micros(ask, time)?;
                (plain.micros(ask, time)?, with)
            };
            self.plain.push(without);
            self.counting.push(with);
            self.added.push(with - without);
        }
        Ok(())
    }
}
