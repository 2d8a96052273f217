//! What is good once, in memory.

use std::collections::hash_map::Entry;

use async_trait::async_trait;

use super::MemoryStore;
use crate::error::StoreError;
use crate::records::Spend;
use crate::traits::SpendStore;

#[async_trait]
impl SpendStore for MemoryStore {
    async fn spend_once(&self, spend: Spend) -> Result<(), StoreError> {
        match self.lock().spent.entry((spend.scope, spend.hash)) {
            Entry::Occupied(_) => Err(StoreError::Spent),
            Entry::Vacant(place) => {
                place.insert(spend.forget_at);
                Ok(())
            }
        }
    }
}
