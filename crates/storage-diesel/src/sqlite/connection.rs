//! Connections: how they are set up, migrated and pooled.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel::r2d2::ConnectionManager;
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::error::OpenError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Every connection: wait for a lock, write ahead, flush at every commit, keep references whole, 16 MiB of cache.
const SETUP: &str = "PRAGMA busy_timeout = 5000;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA cache_size = -16384;
PRAGMA mmap_size = 268435456;";

pub(super) type Pool = r2d2::Pool<ConnectionManager<SqliteConnection>>;

/// Open and set up a connection.
pub(super) fn open(path: &Path, writes: bool) -> Result<SqliteConnection, OpenError> {
    let io = |why: String| OpenError::Io { path: path.to_owned(), why };
    let name = path.to_str().ok_or_else(|| io("the path is not UTF-8".to_owned()))?;
    let mut conn = SqliteConnection::establish(name).map_err(|error| io(error.to_string()))?;
    conn.batch_execute(SETUP).map_err(|error| io(error.to_string()))?;
    if !writes {
        conn.batch_execute("PRAGMA query_only = ON;").map_err(|error| io(error.to_string()))?;
    }
    Ok(conn)
}

/// Apply what is missing, unless a newer version was here.
pub(super) fn migrate(conn: &mut SqliteConnection, path: &Path) -> Result<Vec<String>, OpenError> {
    let failed = |why: String| OpenError::Migration { path: path.to_owned(), why };
    let known =
        MigrationSource::<Sqlite>::migrations(&MIGRATIONS).map_err(|error| failed(error.to_string()))?;
    let known: Vec<String> = known.iter().map(|migration| migration.name().version().to_string()).collect();
    let applied = conn.applied_migrations().map_err(|error| failed(error.to_string()))?;
    if let Some(newer) = applied.iter().map(ToString::to_string).find(|version| !known.contains(version)) {
        return Err(OpenError::Newer { path: path.to_owned(), migration: newer });
    }
    let ran = conn.run_pending_migrations(MIGRATIONS).map_err(|error| failed(error.to_string()))?;
    Ok(ran.iter().map(ToString::to_string).collect())
}

/// A pool for the reads that are not hot.
pub(super) fn pool(path: &Path, size: u32) -> Result<Pool, r2d2::Error> {
    #[derive(Debug)]
    struct Setup;
    impl r2d2::CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for Setup {
        fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
            conn.batch_execute(SETUP)
                .and_then(|()| conn.batch_execute("PRAGMA query_only = ON;"))
                .map_err(diesel::r2d2::Error::QueryError)
        }
    }
    r2d2::Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .connection_customizer(Box::new(Setup))
        .build(ConnectionManager::new(path.to_string_lossy()))
}
