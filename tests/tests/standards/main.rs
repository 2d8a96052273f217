//! What the standards demand of the token surface, one test for each demand that no other file holds; `docs/standards.md`
//! tells which test holds which.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods
)]

mod forge;
mod surfaces;
mod trap;

mod assertions;
mod bearer;
mod exchange;
mod issued;
mod kinds;
mod metadata;
mod requests;
mod self_signed;
mod tokens;
mod understood;
