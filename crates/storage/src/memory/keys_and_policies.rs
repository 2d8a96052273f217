//! API keys, policies, signing keys and the server's own facts, in memory.

use std::cmp::Reverse;

use async_trait::async_trait;
use zeroid_identity_model::{ApiKeyId, PolicyId, Status, Tenant, Timestamp};
use zeroid_token_core::{CutOff, CutOffKey, KeyId, Reason};

use super::MemoryStore;
use super::state::window;
use crate::error::{Conflict, StoreError};
use crate::filters::{ApiKeyFilter, ApiKeyStateFilter, Listed, Page};
use crate::records::{ApiKeyRecord, PolicyRecord, SigningKeyRecord, Swept};
use crate::traits::{ApiKeyStore, PolicyStore, ServerStore, SigningKeyStore};

/// Most identities one sweep marks, and most used-up things and credentials it forgets.
const SWEEP: (usize, usize) = (500, 5000);

#[async_trait]
impl ApiKeyStore for MemoryStore {
    async fn create_api_key(&self, key: ApiKeyRecord) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.identity_of(&key.tenant, key.identity).ok_or(Conflict::NoSuchIdentity)?;
        if let Some(policy) = key.policy_id {
            state.policy_of(&key.tenant, policy).ok_or(Conflict::NoSuchPolicy)?;
        }
        state.keys.insert(key.id, key);
        Ok(())
    }

    async fn api_key(&self, tenant: &Tenant, id: ApiKeyId) -> Result<Option<ApiKeyRecord>, StoreError> {
        Ok(self.lock().keys.get(&id).filter(|key| key.tenant == *tenant).cloned())
    }

    async fn api_keys(
        &self,
        tenant: &Tenant,
        filter: &ApiKeyFilter,
        page: Page,
        now: Timestamp,
    ) -> Result<Listed<ApiKeyRecord>, StoreError> {
        let state = self.lock();
        let wanted = |key: &&ApiKeyRecord| {
            let ended = key.expires_at.is_some_and(|end| now >= end);
            let of_state = match filter.state {
                None => true,
                Some(ApiKeyStateFilter::Revoked) => key.revoked.is_some(),
                Some(ApiKeyStateFilter::Expired) => key.revoked.is_none() && ended,
                Some(ApiKeyStateFilter::Active) => key.revoked.is_none() && !ended,
            };
            key.tenant == *tenant && filter.identity.is_none_or(|id| key.identity == id) && of_state
        };
        let mut found: Vec<_> = state.keys.values().filter(wanted).cloned().collect();
        found.sort_by_key(|key| (Reverse(key.created_at), key.id));
        Ok(window(found, page))
    }

    async fn revoke_api_key(
        &self,
        tenant: &Tenant,
        id: ApiKeyId,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<CutOff, StoreError> {
        let mut state = self.lock();
        let known = state.keys.get(&id).is_some_and(|key| key.tenant == *tenant && key.revoked.is_none());
        if !known {
            return Err(StoreError::NotFound);
        }
        state.revoke_key(id, reason, now).ok_or(StoreError::NotFound)
    }
}

#[async_trait]
impl PolicyStore for MemoryStore {
    async fn create_policy(&self, policy: PolicyRecord) -> Result<(), StoreError> {
        let mut state = self.lock();
        let same_name =
            |old: &&PolicyRecord| old.tenant == policy.tenant && old.policy.name == policy.policy.name;
        if state.policies.values().any(|old| same_name(&old)) {
            return Err(Conflict::PolicyName.into());
        }
        state.policies.insert(policy.policy.id, policy);
        Ok(())
    }

    async fn default_policy(&self, mut fresh: PolicyRecord) -> Result<PolicyRecord, StoreError> {
        let mut state = self.lock();
        let of_tenant = |old: &&PolicyRecord| old.tenant == fresh.tenant;
        let stored = state.policies.values().filter(of_tenant).find(|old| old.is_default);
        if let Some(stored) = stored {
            return Ok(stored.clone());
        }
        let named = |name: &str| state.policies.values().filter(of_tenant).any(|old| old.policy.name == name);
        if named(&fresh.policy.name) {
            fresh.policy.name = format!("{} {}", fresh.policy.name, fresh.policy.id);
        }
        state.policies.insert(fresh.policy.id, fresh.clone());
        Ok(fresh)
    }

    async fn policy(&self, tenant: &Tenant, id: PolicyId) -> Result<Option<PolicyRecord>, StoreError> {
        Ok(self.lock().policy_of(tenant, id).cloned())
    }

    async fn policies(&self, tenant: &Tenant, page: Page) -> Result<Listed<PolicyRecord>, StoreError> {
        let state = self.lock();
        let mut found: Vec<_> =
            state.policies.values().filter(|policy| policy.tenant == *tenant).cloned().collect();
        found.sort_by_key(|policy| (Reverse(policy.created_at), policy.policy.id));
        Ok(window(found, page))
    }

    async fn change_policy(&self, policy: PolicyRecord) -> Result<(), StoreError> {
        let mut state = self.lock();
        let id = policy.policy.id;
        let stored = state.policy_of(&policy.tenant, id).ok_or(StoreError::NotFound)?;
        if stored.policy.version + 1 != policy.policy.version {
            return Err(StoreError::Stale);
        }
        let clash = |old: &PolicyRecord| {
            old.tenant == policy.tenant && old.policy.id != id && old.policy.name == policy.policy.name
        };
        if state.policies.values().any(clash) {
            return Err(Conflict::PolicyName.into());
        }
        state.policies.insert(id, policy);
        Ok(())
    }

    async fn delete_policy(&self, tenant: &Tenant, id: PolicyId) -> Result<(), StoreError> {
        let mut state = self.lock();
        let is_default = state.policy_of(tenant, id).ok_or(StoreError::NotFound)?.is_default;
        let identities = state.identities.values().filter(|record| record.policy_id == id).count();
        let keys =
            state.keys.values().filter(|key| key.revoked.is_none() && key.policy_id == Some(id)).count();
        let clients = state.clients.values().filter(|client| client.policy_id == Some(id)).count();
        if is_default || identities > 0 || keys > 0 || clients > 0 {
            let count = |n| u64::try_from(n).unwrap_or(u64::MAX);
            let (identities, keys, clients) = (count(identities), count(keys), count(clients));
            return Err(Conflict::PolicyInUse { identities, keys, clients }.into());
        }
        for key in state.keys.values_mut().filter(|key| key.policy_id == Some(id)) {
            key.policy_id = None;
        }
        state.policies.remove(&id);
        Ok(())
    }
}

#[async_trait]
impl SigningKeyStore for MemoryStore {
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        Ok(self.lock().signing_keys.clone())
    }

    async fn first_signing_keys(
        &self,
        keys: Vec<SigningKeyRecord>,
    ) -> Result<Vec<SigningKeyRecord>, StoreError> {
        let mut state = self.lock();
        if state.signing_keys.is_empty() {
            state.signing_keys = keys;
            state.signing_keys.sort_by(|a, b| (a.created_at, &a.kid).cmp(&(b.created_at, &b.kid)));
        }
        Ok(state.signing_keys.clone())
    }

    async fn change_signing_keys(
        &self,
        seen: &[SigningKeyRecord],
        mut keys: Vec<SigningKeyRecord>,
        cut_off: &[(KeyId, Reason)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.signing_keys != seen {
            return Err(StoreError::Stale);
        }
        for (kid, reason) in cut_off {
            state.cut(None, CutOffKey::SigningKey(kid.clone()), reason, now);
        }
        keys.sort_by(|a, b| (a.created_at, &a.kid).cmp(&(b.created_at, &b.kid)));
        state.signing_keys = keys;
        Ok(())
    }
}

#[async_trait]
impl ServerStore for MemoryStore {
    async fn fact_or_insert(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        Ok(self.lock().facts.entry(name.to_owned()).or_insert_with(|| value.to_vec()).clone())
    }

    async fn fact(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lock().facts.get(name).cloned())
    }

    async fn sweep(&self, now: Timestamp, forget_before: Timestamp) -> Result<Swept, StoreError> {
        let mut state = self.lock();
        let mut swept = Swept::default();
        let due = state.identities.values_mut().filter(|record| {
            let identity = &record.identity;
            matches!(identity.status, Status::Active | Status::Suspended)
                && identity.expires_at.is_some_and(|end| now >= end)
        });
        for record in due.take(SWEEP.0) {
            record.identity.status = Status::Expired;
            record.identity.updated_at = now;
            "system:expired_sweep".clone_into(&mut record.identity.modified_by);
            record.version += 1;
            swept.expired_identities += 1;
        }
        let past: Vec<_> =
            state.spent.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
        for key in past.into_iter().take(SWEEP.1) {
            state.spent.remove(&key);
            swept.forgotten += 1;
        }
        let ended = state.credentials.values().map(|(record, _)| record);
        let ended: Vec<_> = ended
            .filter(|record| record.expires_at < forget_before)
            .map(|record| record.jti())
            .take(SWEEP.1)
            .collect();
        for jti in ended {
            state.credentials.remove(&jti);
            swept.forgotten_credentials += 1;
        }
        Ok(swept)
    }

    async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
