//! What a reader finds out, and what it remembers of it.
//!
//! Credentials and actors are remembered for all threads; the identities that credentials name, by each reader for itself.

use std::collections::HashMap;
use std::sync::Arc;

use zeroid_identity_model::{CredentialId, IdentityId};
use zeroid_storage::{
    ActorFacts, ActorLookup, ClientRecord, CredentialFacts, Epoch, ExchangeFacts, IdentityRecord, StoreError,
};
use zeroid_token_core::{ClientName, LiveFacts, Order, Standing};

use super::cache::Known;
use super::reader::Reading;
use super::shared::Shared;
use super::{queries, single};
use crate::cut_key;
use crate::error::missing;

/// Most identities remembered; beyond it all are forgotten. About 2 KiB each.
const MOST: usize = 8192;

/// Identities, as they were at an epoch.
#[derive(Default)]
pub(super) struct Memo {
    epoch: Epoch,
    identities: HashMap<IdentityId, Arc<IdentityRecord>>,
}

impl Memo {
    /// Bring it to the epoch of a snapshot. A snapshot may be ahead of what the writer has noted so far; nothing is
    /// known then of what came between.
    pub(super) fn bring_to(&mut self, epoch: Epoch, shared: &Shared) {
        let known = epoch <= shared.epoch();
        if !(known && self.epoch <= epoch && shared.changes.facts_hold(self.epoch)) {
            self.identities.clear();
        }
        self.epoch = epoch;
    }
}

impl Reading<'_> {
    /// An identity that something stored refers to.
    fn identity(&mut self, id: IdentityId) -> Result<Arc<IdentityRecord>, StoreError> {
        if let Some(known) = self.memo.identities.get(&id) {
            return Ok(Arc::clone(known));
        }
        let record = queries::identities::by_id(self.conn, id)?.ok_or_else(|| missing("an identity"))?;
        let record = Arc::new(record);
        if self.memo.identities.len() >= MOST {
            self.memo.identities.clear();
        }
        self.memo.identities.insert(id, Arc::clone(&record));
        Ok(record)
    }

    /// A credential and what its life is judged by.
    pub(super) fn credential(&mut self, jti: CredentialId) -> Result<Option<Known>, StoreError> {
        if let Some(known) = self.known.credential(jti) {
            return Ok(Some(known));
        }
        let Some((tenant, digest, record)) = queries::credentials::by_jti(self.conn, jti)? else {
            return Ok(None);
        };
        let presenter = self.identity(record.identity())?;
        let principal = self.identity(record.lineage.root().identity)?;
        let mut standings: Vec<Standing> = Vec::with_capacity(record.lineage.len());
        for link in record.lineage.links() {
            if !standings.iter().any(|known| known.identity == link.identity) {
                let identity = self.identity(link.identity)?;
                let (status, expires_at) = (identity.identity.status, identity.identity.expires_at);
                standings.push(Standing { identity: link.identity, status, expires_at });
            }
        }
        let cut_offs = queries::cut_offs::naming(self.conn, &cut_key::of_lineage(tenant, &record.lineage))?;
        let (record, live) = (Arc::new(record), LiveFacts { standings, cut_offs });
        let facts = Arc::new(CredentialFacts { record, digest, live, presenter });
        let known = Known { facts, principal };
        self.known.remember_credential(jti, tenant, self.epoch, known.clone());
        Ok(Some(known))
    }

    /// An actor with everything that limits it.
    pub(super) fn actor(&mut self, lookup: &ActorLookup) -> Result<Option<Arc<ActorFacts>>, StoreError> {
        if let Some(known) = self.known.actor(lookup) {
            return Ok(Some(known));
        }
        let found = single::find_actor(self.conn, lookup)?.map(Arc::new);
        if let Some(found) = &found {
            self.known.remember_actor(lookup.clone(), self.epoch, Arc::clone(found));
        }
        Ok(found)
    }

    /// The client that calls itself so.
    pub(super) fn client(&mut self, name: ClientName) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        let found = queries::clients::by_name(self.conn, &name)?.map(Arc::new);
        if let Some(found) = &found {
            self.known.remember_client(name, self.epoch, Arc::clone(found));
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
        let actor = self.actor(actor)?;
        Ok(exchange_facts(subject, actor, self.holds_at))
    }
}

/// What was found out for an exchange; the order is yet to be drawn.
pub(super) fn exchange_facts(
    subject: Option<Known>,
    actor: Option<Arc<ActorFacts>>,
    epoch: Epoch,
) -> ExchangeFacts {
    let (subject, principal) = match subject {
        Some(Known { facts, principal }) => (Some(facts), Some(principal)),
        None => (None, None),
    };
    ExchangeFacts { subject, principal, actor, order: Order(0), epoch }
}
