//! Credentials.

use async_trait::async_trait;
use zeroid_identity_model::{CredentialId, Tenant, Timestamp};
use zeroid_storage::{
    ActorLookup, ChainFacts, CredentialFacts, CredentialFilter, CredentialStore, CredentialView,
    ExchangeFacts, Issuance, KeyFacts, Listed, Page, SecretHash, StoreError,
};
use zeroid_token_core::{CutOff, CutOffKey, Dead, Reason, Source, live};

use super::writing::Writing;
use super::{Conn, ThisStore, queries};
use crate::rows::CredentialRow;

#[async_trait]
impl CredentialStore for ThisStore {
    async fn key_facts(&self, hash: &SecretHash) -> Result<Option<KeyFacts>, StoreError> {
        self.facts_of_key(*hash).await
    }

    async fn exchange_facts(
        &self,
        subject: CredentialId,
        actor: &ActorLookup,
    ) -> Result<ExchangeFacts, StoreError> {
        self.facts_of_exchange(subject, actor.clone()).await
    }

    async fn issue(&self, issuance: Issuance) -> Result<(), StoreError> {
        // What can be done by the caller's thread is not left to the one writer.
        let row = CredentialRow::of(&issuance)?;
        self.store_credential(issuance, row).await
    }

    async fn credential_facts(&self, jti: CredentialId) -> Result<Option<CredentialFacts>, StoreError> {
        self.facts_of_credential(jti).await
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
            writing.cut(Some((id, &tenant)), key, &reason, now)
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
        let listed = move |conn: &mut Conn, id| queries::credentials::list(conn, id, filter, page).map(Some);
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
///
/// When no fact changed since they were read, what the caller judged is still so. What their facts do not tell is
/// judged in any case: the credential's own end, and whether the key that signed it was cut off.
pub(crate) fn issue_one(
    writing: &mut Writing<'_>,
    issuance: &Issuance,
    row: CredentialRow,
) -> Result<(), StoreError> {
    let record = &issuance.record;
    let own = record.lineage.own();
    let unchanged = writing.is_current(issuance.epoch);
    if !unchanged {
        for guard in &issuance.guards {
            if !queries::facts::holds(writing.conn, *guard)? {
                return Err(StoreError::Stale);
            }
        }
    }
    issuance.spends.iter().try_for_each(|spend| queries::credentials::spend(writing.conn, spend))?;
    let unknown = || StoreError::Dead(Box::new(Dead::Unknown { identity: own.identity }));
    let tenant = writing.find_tenant(&own.tenant)?.ok_or_else(unknown)?;
    if !unchanged || issuance.now >= record.expires_at || writing.is_cut(&own.kid)? {
        let facts = queries::facts::live(writing.conn, tenant, record)?;
        live(record, &facts, issuance.now).map_err(|dead| StoreError::Dead(Box::new(dead)))?;
    }
    queries::credentials::insert(writing.conn, tenant, row)?;
    if let Source::ApiKey(id) = own.source {
        writing.count_use(id, issuance.now);
    }
    Ok(())
}
