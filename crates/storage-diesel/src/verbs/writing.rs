//! What a verb sees while it is written.

use std::collections::HashSet;

use zeroid_identity_model::{ApiKeyId, Tenant, Timestamp};
use zeroid_storage::{Epoch, StoreError};
use zeroid_token_core::{CredentialRecord, CutOff, CutOffKey, KeyId, Order, Reason};

use super::job::{Changes, Ran};
use super::{Conn, Orders, Shared, is_unchanged, queries};
use crate::cut_key;
use crate::uses::{self, Counted};

/// What a verb sees while it is written.
pub(crate) struct Writing<'a> {
    pub(crate) conn: &'a mut Conn,
    pub(crate) shared: &'a Shared,
    pub(crate) batch: &'a mut Batch,
    pub(crate) uncut_kids: &'a mut HashSet<KeyId>,
}

/// What the verbs of one transaction have in common.
pub(crate) struct Batch {
    /// The epoch the transaction began with.
    pub(crate) epoch: Epoch,
    /// The most that a verb of it changed.
    pub(crate) changed: Changes,
    /// The keys it cut off, by the verbs that were kept.
    pub(crate) cuts: Vec<Vec<u8>>,
    /// Those cut off by the verb that runs.
    fresh_cuts: Vec<Vec<u8>>,
    /// Whether a verb of it added a tenant, which may yet be undone.
    added_tenant: bool,
    /// Uses of API keys, by the verbs that were kept.
    pub(crate) uses: Counted,
    /// Uses by the verb that runs.
    fresh_uses: Vec<(ApiKeyId, Timestamp)>,
    /// Numbers of the sequence for this transaction.
    pub(crate) orders: Orders,
}

impl Batch {
    pub(crate) fn at(epoch: Epoch) -> Self {
        Self {
            epoch,
            changed: Changes::Nothing,
            cuts: Vec::new(),
            fresh_cuts: Vec::new(),
            added_tenant: false,
            uses: Counted::new(),
            fresh_uses: Vec::new(),
            orders: Orders::default(),
        }
    }

    /// Keep what a verb did, or forget it.
    pub(crate) fn ended(&mut self, ran: Ran, changes: Changes) {
        let fresh = std::mem::take(&mut self.fresh_uses);
        let cuts = std::mem::take(&mut self.fresh_cuts);
        if ran == Ran::Done {
            self.changed = self.changed.max(changes);
            self.cuts.extend(cuts);
            fresh.into_iter().for_each(|(id, at)| self.count_use(id, at));
        }
    }

    /// Count a use of an API key by a verb that is kept.
    pub(crate) fn count_use(&mut self, id: ApiKeyId, at: Timestamp) {
        uses::count(&mut self.uses, id, at);
    }
}

impl Writing<'_> {
    /// Whether what a credential was judged by, at that epoch, cannot have changed since.
    pub(crate) fn is_current(&self, epoch: Epoch, record: &CredentialRecord) -> bool {
        self.batch.changed == Changes::Nothing && is_unchanged(self.shared, epoch, self.batch.epoch, record)
    }

    /// The next number of the sequence, after every number drawn so far; it is reserved by the commit.
    pub(crate) fn draw(&mut self) -> Result<Order, StoreError> {
        self.batch.orders.draw(self.conn, self.shared)
    }

    /// The number of a tenant, given at its first use.
    pub(crate) fn tenant(&mut self, tenant: &Tenant) -> Result<i64, StoreError> {
        if let Some(known) = self.find_tenant(tenant)? {
            return Ok(known);
        }
        self.batch.added_tenant = true;
        queries::tenants::add(self.conn, tenant)
    }

    /// The number of a tenant that must have stored something.
    pub(crate) fn known_tenant(&mut self, tenant: &Tenant) -> Result<i64, StoreError> {
        self.find_tenant(tenant)?.ok_or(StoreError::NotFound)
    }

    /// The number of a tenant, if it has one.
    pub(crate) fn find_tenant(&mut self, tenant: &Tenant) -> Result<Option<i64>, StoreError> {
        if let Some(known) = self.shared.tenant(tenant) {
            return Ok(Some(known));
        }
        let found = queries::tenants::find(self.conn, tenant)?;
        if let Some(id) = found
            && !self.batch.added_tenant
        {
            self.shared.remember_tenant(tenant, id);
        }
        Ok(found)
    }

    /// Cut off a key, after everything that was issued before.
    pub(crate) fn cut(
        &mut self,
        of: Option<(i64, &Tenant)>,
        key: CutOffKey,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<CutOff, StoreError> {
        let order = self.draw()?;
        self.batch.fresh_cuts.push(cut_key::encode(of.map_or(0, |(id, _)| id), &key));
        queries::cut_offs::insert(self.conn, of, key, order, reason, now)
    }

    /// Whether a signing key was cut off; asked once a key and epoch.
    pub(crate) fn is_cut(&mut self, kid: &KeyId) -> Result<bool, StoreError> {
        let unchanged = self.batch.changed == Changes::Nothing;
        if unchanged && self.uncut_kids.contains(kid) {
            return Ok(false);
        }
        let cut = queries::cut_offs::is_signing_key_cut(self.conn, kid)?;
        if !cut && unchanged {
            self.uncut_kids.insert(kid.clone());
        }
        Ok(cut)
    }

    /// Count a use of an API key.
    pub(crate) fn count_use(&mut self, id: ApiKeyId, at: Timestamp) {
        self.batch.fresh_uses.push((id, at));
    }
}
