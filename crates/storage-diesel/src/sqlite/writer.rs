//! Group commit: one thread owns the write connection, and verbs that wait share a transaction.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use zeroid_identity_model::{ApiKeyId, Tenant, Timestamp};
use zeroid_storage::{Epoch, StoreError};
use zeroid_token_core::{CutOff, CutOffKey, KeyId, Order, Reason};

use super::job::{Job, Ran, Verb};
use super::shared::Shared;
use super::statement::{BeginWrite, Commit, Release, Rollback, RollbackTo, Savepoint};
use super::watch::FileWatch;
use super::{Conn, queries};
use crate::error::unavailable;

/// What a verb sees while it is written.
pub(super) struct Writing<'a> {
    pub(super) conn: &'a mut Conn,
    shared: &'a Shared,
    batch: &'a mut Batch,
    uncut_kids: &'a mut HashSet<KeyId>,
}

/// What the verbs of one transaction have in common.
struct Batch {
    /// The epoch the transaction began with.
    epoch: Epoch,
    /// Whether a verb of it changed facts.
    changed: bool,
    /// Whether a verb of it added a tenant, which may yet be undone.
    added_tenant: bool,
    /// Uses of API keys, by the verbs that were kept.
    uses: HashMap<ApiKeyId, (u64, Timestamp)>,
    /// Uses by the verb that runs.
    fresh_uses: Vec<(ApiKeyId, Timestamp)>,
}

impl Writing<'_> {
    /// Whether facts read at that epoch cannot have changed since.
    pub(super) const fn is_current(&self, epoch: Epoch) -> bool {
        !self.batch.changed && self.batch.epoch.0 == epoch.0
    }

    /// The next number of the sequence, after every number drawn so far; it is reserved by the commit.
    pub(super) fn draw(&self) -> Order {
        self.shared.draw_in_transaction()
    }

    /// The number of a tenant, given at its first use.
    pub(super) fn tenant(&mut self, tenant: &Tenant) -> Result<i64, StoreError> {
        if let Some(known) = self.find_tenant(tenant)? {
            return Ok(known);
        }
        self.batch.added_tenant = true;
        queries::tenants::add(self.conn, tenant)
    }

    /// The number of a tenant that must have stored something.
    pub(super) fn known_tenant(&mut self, tenant: &Tenant) -> Result<i64, StoreError> {
        self.find_tenant(tenant)?.ok_or(StoreError::NotFound)
    }

    /// The number of a tenant, if it has one.
    pub(super) fn find_tenant(&mut self, tenant: &Tenant) -> Result<Option<i64>, StoreError> {
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
    pub(super) fn cut(
        &mut self,
        of: Option<(i64, &Tenant)>,
        key: CutOffKey,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<CutOff, StoreError> {
        let order = self.draw();
        queries::cut_offs::insert(self.conn, of, key, order, reason, now)
    }

    /// Whether a signing key was cut off; asked once a key and epoch.
    pub(super) fn is_cut(&mut self, kid: &KeyId) -> Result<bool, StoreError> {
        if !self.batch.changed && self.uncut_kids.contains(kid) {
            return Ok(false);
        }
        let cut = queries::cut_offs::is_signing_key_cut(self.conn, kid)?;
        if !cut && !self.batch.changed {
            self.uncut_kids.insert(kid.clone());
        }
        Ok(cut)
    }

    /// Count a use of an API key; written once a key and transaction.
    pub(super) fn count_use(&mut self, id: ApiKeyId, at: Timestamp) {
        self.batch.fresh_uses.push((id, at));
    }
}

/// The writer thread and the queue in front of it.
pub(super) struct Writer {
    jobs: Option<SyncSender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        conn: Conn,
        shared: Arc<Shared>,
        watch: FileWatch,
        queue: usize,
        most: usize,
    ) -> std::io::Result<Self> {
        let (jobs, waiting) = sync_channel(queue);
        let uncut_kids = (Epoch(0), HashSet::new());
        let mut desk = Desk { conn, shared, watch, most: most.max(1), uncut_kids };
        let thread = std::thread::Builder::new().name("zeroid-writer".to_owned());
        let thread = thread.spawn(move || desk.run(&waiting))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Write one verb, in its own savepoint of a shared transaction; answered after the commit.
    ///
    /// `changes_facts` is false only for issuances, which change nothing a decision is based on.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        changes_facts: bool,
        verb: impl FnOnce(&mut Writing<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answered) = Verb::new(verb, changes_facts);
        let jobs = self.jobs.as_ref().ok_or_else(|| unavailable("the writer has stopped"))?;
        jobs.try_send(Box::new(job)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => unavailable("the writer has stopped"),
        })?;
        answered.await.map_err(|_| unavailable("the writer has stopped"))?
    }
}

impl Drop for Writer {
    /// Write what waits, then stop.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the writer thread works with.
struct Desk {
    conn: Conn,
    shared: Arc<Shared>,
    watch: FileWatch,
    most: usize,
    /// Signing keys that were not cut off at an epoch.
    uncut_kids: (Epoch, HashSet<KeyId>),
}

impl Desk {
    /// Take one verb, then everything else that waits; one transaction; answer after the commit. No timer.
    fn run(&mut self, waiting: &Receiver<Box<dyn Job>>) {
        while let Ok(first) = waiting.recv() {
            let mut jobs = vec![first];
            while jobs.len() < self.most
                && let Ok(job) = waiting.try_recv()
            {
                jobs.push(job);
            }
            self.write(jobs);
        }
        let _ = self.conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE);");
    }

    fn write(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let written = self.transaction(&mut jobs);
        if written.is_err() {
            // It fails when the database has already undone the transaction by itself, which is as well.
            let _ = Rollback.execute(&mut self.conn);
        }
        for job in jobs {
            job.answer(written.clone());
        }
    }

    /// Run the verbs and commit. An error means that nothing of it is kept.
    fn transaction(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        BeginWrite.execute(&mut self.conn).map_err(unavailable)?;
        let epoch = queries::server::epoch(&mut self.conn)?;
        if self.uncut_kids.0 != epoch {
            self.uncut_kids = (epoch, HashSet::new());
        }
        // Above what we know if another process wrote; never below.
        self.shared.raise_epoch(epoch);
        let uses = HashMap::new();
        let mut batch = Batch { epoch, changed: false, added_tenant: false, uses, fresh_uses: Vec::new() };
        // An error undoes the only verb with the transaction, so that it needs no savepoint.
        if let [only] = jobs {
            if self.run_one(only.as_mut(), &mut batch) == Ran::Undone {
                return Rollback.execute(&mut self.conn).map(drop).map_err(unavailable);
            }
        } else {
            for job in jobs {
                // A savepoint that is gone means that the database has undone the transaction by itself: whatever
                // ran before is lost, and nothing more may run outside a transaction.
                Savepoint.execute(&mut self.conn).map_err(unavailable)?;
                if self.run_one(job.as_mut(), &mut batch) == Ran::Undone {
                    RollbackTo.execute(&mut self.conn).map_err(unavailable)?;
                }
                Release.execute(&mut self.conn).map_err(unavailable)?;
            }
        }
        self.finish(&batch)
    }

    fn run_one(&mut self, job: &mut dyn Job, batch: &mut Batch) -> Ran {
        let (conn, shared, uncut_kids) = (&mut self.conn, &*self.shared, &mut self.uncut_kids.1);
        let ran = job.run(&mut Writing { conn, shared, batch, uncut_kids });
        let fresh = std::mem::take(&mut batch.fresh_uses);
        if ran == Ran::Done {
            batch.changed |= job.changes_facts();
            for (id, at) in fresh {
                let (count, last) = batch.uses.entry(id).or_insert((0, at));
                *count += 1;
                *last = (*last).max(at);
            }
        }
        ran
    }

    /// What belongs to the transaction as a whole, and its commit.
    fn finish(&mut self, batch: &Batch) -> Result<(), StoreError> {
        for (id, (count, last)) in &batch.uses {
            queries::keys::count_use(&mut self.conn, *id, *count, *last)?;
        }
        // Outside every savepoint: a verb that is undone must not undo the reservation of numbers others have.
        let reserve = self.shared.to_reserve();
        if let Some(up_to) = reserve {
            queries::server::reserve(&mut self.conn, up_to)?;
        }
        let raised = Epoch(batch.epoch.0 + 1);
        if batch.changed {
            queries::server::set_epoch(&mut self.conn, raised)?;
        }
        Commit.execute(&mut self.conn).map_err(unavailable)?;
        if batch.changed {
            self.shared.raise_epoch(raised);
        }
        if let Some(up_to) = reserve {
            self.shared.publish(up_to);
        }
        match self.watch.lost() {
            None => Ok(()),
            Some(file) => Err(unavailable(format_args!("{} was removed or replaced", file.display()))),
        }
    }
}
