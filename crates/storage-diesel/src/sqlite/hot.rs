//! The hot path: facts for a decision, and what it decided.

use std::sync::Arc;

use zeroid_identity_model::CredentialId;
use zeroid_storage::{
    ActorLookup, CredentialFacts, ExchangeFacts, Issuance, KeyFacts, SecretHash, StoreError,
};
use zeroid_token_core::Order;

use super::SqliteStore;
use super::reader::Reading;
use crate::rows::CredentialRow;

impl SqliteStore {
    /// The next number of the sequence; without a write unless the reserved block is used up.
    ///
    /// Drawn after the epoch of the facts is known: a cut-off of a higher number raises the epoch above it, and is
    /// seen when the credential is stored.
    async fn draw(&self) -> Result<Order, StoreError> {
        if let Some(order) = self.shared.try_draw() {
            return Ok(order);
        }
        self.writer.write(false, |writing| writing.draw()).await
    }

    /// The reader that remembers a credential, if one does.
    fn reader_of(jti: CredentialId) -> usize {
        usize::from(jti.as_bytes()[15])
    }

    pub(super) async fn facts_of_key(&self, hash: SecretHash) -> Result<Option<KeyFacts>, StoreError> {
        // The epoch first: facts are never older than it says.
        let epoch = self.shared.epoch();
        if let Some(actor) = self.keys.get(&hash, epoch) {
            return Ok(Some(KeyFacts { actor, order: self.draw().await?, epoch }));
        }
        let lookup = ActorLookup::ApiKey(hash);
        let read = self.readers.read(move |reading| Ok((reading.actor(&lookup)?, reading.epoch))).await?;
        let (Some(actor), epoch) = read else { return Ok(None) };
        Ok(Some(KeyFacts { actor, order: self.draw().await?, epoch }))
    }

    pub(super) async fn facts_of_exchange(
        &self,
        subject: CredentialId,
        actor: ActorLookup,
    ) -> Result<ExchangeFacts, StoreError> {
        let read = move |reading: &mut Reading<'_>| reading.exchange(subject, &actor);
        let facts = self.readers.read_at(Self::reader_of(subject), read).await?;
        Ok(ExchangeFacts { order: self.draw().await?, ..facts })
    }

    pub(super) async fn facts_of_credential(
        &self,
        jti: CredentialId,
    ) -> Result<Option<Arc<CredentialFacts>>, StoreError> {
        self.readers.read_at(Self::reader_of(jti), move |reading| reading.credential(jti)).await
    }

    pub(super) async fn store_credential(
        &self,
        issuance: Issuance,
        row: CredentialRow,
    ) -> Result<(), StoreError> {
        self.writer.issue(issuance, row).await
    }
}
