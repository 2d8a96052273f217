//! The SQLite store: what it promises beyond the suite every store runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods, reason = "tests wait, and start themselves again")]

mod support;

mod beside_memory;
mod durability;
mod facts;
mod forget;
mod schema;
mod trouble;
