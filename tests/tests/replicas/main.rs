//! Several servers on one PostgreSQL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

mod fleet;
mod ledger;
mod postgres_rounds;

/// Every test here has `postgres` in its name, so that a machine without one can leave them out.
mod postgres;
