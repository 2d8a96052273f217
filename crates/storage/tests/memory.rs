//! The in-memory reference keeps every promise.

use std::sync::Arc;

use zeroid_storage::MemoryStore;

async fn fresh() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new())
}

zeroid_storage_conformance::store_conformance!(fresh);
