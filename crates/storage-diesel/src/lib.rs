//! Storage on SQLite, with group commit. It knows no policy and no HTTP.
//!
//! The schema and the queries are written once, for any dialect; what is special to one stands in its folder.
//! A query file is compiled inside the dialect's module, against that module's connection type.

mod cut_key;
mod error;
mod rows;
mod schema;

mod sqlite;

pub use error::OpenError;
pub use sqlite::{SqliteOptions, SqliteStore};
