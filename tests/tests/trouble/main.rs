//! A database in trouble.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

/// Every test here has `postgres` in its name, so that a machine without one can leave them out.
mod postgres;
mod sqlite;
