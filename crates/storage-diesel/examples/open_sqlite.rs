//! Open a store in one file, close it, and find everything again.
//!
//! `cargo run -p zeroid-storage-diesel --example open_sqlite`

use zeroid_storage::ServerStore;
use zeroid_storage_diesel::{SqliteOptions, SqliteStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("zeroid.db");

    // Opening makes the file and applies every migration it lacks.
    let store = SqliteStore::open(SqliteOptions::new(&file))?;
    let first = store.fact_or_insert("greeting", b"hello").await?;

    // Nobody else opens it meanwhile.
    let refused = SqliteStore::open(SqliteOptions::new(&file)).map(drop);
    assert!(refused.is_err_and(|error| error.to_string().contains("in use")));
    store.close();

    let store = SqliteStore::open(SqliteOptions::new(&file))?;
    assert_eq!(store.fact("greeting").await?, Some(first));
    store.ready().await?;
    Ok(())
}
