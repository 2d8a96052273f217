//! With many credentials stored, issue, introspect and revoke are as fast as with none.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_methods
)]

mod caller;
mod database;
mod fill;
mod measure;

use database::Database;
use fill::{Agents, old_tokens};
use measure::{Figures, compare};

/// Identities the rows are spread over.
const IDENTITIES: usize = 2000;

/// How much slower a full table may be. A small one says little about size, and is only to show that all this works.
const SLOWER: f64 = 1.3;
const SLOWER_WHEN_SMALL: f64 = 10.0;
const SMALL: u64 = 1_000_000;

/// How many rows; `cargo xtask soak rows` makes it more.
fn rows() -> u64 {
    std::env::var("ZEROID_SOAK_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000)
}

#[test]
fn sqlite_is_no_slower_with_many_rows() {
    if zeroid_tests::on_postgres() {
        return; // It was measured with the others on SQLite.
    }
    run("SQLite", Database::sqlite(), Database::sqlite());
}

#[test]
fn postgres_is_no_slower_with_many_rows() {
    let (empty, full) = Database::postgres();
    run("PostgreSQL", empty, full);
}

fn run(name: &str, empty: Database, full: Database) {
    let (rows, identities) = (rows(), if rows() < SMALL { 50 } else { IDENTITIES });
    let rounds =
        if rows < SMALL { measure::Rounds { count: 3, requests: 40 } } else { measure::Rounds::FULL };
    let sides = [empty, full].map(|database| {
        let agents = Agents::register(&database, identities);
        (database, agents)
    });
    let began = std::time::Instant::now();
    sides[1].1.fill(&sides[1].0, rows);
    println!("{name}: {rows} rows of {identities} identities in {:.0} s", began.elapsed().as_secs_f64());
    let sides = sides.map(|(database, agents)| {
        let old = old_tokens(&database, &agents, rounds.tokens());
        database.settle();
        (database, agents, old)
    });
    let figures: Vec<(&str, Figures)> = compare(&sides, rounds);
    println!("{:<22}{:>14}{:>14}{:>8}", name, "empty", format!("{rows} rows"), "ratio");
    for (what, figures) in &figures {
        let [empty, full] = figures.micros;
        println!("{what:<22}{empty:>11.0} us{full:>11.0} us{:>8.2}", figures.ratio);
    }
    let most = if rows < SMALL { SLOWER_WHEN_SMALL } else { SLOWER };
    let slow: Vec<_> = figures.iter().filter(|(_, figures)| figures.ratio > most).collect();
    assert!(slow.is_empty(), "slower than {most} times the empty table: {slow:?}");
}
