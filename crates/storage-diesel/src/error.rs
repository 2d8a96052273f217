//! What goes wrong, told apart: the caller's conflict, an unreadable row, a failing database.

use std::path::PathBuf;

use zeroid_storage::StoreError;

/// Why a database did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use by another zeroid-server; stop that one first, or choose another data folder", .0.display())]
    InUse(PathBuf),
    /// A newer version wrote it.
    #[error("{} was written by a newer version (migration {migration}); upgrade zeroid-server", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The first migration this version does not know.
        migration: String,
    },
    /// The file cannot be opened or written.
    #[error("cannot open {}: {why}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// A migration did not apply.
    #[error("cannot migrate {}: {why}", .path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// What the database says.
        why: String,
    },
}

/// A database error is our fault: it never says that something does not exist.
pub(crate) fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// A row that does not read back.
pub(crate) fn corrupt(what: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("{what}: {error}"))
}

/// Something a stored record refers to is gone.
pub(crate) fn missing(what: &str) -> StoreError {
    StoreError::Corrupt(format!("{what} is missing"))
}
