//! SQLite: one file, one writer thread, a few readers.

mod connection;
mod epochs;
mod forget;
mod hot;
mod issue;
mod sequence;
mod shared;
mod single;
mod statement;
mod watch;
mod writer;

mod cache;
mod changes;
mod memo;
mod reader;

#[path = "../queries/mod.rs"]
mod queries;
#[path = "../verbs/mod.rs"]
mod verbs;

use std::convert::Infallible;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel::sqlite::{Sqlite, SqliteConnection};
use zeroid_identity_model::Timestamp;
use zeroid_storage::{Epoch, Spend, StoreError};
use zeroid_token_core::CredentialRecord;

use crate::error::{OpenError, unavailable};
use cache::FactCache;
use reader::Readers;
use shared::{BLOCK, Orders, Shared};
use verbs::Writer;
use watch::FileWatch;
use writer::{Desk, savepoint};

pub(crate) type Conn = SqliteConnection;
pub(crate) type Dialect = Sqlite;
use SqliteStore as ThisStore;

/// How a store on SQLite is opened.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The database file; made if it does not exist.
    pub path: PathBuf,
    /// Threads for the reads of the hot path. Each has a connection of its own.
    pub readers: usize,
    /// Connections for the other reads.
    pub pool: u32,
    /// Most verbs that may wait to be written; one more is told that the store is busy.
    pub queue: usize,
    /// Most verbs of one transaction.
    pub batch: usize,
}

impl SqliteOptions {
    /// The defaults for a file: one reader thread a core up to two, 4096 waiting, 256 a transaction.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), readers: 2, pool: 4, queue: 4096, batch: 256 }
    }
}

/// A store in one SQLite file.
///
/// Writes share transactions (group commit) and are answered after the commit, with `synchronous=FULL`. Only
/// one process may have the file open.
pub struct SqliteStore {
    writer: Writer<Infallible>,
    readers: Readers,
    pool: connection::Pool,
    shared: Arc<Shared>,
    known: Arc<FactCache>,
    forgotten: forget::Forgotten,
    _lock: File,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Open the file, migrate it, and start the writer and the readers.
    ///
    /// # Errors
    /// [`OpenError`]: in use, written by a newer version, not writable, or not migratable.
    pub fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        let path = &options.path;
        let lock = lock(path)?;
        create(path)?;
        let mut conn = connection::open(path, true)?;
        connection::migrate(&mut conn, path)?;
        let io = |why: String| OpenError::Io { path: path.clone(), why };
        let fresh = start_sequence(&mut conn).map_err(|error| io(error.to_string()))?;
        let shared = Arc::new(fresh);
        let known = Arc::new(FactCache::new(Arc::clone(&shared)));
        // After the first write: now there is a log to watch.
        let watch = FileWatch::new(path);
        let mut desk = Desk::new(conn, Arc::clone(&shared), watch, options.batch);
        let writer = Writer::start(options.queue, move |waiting| desk.run(waiting))
            .map_err(|error| io(error.to_string()))?;
        let readers = Readers::start(path, options.readers, options.queue, &known)?;
        let pool = connection::pool(path, options.pool.max(1))?;
        let forgotten = forget::Forgotten::default();
        Ok(Self { writer, readers, pool, shared, known, forgotten, _lock: lock })
    }

    /// Write what waits, put everything into the one file, and let go of it. Dropping the store does the same.
    pub fn close(self) {
        drop(self);
    }

    /// Apply the migrations a file lacks; gives their names.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn migrate(path: &Path) -> Result<Vec<String>, OpenError> {
        let _lock = lock(path)?;
        create(path)?;
        let mut conn = connection::open(path, true)?;
        connection::migrate(&mut conn, path)
    }

    /// The names of the migrations a file lacks: all, if there is no file. A server may be using it.
    ///
    /// # Errors
    /// [`OpenError`]: written by a newer version, or not readable.
    pub fn pending_migrations(path: &Path) -> Result<Vec<String>, OpenError> {
        if !path.exists() {
            return Ok(connection::known(path)?.into_iter().map(|(_, name)| name).collect());
        }
        let mut conn = connection::open(path, true)?;
        connection::pending(&mut conn, path)
    }

    /// One process has the file, and so one clock.
    async fn own_clock(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    /// Whether the hot path can read.
    async fn can_read(&self) -> Result<(), StoreError> {
        self.readers.read(|reading| queries::server::fact(reading.conn, "ready").map(drop)).await
    }

    /// What was counted of the uses of API keys is what is read next.
    async fn settle_uses(&self) -> Result<(), StoreError> {
        if self.shared.uses_wait.is_set() { self.writer.settle().await } else { Ok(()) }
    }

    async fn use_up(&self, spend: Spend) -> Result<(), StoreError> {
        self.writer.use_up(spend).await
    }

    /// Write one verb; answered after the commit.
    async fn write<T: Send + 'static>(
        &self,
        changes: verbs::Changes,
        verb: impl FnOnce(&mut verbs::Writing<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.write(changes, verb).await
    }

    /// Read on a pooled connection, away from the async threads.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let pool = self.pool.clone();
        let read = move || {
            let mut conn = pool.get().map_err(unavailable)?;
            reader::in_one_snapshot(&mut conn, work)
        };
        tokio::task::spawn_blocking(read).await.map_err(unavailable)?
    }
}

/// Whether what a credential was judged by at one epoch is what it is at a later one.
fn is_unchanged(shared: &Shared, since: Epoch, now: Epoch, record: &CredentialRecord) -> bool {
    shared.is_unchanged(since, now, record)
}

/// Reserve the first numbers, after all that may have been handed out before.
fn start_sequence(conn: &mut Conn) -> Result<Shared, StoreError> {
    let before = sequence::reserved(conn)?;
    sequence::reserve(conn, before + BLOCK)?;
    Ok(Shared::new(before, epochs::epoch(conn)?))
}

/// Make the file if there is none, for its owner alone: it holds hashes of secrets and wrapped keys.
fn create(path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let io = |why: std::io::Error| OpenError::Io { path: path.to_owned(), why: why.to_string() };
    options.open(path).map(drop).map_err(io)
}

/// One process a file: two writers would not see each other's order.
fn lock(path: &Path) -> Result<File, OpenError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let io = |why: std::io::Error| OpenError::Io { path: path.to_owned(), why: why.to_string() };
    let file =
        File::options().create(true).truncate(false).write(true).open(PathBuf::from(name)).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// A condition on an identity, in this dialect.
pub(crate) type Condition =
    Box<dyn diesel::BoxableExpression<crate::schema::identities::table, Dialect, SqlType = Bool>>;

/// Whether name or external id is like a pattern, whatever the case of ASCII letters.
pub(crate) fn is_named_like(pattern: String) -> Condition {
    use crate::schema::identities::{external_id, name};
    Box::new(name.like(pattern.clone()).escape('\\').or(external_id.like(pattern).escape('\\')))
}

/// Whether a top-level label has a string value; how JSON is asked is the dialect's affair.
pub(crate) fn has_label(name: &str, value: &str) -> Condition {
    use diesel::sql_types::Text;
    // A row of `json_each` has the member's name apart, so no name can be mistaken for a path.
    let has = diesel::dsl::sql::<Bool>(
        "EXISTS (SELECT 1 FROM json_each(identities.labels) AS label WHERE label.type = 'text' AND label.key = ",
    );
    Box::new(
        has.bind::<Text, _>(name.to_owned())
            .sql(" AND label.value = ")
            .bind::<Text, _>(value.to_owned())
            .sql(")"),
    )
}
