//! `cargo xtask bench attribute`: which part of a request costs what, by samples of what runs.

mod parts;
mod perf;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use self::parts::{PARTS, Part, part_of};
use self::perf::{Recording, samples};
use super::agents::{Agents, INTROSPECT, REVOKE, TOKEN, register_many, tokens};
use super::load::{Dice, Figures, Request};
use super::options::Options;
use super::report::Report;
use super::scenarios::{CONNECTIONS, each_once, presented, repeatedly};
use super::server::{BenchServer, built};
use crate::outcome::Outcome;
use crate::process;

/// Functions named beside each part.
const NAMED: usize = 4;

/// # Errors
/// Without perf, or when a scenario fails.
pub(super) fn run(options: &Options, report: &mut Report) -> Outcome {
    perf::check()?;
    // Call chains need frame pointers: without them a chain ends at the first function that has none.
    let mut build = process::cargo(&["build", "--profile", "profiling", "--quiet", "-p", "zeroid-server"]);
    build.env("RUSTFLAGS", "-C force-frame-pointers=yes").env("CFLAGS", "-fno-omit-frame-pointer");
    process::run(&mut build)?;
    let program = built("profiling")?.join("zeroid-server");
    let time = Duration::from_secs(if options.quick { 3 } else { 10 });
    for (on_postgres, name) in options.databases() {
        report.begin(name, "");
        let server = BenchServer::start(&program, on_postgres)?;
        Attribution { server: &server, report, time }.run()?;
    }
    Ok(())
}

struct Attribution<'a> {
    server: &'a BenchServer,
    report: &'a Report,
    time: Duration,
}

impl Attribution<'_> {
    fn run(&self) -> Outcome {
        let agents = Agents::register(self.server)?;
        let form = agents.issue.as_str();
        self.steady("issue by API key, one key", |_| Ok(Request::new(TOKEN, form)))?;
        let root = self.server.token(form)?;
        let count = usize::try_from(self.time.as_secs()).unwrap_or(1) * 12_000;
        let hops = agents.hops_by_assertion(&root, count)?;
        self.record("delegate one hop, actor by assertion", || {
            each_once(self.server, self.time, TOKEN, &hops)
        })?;
        let live = presented(&self.server.token(&agents.hop(&root))?);
        self.steady("introspect, one token, one hop deep", |_| Ok(Request::new(INTROSPECT, &live)))?;
        let keys = register_many(self.server, "reader", 1_000)?;
        let asked: Vec<String> = keys.iter().cycle().take(10_000).cloned().collect();
        let pool: Vec<String> = tokens(self.server, &asked)?.iter().map(|token| presented(token)).collect();
        self.steady("introspect, 10 000 tokens of 1 000 agents", |dice| {
            Ok(Request::new(INTROSPECT, dice.pick(&pool)?))
        })?;
        let victims = tokens(self.server, &vec![agents.issue.clone(); count])?;
        let forms: Vec<String> = victims.iter().map(|token| presented(token)).collect();
        self.record("revoke", || each_once(self.server, self.time, REVOKE, &forms))
    }

    fn steady<'p>(&self, name: &str, request: impl Fn(&mut Dice) -> Outcome<Request<'p>> + Sync) -> Outcome {
        repeatedly(self.server, CONNECTIONS, Duration::from_secs(1), &request)?;
        self.record(name, || repeatedly(self.server, CONNECTIONS, self.time, &request))
    }

    fn record(&self, name: &str, load: impl FnOnce() -> Outcome<Figures>) -> Outcome {
        let recording = Recording::start(&self.server.process_ids())?;
        let figures = load()?;
        let text = recording.stop()?;
        let mut counts = BTreeMap::<Part, usize>::new();
        let mut innermost = BTreeMap::<(Part, &str), usize>::new();
        for sample in samples(&text) {
            let part = part_of(&sample);
            *counts.entry(part).or_default() += 1;
            let symbol = sample.frames.first().map_or("no chain", |frame| frame.symbol);
            *innermost.entry((part, symbol)).or_default() += 1;
        }
        let all = counts.values().sum::<usize>().max(1) as f64;
        let micros = 1e6 / figures.per_cpu_second.max(1.0);
        println!("\n{name}: {micros:.1} us of CPU a request, {all:.0} samples");
        let mut rows = serde_json::Map::new();
        for (part, label) in PARTS {
            let share = counts.get(part).copied().unwrap_or(0) as f64 / all;
            if share > 0.0 {
                println!(
                    "  {label:<38}{:>6.1} %{:>8.2} us  {}",
                    share * 100.0,
                    share * micros,
                    dearest(&innermost, *part, all)
                );
            }
            rows.insert((*label).to_owned(), json!({"share": share, "us": share * micros}));
        }
        self.report.line(name, "attribution", &json!({"us": micros, "samples": all, "parts": rows}))
    }
}

/// The functions of a part that most samples were in.
fn dearest(innermost: &BTreeMap<(Part, &str), usize>, part: Part, all: f64) -> String {
    let mut of_part: Vec<(&str, usize)> = innermost
        .iter()
        .filter(|((of, _), _)| *of == part)
        .map(|((_, name), count)| (*name, *count))
        .collect();
    of_part.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let named = of_part.iter().take(NAMED).map(|(name, count)| {
        let short: String = name.chars().take(60).collect();
        format!("{short} {:.1}", *count as f64 * 100.0 / all)
    });
    named.collect::<Vec<_>>().join(", ")
}
