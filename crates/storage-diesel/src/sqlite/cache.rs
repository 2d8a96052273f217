//! Who asks and what credentials are, remembered while nothing touches it.
//!
//! An entry holds while no change is known that touches it since the epoch it was read at, and every change is known
//! before anybody is told that it happened. An issuance based on it is checked again by the writer, in the order of all
//! changes: a stale entry cannot change an answer. Only a key's use counter may lag, which no decision reads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use zeroid_identity_model::CredentialId;
use zeroid_storage::{ActorFacts, ActorLookup, ClientRecord, CredentialFacts, Epoch, IdentityRecord};
use zeroid_token_core::ClientName;

use super::changes::Mark;
use super::shared::Shared;

/// Most actors remembered; beyond it all are forgotten. About 4 KiB each.
const MOST_ACTORS: usize = 16_384;

/// Most clients remembered by name; beyond it all are forgotten. About 1 KiB each, and 20 with as many keys as can be.
const MOST_CLIENTS: usize = 4_096;

/// Parts of the memory of credentials, so that threads seldom wait for each other.
const SHARDS: usize = 16;

/// Most credentials remembered in a part; beyond it the part is forgotten. About 3 KiB each.
const MOST_IN_SHARD: usize = 2_048;

/// A credential's facts, and the identity at its root.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) facts: Arc<CredentialFacts>,
    pub(super) principal: Arc<IdentityRecord>,
}

struct Entry {
    known: Known,
    /// What a cut-off would have to name to touch it.
    marks: Box<[Mark]>,
    /// It held at this epoch.
    held_at: AtomicU64,
}

pub(super) struct FactCache {
    shared: Arc<Shared>,
    actors: RwLock<HashMap<ActorLookup, (Epoch, Arc<ActorFacts>)>>,
    clients: RwLock<HashMap<ClientName, (Epoch, Arc<ClientRecord>)>>,
    credentials: [RwLock<HashMap<CredentialId, Entry>>; SHARDS],
}

impl FactCache {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            actors: RwLock::default(),
            clients: RwLock::default(),
            credentials: std::array::from_fn(|_| RwLock::default()),
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Who it is, if that is known.
    pub(super) fn actor(&self, lookup: &ActorLookup) -> Option<Arc<ActorFacts>> {
        let actors = self.actors.read().unwrap_or_else(PoisonError::into_inner);
        let (read_at, facts) = actors.get(lookup)?;
        self.shared.changes.facts_hold(*read_at).then(|| Arc::clone(facts))
    }

    /// Remember who it is, as read at this epoch.
    pub(super) fn remember_actor(&self, lookup: ActorLookup, epoch: Epoch, facts: Arc<ActorFacts>) {
        let mut actors = self.actors.write().unwrap_or_else(PoisonError::into_inner);
        if actors.len() >= MOST_ACTORS {
            actors.clear();
        }
        actors.insert(lookup, (epoch, facts));
    }

    /// The client that calls itself so, if it is known.
    pub(super) fn client(&self, name: &ClientName) -> Option<Arc<ClientRecord>> {
        let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        let (read_at, client) = clients.get(name)?;
        self.shared.changes.facts_hold(*read_at).then(|| Arc::clone(client))
    }

    /// Remember a client, as read at this epoch.
    pub(super) fn remember_client(&self, name: ClientName, epoch: Epoch, client: Arc<ClientRecord>) {
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MOST_CLIENTS {
            clients.clear();
        }
        clients.insert(name, (epoch, client));
    }

    /// A credential's facts, if they are known.
    pub(super) fn credential(&self, jti: CredentialId) -> Option<Known> {
        // Whatever is raised after this was read is looked at below, or is not known to anybody yet.
        let now = self.shared.epoch();
        let shard = self.shard(jti)?.read().unwrap_or_else(PoisonError::into_inner);
        let entry = shard.get(&jti)?;
        let held_at = Epoch(entry.held_at.load(Ordering::SeqCst));
        if held_at < now {
            if !self.shared.changes.all_hold(held_at, &entry.marks) {
                return None;
            }
            entry.held_at.fetch_max(now.0, Ordering::SeqCst);
        }
        Some(entry.known.clone())
    }

    /// Remember a credential's facts, as read at this epoch; its tenant has this number.
    pub(super) fn remember_credential(&self, jti: CredentialId, tenant: i64, epoch: Epoch, known: Known) {
        let Some(shard) = self.shard(jti) else { return };
        let marks = self.shared.changes.marks(tenant, &known.facts.record.lineage);
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= MOST_IN_SHARD {
            shard.clear();
        }
        shard.insert(jti, Entry { known, marks, held_at: AtomicU64::new(epoch.0) });
    }

    fn shard(&self, jti: CredentialId) -> Option<&RwLock<HashMap<CredentialId, Entry>>> {
        self.credentials.get(usize::from(jti.as_bytes()[15]) % SHARDS)
    }
}
