//! DPoP (RFC 9449) through the real server: what a proof buys, and what no proof buys.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

mod prover;

mod clients;
mod postgres;
mod proxies;
mod resource;
mod token;
mod verify;
