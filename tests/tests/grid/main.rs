//! Every grant against every restriction: each cell is asked for, and keeps the restriction or is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods
)]

mod asker;
mod bounds;
mod endings;
mod lists;
mod restrictions;
mod words;
