//! The hot path: facts for a decision, and what it decided.

use std::sync::Arc;

use zeroid_identity_model::{CredentialId, Tenant, Timestamp};
use zeroid_storage::{
    ActorLookup, ClientRecord, CredentialFacts, ExchangeFacts, Issuance, RootFacts, StoreError,
};
use zeroid_token_core::{ClientName, CutOff, CutOffKey, Order, Reason};

use super::SqliteStore;
use super::memo::exchange_facts;
use super::reader::Reading;
use super::verbs::{Changes, cut_off};
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
        self.writer.write(Changes::Nothing, |writing| writing.draw()).await
    }

    /// The reader a credential is asked of.
    fn reader_of(jti: CredentialId) -> usize {
        usize::from(jti.as_bytes()[15])
    }

    pub(super) async fn facts_of_root(&self, lookup: &ActorLookup) -> Result<Option<RootFacts>, StoreError> {
        // The epoch first: facts are never older than it says.
        let epoch = self.shared.epoch();
        if let Some(actor) = self.known.actor(lookup) {
            return Ok(Some(RootFacts { actor, order: self.draw().await?, epoch }));
        }
        let lookup = lookup.clone();
        let read = self.readers.read(move |reading| Ok((reading.actor(&lookup)?, reading.holds_at))).await?;
        let (Some(actor), epoch) = read else { return Ok(None) };
        Ok(Some(RootFacts { actor, order: self.draw().await?, epoch }))
    }

    pub(super) async fn facts_of_exchange(
        &self,
        subject: CredentialId,
        actor: ActorLookup,
    ) -> Result<ExchangeFacts, StoreError> {
        let epoch = self.shared.epoch();
        if let Some(known) = self.known.credential(subject)
            && let Some(actor) = self.known.actor(&actor)
        {
            let facts = exchange_facts(Some(known), Some(actor), epoch);
            return Ok(ExchangeFacts { order: self.draw().await?, ..facts });
        }
        let read = move |reading: &mut Reading<'_>| reading.exchange(subject, &actor);
        let facts = self.readers.read_at(Self::reader_of(subject), read).await?;
        Ok(ExchangeFacts { order: self.draw().await?, ..facts })
    }

    pub(super) async fn facts_of_credential(
        &self,
        jti: CredentialId,
    ) -> Result<Option<Arc<CredentialFacts>>, StoreError> {
        if let Some(known) = self.known.credential(jti) {
            return Ok(Some(known.facts));
        }
        let read = move |reading: &mut Reading<'_>| Ok(reading.credential(jti)?.map(|known| known.facts));
        self.readers.read_at(Self::reader_of(jti), read).await
    }

    pub(super) async fn client_named(
        &self,
        name: &ClientName,
    ) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        if let Some(client) = self.known.client(name) {
            return Ok(Some(client));
        }
        let name = name.clone();
        self.readers.read(move |reading| reading.client(name)).await
    }

    pub(super) async fn store_credential(
        &self,
        issuance: Issuance,
        row: CredentialRow,
    ) -> Result<(), StoreError> {
        self.writer.issue(issuance, row).await
    }

    pub(super) async fn store_cut_off(
        &self,
        tenant: &Tenant,
        key: &CutOffKey,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<CutOff, StoreError> {
        let (tenant, key, reason) = (tenant.clone(), key.clone(), reason.clone());
        self.write(Changes::CutOffs, move |writing| cut_off(writing, &tenant, key, &reason, now)).await
    }
}
