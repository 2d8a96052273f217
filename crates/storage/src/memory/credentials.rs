//! Credentials, in memory.

use std::cmp::Reverse;
use std::sync::Arc;

use async_trait::async_trait;
use zeroid_identity_model::{CredentialId, Tenant, Timestamp};
use zeroid_token_core::{CutOff, CutOffKey, Reason, Source, live};

use super::MemoryStore;
use super::state::{State, window};
use crate::error::StoreError;
use crate::filters::{CredentialFilter, Listed, Page};
use crate::records::{
    ActorLookup, ChainFacts, CredentialFacts, CredentialView, ExchangeFacts, Issuance, RootFacts,
};
use crate::traits::CredentialStore;

#[async_trait]
impl CredentialStore for MemoryStore {
    async fn root_facts(&self, actor: &ActorLookup) -> Result<Option<RootFacts>, StoreError> {
        let mut state = self.lock();
        let order = state.draw();
        let Some(actor) = state.find_actor(actor)? else { return Ok(None) };
        Ok(Some(RootFacts { actor, order, epoch: State::epoch() }))
    }

    async fn exchange_facts(
        &self,
        subject: CredentialId,
        actor: &ActorLookup,
    ) -> Result<ExchangeFacts, StoreError> {
        let mut state = self.lock();
        let order = state.draw();
        let subject = facts_of(&state, subject)?;
        let root = subject.as_ref().map(|subject| subject.record.lineage.root().identity);
        let principal = root.and_then(|id| state.identities.get(&id)).cloned().map(Arc::new);
        let actor = state.find_actor(actor)?;
        Ok(ExchangeFacts { subject, principal, actor, order, epoch: State::epoch() })
    }

    async fn issue(&self, issuance: Issuance) -> Result<(), StoreError> {
        let mut state = self.lock();
        if !issuance.guards.iter().all(|guard| state.holds(*guard)) {
            return Err(StoreError::Stale);
        }
        state.can_spend(&issuance.spends)?;
        let facts = state.live_facts(&issuance.record);
        live(&issuance.record, &facts, issuance.now).map_err(|dead| StoreError::Dead(Box::new(dead)))?;
        state.spend(issuance.spends);
        if let Source::ApiKey(id) = issuance.record.lineage.own().source
            && let Some(key) = state.keys.get_mut(&id)
        {
            key.usage_count += 1;
            key.last_used_at = key.last_used_at.max(Some(issuance.now));
        }
        state.credentials.insert(issuance.record.jti(), (issuance.record, issuance.digest));
        Ok(())
    }

    async fn credential_facts(&self, jti: CredentialId) -> Result<Option<Arc<CredentialFacts>>, StoreError> {
        facts_of(&self.lock(), jti)
    }

    async fn cut_off(
        &self,
        tenant: &Tenant,
        key: &CutOffKey,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<CutOff, StoreError> {
        let mut state = self.lock();
        let known = match key {
            CutOffKey::Credential(jti) => {
                state.credentials.get(jti).is_some_and(|(record, _)| record.tenant() == tenant)
            }
            CutOffKey::Identity(id) => state.identity_of(tenant, *id).is_some(),
            CutOffKey::ApiKey(id) => state.keys.get(id).is_some_and(|key| key.tenant == *tenant),
            CutOffKey::SigningKey(_) => false,
            CutOffKey::Client(id) => state.client_of(tenant, *id).is_some(),
            CutOffKey::Owner(_) | CutOffKey::Family(_) | CutOffKey::Tenant => true,
        };
        if known { Ok(state.cut(Some(tenant), key.clone(), reason, now)) } else { Err(StoreError::NotFound) }
    }

    async fn credential(
        &self,
        tenant: &Tenant,
        jti: CredentialId,
    ) -> Result<Option<CredentialView>, StoreError> {
        let state = self.lock();
        let found = state.credentials.get(&jti).filter(|(record, _)| record.tenant() == tenant);
        Ok(found.map(|(record, _)| state.view(record)))
    }

    async fn credentials(
        &self,
        tenant: &Tenant,
        filter: CredentialFilter,
        page: Page,
    ) -> Result<Listed<CredentialView>, StoreError> {
        let state = self.lock();
        let of_tenant =
            state.credentials.values().map(|(record, _)| record).filter(|record| record.tenant() == tenant);
        let mut found: Vec<_> = match filter {
            CredentialFilter::Identity(id) => of_tenant.filter(|record| record.identity() == id).collect(),
            CredentialFilter::Mission(root) => {
                of_tenant.filter(|record| record.mission_id() == root).collect()
            }
        };
        match filter {
            CredentialFilter::Identity(_) => {
                found.sort_by_key(|record| (Reverse(record.issued_at()), record.jti()))
            }
            CredentialFilter::Mission(_) => {
                found.sort_by_key(|record| (record.delegation_depth(), record.issued_at(), record.jti()));
            }
        }
        Ok(window(found.into_iter().map(|record| state.view(record)).collect(), page))
    }

    async fn chain(&self, tenant: &Tenant, jti: CredentialId) -> Result<Option<ChainFacts>, StoreError> {
        let state = self.lock();
        let Some((leaf, _)) = state.credentials.get(&jti).filter(|(record, _)| record.tenant() == tenant)
        else {
            return Ok(None);
        };
        let missing = || StoreError::Corrupt("an identity of a chain is missing".to_owned());
        let mut chain = ChainFacts { credentials: Vec::new(), identities: Vec::new() };
        for link in leaf.lineage.links() {
            let Some((record, _)) = state.credentials.get(&link.jti) else { return Ok(None) };
            chain.credentials.push(state.view(record));
            if !chain.identities.iter().any(|known| known.identity.id == link.identity) {
                let identity = state.identities.get(&link.identity).ok_or_else(missing)?;
                chain.identities.push(identity.clone());
            }
        }
        Ok(Some(chain))
    }
}

fn facts_of(state: &State, jti: CredentialId) -> Result<Option<Arc<CredentialFacts>>, StoreError> {
    let Some((record, digest)) = state.credentials.get(&jti) else { return Ok(None) };
    let presenter = state.identities.get(&record.identity());
    let presenter = presenter.ok_or_else(|| StoreError::Corrupt("an identity is missing".to_owned()))?;
    Ok(Some(Arc::new(CredentialFacts {
        record: Arc::clone(record),
        digest: *digest,
        live: state.live_facts(record),
        presenter: Arc::new(presenter.clone()),
    })))
}
