//! Whatever is good once is good once, however many ask with it at once: on SQLite, and over replicas on PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

mod callers;
mod once;

use std::time::Instant;

use callers::{Caller, Heard, at_once};
use once::{KINDS, Signer};
use zeroid_test_postgres::{Cluster, Durability};
use zeroid_tests::Server;

/// How many rounds for each kind of thing; `cargo xtask soak replays` makes it more.
fn rounds() -> usize {
    std::env::var("ZEROID_SOAK_REPLAYS").ok().and_then(|text| text.parse().ok()).unwrap_or(30).max(1)
}

#[test]
fn sqlite_takes_what_is_good_once_once() {
    if zeroid_tests::on_postgres() {
        return; // It ran with the others on SQLite.
    }
    let server = Server::start();
    run("SQLite", [&server, &server], &server.base);
}

#[test]
fn postgres_replicas_take_what_is_good_once_once() {
    const ISSUER: &str = "https://id.example";
    let cluster = Cluster::start(Durability::OfTheProcess).expect("a PostgreSQL");
    let url = cluster.fresh_database().unwrap();
    let first = Server::start_with(&[("ZEROID_ISSUER", ISSUER), ("ZEROID_DATABASE_URL", url.as_str())]);
    let second = first.replica(&[]);
    run("PostgreSQL, two replicas", [&first, &second], ISSUER);
}

/// Two processes, each with a server to ask, send the same thing at the same moment, round after round.
fn run(name: &str, servers: [&Server; 2], issuer: &str) {
    let admin = servers[0].client();
    let (signer, began) = (Signer::register(&admin, issuer), Instant::now());
    let mut callers = servers.map(|server| Caller::of(&server.base));
    assert_ne!(callers[0].pid(), callers[1].pid());
    let rounds = KINDS.len() * rounds();
    let (mut won_by, mut crossed, mut apart) = ([0; 2], 0, Vec::with_capacity(rounds));
    for round in 0..rounds {
        let kind = KINDS[round % KINDS.len()];
        let requests = signer.requests(kind, round);
        let heard = at_once(&mut callers, &requests);
        let won: Vec<_> = (0..2).filter(|caller| heard[*caller].answer.status == 200).collect();
        assert_eq!(won.len(), 1, "round {round}, {kind:?}: {heard:?}");
        let loser = 1 - won[0];
        requests[loser].is_refused_as_used(&heard[loser].answer, round);
        won_by[won[0]] += 1;
        crossed += usize::from(crossed_each_other(&heard));
        apart.push(heard[0].began.abs_diff(heard[1].began));
        if round % 50 == 0 {
            // Nor is it good later.
            let late = callers[loser].send(&requests[won[0]]);
            requests[won[0]].is_refused_as_used(&late, round);
        }
    }
    signer.has_issued(&admin, rounds);
    apart.sort_unstable();
    println!(
        "{name}: {rounds} rounds in {:.1} s, won by {won_by:?}; both were under way in {crossed}, sent {} µs apart \
         in the median",
        began.elapsed().as_secs_f64(),
        apart[rounds / 2],
    );
    // A few rounds may all be one caller's.
    assert!(rounds < 100 || won_by.iter().all(|won| *won > 0), "nothing was raced: {won_by:?}");
    assert!(crossed * 2 > rounds, "most did not meet: {crossed} of {rounds}");
}

/// Whether each was sent before the other was answered.
fn crossed_each_other(heard: &[Heard; 2]) -> bool {
    heard[0].began < heard[1].ended && heard[1].began < heard[0].ended
}
