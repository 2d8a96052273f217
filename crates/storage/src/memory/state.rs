//! The plain maps, and what several verbs ask of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use zeroid_identity_model::{
    ApiKeyId, ClientId, CredentialId, DelegationRouteId, IdentityId, PolicyId, Tenant, Timestamp,
};
use zeroid_token_core::{CredentialRecord, CutOff, CutOffKey, LiveFacts, Order, Policy, Reason, Standing};

use crate::clients::ClientRecord;
use crate::delegation_routes::DelegationRouteRecord;
use crate::error::StoreError;
use crate::records::{
    ActorFacts, ActorLookup, ApiKeyRecord, CredentialDigest, CredentialView, Epoch, Guard, IdentityRecord,
    PolicyRecord, Revoked, SecretHash, SigningKeyRecord, Spend,
};

/// Everything there is.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) identities: BTreeMap<IdentityId, IdentityRecord>,
    pub(super) policies: BTreeMap<PolicyId, PolicyRecord>,
    pub(super) keys: BTreeMap<ApiKeyId, ApiKeyRecord>,
    pub(super) clients: BTreeMap<ClientId, ClientRecord>,
    pub(super) routes: BTreeMap<DelegationRouteId, DelegationRouteRecord>,
    pub(super) credentials: BTreeMap<CredentialId, (Arc<CredentialRecord>, CredentialDigest)>,
    pub(super) cut_offs: Vec<CutOff>,
    pub(super) spent: HashMap<(String, SecretHash), Timestamp>,
    pub(super) signing_keys: Vec<SigningKeyRecord>,
    pub(super) facts: HashMap<String, Vec<u8>>,
    order: u64,
}

impl State {
    /// The next number of the one sequence.
    pub(super) const fn draw(&mut self) -> Order {
        self.order += 1;
        Order(self.order)
    }

    /// Nothing is skipped here, so one epoch does.
    pub(super) const fn epoch() -> Epoch {
        Epoch(0)
    }

    pub(super) fn identity_of(&self, tenant: &Tenant, id: IdentityId) -> Option<&IdentityRecord> {
        self.identities.get(&id).filter(|record| record.identity.tenant == *tenant)
    }

    pub(super) fn policy_of(&self, tenant: &Tenant, id: PolicyId) -> Option<&PolicyRecord> {
        self.policies.get(&id).filter(|record| record.tenant == *tenant)
    }

    pub(super) fn client_of(&self, tenant: &Tenant, id: ClientId) -> Option<&ClientRecord> {
        self.clients.get(&id).filter(|client| client.tenant == *tenant)
    }

    /// Whoever is looked for, with everything that limits it.
    pub(super) fn find_actor(&self, lookup: &ActorLookup) -> Result<Option<Arc<ActorFacts>>, StoreError> {
        match lookup {
            ActorLookup::ApiKey(hash) => {
                let key = self.keys.values().find(|key| key.hash == *hash);
                key.map(|key| self.actor(key.identity, Some(key), None)).transpose()
            }
            ActorLookup::Spiffe(uri) => {
                let record = self.identities.values().find(|record| record.identity.spiffe_id == *uri);
                record.map(|record| self.actor(record.identity.id, None, None)).transpose()
            }
            ActorLookup::Client(name) => {
                let client = self.clients.values().find(|client| client.client_id == *name);
                let bound = client.and_then(|client| Some((client, client.identity?)));
                bound.map(|(client, identity)| self.actor(identity, None, Some(client))).transpose()
            }
        }
    }

    /// What limits an identity, with the key or the client it used.
    fn actor(
        &self,
        id: IdentityId,
        key: Option<&ApiKeyRecord>,
        client: Option<&ClientRecord>,
    ) -> Result<Arc<ActorFacts>, StoreError> {
        let missing = |what: &str| StoreError::Corrupt(format!("{what} is missing"));
        let identity = self.identities.get(&id).ok_or_else(|| missing("an identity"))?;
        let policy = |id| -> Result<Arc<Policy>, StoreError> {
            let found = self.policies.get(&id).map(|record| Arc::new(record.policy.clone()));
            found.ok_or_else(|| missing("a policy"))
        };
        let key = match key {
            Some(key) => Some((key.clone(), key.policy_id.map(policy).transpose()?)),
            None => None,
        };
        let client = match client {
            Some(client) => Some((Arc::new(client.clone()), client.policy_id.map(policy).transpose()?)),
            None => None,
        };
        let (identity, policy) = (Arc::new(identity.clone()), policy(identity.policy_id)?);
        Ok(Arc::new(ActorFacts { identity, policy, key, client }))
    }

    /// What the life of a credential is judged by.
    pub(super) fn live_facts(&self, record: &CredentialRecord) -> LiveFacts {
        let ids: HashSet<IdentityId> = record.lineage.links().map(|link| link.identity).collect();
        let standings = ids.iter().filter_map(|id| self.identities.get(id)).map(|record| Standing {
            identity: record.identity.id,
            status: record.identity.status,
            expires_at: record.identity.expires_at,
        });
        let keys: HashSet<CutOffKey> = record.lineage.links().flat_map(|link| link.cut_off_keys()).collect();
        let cut_offs = self.cut_offs.iter().filter(|cut| keys.contains(&cut.key));
        LiveFacts { standings: standings.collect(), cut_offs: cut_offs.cloned().collect() }
    }

    pub(super) fn view(&self, record: &CredentialRecord) -> CredentialView {
        CredentialView { record: record.clone(), revoked_by: record.revoked_by(&self.cut_offs).cloned() }
    }

    /// Whether a fact is still what it was.
    pub(super) fn holds(&self, guard: Guard) -> bool {
        match guard {
            Guard::Identity(id, version) => {
                self.identities.get(&id).is_some_and(|record| record.version == version)
            }
            Guard::Policy(id, version) => {
                self.policies.get(&id).is_some_and(|record| record.policy.version == version)
            }
            Guard::Client(id, version) => {
                self.clients.get(&id).is_some_and(|client| client.version == version)
            }
            Guard::DelegationRoute(id) => self.routes.contains_key(&id),
            Guard::ApiKey(id) => self.keys.get(&id).is_some_and(|key| key.revoked.is_none()),
        }
    }

    /// One more row, or the first again when the key is cut for ever.
    pub(super) fn cut(
        &mut self,
        tenant: Option<&Tenant>,
        key: CutOffKey,
        reason: &Reason,
        now: Timestamp,
    ) -> CutOff {
        let for_ever = key.is_for_ever();
        let first = self.cut_offs.iter().find(|cut| cut.tenant.as_ref() == tenant && cut.key == key);
        if let Some(first) = first.filter(|_| for_ever) {
            return first.clone();
        }
        let up_to = (!for_ever).then(|| self.draw());
        let cut = CutOff { tenant: tenant.cloned(), key, up_to, at: now, reason: reason.clone() };
        self.cut_offs.push(cut.clone());
        cut
    }

    /// Whether all of these can be used up, each once.
    pub(super) fn can_spend(&self, spends: &[Spend]) -> Result<(), StoreError> {
        let mut seen = HashSet::new();
        let fresh = |spend: &Spend| {
            let key = (spend.scope.clone(), spend.hash);
            !self.spent.contains_key(&key) && seen.insert(key)
        };
        if spends.iter().all(fresh) { Ok(()) } else { Err(StoreError::Spent) }
    }

    /// Use these up.
    pub(super) fn spend(&mut self, spends: Vec<Spend>) {
        self.spent.extend(spends.into_iter().map(|spend| ((spend.scope, spend.hash), spend.forget_at)));
    }

    /// Revoke one key and cut off what it minted.
    pub(super) fn revoke_key(&mut self, id: ApiKeyId, reason: &Reason, now: Timestamp) -> Option<CutOff> {
        let key = self.keys.get_mut(&id)?;
        key.revoked = Some(Revoked { at: now, reason: reason.clone() });
        key.updated_at = now;
        let tenant = key.tenant.clone();
        Some(self.cut(Some(&tenant), CutOffKey::ApiKey(id), reason, now))
    }
}

/// A window of what matched.
pub(super) fn window<T>(items: Vec<T>, page: crate::filters::Page) -> crate::filters::Listed<T> {
    let total = u64::try_from(items.len()).unwrap_or(u64::MAX);
    let offset = usize::try_from(page.offset).unwrap_or(usize::MAX);
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    crate::filters::Listed { items: items.into_iter().skip(offset).take(limit).collect(), total }
}
