//! SQLite: one file, one writer thread, a few readers.

mod cache;
mod connection;
mod credential_verbs;
mod identity_verbs;
mod other_verbs;
mod reader;
mod writer;

#[path = "../queries/mod.rs"]
mod queries;

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use diesel::sql_types::Bool;
use diesel::sqlite::{Sqlite, SqliteConnection};
use zeroid_identity_model::Tenant;
use zeroid_storage::StoreError;

use crate::error::{OpenError, unavailable};
use cache::KeyCache;
use reader::Readers;
use writer::{Shared, Writer};

pub(crate) type Conn = SqliteConnection;
pub(crate) type Dialect = Sqlite;

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
    writer: Writer,
    readers: Readers,
    pool: connection::Pool,
    shared: Arc<Shared>,
    keys: KeyCache,
    tenants: RwLock<HashMap<Tenant, i64>>,
    _lock: File,
}

impl SqliteStore {
    /// Open the file, migrate it, and start the writer and the readers.
    ///
    /// # Errors
    /// [`OpenError`]: in use, written by a newer version, not writable, or not migratable.
    pub fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        let path = options.path.clone();
        let lock = lock(&path)?;
        let io = |why: String| OpenError::Io { path: path.clone(), why };
        let mut conn = connection::open(&path, true)?;
        connection::migrate(&mut conn, &path)?;
        let shared = Arc::new(Shared::default());
        let writer = Writer::start(conn, Arc::clone(&shared), options.queue, options.batch).map_err(&io)?;
        let readers = Readers::start(&path, options.readers.max(1), options.queue)?;
        let pool = connection::pool(&path, options.pool.max(1)).map_err(|error| io(error.to_string()))?;
        Ok(Self {
            writer,
            readers,
            pool,
            shared,
            keys: KeyCache::default(),
            tenants: RwLock::new(HashMap::new()),
            _lock: lock,
        })
    }

    /// Apply the migrations a file lacks; gives their names.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn migrate(path: &Path) -> Result<Vec<String>, OpenError> {
        let _lock = lock(path)?;
        let mut conn = connection::open(path, true)?;
        connection::migrate(&mut conn, path)
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

    /// Read for a tenant; a tenant that never stored anything has nothing.
    async fn read_tenant<T: Default + Send + 'static>(
        &self,
        tenant: &Tenant,
        work: impl FnOnce(&mut Conn, i64) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self.tenant_id(tenant).await? {
            Some(id) => self.read(move |conn| work(conn, id)).await,
            None => Ok(T::default()),
        }
    }

    /// The number of a tenant. It never changes, so it is remembered.
    async fn tenant_id(&self, tenant: &Tenant) -> Result<Option<i64>, StoreError> {
        let known = self.tenants.read().unwrap_or_else(PoisonError::into_inner).get(tenant).copied();
        if known.is_some() {
            return Ok(known);
        }
        let wanted = tenant.clone();
        let found = self.read(move |conn| queries::tenants::find(conn, &wanted)).await?;
        if let Some(id) = found {
            self.tenants.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone(), id);
        }
        Ok(found)
    }
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

/// Whether a top-level label has a string value; how JSON is asked is the dialect's affair.
pub(crate) fn has_label(
    name: &str,
    value: &str,
) -> Box<dyn diesel::BoxableExpression<crate::schema::identities::table, Dialect, SqlType = Bool>> {
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
