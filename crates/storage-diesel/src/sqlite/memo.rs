//! What a reader remembers of one state of the facts.
//!
//! Every snapshot tells its epoch, and facts that were read at the same epoch are the same facts: credentials that
//! were issued since change none of them. A credential is written once, so its facts stay the facts of its epoch.

use std::collections::HashMap;
use std::sync::Arc;

use zeroid_identity_model::{CredentialId, IdentityId, Timestamp};
use zeroid_storage::{
    ActorFacts, ActorLookup, CredentialFacts, Epoch, ExchangeFacts, IdentityRecord, StoreError,
};
use zeroid_token_core::{LiveFacts, Order, Standing};

use super::reader::Reading;
use super::{queries, single};
use crate::cut_key;
use crate::error::missing;

/// Most credentials and most identities remembered; beyond it all are forgotten. About 4 KiB each.
const MOST: usize = 4096;

/// What was read at one epoch.
#[derive(Default)]
pub(super) struct Memo {
    epoch: Option<Epoch>,
    identities: HashMap<IdentityId, Arc<IdentityRecord>>,
    credentials: HashMap<CredentialId, Arc<CredentialFacts>>,
}

impl Memo {
    /// Forget what was read at another epoch.
    pub(super) fn keep_only(&mut self, epoch: Epoch) {
        if self.epoch != Some(epoch) {
            self.identities.clear();
            self.credentials.clear();
            self.epoch = Some(epoch);
        }
    }
}

fn remember<K: std::hash::Hash + Eq, V>(known: &mut HashMap<K, V>, key: K, value: V) {
    if known.len() >= MOST {
        known.clear();
    }
    known.insert(key, value);
}

impl Reading<'_> {
    /// An identity that something stored refers to.
    fn identity(&mut self, id: IdentityId) -> Result<Arc<IdentityRecord>, StoreError> {
        if let Some(known) = self.memo.identities.get(&id) {
            return Ok(Arc::clone(known));
        }
        let record = queries::identities::by_id(self.conn, id)?.ok_or_else(|| missing("an identity"))?;
        let record = Arc::new(record);
        remember(&mut self.memo.identities, id, Arc::clone(&record));
        Ok(record)
    }

    fn standing(&mut self, id: IdentityId) -> Result<Standing, StoreError> {
        let standing = |status, expires_at: Option<Timestamp>| Standing { identity: id, status, expires_at };
        if let Some(known) = self.memo.identities.get(&id) {
            return Ok(standing(known.identity.status, known.identity.expires_at));
        }
        let record = self.identity(id)?;
        Ok(standing(record.identity.status, record.identity.expires_at))
    }

    /// A credential and what its life is judged by.
    pub(super) fn credential(
        &mut self,
        jti: CredentialId,
    ) -> Result<Option<Arc<CredentialFacts>>, StoreError> {
        if let Some(known) = self.memo.credentials.get(&jti) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some((tenant, digest, record)) = queries::credentials::by_jti(self.conn, jti)? else {
            return Ok(None);
        };
        let presenter = self.identity(record.identity())?;
        let mut standings: Vec<Standing> = Vec::with_capacity(record.lineage.len());
        for link in record.lineage.links() {
            if !standings.iter().any(|known| known.identity == link.identity) {
                standings.push(self.standing(link.identity)?);
            }
        }
        let cut_offs = queries::cut_offs::naming(self.conn, &cut_key::of_lineage(tenant, &record.lineage))?;
        let (record, live) = (Arc::new(record), LiveFacts { standings, cut_offs });
        let facts = Arc::new(CredentialFacts { record, digest, live, presenter });
        remember(&mut self.memo.credentials, jti, Arc::clone(&facts));
        Ok(Some(facts))
    }

    /// An actor with everything that limits it.
    pub(super) fn actor(&mut self, lookup: &ActorLookup) -> Result<Option<Arc<ActorFacts>>, StoreError> {
        let hash = match lookup {
            ActorLookup::Spiffe(_) => return Ok(single::find_actor(self.conn, lookup)?.map(Arc::new)),
            ActorLookup::ApiKey(hash) => hash,
        };
        if let Some(known) = self.keys.get(hash, self.epoch) {
            return Ok(Some(known));
        }
        let found = single::find_actor(self.conn, lookup)?.map(Arc::new);
        if let Some(found) = &found {
            self.keys.put(*hash, self.epoch, Arc::clone(found));
        }
        Ok(found)
    }

    /// Everything one exchange needs; the order is yet to be drawn.
    pub(super) fn exchange(
        &mut self,
        subject: CredentialId,
        actor: &ActorLookup,
    ) -> Result<ExchangeFacts, StoreError> {
        let subject = self.credential(subject)?;
        let root = subject.as_ref().map(|facts| facts.record.lineage.root().identity);
        let principal = root.map(|id| self.identity(id)).transpose()?;
        let actor = self.actor(actor)?;
        Ok(ExchangeFacts { subject, principal, actor, order: Order(0), epoch: self.epoch })
    }
}
