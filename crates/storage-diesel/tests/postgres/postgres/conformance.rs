//! It keeps every promise.

use std::sync::Arc;

use zeroid_storage_diesel::{PostgresOptions, PostgresStore};

async fn fresh() -> Arc<PostgresStore> {
    let url = zeroid_test_postgres::fresh_database().expect("a PostgreSQL");
    Arc::new(PostgresStore::open(&PostgresOptions::new(url)).unwrap())
}

zeroid_storage_conformance::store_conformance!(fresh);
