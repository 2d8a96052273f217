//! Identities, in memory.

use std::cmp::Reverse;
use std::collections::HashMap;

use async_trait::async_trait;
use serde_json::Value;
use zeroid_identity_model::{ExternalId, IdentityId, SpiffeId, Status, Tenant};
use zeroid_token_core::{CutOffKey, live};

use super::MemoryStore;
use super::state::{State, window};
use crate::error::{Conflict, StoreError};
use crate::filters::{Facets, IdentityFilter, Listed, OwnerFilter, Page};
use crate::records::{ApiKeyRecord, AskedWith, IdentityChange, IdentityRecord};
use crate::traits::IdentityStore;

#[async_trait]
impl IdentityStore for MemoryStore {
    async fn register(&self, identity: IdentityRecord, key: Option<ApiKeyRecord>) -> Result<(), StoreError> {
        let mut state = self.lock();
        let new = &identity.identity;
        let taken = state
            .identities
            .values()
            .find(|old| old.identity.tenant == new.tenant && old.identity.external_id == new.external_id);
        if let Some(old) = taken {
            let (id, status) = (old.identity.id, old.identity.status);
            return Err(Conflict::ExternalId { id, status }.into());
        }
        let policies = std::iter::once(identity.policy_id).chain(key.as_ref().and_then(|key| key.policy_id));
        for policy in policies {
            state.policy_of(&new.tenant, policy).ok_or(Conflict::NoSuchPolicy)?;
        }
        state.identities.insert(new.id, identity);
        if let Some(key) = key {
            state.keys.insert(key.id, key);
        }
        Ok(())
    }

    async fn identity(&self, tenant: &Tenant, id: IdentityId) -> Result<Option<IdentityRecord>, StoreError> {
        Ok(self.lock().identity_of(tenant, id).cloned())
    }

    async fn identity_by_spiffe_id(
        &self,
        tenant: &Tenant,
        uri: &SpiffeId,
    ) -> Result<Option<IdentityRecord>, StoreError> {
        let state = self.lock();
        let mut of_tenant = state.identities.values().filter(|record| record.identity.tenant == *tenant);
        Ok(of_tenant.find(|record| record.identity.spiffe_id == *uri).cloned())
    }

    async fn identity_by_external_id(
        &self,
        tenant: &Tenant,
        external_id: &ExternalId,
    ) -> Result<Option<IdentityRecord>, StoreError> {
        let state = self.lock();
        let mut of_tenant = state.identities.values().filter(|record| record.identity.tenant == *tenant);
        Ok(of_tenant.find(|record| record.identity.external_id == *external_id).cloned())
    }

    async fn identities(
        &self,
        tenant: &Tenant,
        filter: &IdentityFilter,
        page: Page,
    ) -> Result<Listed<IdentityRecord>, StoreError> {
        let state = self.lock();
        let of_tenant = state.identities.values().filter(|record| record.identity.tenant == *tenant);
        let mut found: Vec<_> = of_tenant.filter(|record| matches(record, filter)).cloned().collect();
        found.sort_by_key(|record| (Reverse(record.identity.created_at), record.identity.id));
        Ok(window(found, page))
    }

    async fn facets(&self, tenant: &Tenant) -> Result<Facets, StoreError> {
        let state = self.lock();
        let all = || state.identities.values().filter(|record| record.identity.tenant == *tenant);
        let shown: Vec<_> = all().filter(|record| record.identity.status != Status::Discovered).collect();
        let by = |name: &dyn Fn(&IdentityRecord) -> String| {
            let mut counts: HashMap<String, u64> = HashMap::new();
            for record in &shown {
                *counts.entry(name(record)).or_default() += 1;
            }
            let mut counts: Vec<_> = counts.into_iter().collect();
            counts.sort_by(|a, b| (Reverse(a.1), &a.0).cmp(&(Reverse(b.1), &b.0)));
            counts
        };
        let ended = |record: &&&IdentityRecord| {
            matches!(record.identity.status, Status::Deactivated | Status::Expired)
        };
        let ownerless =
            shown.iter().filter(|record| record.identity.owner.is_none()).filter(|r| !ended(r)).count();
        let discovered = all().count() - shown.len();
        Ok(Facets {
            identity_types: by(&|record| record.identity.kind.identity_type().to_string()),
            trust_levels: by(&|record| record.identity.trust_level.to_string()),
            statuses: by(&|record| record.identity.status.to_string()),
            created_by: by(&|record| match &record.identity.owner {
                Some(owner) => owner.to_string(),
                None => record.identity.created_by.clone(),
            }),
            ownerless: u64::try_from(ownerless).unwrap_or(u64::MAX),
            discovered: u64::try_from(discovered).unwrap_or(u64::MAX),
        })
    }

    async fn change_identity(&self, change: IdentityChange) -> Result<(), StoreError> {
        let mut state = self.lock();
        let IdentityChange { record, cut_off, revoke_keys, new_key, asked_with, now } = change;
        let (id, tenant) = (record.identity.id, record.identity.tenant.clone());
        let stored = state.identity_of(&tenant, id).ok_or(StoreError::NotFound)?;
        if stored.version + 1 != record.version {
            return Err(StoreError::Stale);
        }
        let policies =
            std::iter::once(record.policy_id).chain(new_key.as_ref().and_then(|key| key.policy_id));
        for policy in policies {
            state.policy_of(&tenant, policy).ok_or(Conflict::NoSuchPolicy)?;
        }
        if let Some(AskedWith { credential, spends }) = asked_with {
            let facts = state.live_facts(&credential);
            live(&credential, &facts, now).map_err(|dead| StoreError::Dead(Box::new(dead)))?;
            state.can_spend(&spends)?;
            state.spend(spends);
        }
        if let Some(reason) = revoke_keys {
            for key in unrevoked_keys(&state, id) {
                state.revoke_key(key, &reason, now);
            }
        }
        if let Some(reason) = cut_off {
            state.cut(Some(&tenant), CutOffKey::Identity(id), &reason, now);
        }
        if let Some(key) = new_key {
            state.keys.insert(key.id, key);
        }
        state.identities.insert(id, record);
        Ok(())
    }

    async fn newest_key_prefixes(
        &self,
        tenant: &Tenant,
        ids: &[IdentityId],
    ) -> Result<Vec<(IdentityId, String)>, StoreError> {
        let state = self.lock();
        let newest = |id: &IdentityId| {
            let keys = state.keys.values().filter(|key| key.tenant == *tenant && key.identity == *id);
            let newest =
                keys.filter(|key| key.revoked.is_none()).max_by_key(|key| (key.created_at, Reverse(key.id)));
            newest.map(|key| (*id, key.prefix.clone()))
        };
        Ok(ids.iter().filter_map(newest).collect())
    }

    async fn deepest_delegation(&self, tenant: &Tenant, id: IdentityId) -> Result<u8, StoreError> {
        let state = self.lock();
        let of_identity = state
            .credentials
            .values()
            .map(|(record, _)| record)
            .filter(|record| record.tenant() == tenant && record.identity() == id);
        Ok(of_identity.map(|record| record.delegation_depth()).max().unwrap_or(0))
    }
}

fn unrevoked_keys(state: &State, id: IdentityId) -> Vec<zeroid_identity_model::ApiKeyId> {
    let keys = state.keys.values().filter(|key| key.identity == id && key.revoked.is_none());
    keys.map(|key| key.id).collect()
}

fn matches(record: &IdentityRecord, filter: &IdentityFilter) -> bool {
    let identity = &record.identity;
    let any_of = |wanted: bool, empty: bool| empty || wanted;
    let status = if filter.statuses.is_empty() {
        identity.status != Status::Discovered
    } else {
        filter.statuses.contains(&identity.status)
    };
    let types = any_of(
        filter.identity_types.contains(&identity.kind.identity_type()),
        filter.identity_types.is_empty(),
    );
    let trust = any_of(filter.trust_levels.contains(&identity.trust_level), filter.trust_levels.is_empty());
    let active = filter.is_active.is_none_or(|wanted| wanted == (identity.status == Status::Active));
    let owner = match &filter.owner {
        None => true,
        Some(OwnerFilter::Nobody) => identity.owner.is_none(),
        Some(OwnerFilter::Is(owner)) => identity.owner.as_ref() == Some(owner),
    };
    let label = filter
        .label
        .as_ref()
        .is_none_or(|(name, value)| identity.labels.get(name).and_then(Value::as_str) == Some(value));
    let search = filter.search.as_ref().is_none_or(|wanted| {
        let wanted = wanted.to_ascii_lowercase();
        identity.name.to_ascii_lowercase().contains(&wanted)
            || identity.external_id.as_str().to_ascii_lowercase().contains(&wanted)
            || identity.id.to_string() == wanted
    });
    status && types && trust && active && owner && label && search
}
