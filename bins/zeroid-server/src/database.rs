//! The database of the settings, whichever it is.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use zeroid_jose::Secret;
use zeroid_storage::Store;
use zeroid_storage_diesel::{PostgresOptions, PostgresStore, SqliteOptions, SqliteStore};

/// Which database, and where.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file of this server alone.
    Sqlite(PathBuf),
    /// A PostgreSQL that any number of replicas share; the URL may hold a password.
    Postgres(Secret),
}

impl Database {
    /// The database of a URL.
    pub(crate) fn of(url: &str) -> Result<Self, String> {
        if let Some(path) = url.strip_prefix("sqlite://").filter(|path| !path.is_empty()) {
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            if let Some(host) = PostgresOptions::new(url).unverified_host() {
                return Err(format!(
                    "database_url names {host}, another machine, and not how it proves who it is: add \
                     `sslmode=verify-full&sslrootcert=FILE` with the certificate of its CA, or name a weaker sslmode"
                ));
            }
            return Ok(Self::Postgres(Secret::new(url.to_owned())));
        }
        Err("database_url must be sqlite://PATH or postgresql://USER@HOST/DATABASE".to_owned())
    }

    /// Whether it was ever used.
    pub(crate) fn exists(&self) -> Result<bool, String> {
        match self {
            Self::Sqlite(path) => Ok(path.exists()),
            Self::Postgres(url) => PostgresStore::is_made(url.expose()).map_err(|error| error.to_string()),
        }
    }

    /// Whether its server is known to be the one it should be.
    pub(crate) fn is_verified(&self) -> bool {
        match self {
            Self::Sqlite(_) => true,
            Self::Postgres(url) => {
                let options = PostgresOptions::new(url.expose());
                options.is_verified() || options.is_local()
            }
        }
    }

    /// Open it, at the schema of this version.
    pub(crate) fn open(&self) -> Result<Arc<dyn Store>, String> {
        match self {
            Self::Sqlite(path) => {
                let store = SqliteStore::open(SqliteOptions::new(path)).map_err(|error| error.to_string())?;
                Ok(Arc::new(store))
            }
            Self::Postgres(url) => {
                let options = PostgresOptions::new(url.expose());
                let store = PostgresStore::open(&options).map_err(|error| error.to_string())?;
                Ok(Arc::new(store))
            }
        }
    }

    /// Bring it to the schema of this version; gives what was applied.
    pub(crate) fn migrate(&self) -> Result<Vec<String>, String> {
        let applied = match self {
            Self::Sqlite(path) => SqliteStore::migrate(path),
            Self::Postgres(url) => PostgresStore::migrate(url.expose()),
        };
        applied.map_err(|error| error.to_string())
    }
}

/// Without user, password and options.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => f.write_str(&PostgresOptions::new(url.expose()).place()),
        }
    }
}
