//! API keys, policies, signing keys, and what the server keeps about itself.

use async_trait::async_trait;
use zeroid_identity_model::{ApiKeyId, PolicyId, Status, Tenant, Timestamp};
use zeroid_storage::{
    ApiKeyFilter, ApiKeyRecord, ApiKeyStore, Conflict, Listed, Page, PolicyRecord, PolicyStore, ServerStore,
    SigningKeyRecord, SigningKeyStore, StoreError, Swept,
};
use zeroid_token_core::{CutOff, CutOffKey, KeyId, Reason};

use super::super::epochs;
use super::job::Changes;
use super::writing::Writing;
use super::{Conn, ThisStore, queries};

/// Most identities one sweep marks: a sweep must not hold up the writer.
const MOST_EXPIRED: i64 = 500;

#[async_trait]
impl ApiKeyStore for ThisStore {
    async fn create_api_key(&self, key: ApiKeyRecord) -> Result<(), StoreError> {
        let create = move |writing: &mut Writing<'_>| {
            let tenant = writing.tenant(&key.tenant)?;
            if queries::identities::version_of(writing.conn, tenant, key.identity)?.is_none() {
                return Err(Conflict::NoSuchIdentity.into());
            }
            if let Some(policy) = key.policy_id
                && !queries::policies::exists(writing.conn, tenant, policy)?
            {
                return Err(Conflict::NoSuchPolicy.into());
            }
            queries::keys::insert(writing.conn, tenant, &key)
        };
        self.write(Changes::Facts, create).await
    }

    async fn api_key(&self, tenant: &Tenant, id: ApiKeyId) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.settle_uses().await?;
        self.read_tenant(tenant, move |conn, tenant| queries::keys::of_tenant(conn, tenant, id)).await
    }

    async fn api_keys(
        &self,
        tenant: &Tenant,
        filter: &ApiKeyFilter,
        page: Page,
        now: Timestamp,
    ) -> Result<Listed<ApiKeyRecord>, StoreError> {
        self.settle_uses().await?;
        let filter = filter.clone();
        let listed = move |conn: &mut Conn, id| queries::keys::list(conn, id, &filter, page, now).map(Some);
        let found = self.read_tenant(tenant, listed).await?;
        Ok(found.unwrap_or(Listed { items: Vec::new(), total: 0 }))
    }

    async fn revoke_api_key(
        &self,
        tenant: &Tenant,
        id: ApiKeyId,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<CutOff, StoreError> {
        let (of, reason) = (tenant.clone(), reason.clone());
        let revoke = move |writing: &mut Writing<'_>| {
            let tenant = writing.known_tenant(&of)?;
            let key = queries::keys::of_tenant(writing.conn, tenant, id)?;
            let key = key.filter(|key| key.revoked.is_none()).ok_or(StoreError::NotFound)?;
            queries::keys::revoke(writing.conn, key, &reason, now)?;
            writing.cut(Some((tenant, &of)), CutOffKey::ApiKey(id), &reason, now)
        };
        self.write(Changes::Facts, revoke).await
    }
}

#[async_trait]
impl PolicyStore for ThisStore {
    async fn create_policy(&self, policy: PolicyRecord) -> Result<(), StoreError> {
        let create = move |writing: &mut Writing<'_>| {
            let tenant = writing.tenant(&policy.tenant)?;
            queries::policies::insert(writing.conn, tenant, &policy)
        };
        self.write(Changes::Facts, create).await
    }

    async fn default_policy(&self, mut fresh: PolicyRecord) -> Result<PolicyRecord, StoreError> {
        let found = self.read_tenant(&fresh.tenant, queries::policies::default).await?;
        if let Some(found) = found {
            return Ok(found);
        }
        let create = move |writing: &mut Writing<'_>| {
            let tenant = writing.tenant(&fresh.tenant)?;
            if let Some(found) = queries::policies::default(writing.conn, tenant)? {
                return Ok(found);
            }
            if queries::policies::is_named(writing.conn, tenant, &fresh.policy.name)? {
                fresh.policy.name = format!("{} {}", fresh.policy.name, fresh.policy.id);
            }
            queries::policies::insert(writing.conn, tenant, &fresh)?;
            Ok(fresh)
        };
        self.write(Changes::Facts, create).await
    }

    async fn policy(&self, tenant: &Tenant, id: PolicyId) -> Result<Option<PolicyRecord>, StoreError> {
        let wanted = tenant.clone();
        let found = self.read_tenant(tenant, move |conn, _| queries::policies::by_id(conn, id)).await?;
        Ok(found.filter(|record| record.tenant == wanted))
    }

    async fn policies(&self, tenant: &Tenant, page: Page) -> Result<Listed<PolicyRecord>, StoreError> {
        let listed = move |conn: &mut Conn, id| queries::policies::list(conn, id, page).map(Some);
        let found = self.read_tenant(tenant, listed).await?;
        Ok(found.unwrap_or(Listed { items: Vec::new(), total: 0 }))
    }

    async fn change_policy(&self, policy: PolicyRecord) -> Result<(), StoreError> {
        let change = move |writing: &mut Writing<'_>| {
            let tenant = writing.known_tenant(&policy.tenant)?;
            queries::policies::change(writing.conn, tenant, &policy)
        };
        self.write(Changes::Facts, change).await
    }

    async fn delete_policy(&self, tenant: &Tenant, id: PolicyId) -> Result<(), StoreError> {
        let of = tenant.clone();
        let delete = move |writing: &mut Writing<'_>| {
            let tenant = writing.known_tenant(&of)?;
            queries::policies::delete(writing.conn, tenant, id)
        };
        self.write(Changes::Facts, delete).await
    }
}

#[async_trait]
impl SigningKeyStore for ThisStore {
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        self.read(queries::server::signing_keys).await
    }

    async fn first_signing_keys(
        &self,
        keys: Vec<SigningKeyRecord>,
    ) -> Result<Vec<SigningKeyRecord>, StoreError> {
        let first = move |writing: &mut Writing<'_>| {
            let stored = queries::server::signing_keys(writing.conn)?;
            if !stored.is_empty() {
                return Ok(stored);
            }
            queries::server::replace_signing_keys(writing.conn, &keys)?;
            queries::server::signing_keys(writing.conn)
        };
        self.write(Changes::Facts, first).await
    }

    async fn change_signing_keys(
        &self,
        seen: &[SigningKeyRecord],
        keys: Vec<SigningKeyRecord>,
        cut_off: &[(KeyId, Reason)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (seen, cut_off) = (seen.to_vec(), cut_off.to_vec());
        let change = move |writing: &mut Writing<'_>| {
            if queries::server::signing_keys(writing.conn)? != seen {
                return Err(StoreError::Stale);
            }
            for (kid, reason) in cut_off {
                writing.cut(None, CutOffKey::SigningKey(kid), &reason, now)?;
            }
            queries::server::replace_signing_keys(writing.conn, &keys)
        };
        self.write(Changes::Facts, change).await
    }
}

#[async_trait]
impl ServerStore for ThisStore {
    async fn fact_or_insert(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let (name, value) = (name.to_owned(), value.to_vec());
        let insert = move |writing: &mut Writing<'_>| match queries::server::fact(writing.conn, &name)? {
            Some(stored) => Ok(stored),
            None => queries::server::add_fact(writing.conn, &name, &value).map(|()| value),
        };
        self.write(Changes::Facts, insert).await
    }

    async fn fact(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let name = name.to_owned();
        self.read(move |conn| queries::server::fact(conn, &name)).await
    }

    async fn sweep(&self, now: Timestamp, forget_before: Timestamp) -> Result<Swept, StoreError> {
        let expired_identities = self.expire_identities(now).await?;
        Ok(Swept { expired_identities, ..self.forget(now, forget_before).await? })
    }

    async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        self.own_clock().await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.write(Changes::Nothing, |writing| epochs::touch(writing.conn)).await?;
        self.can_read().await
    }
}

impl ThisStore {
    /// Mark identities whose time ran out. Nothing is written, and no memory of any reader made stale, when there is
    /// none.
    async fn expire_identities(&self, now: Timestamp) -> Result<u64, StoreError> {
        let any = self.read(move |conn| queries::identities::overdue(conn, now, 1)).await?;
        if any.is_empty() {
            return Ok(0);
        }
        let expire = move |writing: &mut Writing<'_>| {
            let overdue = queries::identities::overdue(writing.conn, now, MOST_EXPIRED)?;
            let mut expired = 0;
            for (tenant, mut record) in overdue {
                record.identity.status = Status::Expired;
                record.identity.updated_at = now;
                "system:expired_sweep".clone_into(&mut record.identity.modified_by);
                record.version += 1;
                queries::identities::update(writing.conn, tenant, &record)?;
                expired += 1;
            }
            Ok(expired)
        };
        self.write(Changes::Facts, expire).await
    }
}
