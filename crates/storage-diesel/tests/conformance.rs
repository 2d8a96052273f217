//! The SQLite store keeps every promise.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use zeroid_storage_conformance::{HasStore, Shared};
use zeroid_storage_diesel::{SqliteOptions, SqliteStore};

/// A store with the folder it lives in.
struct Fresh {
    store: Arc<SqliteStore>,
    _folder: tempfile::TempDir,
}

impl HasStore for Fresh {
    fn shared(&self) -> Shared {
        Arc::<SqliteStore>::clone(&self.store)
    }
}

async fn fresh() -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(SqliteOptions::new(folder.path().join("zeroid.db"))).unwrap();
    Fresh { store: Arc::new(store), _folder: folder }
}

zeroid_storage_conformance::store_conformance!(fresh);
