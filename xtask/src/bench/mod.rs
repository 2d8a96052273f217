//! `cargo xtask bench`: the server on SQLite under load, beside the raw limits of the same run.
//!
//! Rates are per CPU-second of the server and per second; the load runs on the same cores. Latencies are of a closed
//! loop: every connection sends as soon as it has its answer.

mod load;
mod server;

use std::time::{Duration, Instant};

use crate::outcome::{Failure, Outcome};
use crate::process;
use load::{Connection, Figures, run_closed};
use server::BenchServer;

/// Connections of a scenario, one request in flight each.
const CONNECTIONS: usize = 64;

/// How long a scenario is measured.
const SECONDS: u64 = 8;

/// Descendants of the root that is revoked at the end.
const DESCENDANTS: usize = 100_000;

/// Leaves asked after the root is gone.
const SAMPLED: usize = 1_000;

pub(crate) fn run(args: &[String]) -> Outcome {
    let quick = args.iter().any(|arg| arg == "--quick");
    let seconds = if quick { 2 } else { SECONDS };
    let descendants = if quick { 2_000 } else { DESCENDANTS };
    process::run(&mut process::cargo(&["build", "--release", "--quiet", "-p", "zeroid-server"]))?;
    let raw = raw_limits()?;
    println!(
        "raw, one core: {:.0} signatures/s, {:.0} verifications/s, {:.0} digests/s",
        raw.sign, raw.verify, raw.digest
    );
    let server = BenchServer::start()?;
    let (boss, aide) = (server.register("boss")?, server.register("aide")?);
    println!(
        "\n{:<28}{:>12}{:>14}{:>10}{:>10}  {:>20}",
        "scenario", "per second", "per CPU-s", "p50 us", "p99 us", "of the raw rate"
    );
    let issue = format!("grant_type=api_key&api_key={boss}&scope=read+write");
    report("health (no work)", &measure(&server, seconds, |_| ("/health", String::new()))?, None);
    let issued = measure(&server, seconds, |_| ("/oauth2/token", issue.clone()))?;
    report("issue by API key", &issued, Some(("signing", raw.sign)));
    let root = server.token(&issue)?;
    let exchange = |token: &str| {
        let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
        format!("grant_type={grant}&subject_token={token}&api_key={aide}&scope=read")
    };
    let hop = exchange(&root);
    report(
        "delegate one hop",
        &measure(&server, seconds, |_| ("/oauth2/token", hop.clone()))?,
        Some(("signing", raw.sign)),
    );
    let leaf = server.token(&hop)?;
    let live = format!("token={leaf}");
    let path = "/oauth2/token/introspect";
    report(
        "introspect, active",
        &measure(&server, seconds, |_| (path, live.clone()))?,
        Some(("verifying", raw.verify)),
    );
    let dead = server.token(&issue)?;
    server.post("/oauth2/token/revoke", &format!("token={dead}"))?;
    let dead = format!("token={dead}");
    report(
        "introspect, revoked",
        &measure(&server, seconds, |_| (path, dead.clone()))?,
        Some(("verifying", raw.verify)),
    );
    let revoked = revocations(&server, &issue, seconds)?;
    report("revoke a leaf", &revoked, None);
    revoke_a_tree(&server, &issue, exchange, descendants)?;
    println!("\nserver memory after all this: {:.0} MiB", server.memory_mib());
    Ok(())
}

struct Raw {
    sign: f64,
    verify: f64,
    digest: f64,
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
    Ok(Raw { sign: rate("sign ")?, verify: rate("verify ")?, digest: rate("digest ")? })
}

fn measure<'p>(
    server: &BenchServer,
    seconds: u64,
    request: impl Fn(usize) -> (&'p str, String) + Sync,
) -> Outcome<Figures> {
    run_closed(server, CONNECTIONS, Duration::from_secs(1), &request)?;
    run_closed(server, CONNECTIONS, Duration::from_secs(seconds), &request)
}

/// Every token can be revoked once, so they are made before the clock starts.
fn revocations(server: &BenchServer, issue: &str, seconds: u64) -> Outcome<Figures> {
    let wanted = usize::try_from(seconds).unwrap_or(1) * 6_000;
    let mut tokens = Vec::with_capacity(wanted);
    let mut connection = Connection::open(&server.address)?;
    while tokens.len() < wanted {
        tokens.push(format!("token={}", load::access_token(&connection.post("/oauth2/token", issue)?)?));
    }
    load::run_each(server, CONNECTIONS, "/oauth2/token/revoke", &tokens)
}

/// A root with many descendants: revoking it is one write, like revoking a leaf.
fn revoke_a_tree(
    server: &BenchServer,
    issue: &str,
    exchange: impl Fn(&str) -> String,
    descendants: usize,
) -> Outcome {
    let root = server.token(issue)?;
    let hop = exchange(&root);
    let (began, every) = (Instant::now(), (descendants / SAMPLED).max(1));
    let sampled = load::repeat(server, CONNECTIONS, descendants, every, &hop)?;
    println!("\n{descendants} descendants made in {:.1} s", began.elapsed().as_secs_f64());
    let mut connection = Connection::open(&server.address)?;
    let leaf = server.token(issue)?;
    let alone = timed(&mut connection, &leaf)?;
    let tree = timed(&mut connection, &root)?;
    println!("revoke a leaf {alone:?}, revoke the root of them all {tree:?}");
    for token in &sampled {
        let answer = connection.post("/oauth2/token/introspect", &format!("token={token}"))?;
        if !answer.contains("{\"active\":false}") {
            return Err(Failure::new("a leaf is alive under a revoked root"));
        }
    }
    println!("{} sampled leaves, all inactive", sampled.len());
    Ok(())
}

fn timed(connection: &mut Connection, token: &str) -> Outcome<Duration> {
    let body = format!("token={token}");
    let began = Instant::now();
    connection.post("/oauth2/token/revoke", &body)?;
    Ok(began.elapsed())
}

fn report(name: &str, figures: &Figures, raw: Option<(&str, f64)>) {
    let of = raw.map_or_else(String::new, |(what, rate)| {
        format!("{:.0} % of {what}", figures.per_cpu_second / rate * 100.0)
    });
    println!(
        "{name:<28}{:>12.0}{:>14.0}{:>10.0}{:>10.0}  {of:>20}",
        figures.per_second, figures.per_cpu_second, figures.p50_micros, figures.p99_micros
    );
}
