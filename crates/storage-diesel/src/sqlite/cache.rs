//! What API keys authenticate, remembered while no fact changes.
//!
//! An entry is good only while the epoch it was read at is the current one, and an issuance based on it is
//! checked against the epoch again by the writer, in the database: a stale entry cannot change an answer. Only the
//! key's use counter may lag, which no decision reads.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use zeroid_storage::{ActorFacts, Epoch, SecretHash};

/// Most keys remembered; beyond it all are forgotten. About 4 KiB each.
const MOST: usize = 16_384;

#[derive(Default)]
pub(super) struct KeyCache {
    entries: RwLock<HashMap<SecretHash, (Epoch, Arc<ActorFacts>)>>,
}

impl KeyCache {
    /// What was read at exactly this epoch.
    pub(super) fn get(&self, hash: &SecretHash, epoch: Epoch) -> Option<Arc<ActorFacts>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(hash).filter(|(read_at, _)| *read_at == epoch).map(|(_, facts)| Arc::clone(facts))
    }

    /// Remember what was read at this epoch.
    pub(super) fn put(&self, hash: SecretHash, epoch: Epoch, facts: Arc<ActorFacts>) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST {
            entries.clear();
        }
        entries.insert(hash, (epoch, facts));
    }
}
