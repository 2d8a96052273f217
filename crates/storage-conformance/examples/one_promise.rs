//! Hold a store to a few promises by hand, as one does while writing it; a promise that is broken panics.
//! `cargo run -p zeroid-storage-conformance --example one_promise`.
#![allow(clippy::print_stdout, reason = "it says what was kept")]

use std::sync::Arc;

use zeroid_storage::MemoryStore;
use zeroid_storage_conformance::{Shared, basic, contention, cut_offs};

/// Your store, empty. Every promise wants one of its own.
fn fresh() -> Shared {
    Arc::new(MemoryStore::new())
}

#[tokio::main]
async fn main() {
    basic::what_is_registered_reads_back_exactly(fresh()).await;
    cut_offs::a_dead_chain_takes_no_child(fresh()).await;
    contention::an_issuance_that_races_a_cut_off_leaves_nothing_alive(fresh()).await;
    println!("the store kept all three; `store_conformance!` makes a test of each promise there is");
}
