//! `cargo xtask bench`: the server under load, on each database, beside the limits of the same run.
//!
//! Rates are per second and per CPU-second of the server together with its database; the load runs on the same cores,
//! so the second is what to compare.

mod agents;
mod attribute;
mod connection;
mod fill;
mod limits;
mod load;
mod open_loop;
mod options;
mod rate_limits;
mod report;
mod scenarios;
mod server;
mod sizes;

use crate::outcome::Outcome;
use limits::Limits;
use options::{Options, What};
use report::Report;
use scenarios::Sizes;

/// # Errors
/// A scenario that fails: a bench of wrong answers says nothing.
pub(crate) fn run(args: &[String]) -> Outcome {
    let options = Options::read(args)?;
    let mut report = Report::new(options.json.as_deref())?;
    match options.what {
        What::Rates => rates(&options, &mut report),
        What::Sizes => sizes::run(&options, &mut report),
        What::RateLimits => rate_limits::run(&options, &mut report),
        What::Attribution => attribute::run(&options, &mut report),
    }
}

fn rates(options: &Options, report: &mut Report) -> Outcome {
    let sizes = if options.quick { Sizes::QUICK } else { Sizes::FULL };
    let limits = Limits::start(report, options.runs)?;
    for (on_postgres, name) in options.databases() {
        report.begin(name, if on_postgres { ", its own CPU and memory included" } else { "" });
        scenarios::run(on_postgres, &limits, report, &sizes, options)?;
    }
    Ok(())
}
