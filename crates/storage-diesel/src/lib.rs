//! Storage on SQLite, with group commit. It knows no policy and no HTTP.
//!
//! The schema and the queries are written once, for any dialect; what is special to one stands in its folder.
//! A query file is compiled inside the dialect's module, against that module's connection type. Each dialect is a
//! feature; without one there is nothing here.

#[cfg(feature = "sqlite")]
mod cut_key;
#[cfg(feature = "sqlite")]
mod error;
#[cfg(feature = "sqlite")]
mod rows;
#[cfg(feature = "sqlite")]
mod schema;

#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "sqlite")]
pub use error::OpenError;
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteStore};
