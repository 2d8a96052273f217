//! Credentials.

use std::sync::Arc;

use async_trait::async_trait;
use zeroid_identity_model::{CredentialId, Tenant, Timestamp};
use zeroid_storage::{
    ActorLookup, ChainFacts, CredentialFacts, CredentialFilter, CredentialStore, CredentialView,
    ExchangeFacts, Issuance, Listed, Page, RootFacts, StoreError,
};
use zeroid_token_core::{CutOff, CutOffKey, Reason};

use super::writing::Writing;
use super::{Conn, ThisStore, queries};
use crate::rows::CredentialRow;

#[async_trait]
impl CredentialStore for ThisStore {
    async fn root_facts(&self, actor: &ActorLookup) -> Result<Option<RootFacts>, StoreError> {
        self.facts_of_root(actor).await
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

    async fn credential_facts(&self, jti: CredentialId) -> Result<Option<Arc<CredentialFacts>>, StoreError> {
        self.facts_of_credential(jti).await
    }

    async fn cut_off(
        &self,
        tenant: &Tenant,
        key: &CutOffKey,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<CutOff, StoreError> {
        self.store_cut_off(tenant, key, reason, now).await
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
            Some((of, _, record)) if of == id => queries::credentials::chain(conn, id, &record),
            _ => Ok(None),
        })
        .await
    }
}

/// Cut off a key of a tenant, whatever it names.
pub(crate) fn cut_off(
    writing: &mut Writing<'_>,
    tenant: &Tenant,
    key: CutOffKey,
    reason: &Reason,
    now: Timestamp,
) -> Result<CutOff, StoreError> {
    let id = match &key {
        CutOffKey::SigningKey(_) => return Err(StoreError::NotFound),
        CutOffKey::Owner(_) | CutOffKey::Family(_) | CutOffKey::Tenant => writing.tenant(tenant)?,
        CutOffKey::Credential(_) | CutOffKey::Identity(_) | CutOffKey::ApiKey(_) | CutOffKey::Client(_) => {
            writing.known_tenant(tenant)?
        }
    };
    let known = match &key {
        CutOffKey::Credential(jti) => queries::credentials::exists(writing.conn, id, *jti)?,
        CutOffKey::Identity(identity) => {
            queries::identities::version_of(writing.conn, id, *identity)?.is_some()
        }
        CutOffKey::ApiKey(api_key) => queries::keys::of_tenant(writing.conn, id, *api_key)?.is_some(),
        CutOffKey::Client(client) => queries::clients::of_tenant(writing.conn, id, *client)?.is_some(),
        _ => true,
    };
    if !known {
        return Err(StoreError::NotFound);
    }
    writing.cut(Some((id, tenant)), key, reason, now)
}
