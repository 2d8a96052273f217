//! Whatever is good once is good once, however many ask with it at once: on SQLite, and over replicas on PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

mod once;

use std::sync::Barrier;
use std::time::Instant;

use once::{KINDS, Signer};
use zeroid_test_postgres::{Cluster, Durability};
use zeroid_tests::{Client, Server};

/// How many rounds; `cargo xtask soak replays` makes it more.
fn rounds() -> usize {
    std::env::var("ZEROID_SOAK_REPLAYS").ok().and_then(|text| text.parse().ok()).unwrap_or(1000)
}

#[test]
fn sqlite_takes_what_is_good_once_once() {
    if zeroid_tests::on_postgres() {
        return; // It ran with the others on SQLite.
    }
    let server = Server::start();
    run("SQLite", &[server.client(), server.client()], &server.base);
}

#[test]
fn postgres_replicas_take_what_is_good_once_once() {
    const ISSUER: &str = "https://id.example";
    let cluster = Cluster::start(Durability::OfTheProcess).expect("a PostgreSQL");
    let url = cluster.fresh_database().unwrap();
    let first = Server::start_with(&[("ZEROID_ISSUER", ISSUER), ("ZEROID_DATABASE_URL", url.as_str())]);
    let second = first.replica(&[]);
    run("PostgreSQL, two replicas", &[first.client(), second.client()], ISSUER);
}

/// Two callers with connections of their own ask with the same thing at the same moment, round after round.
fn run(name: &str, callers: &[Client; 2], issuer: &str) {
    let (signer, rounds, began) = (Signer::register(&callers[0], issuer), rounds(), Instant::now());
    let mut won_by = [0; 2];
    for round in 0..rounds {
        let kind = KINDS[round % KINDS.len()];
        let requests = signer.requests(kind, round);
        let start = Barrier::new(2);
        let ask = |caller: usize| {
            start.wait();
            requests[caller].send(&callers[caller])
        };
        let ask = &ask;
        let answers = std::thread::scope(|scope| {
            let second = scope.spawn(move || ask(1));
            [ask(0), second.join().unwrap()]
        });
        let won: Vec<_> = (0..2).filter(|caller| answers[*caller].status == 200).collect();
        assert_eq!(won.len(), 1, "round {round}, {kind:?}: {answers:?}");
        let loser = 1 - won[0];
        requests[loser].is_refused_as_used(&answers[loser], round);
        won_by[won[0]] += 1;
        if round % 50 == 0 {
            // Nor is it good later.
            let late = requests[won[0]].send(&callers[loser]);
            requests[won[0]].is_refused_as_used(&late, round);
        }
    }
    signer.has_issued(&callers[1], rounds);
    println!("{name}: {rounds} rounds in {:.1} s, won by {won_by:?}", began.elapsed().as_secs_f64());
    assert!(rounds < 100 || won_by.iter().all(|won| *won > 0), "nothing was raced: {won_by:?}");
}
