//! OAuth clients over plain HTTP: registered, authenticated, and what they are issued.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods
)]

mod admin;
