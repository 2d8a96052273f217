//! What is good once.

use async_trait::async_trait;
use zeroid_storage::{Spend, SpendStore, StoreError};

use super::job::Changes;
use super::writing::Writing;
use super::{ThisStore, queries};

#[async_trait]
impl SpendStore for ThisStore {
    async fn spend_once(&self, spend: Spend) -> Result<(), StoreError> {
        let spend = move |writing: &mut Writing<'_>| queries::credentials::spend(writing.conn, &spend);
        self.write(Changes::Nothing, spend).await
    }
}
