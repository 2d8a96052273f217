//! Connections: how they are set up, migrated and pooled.

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel::r2d2::ConnectionManager;
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::error::OpenError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Every connection: wait 5 s for a lock, write ahead, flush at every commit, keep references whole, 16 MiB of cache,
/// and read the first 256 MiB of the file from memory. The log is put into the file when it has 4096 pages (16 MiB):
/// each page that was written is copied then, however often it was written.
const SETUP: &str = "PRAGMA busy_timeout = 5000;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA cache_size = -16384;
PRAGMA mmap_size = 268435456;
PRAGMA wal_autocheckpoint = 4096;";

/// Connections that only read: an insert by mistake is an error.
const READ_ONLY: &str = "PRAGMA query_only = ON;";

/// How long a read waits for a connection of the pool before it is told that the store is unavailable.
const POOL_WAIT: Duration = Duration::from_secs(5);

pub(super) type Pool = r2d2::Pool<ConnectionManager<SqliteConnection>>;

/// Open and set up a connection.
pub(super) fn open(path: &Path, writes: bool) -> Result<SqliteConnection, OpenError> {
    let io = |why: String| OpenError::Io { path: path.to_owned(), why };
    let mut conn = SqliteConnection::establish(&url(path)?).map_err(|error| io(error.to_string()))?;
    conn.batch_execute(SETUP).map_err(|error| io(error.to_string()))?;
    if !writes {
        conn.batch_execute(READ_ONLY).map_err(|error| io(error.to_string()))?;
    }
    Ok(conn)
}

/// The path as SQLite takes it; absolute, so that no name is one of its special ones.
fn url(path: &Path) -> Result<String, OpenError> {
    let io = |why: String| OpenError::Io { path: path.to_owned(), why };
    let absolute: PathBuf = std::path::absolute(path).map_err(|error| io(error.to_string()))?;
    absolute.into_os_string().into_string().map_err(|_| io("the path is not UTF-8".to_owned()))
}

/// Apply what is missing, unless a newer version was here.
pub(super) fn migrate(conn: &mut SqliteConnection, path: &Path) -> Result<Vec<String>, OpenError> {
    let failed = |why: String| OpenError::Migration { path: path.to_owned(), why };
    pending(conn, path)?;
    let ran = conn.run_pending_migrations(MIGRATIONS).map_err(|error| failed(error.to_string()))?;
    Ok(ran.iter().map(ToString::to_string).collect())
}

/// The migrations a database lacks, unless a newer version was here.
pub(super) fn pending(conn: &mut SqliteConnection, path: &Path) -> Result<Vec<String>, OpenError> {
    let failed = |why: String| OpenError::Migration { path: path.to_owned(), why };
    let applied = conn.applied_migrations().map_err(|error| failed(error.to_string()))?;
    let applied: Vec<String> = applied.iter().map(ToString::to_string).collect();
    let known = known(path)?;
    if let Some(newer) = applied.iter().find(|version| !known.iter().any(|(known, _)| known == *version)) {
        return Err(OpenError::Newer { path: path.to_owned(), migration: newer.clone() });
    }
    Ok(known.into_iter().filter(|(version, _)| !applied.contains(version)).map(|(_, name)| name).collect())
}

/// Version and name of every migration of this version, in order.
pub(super) fn known(path: &Path) -> Result<Vec<(String, String)>, OpenError> {
    let failed = |why: String| OpenError::Migration { path: path.to_owned(), why };
    let known =
        MigrationSource::<Sqlite>::migrations(&MIGRATIONS).map_err(|error| failed(error.to_string()))?;
    Ok(known
        .iter()
        .map(|migration| (migration.name().version().to_string(), migration.name().to_string()))
        .collect())
}

/// A pool for the reads that are not hot.
pub(super) fn pool(path: &Path, size: u32) -> Result<Pool, OpenError> {
    #[derive(Debug)]
    struct Setup;
    impl r2d2::CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for Setup {
        fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
            conn.batch_execute(SETUP)
                .and_then(|()| conn.batch_execute(READ_ONLY))
                .map_err(diesel::r2d2::Error::QueryError)
        }
    }
    r2d2::Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        // A connection to a file does not go stale.
        .test_on_check_out(false)
        .connection_timeout(POOL_WAIT)
        .connection_customizer(Box::new(Setup))
        .build(ConnectionManager::new(url(path)?))
        .map_err(|error| OpenError::Io { path: path.to_owned(), why: error.to_string() })
}
