//! Storage on SQLite and on PostgreSQL, with group commit. It knows no policy and no HTTP.
//!
//! The schema and the queries are written once, for any dialect; what is special to one stands in its folder.
//! A query file is compiled inside the dialect's module, against that module's connection type. Each dialect is a
//! feature; without one there is nothing here.
#![allow(clippy::duplicate_mod, reason = "queries and verbs are compiled once for each dialect")]

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod answers;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod cut_key;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod error;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod packed;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod rows;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod schema;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod tenants;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod uses;

#[cfg(feature = "postgres")]
mod postgres;

#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use error::OpenError;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteStore};
