//! Identities.

use async_trait::async_trait;
use zeroid_identity_model::{ExternalId, IdentityId, SpiffeId, Tenant};
use zeroid_storage::{
    ApiKeyRecord, AskedWith, Conflict, Facets, IdentityChange, IdentityFilter, IdentityRecord, IdentityStore,
    Listed, Page, StoreError,
};
use zeroid_token_core::{CutOffKey, live};

use super::job::Changes;
use super::writing::Writing;
use super::{Conn, ThisStore, queries};

#[async_trait]
impl IdentityStore for ThisStore {
    async fn register(&self, identity: IdentityRecord, key: Option<ApiKeyRecord>) -> Result<(), StoreError> {
        let register = move |writing: &mut Writing<'_>| {
            let tenant = writing.tenant(&identity.identity.tenant)?;
            check_policies(writing.conn, tenant, &identity, key.as_ref())?;
            queries::identities::insert(writing.conn, tenant, &identity)?;
            key.iter().try_for_each(|key| queries::keys::insert(writing.conn, tenant, key))
        };
        self.write(Changes::Facts, register).await
    }

    async fn identity(&self, tenant: &Tenant, id: IdentityId) -> Result<Option<IdentityRecord>, StoreError> {
        let wanted = tenant.clone();
        let found = self.read_tenant(tenant, move |conn, _| queries::identities::by_id(conn, id)).await?;
        Ok(found.filter(|record| record.identity.tenant == wanted))
    }

    async fn identity_by_spiffe_id(
        &self,
        tenant: &Tenant,
        uri: &SpiffeId,
    ) -> Result<Option<IdentityRecord>, StoreError> {
        let (wanted, uri) = (tenant.clone(), uri.clone());
        let found = self.read_tenant(tenant, move |conn, _| queries::identities::by_uri(conn, &uri)).await?;
        Ok(found.filter(|record| record.identity.tenant == wanted))
    }

    async fn identity_by_external_id(
        &self,
        tenant: &Tenant,
        external_id: &ExternalId,
    ) -> Result<Option<IdentityRecord>, StoreError> {
        let external_id = external_id.clone();
        let read = move |conn: &mut Conn, id| queries::identities::by_external_id(conn, id, &external_id);
        self.read_tenant(tenant, read).await
    }

    async fn identities(
        &self,
        tenant: &Tenant,
        filter: &IdentityFilter,
        page: Page,
    ) -> Result<Listed<IdentityRecord>, StoreError> {
        let filter = filter.clone();
        let listed = move |conn: &mut Conn, id| queries::identities::list(conn, id, &filter, page).map(Some);
        let found = self.read_tenant(tenant, listed).await?;
        Ok(found.unwrap_or(Listed { items: Vec::new(), total: 0 }))
    }

    async fn facets(&self, tenant: &Tenant) -> Result<Facets, StoreError> {
        self.read_tenant(tenant, queries::identities::facets).await
    }

    async fn change_identity(&self, change: IdentityChange) -> Result<(), StoreError> {
        self.write(Changes::Facts, move |writing| apply(writing, change)).await
    }

    async fn newest_key_prefixes(
        &self,
        tenant: &Tenant,
        ids: &[IdentityId],
    ) -> Result<Vec<(IdentityId, String)>, StoreError> {
        let ids = ids.to_vec();
        let read = move |conn: &mut Conn, tenant| {
            let mut found = Vec::new();
            for id in ids {
                if let Some(newest) = queries::keys::unrevoked(conn, tenant, id)?.into_iter().next() {
                    found.push((id, newest.prefix));
                }
            }
            Ok(found)
        };
        self.read_tenant(tenant, read).await
    }

    async fn deepest_delegation(&self, tenant: &Tenant, id: IdentityId) -> Result<u8, StoreError> {
        let deepest =
            move |conn: &mut Conn, tenant| queries::identities::deepest_delegation(conn, tenant, id);
        self.read_tenant(tenant, deepest).await
    }
}

fn apply(writing: &mut Writing<'_>, change: IdentityChange) -> Result<(), StoreError> {
    let IdentityChange { record, cut_off, revoke_keys, new_key, asked_with, now } = change;
    let (id, of) = (record.identity.id, &record.identity.tenant);
    let tenant = writing.known_tenant(of)?;
    let stored = queries::identities::version_of(writing.conn, tenant, id)?.ok_or(StoreError::NotFound)?;
    if stored + 1 != record.version {
        return Err(StoreError::Stale);
    }
    check_policies(writing.conn, tenant, &record, new_key.as_ref())?;
    if let Some(AskedWith { credential, spends }) = asked_with {
        let facts = queries::facts::live(writing.conn, tenant, &credential)?;
        live(&credential, &facts, now).map_err(|dead| StoreError::Dead(Box::new(dead)))?;
        spends.iter().try_for_each(|spend| queries::credentials::spend(writing.conn, spend))?;
    }
    if let Some(reason) = revoke_keys {
        for key in queries::keys::unrevoked(writing.conn, tenant, id)? {
            let cut = CutOffKey::ApiKey(key.id);
            writing.cut(Some((tenant, of)), cut, &reason, now)?;
            queries::keys::revoke(writing.conn, key, &reason, now)?;
        }
    }
    if let Some(reason) = cut_off {
        writing.cut(Some((tenant, of)), CutOffKey::Identity(id), &reason, now)?;
    }
    queries::identities::update(writing.conn, tenant, &record)?;
    new_key.iter().try_for_each(|key| queries::keys::insert(writing.conn, tenant, key))
}

/// What a record refers to must be there, in the same tenant.
fn check_policies(
    conn: &mut Conn,
    tenant: i64,
    record: &IdentityRecord,
    key: Option<&ApiKeyRecord>,
) -> Result<(), StoreError> {
    let named = std::iter::once(record.policy_id).chain(key.and_then(|key| key.policy_id));
    for policy in named {
        if !queries::policies::exists(conn, tenant, policy)? {
            return Err(Conflict::NoSuchPolicy.into());
        }
    }
    Ok(())
}
