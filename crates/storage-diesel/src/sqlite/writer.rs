//! Group commit: one thread owns the write connection, and whatever waits shares a transaction.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use zeroid_storage::{Epoch, Issuance, Spend, StoreError};
use zeroid_token_core::KeyId;

use super::shared::Shared;
use super::statement::{BeginWrite, Commit, Release, Rollback, RollbackTo, Savepoint};
use super::verbs::{Batch, Changes, Issue, Job, Ran, Step, UseUp, Verb, Writing, apart};
use super::watch::FileWatch;
use super::{Conn, epochs, issue, sequence, single};
use crate::error::unavailable;
use crate::rows::CredentialRow;
use crate::uses::Uses;

/// What waits to be written.
enum Work {
    /// A credential; these are stored together.
    Issue(Box<Issue>),
    /// What is good once.
    UseUp(Box<UseUp>),
    /// Any other verb.
    Verb(Box<dyn Job>),
    /// A verb before which the uses of API keys are written.
    Settle(Box<dyn Job>),
}

/// The writer thread and the queue in front of it.
pub(super) struct Writer {
    works: Option<SyncSender<Work>>,
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
        let (works, waiting) = sync_channel(queue);
        let uncut_kids = (Epoch(0), HashSet::new());
        let mut desk = Desk { conn, shared, watch, most: most.max(1), uncut_kids, uses: Uses::default() };
        let thread = std::thread::Builder::new().name("zeroid-writer".to_owned());
        let thread = thread.spawn(move || desk.run(&waiting))?;
        Ok(Self { works: Some(works), thread: Some(thread) })
    }

    /// Write one verb, in its own savepoint of a shared transaction; answered after the commit.
    ///
    /// `changes` says what it changes of what decisions are based on.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        changes: Changes,
        verb: impl FnOnce(&mut Writing<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answered) = Verb::new(verb, changes);
        self.hand_over(Work::Verb(Box::new(job)))?;
        answered.await.map_err(|_| unavailable("the writer has stopped"))?
    }

    /// Have every use of an API key written that was counted so far.
    pub(super) async fn settle(&self) -> Result<(), StoreError> {
        let (job, answered) = Verb::new(|_: &mut Writing<'_>| Ok(()), Changes::Nothing);
        self.hand_over(Work::Settle(Box::new(job)))?;
        answered.await.map_err(|_| unavailable("the writer has stopped"))?
    }

    /// Store a credential; answered after the commit.
    pub(super) async fn issue(&self, issuance: Issuance, row: CredentialRow) -> Result<(), StoreError> {
        let (issue, answered) = Issue::new(issuance, row);
        self.hand_over(Work::Issue(Box::new(issue)))?;
        answered.await.map_err(|_| unavailable("the writer has stopped"))?.answer()
    }

    /// Use something up, in a shared transaction; answered after the commit.
    pub(super) async fn use_up(&self, spend: Spend) -> Result<(), StoreError> {
        let (spending, answered) = UseUp::new(spend);
        self.hand_over(Work::UseUp(Box::new(spending)))?;
        answered.await.map_err(|_| unavailable("the writer has stopped"))?.answer()
    }

    fn hand_over(&self, work: Work) -> Result<(), StoreError> {
        let works = self.works.as_ref().ok_or_else(|| unavailable("the writer has stopped"))?;
        works.try_send(work).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => unavailable("the writer has stopped"),
        })
    }
}

impl Drop for Writer {
    /// Write what waits, then stop.
    fn drop(&mut self) {
        drop(self.works.take());
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
    uses: Uses,
}

/// What one transaction writes.
#[derive(Default)]
struct Load {
    issues: Vec<Issue>,
    spends: Vec<UseUp>,
    verbs: Vec<Box<dyn Job>>,
    /// Whether the uses of API keys are written with it.
    settles: bool,
}

impl Load {
    fn add(&mut self, work: Work) {
        match work {
            Work::Issue(issue) => self.issues.push(*issue),
            Work::UseUp(spending) => self.spends.push(*spending),
            Work::Verb(verb) => self.verbs.push(verb),
            Work::Settle(verb) => {
                self.verbs.push(verb);
                self.settles = true;
            }
        }
    }

    fn len(&self) -> usize {
        self.issues.len() + self.spends.len() + self.verbs.len()
    }
}

impl Desk {
    /// Take one work, then everything else that waits or comes while it is written; one transaction; answer after the
    /// commit. No timer but that of the uses of API keys, which delays nobody.
    fn run(&mut self, waiting: &Receiver<Work>) {
        loop {
            let first = match self.uses.due_in() {
                None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(rest) => waiting.recv_timeout(rest),
            };
            let mut load = Load::default();
            match first {
                Ok(first) => load.add(first),
                Err(RecvTimeoutError::Timeout) => load.settles = true,
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.write(load, waiting);
        }
        if !self.uses.is_empty() {
            self.write(Load { settles: true, ..Load::default() }, waiting);
        }
        let _ = self.conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE);");
    }

    fn write(&mut self, mut load: Load, waiting: &Receiver<Work>) {
        let written = self.transaction(&mut load, waiting);
        if written.is_err() {
            // It fails when the database has already undone the transaction by itself, which is as well.
            let _ = Rollback.execute(&mut self.conn);
            self.uses.put_off(load.settles || self.uses.are_due());
        }
        Issue::answer(load.issues, &written);
        UseUp::answer(load.spends, &written);
        for verb in load.verbs {
            verb.answer(written.clone());
        }
    }

    /// Write everything and commit. An error means that nothing of it is kept.
    fn transaction(&mut self, load: &mut Load, waiting: &Receiver<Work>) -> Result<(), StoreError> {
        let mut batch = self.begin()?;
        if self.issue_what_comes(load, waiting, &mut batch).is_err() {
            // One of them cannot be stored, and may have spoilt the transaction for all: each by itself, then.
            let _ = Rollback.execute(&mut self.conn);
            batch = self.begin()?;
            for issue in &mut load.issues {
                apart(&mut self.writing(&mut batch), issue)?;
            }
        }
        load.spends.iter_mut().try_for_each(|spending| spending.run(&mut self.conn))?;
        match (&mut load.verbs[..], load.issues.is_empty() && load.spends.is_empty()) {
            // An error undoes the only verb with the transaction, so that it needs no savepoint.
            ([only], true) => {
                if self.run_one(only.as_mut(), &mut batch) == Ran::Undone {
                    return Rollback.execute(&mut self.conn).map(drop).map_err(unavailable);
                }
            }
            (verbs, _) => {
                for verb in verbs {
                    // A savepoint that is gone means that the database has undone the transaction by itself: whatever
                    // ran before is lost, and nothing more may run outside a transaction.
                    savepoint(&mut self.conn, Step::Begin)?;
                    let ran = self.run_one(verb.as_mut(), &mut batch);
                    savepoint(&mut self.conn, if ran == Ran::Done { Step::Keep } else { Step::Undo })?;
                }
            }
        }
        self.finish(&batch, load.settles)
    }

    /// Store the credentials that wait, and those that come meanwhile; take the verbs among them.
    fn issue_what_comes(
        &mut self,
        load: &mut Load,
        waiting: &Receiver<Work>,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let mut stored = 0;
        loop {
            while load.len() < self.most
                && let Some(work) = next_of(waiting)
            {
                load.add(work);
            }
            let fresh = load.issues.get_mut(stored..).unwrap_or_default();
            if fresh.is_empty() {
                return Ok(());
            }
            stored += fresh.len();
            issue::together(&mut self.writing(batch), fresh)?;
        }
    }

    fn begin(&mut self) -> Result<Batch, StoreError> {
        BeginWrite.execute(&mut self.conn).map_err(unavailable)?;
        let epoch = epochs::epoch(&mut self.conn)?;
        if epoch > self.shared.epoch() {
            // A commit that was thought to have failed, or another process: nobody knows what it changed.
            self.shared.changes.note(epoch, Changes::Facts, &[]);
            self.shared.raise_epoch(epoch);
        }
        // A signing key is cut off together with a change of the keys, which are facts.
        if !self.shared.changes.facts_hold(self.uncut_kids.0) {
            self.uncut_kids.1.clear();
        }
        self.uncut_kids.0 = epoch;
        Ok(Batch::at(epoch))
    }

    fn writing<'a>(&'a mut self, batch: &'a mut Batch) -> Writing<'a> {
        Writing { conn: &mut self.conn, shared: &self.shared, batch, uncut_kids: &mut self.uncut_kids.1 }
    }

    fn run_one(&mut self, job: &mut dyn Job, batch: &mut Batch) -> Ran {
        let ran = job.run(&mut self.writing(batch));
        batch.ended(ran, job.changes());
        ran
    }

    /// What belongs to the transaction as a whole, and its commit.
    fn finish(&mut self, batch: &Batch, settles: bool) -> Result<(), StoreError> {
        let settles = settles || self.uses.are_due();
        if settles {
            let all = self.uses.with(&batch.uses);
            all.iter()
                .try_for_each(|(id, (count, last))| single::count_use(&mut self.conn, *id, *count, *last))?;
        }
        // Outside every savepoint: a verb that is undone must not undo the reservation of numbers others have.
        let reserve = self.shared.to_reserve();
        if let Some(up_to) = reserve {
            sequence::reserve(&mut self.conn, up_to)?;
        }
        let raised = Epoch(batch.epoch.0 + 1);
        let changes = batch.changed != Changes::Nothing;
        if changes {
            epochs::raise(&mut self.conn, raised)?;
        }
        Commit.execute(&mut self.conn).map_err(unavailable)?;
        if settles {
            self.uses.written();
        } else {
            self.uses.wait(&batch.uses);
        }
        self.shared.uses_wait.set(&self.uses);
        if changes {
            self.shared.changes.note(raised, batch.changed, &batch.cuts);
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

/// What waits. Before nothing does, whoever is about to hand over more goes first: a transaction costs as much for few
/// as for many. Where a processor is idle, yielding returns at once.
fn next_of(waiting: &Receiver<Work>) -> Option<Work> {
    waiting.try_recv().ok().or_else(|| {
        std::thread::yield_now();
        waiting.try_recv().ok()
    })
}

/// One step of the savepoint of a verb.
pub(super) fn savepoint(conn: &mut Conn, step: Step) -> Result<(), StoreError> {
    let done = match step {
        Step::Begin => Savepoint.execute(conn),
        Step::Keep => Release.execute(conn),
        Step::Undo => RollbackTo.execute(conn).and_then(|_| Release.execute(conn)),
    };
    done.map(drop).map_err(unavailable)
}
