//! What a reader remembers of one state of the facts, and how it reads the rest at once.
//!
//! Every read tells the epoch and what was cut off since the one before, whichever replica did it: a stale entry is
//! never used, since that is asked of the database before each answer.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use zeroid_identity_model::{CredentialId, IdentityId, PolicyId, SpiffeId};
use zeroid_storage::{
    ActorFacts, ActorLookup, ApiKeyRecord, ClientRecord, CredentialFacts, Epoch, IdentityRecord, SecretHash,
    StoreError,
};
use zeroid_token_core::{ClientName, CutOff, LiveFacts, Policy, Standing};

use super::bulk::Stored;
use super::changes::Present;
use super::{Conn, bulk};
use crate::cut_key;
use crate::error::missing;

/// Most entries of each kind that a reader remembers; beyond it all are forgotten. About 3 KiB each.
const MOST: usize = 16_384;

/// Most links of their lineages, those of what was forgotten included; beyond it all are forgotten. 50 bytes each.
const MOST_LINKS: usize = 16 * MOST;

/// What a batch of questions is about.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    credentials: HashSet<CredentialId>,
    keys: HashSet<SecretHash>,
    uris: HashSet<SpiffeId>,
    clients: HashSet<ClientName>,
}

impl Wanted {
    pub(super) fn credential(&mut self, jti: CredentialId) {
        self.credentials.insert(jti);
    }

    pub(super) fn actor(&mut self, lookup: &ActorLookup) {
        match lookup {
            ActorLookup::ApiKey(hash) => drop(self.keys.insert(*hash)),
            ActorLookup::Spiffe(uri) => drop(self.uris.insert(uri.clone())),
            ActorLookup::Client(name) => drop(self.clients.insert(name.clone())),
        }
    }

    fn is_empty(&self) -> bool {
        self.credentials.is_empty() && self.keys.is_empty() && self.uris.is_empty() && self.clients.is_empty()
    }
}

/// A credential's facts, and the identity at its root.
pub(super) struct Known {
    pub(super) facts: Arc<CredentialFacts>,
    pub(super) principal: Arc<IdentityRecord>,
}

/// A client, and the identity it is bound to with what limits it.
struct NamedClient {
    record: Arc<ClientRecord>,
    bound: Option<Arc<ActorFacts>>,
}

/// What holds at one epoch. What was looked for and not found is remembered too.
#[derive(Default)]
pub(super) struct Memo {
    epoch: Option<Epoch>,
    identities: HashMap<IdentityId, Arc<IdentityRecord>>,
    policies: HashMap<PolicyId, Arc<Policy>>,
    credentials: HashMap<CredentialId, Option<Arc<Known>>>,
    keys: HashMap<SecretHash, Option<Arc<ActorFacts>>>,
    uris: HashMap<SpiffeId, Option<Arc<ActorFacts>>>,
    clients: HashMap<ClientName, Option<NamedClient>>,
    /// Credentials that are remembered, by each link of their lineages; some that were forgotten, too.
    below: HashMap<CredentialId, Vec<CredentialId>>,
    /// How many were noted there since all was forgotten.
    noted: usize,
}

impl Memo {
    /// What everything in it holds at.
    pub(super) const fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// Forget what does not hold any more: all below what was cut off since, or everything.
    pub(super) fn keep_only(&mut self, present: &Present) {
        match &present.cut {
            Some(cut) => {
                for below in cut.iter().filter_map(|jti| self.below.remove(jti)).flatten() {
                    self.credentials.remove(&below);
                }
                self.epoch = Some(present.epoch);
            }
            None => *self = Self { epoch: Some(present.epoch), ..Self::default() },
        }
    }

    /// What is not known yet. Makes room for it first, so that nothing of this batch is forgotten again.
    pub(super) fn lacks(&mut self, wanted: &Wanted) -> Option<Wanted> {
        let full = [
            self.credentials.len(),
            self.keys.len(),
            self.uris.len(),
            self.clients.len(),
            self.identities.len(),
        ];
        if full.into_iter().any(|count| count >= MOST) || self.noted >= MOST_LINKS {
            let epoch = self.epoch;
            *self = Self { epoch, ..Self::default() };
        }
        let lacking = Wanted {
            credentials: lacking(&wanted.credentials, &self.credentials),
            keys: lacking(&wanted.keys, &self.keys),
            uris: lacking(&wanted.uris, &self.uris),
            clients: lacking(&wanted.clients, &self.clients),
        };
        (!lacking.is_empty()).then_some(lacking)
    }

    /// A credential that was looked for.
    pub(super) fn credential(&self, jti: CredentialId) -> Option<&Known> {
        self.credentials.get(&jti)?.as_deref()
    }

    /// An actor that was looked for.
    pub(super) fn actor(&self, lookup: &ActorLookup) -> Option<&Arc<ActorFacts>> {
        match lookup {
            ActorLookup::ApiKey(hash) => self.keys.get(hash)?.as_ref(),
            ActorLookup::Spiffe(uri) => self.uris.get(uri)?.as_ref(),
            ActorLookup::Client(name) => self.clients.get(name)?.as_ref()?.bound.as_ref(),
        }
    }

    /// A client that was looked for.
    pub(super) fn client(&self, name: &ClientName) -> Option<&Arc<ClientRecord>> {
        self.clients.get(name)?.as_ref().map(|client| &client.record)
    }

    /// Read what is wanted, in as many round trips as there are kinds of rows.
    pub(super) fn read(&mut self, conn: &mut Conn, wanted: &Wanted) -> Result<(), StoreError> {
        let stored = load(wanted.credentials.iter(), |ids| bulk::credentials(conn, ids))?;
        let keys = load(wanted.keys.iter(), |hashes| bulk::keys(conn, hashes))?;
        let uris: Vec<&SpiffeId> = wanted.uris.iter().collect();
        let actors = if uris.is_empty() { Vec::new() } else { bulk::identities_by_uri(conn, &uris)? };
        let clients = load(wanted.clients.iter(), |names| bulk::clients(conn, names))?;
        let clients: Vec<Arc<ClientRecord>> = clients.into_iter().map(Arc::new).collect();
        let lineages = stored.iter().flat_map(|(_, _, _, record)| record.lineage.links());
        let named: HashSet<IdentityId> = lineages
            .map(|link| link.identity)
            .chain(keys.iter().map(|key| key.identity))
            .chain(clients.iter().filter_map(|client| client.identity))
            .collect();
        let unknown: Vec<IdentityId> =
            named.into_iter().filter(|id| !self.identities.contains_key(id)).collect();
        let read = load(unknown.iter(), |ids| bulk::identities(conn, ids))?;
        for identity in read.into_iter().chain(actors.iter().cloned()) {
            self.identities.insert(identity.identity.id, Arc::new(identity));
        }
        self.read_policies(conn, &keys, &actors, &clients)?;
        self.read_lives(conn, stored)?;
        for key in keys {
            let facts = self.actor_facts(key.identity, Some(&key), None)?;
            self.keys.insert(key.hash, Some(Arc::new(facts)));
        }
        for actor in actors {
            let facts = self.actor_facts(actor.identity.id, None, None)?;
            self.uris.insert(actor.identity.spiffe_id.clone(), Some(Arc::new(facts)));
        }
        for record in clients {
            // One that is bound to nobody finds nobody.
            let bound = match record.identity {
                Some(identity) => {
                    Some(Arc::new(self.actor_facts(identity, None, Some(Arc::clone(&record)))?))
                }
                None => None,
            };
            self.clients.insert(record.client_id.clone(), Some(NamedClient { record, bound }));
        }
        // What was not found is known not to be there.
        for jti in &wanted.credentials {
            self.credentials.entry(*jti).or_insert(None);
        }
        for hash in &wanted.keys {
            self.keys.entry(*hash).or_insert(None);
        }
        for uri in &wanted.uris {
            self.uris.entry(uri.clone()).or_insert(None);
        }
        for name in &wanted.clients {
            self.clients.entry(name.clone()).or_insert(None);
        }
        Ok(())
    }

    fn read_policies(
        &mut self,
        conn: &mut Conn,
        keys: &[ApiKeyRecord],
        actors: &[IdentityRecord],
        clients: &[Arc<ClientRecord>],
    ) -> Result<(), StoreError> {
        let bound = clients.iter().filter_map(|client| client.identity);
        let users = keys.iter().map(|key| key.identity).chain(bound);
        let of_users = users.filter_map(|identity| self.identities.get(&identity));
        let governing =
            of_users.map(|identity| identity.policy_id).chain(actors.iter().map(|actor| actor.policy_id));
        let own = keys.iter().filter_map(|key| key.policy_id);
        let own = own.chain(clients.iter().filter_map(|client| client.policy_id));
        let named: HashSet<PolicyId> = governing.chain(own).collect();
        let unknown: Vec<PolicyId> = named.into_iter().filter(|id| !self.policies.contains_key(id)).collect();
        for record in load(unknown.iter(), |ids| bulk::policies(conn, ids))? {
            self.policies.insert(record.policy.id, Arc::new(record.policy));
        }
        Ok(())
    }

    /// What the life of each credential is judged by.
    fn read_lives(&mut self, conn: &mut Conn, stored: Vec<Stored>) -> Result<(), StoreError> {
        let keys_of: Vec<Vec<Vec<u8>>> = stored
            .iter()
            .map(|(_, tenant, _, record)| cut_key::of_lineage(*tenant, &record.lineage))
            .collect();
        let keys: HashSet<&Vec<u8>> = keys_of.iter().flatten().collect();
        let mut cuts: HashMap<Vec<u8>, Vec<(usize, CutOff)>> = HashMap::new();
        let found = load(keys.into_iter(), |keys| bulk::cut_offs(conn, keys))?;
        for (age, (key, cut)) in found.into_iter().enumerate() {
            cuts.entry(key).or_default().push((age, cut));
        }
        for ((jti, _, digest, record), keys) in stored.into_iter().zip(keys_of) {
            let mut naming: Vec<&(usize, CutOff)> =
                keys.iter().filter_map(|key| cuts.get(key)).flatten().collect();
            naming.sort_unstable_by_key(|(age, _)| *age);
            let cut_offs = naming.into_iter().map(|(_, cut)| cut.clone()).collect();
            let mut standings: Vec<Standing> = Vec::with_capacity(record.lineage.len());
            for link in record.lineage.links() {
                if !standings.iter().any(|known| known.identity == link.identity) {
                    let record = &self.known(link.identity)?.identity;
                    let (status, expires_at) = (record.status, record.expires_at);
                    standings.push(Standing { identity: link.identity, status, expires_at });
                }
            }
            let presenter = Arc::clone(self.known(record.identity())?);
            let principal = Arc::clone(self.known(record.lineage.root().identity)?);
            let (record, live) = (Arc::new(record), LiveFacts { standings, cut_offs });
            for link in record.lineage.links() {
                self.below.entry(link.jti).or_default().push(jti);
                self.noted += 1;
            }
            let facts = Arc::new(CredentialFacts { record, digest, live, presenter });
            self.credentials.insert(jti, Some(Arc::new(Known { facts, principal })));
        }
        Ok(())
    }

    fn actor_facts(
        &self,
        identity: IdentityId,
        key: Option<&ApiKeyRecord>,
        client: Option<Arc<ClientRecord>>,
    ) -> Result<ActorFacts, StoreError> {
        let identity = Arc::clone(self.known(identity)?);
        let policy = self.policy(identity.policy_id)?;
        let key = match key {
            Some(key) => Some((key.clone(), key.policy_id.map(|id| self.policy(id)).transpose()?)),
            None => None,
        };
        let client = match client {
            Some(client) => {
                let own = client.policy_id.map(|id| self.policy(id)).transpose()?;
                Some((client, own))
            }
            None => None,
        };
        Ok(ActorFacts { identity, policy, key, client })
    }

    fn known(&self, id: IdentityId) -> Result<&Arc<IdentityRecord>, StoreError> {
        self.identities.get(&id).ok_or_else(|| missing("an identity"))
    }

    fn policy(&self, id: PolicyId) -> Result<Arc<Policy>, StoreError> {
        self.policies.get(&id).cloned().ok_or_else(|| missing("a policy"))
    }
}

fn lacking<K: Hash + Eq + Clone, V>(wanted: &HashSet<K>, known: &HashMap<K, V>) -> HashSet<K> {
    wanted.iter().filter(|key| !known.contains_key(*key)).cloned().collect()
}

/// Load rows by their keys, without a round trip for none.
fn load<'k, K: Clone + 'k, T>(
    keys: impl Iterator<Item = &'k K>,
    read: impl FnOnce(&[K]) -> Result<Vec<T>, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let keys: Vec<K> = keys.cloned().collect();
    if keys.is_empty() { Ok(Vec::new()) } else { read(&keys) }
}
