//! Group commit: one thread owns the write connection, and verbs that wait share a transaction.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use zeroid_storage::{Epoch, StoreError};
use zeroid_token_core::KeyId;

use super::shared::Shared;
use super::statement::{BeginWrite, Commit, Release, Rollback, RollbackTo, Savepoint};
use super::verbs::{Batch, Job, Ran, Verb, Writing};
use super::watch::FileWatch;
use super::{Conn, queries, sequence, single};
use crate::error::unavailable;

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
        let mut batch = Batch::at(epoch);
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
        batch.ended(ran, job.changes_facts());
        ran
    }

    /// What belongs to the transaction as a whole, and its commit.
    fn finish(&mut self, batch: &Batch) -> Result<(), StoreError> {
        for (id, (count, last)) in &batch.uses {
            single::count_use(&mut self.conn, *id, *count, *last)?;
        }
        // Outside every savepoint: a verb that is undone must not undo the reservation of numbers others have.
        let reserve = self.shared.to_reserve();
        if let Some(up_to) = reserve {
            sequence::reserve(&mut self.conn, up_to)?;
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
