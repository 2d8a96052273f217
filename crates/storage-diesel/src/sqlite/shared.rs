//! What the writer and everybody else share in memory: the sequence, the epoch, the tenants' numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use zeroid_identity_model::Tenant;
use zeroid_storage::{Epoch, StoreError};
use zeroid_token_core::{CredentialRecord, Order};

use super::Conn;
use super::changes::ChangeLog;
use crate::tenants::TenantNumbers;
use crate::uses::UsesWait;

/// Numbers of the sequence reserved by one write. What is left of a block after a crash is never used.
pub(super) const BLOCK: u64 = 10_000;

/// Shared by the writer, the readers and the callers.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// At least the epoch of every verb that was answered.
    epoch: AtomicU64,
    /// The last number handed out.
    drawn: AtomicU64,
    /// The last number that callers may be handed: everything up to it is reserved on disk.
    reserved: AtomicU64,
    pub(super) uses_wait: UsesWait,
    tenants: TenantNumbers,
    /// What changed up to the epoch.
    pub(super) changes: ChangeLog,
}

impl Shared {
    pub(super) fn new(reserved_before: u64, epoch: Epoch) -> Self {
        Self {
            epoch: AtomicU64::new(epoch.0),
            drawn: AtomicU64::new(reserved_before),
            reserved: AtomicU64::new(reserved_before + BLOCK),
            uses_wait: UsesWait::default(),
            tenants: TenantNumbers::default(),
            changes: ChangeLog::default(),
        }
    }

    /// The state of the facts. Read it before reading facts.
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::SeqCst))
    }

    /// The epoch that was committed; before anything of that transaction is answered.
    pub(super) fn raise_epoch(&self, to: Epoch) {
        self.epoch.fetch_max(to.0, Ordering::SeqCst);
    }

    /// Whether what a credential was judged by at one epoch is what it is at a later one.
    pub(super) fn is_unchanged(&self, since: Epoch, now: Epoch, record: &CredentialRecord) -> bool {
        if since >= now {
            return since == now;
        }
        let marks = |tenant| self.changes.marks(tenant, &record.lineage);
        self.tenant(record.tenant()).is_some_and(|tenant| self.changes.all_hold(since, &marks(tenant)))
    }

    pub(super) fn tenant(&self, tenant: &Tenant) -> Option<i64> {
        self.tenants.tenant(tenant)
    }

    pub(super) fn remember_tenant(&self, tenant: &Tenant, id: i64) {
        self.tenants.remember_tenant(tenant, id);
    }

    /// The next number of the sequence, if the reserved block has one left.
    pub(super) fn try_draw(&self) -> Option<Order> {
        let limit = self.reserved.load(Ordering::SeqCst);
        let next = |last| if last < limit { Some(last + 1) } else { None };
        let drawn = self.drawn.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
        drawn.ok().map(|last| Order(last + 1))
    }

    /// The next number for a verb that is being written. It may lie beyond the reserved block: the writer
    /// reserves up to it in the same transaction, and nobody sees it before the commit.
    pub(super) fn draw_in_transaction(&self) -> Order {
        Order(self.drawn.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// How far to reserve with the next commit, if few numbers are left.
    pub(super) fn to_reserve(&self) -> Option<u64> {
        let drawn = self.drawn.load(Ordering::SeqCst);
        (self.reserved.load(Ordering::SeqCst) < drawn + BLOCK / 2).then_some(drawn + BLOCK)
    }

    /// Hand out what is reserved on disk.
    pub(super) fn publish(&self, reserved: u64) {
        self.reserved.fetch_max(reserved, Ordering::SeqCst);
    }
}

/// Numbers for a transaction: the shared sequence has them without asking the database.
#[derive(Debug, Default)]
pub(super) struct Orders(());

impl Orders {
    pub(super) fn draw(&mut self, _: &mut Conn, shared: &Shared) -> Result<Order, StoreError> {
        Ok(shared.draw_in_transaction())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_never_handed_a_number_beyond_the_reserve() {
        let shared = Shared::new(0, Epoch(1));
        let drawn: Vec<u64> = std::iter::from_fn(|| shared.try_draw().map(|order| order.0)).collect();
        assert_eq!(drawn, (1..=BLOCK).collect::<Vec<_>>());
        assert_eq!(shared.to_reserve(), Some(2 * BLOCK));
        shared.publish(2 * BLOCK);
        assert_eq!(shared.try_draw(), Some(Order(BLOCK + 1)));
    }

    #[test]
    fn the_writer_draws_beyond_the_reserve_and_reserves_up_to_it() {
        let shared = Shared::new(0, Epoch(1));
        while shared.try_draw().is_some() {}
        assert_eq!(shared.draw_in_transaction(), Order(BLOCK + 1));
        assert_eq!(shared.try_draw(), None, "not on disk yet");
        assert!(shared.to_reserve().unwrap() > BLOCK + 1);
    }
}
