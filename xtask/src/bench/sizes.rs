//! `cargo xtask bench sizes`: a start, memory and a revocation, when the store is large.

use std::time::{Duration, Instant};

use super::agents::{Agents, INTROSPECT, REVOKE, TOKEN, issue_form, tokens};
use super::connection::{Connection, access_token};
use super::fill;
use super::load::{self, Dice, Request};
use super::options::Options;
use super::report::Report;
use super::scenarios::{CONNECTIONS, presented, repeatedly};
use super::server::{BenchServer, Target, built};
use crate::outcome::{Failure, Outcome};
use crate::process;

const MILLION: usize = 1_000_000;
const QUICK: usize = 10_000;

/// Starts of which the median counts.
const STARTS: usize = 5;

/// Leaves asked after the root is gone.
const SAMPLED: usize = 1_000;

/// Each token is asked about this often, on average, before memory is read.
const ASKED: usize = 2;

/// # Errors
/// When the server does not start, or answers wrongly.
pub(super) fn run(options: &Options, report: &mut Report) -> Outcome {
    process::run(&mut process::cargo(&["build", "--release", "--quiet", "-p", "zeroid-server"]))?;
    let program = built("release")?.join("zeroid-server");
    let count = if options.quick { QUICK } else { MILLION };
    for (on_postgres, name) in options.databases() {
        report.begin(name, if on_postgres { ", its own memory included" } else { "" });
        let mut server = BenchServer::start(&program, on_postgres)?;
        let form = issue_form(&server.register("first")?);
        starts(&mut server, report, &form, "an empty store")?;
        report.value("memory, an empty store", server.memory_mib()?, "MiB")?;
        identities(&mut server, report, &form, count)?;
        revoke_a_tree(&server, report, count)?;
    }
    Ok(())
}

fn starts(server: &mut BenchServer, report: &Report, form: &str, store: &str) -> Outcome {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        server.stop()?;
        times.push(server.resume(form)?);
    }
    times.sort_unstable();
    let median = times.get(STARTS / 2).copied().unwrap_or_default();
    report.value(&format!("from the start of the process to a token, {store}"), millis(median), "ms")
}

/// Identities with a live token each: a start, and memory once all were asked about.
fn identities(server: &mut BenchServer, report: &Report, form: &str, count: usize) -> Outcome {
    let began = Instant::now();
    let forms = fill::identities(server, form, count)?;
    report.value(&format!("{count} identities put into the store"), began.elapsed().as_secs_f64(), "s")?;
    let began = Instant::now();
    let pool: Vec<String> = tokens(server, &forms)?.iter().map(|token| presented(token)).collect();
    drop(forms);
    report.value(&format!("{count} tokens minted, one each"), began.elapsed().as_secs_f64(), "s")?;
    report.value("memory after that", server.memory_mib()?, "MiB")?;
    let store = format!("{count} identities with live tokens");
    starts(server, report, form, &store)?;
    ask_about(server, &pool, ASKED * count)?;
    report.value(&format!("memory, {store}, asked at random"), server.memory_mib()?, "MiB")?;
    report.value("on disk", server.disk_bytes() as f64 / f64::from(1 << 20), "MiB")?;
    let runs = repeatedly(server, CONNECTIONS, Duration::from_secs(3), &|dice: &mut Dice| {
        Ok(Request::new(INTROSPECT, dice.pick(&pool)?))
    })?;
    Report::head();
    report.rates("introspect at random among all of them", &[runs], None)
}

/// Ask at random, each answer being an active token.
fn ask_about(server: &BenchServer, pool: &[String], times: usize) -> Outcome {
    load::run(server, CONNECTIONS, |worker| {
        let (mut dice, mut left) = (Dice::new(worker), times / CONNECTIONS);
        move |answer: Option<&str>| {
            if answer.is_some_and(|answer| !answer.contains("\"active\":true")) {
                return Err(Failure::new("a live token is not active"));
            }
            if left == 0 {
                return Ok(None);
            }
            left -= 1;
            Ok(Some(Request::new(INTROSPECT, dice.pick(pool)?)))
        }
    })
    .map(drop)
}

/// A root with many descendants: revoking it is one write, like revoking a leaf.
fn revoke_a_tree(server: &BenchServer, report: &Report, descendants: usize) -> Outcome {
    let agents = Agents::register(server)?;
    let root = server.token(&agents.issue)?;
    let hop = agents.hop(&root);
    let (began, every) = (Instant::now(), (descendants / SAMPLED).max(1));
    let sampled = std::sync::Mutex::new(Vec::with_capacity(SAMPLED));
    load::run(server, CONNECTIONS, |worker| {
        let mut numbers = (worker..descendants).step_by(CONNECTIONS);
        let (sampled, hop, mut keep) = (&sampled, hop.as_str(), false);
        move |answer: Option<&str>| {
            if let (Some(answer), true) = (answer, keep) {
                let token = access_token(answer)?;
                sampled.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(token);
            }
            let next = numbers.next();
            keep = next.is_some_and(|number| number % every == 0);
            Ok(next.map(|_| Request::new(TOKEN, hop)))
        }
    })?;
    report.value(
        &format!("{descendants} descendants of one root minted"),
        began.elapsed().as_secs_f64(),
        "s",
    )?;
    let sampled = sampled.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut connection = Connection::open(server.address())?;
    expect(&mut connection, &sampled, true)?;
    let leaf = server.token(&agents.issue)?;
    let mut revoke = |token: &str| {
        let body = presented(token);
        let began = Instant::now();
        connection.post(REVOKE, &body)?;
        Ok(began.elapsed())
    };
    let (alone, tree) = (revoke(&leaf)?, revoke(&root)?);
    report.value("a leaf revoked", millis(alone), "ms")?;
    report.value(&format!("a root with {descendants} descendants revoked"), millis(tree), "ms")?;
    expect(&mut connection, &sampled, false)?;
    report.value(
        "sampled leaves, active before and inactive on the next request",
        sampled.len() as f64,
        "tokens",
    )
}

/// Ask about each of them.
fn expect(connection: &mut Connection, tokens: &[String], active: bool) -> Outcome {
    for token in tokens {
        let answer = connection.post(INTROSPECT, &presented(token))?;
        let is_as_expected =
            if active { answer.contains("\"active\":true") } else { answer == "{\"active\":false}" };
        if !is_as_expected {
            return Err(Failure::new(format!("a leaf should be active: {active}, and is not so")));
        }
    }
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
