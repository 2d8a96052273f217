//! Credentials.

use async_trait::async_trait;
use zeroid_identity_model::{CredentialId, Tenant, Timestamp};
use zeroid_storage::{
    ActorLookup, ChainFacts, CredentialFacts, CredentialFilter, CredentialStore, CredentialView,
    ExchangeFacts, Issuance, KeyFacts, Listed, Page, SecretHash, StoreError,
};
use zeroid_token_core::{CutOff, CutOffKey, Order, Reason, Source, live};

use super::writer::Writing;
use super::{SqliteStore, queries};
use crate::error::missing;

impl SqliteStore {
    /// The next number of the sequence; without a write unless the reserved block is used up.
    async fn draw(&self) -> Result<Order, StoreError> {
        if let Some(order) = self.shared.try_draw() {
            return Ok(order);
        }
        // Any commit reserves the next block when numbers are low.
        self.writer.write(false, |_| Ok(())).await?;
        self.shared.try_draw().ok_or(StoreError::Busy)
    }
}

#[async_trait]
impl CredentialStore for SqliteStore {
    async fn key_facts(&self, hash: &SecretHash) -> Result<Option<KeyFacts>, StoreError> {
        // The epoch first: facts are never older than it says.
        let epoch = self.shared.epoch();
        let order = self.draw().await?;
        if let Some(actor) = self.keys.get(hash, epoch) {
            return Ok(Some(KeyFacts { actor: (*actor).clone(), order, epoch }));
        }
        let wanted = ActorLookup::ApiKey(*hash);
        let actor = self.readers.read(move |conn| queries::facts::find_actor(conn, &wanted)).await?;
        let Some(actor) = actor else { return Ok(None) };
        self.keys.put(*hash, epoch, actor.clone());
        Ok(Some(KeyFacts { actor, order, epoch }))
    }

    async fn exchange_facts(
        &self,
        subject: CredentialId,
        actor: &ActorLookup,
    ) -> Result<ExchangeFacts, StoreError> {
        let epoch = self.shared.epoch();
        let order = self.draw().await?;
        let lookup = actor.clone();
        let read = move |conn: &mut super::Conn| {
            let subject = queries::facts::credential(conn, subject)?;
            let principal = match &subject {
                Some(subject) => {
                    let root = subject.record.lineage.root().identity;
                    Some(
                        queries::identities::by_id(conn, root)?
                            .ok_or_else(|| missing("the root of a chain"))?,
                    )
                }
                None => None,
            };
            let actor = queries::facts::find_actor(conn, &lookup)?;
            Ok(ExchangeFacts { subject, principal, actor, order, epoch })
        };
        self.readers.read(read).await
    }

    async fn issue(&self, issuance: Issuance) -> Result<(), StoreError> {
        self.writer.write(false, move |writing| issue(writing, &issuance)).await
    }

    async fn credential_facts(&self, jti: CredentialId) -> Result<Option<CredentialFacts>, StoreError> {
        self.readers.read(move |conn| queries::facts::credential(conn, jti)).await
    }

    async fn cut_off(
        &self,
        tenant: &Tenant,
        key: &CutOffKey,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<CutOff, StoreError> {
        let (tenant, key, reason) = (tenant.clone(), key.clone(), reason.clone());
        let cut = move |writing: &mut Writing<'_>| {
            let id = match &key {
                CutOffKey::SigningKey(_) => return Err(StoreError::NotFound),
                CutOffKey::Owner(_) | CutOffKey::Client(_) | CutOffKey::Family(_) | CutOffKey::Tenant => {
                    writing.tenant(&tenant)?
                }
                CutOffKey::Credential(_) | CutOffKey::Identity(_) | CutOffKey::ApiKey(_) => {
                    writing.known_tenant(&tenant)?
                }
            };
            let known = match &key {
                CutOffKey::Credential(jti) => queries::credentials::exists(writing.conn, id, *jti)?,
                CutOffKey::Identity(identity) => {
                    queries::identities::version_of(writing.conn, id, *identity)?.is_some()
                }
                CutOffKey::ApiKey(api_key) => queries::keys::of_tenant(writing.conn, id, *api_key)?.is_some(),
                _ => true,
            };
            if !known {
                return Err(StoreError::NotFound);
            }
            let order = writing.draw()?;
            queries::cut_offs::insert(writing.conn, Some((id, &tenant)), key, order, &reason, now)
        };
        self.writer.write(true, cut).await
    }

    async fn credential(
        &self,
        tenant: &Tenant,
        jti: CredentialId,
    ) -> Result<Option<CredentialView>, StoreError> {
        self.read_tenant(tenant, move |conn, id| match queries::credentials::by_jti(conn, jti)? {
            Some((of, _, record)) if of == id => queries::credentials::view(conn, id, record).map(Some),
            _ => Ok(None),
        })
        .await
    }

    async fn credentials(
        &self,
        tenant: &Tenant,
        filter: CredentialFilter,
        page: Page,
    ) -> Result<Listed<CredentialView>, StoreError> {
        let listed =
            move |conn: &mut super::Conn, id| queries::credentials::list(conn, id, filter, page).map(Some);
        let found = self.read_tenant(tenant, listed).await?;
        Ok(found.unwrap_or(Listed { items: Vec::new(), total: 0 }))
    }

    async fn chain(&self, tenant: &Tenant, jti: CredentialId) -> Result<Option<ChainFacts>, StoreError> {
        self.read_tenant(tenant, move |conn, id| match queries::credentials::by_jti(conn, jti)? {
            Some((of, _, record)) if of == id => queries::credentials::chain(conn, id, &record).map(Some),
            _ => Ok(None),
        })
        .await
    }
}

/// Store a credential if everything it was decided by still holds and its whole chain is alive.
fn issue(writing: &mut Writing<'_>, issuance: &Issuance) -> Result<(), StoreError> {
    let record = &issuance.record;
    let tenant = writing.known_tenant(record.tenant())?;
    let unchanged = writing.is_current(issuance.epoch);
    if !unchanged {
        for guard in &issuance.guards {
            if !queries::facts::holds(writing.conn, *guard)? {
                return Err(StoreError::Stale);
            }
        }
    }
    issuance.spends.iter().try_for_each(|spend| queries::credentials::spend(writing.conn, spend))?;
    if !unchanged {
        let facts = queries::facts::live(writing.conn, tenant, record)?;
        live(record, &facts, issuance.now).map_err(|dead| StoreError::Dead(Box::new(dead)))?;
    }
    queries::credentials::insert(writing.conn, tenant, issuance)?;
    if let Source::ApiKey(id) = record.lineage.own().source {
        writing.count_use(id, issuance.now);
    }
    Ok(())
}
