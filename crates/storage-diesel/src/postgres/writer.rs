//! Group commit: one thread owns the write connection, and whatever waits shares a transaction.
//!
//! Replicas are ordered by one lock of the database. A transaction that changes facts holds it alone; transactions that
//! only issue hold it together. So an issuance that finds the epoch its facts were read at has the present facts, and
//! no revocation is acknowledged between its check and its commit.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use diesel::connection::SimpleConnection;
use zeroid_storage::{Epoch, Issuance, StoreError};
use zeroid_token_core::KeyId;

use super::connection::{Link, Target};
use super::verbs::{Batch, Changes, Issue, Job, Ran, Step, Verb, Writing, apart};
use super::{Conn, Shared, bulk, issue, queries};
use crate::error::{OpenError, unavailable};
use crate::rows::CredentialRow;

/// The lock that orders transactions.
const ORDER_LOCK: i64 = 0x7a69_645f_6f72_6472;

/// What waits to be written.
enum Work {
    /// A credential; these are stored together.
    Issue(Box<Issue>),
    /// Any other verb.
    Verb(Box<dyn Job>),
}

/// The writer thread and the queue in front of it.
pub(super) struct Writer {
    works: Option<SyncSender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        target: &Target,
        shared: Arc<Shared>,
        queue: usize,
        most: usize,
    ) -> Result<Self, OpenError> {
        let (works, waiting) = sync_channel(queue);
        let link = Link::open(target.clone())?;
        let mut desk = Desk { link, shared, most: most.max(1), uncut_kids: (Epoch(0), HashSet::new()) };
        let thread = std::thread::Builder::new().name("zeroid-writer".to_owned());
        let thread = thread
            .spawn(move || desk.run(&waiting))
            .map_err(|why| OpenError::Io { path: target.shown(), why: why.to_string() })?;
        Ok(Self { works: Some(works), thread: Some(thread) })
    }

    /// Write one verb, in its own savepoint of a shared transaction; answered after the commit.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        changes: Changes,
        verb: impl FnOnce(&mut Writing<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answered) = Verb::new(verb, changes);
        self.hand_over(Work::Verb(Box::new(job)))?;
        answered.await.map_err(|_| unavailable("the writer has stopped"))?
    }

    /// Store a credential; answered after the commit.
    pub(super) async fn issue(&self, issuance: Issuance, row: CredentialRow) -> Result<(), StoreError> {
        let (issue, answered) = Issue::new(issuance, row);
        self.hand_over(Work::Issue(Box::new(issue)))?;
        answered.await.map_err(|_| unavailable("the writer has stopped"))?
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
    link: Link,
    shared: Arc<Shared>,
    most: usize,
    /// Signing keys that were not cut off at an epoch.
    uncut_kids: (Epoch, HashSet<KeyId>),
}

/// What one transaction writes.
struct Load {
    issues: Vec<Issue>,
    verbs: Vec<Box<dyn Job>>,
}

impl Desk {
    /// Take one work, then everything else that waits; one transaction; answer after the commit. No timer.
    fn run(&mut self, waiting: &Receiver<Work>) {
        while let Ok(first) = waiting.recv() {
            let mut load = Load { issues: Vec::new(), verbs: Vec::new() };
            let mut next = Some(first);
            while let Some(work) = next {
                match work {
                    Work::Issue(issue) => load.issues.push(*issue),
                    Work::Verb(verb) => load.verbs.push(verb),
                }
                let taken = load.issues.len() + load.verbs.len();
                next = if taken < self.most { waiting.try_recv().ok() } else { None };
            }
            self.write(load);
        }
    }

    fn write(&mut self, mut load: Load) {
        let written = self.transaction(&mut load);
        if written.is_err() {
            self.link.rollback();
        }
        for issue in load.issues {
            issue.answer(written.clone());
        }
        for verb in load.verbs {
            verb.answer(written.clone());
        }
    }

    /// Write everything and commit. An error means that nothing of it is known to be kept.
    fn transaction(&mut self, load: &mut Load) -> Result<(), StoreError> {
        let changes = load.verbs.iter().any(|verb| verb.changes() != Changes::Nothing);
        let mut batch = Batch::at(self.begin(changes)?);
        let alone = load.issues.len() + load.verbs.len() == 1;
        if !load.issues.is_empty() && self.issue_together(&mut load.issues, &mut batch).is_err() {
            // One of them cannot be stored, and has spoilt the transaction for all: each by itself, then.
            self.link.rollback();
            batch = Batch::at(self.begin(changes)?);
            self.issue_apart(&mut load.issues, &mut batch)?;
        }
        for verb in &mut load.verbs {
            self.run_one(verb.as_mut(), &mut batch, alone)?;
        }
        self.finish(&batch)
    }

    /// Begin a transaction in the order of all replicas; gives the epoch it begins with.
    fn begin(&mut self, changes: bool) -> Result<Epoch, StoreError> {
        let shared = if changes { "" } else { "_shared" };
        let begin = format!("BEGIN; SELECT pg_advisory_xact_lock{shared}({ORDER_LOCK})");
        let epoch = self.link.retrying(|conn| {
            conn.batch_execute(&begin).map_err(unavailable)?;
            // A statement of its own: its snapshot is taken when the lock is held.
            queries::server::epoch(conn)
        })?;
        if self.uncut_kids.0 != epoch {
            self.uncut_kids = (epoch, HashSet::new());
        }
        Ok(epoch)
    }

    fn issue_together(&mut self, issues: &mut [Issue], batch: &mut Batch) -> Result<(), StoreError> {
        let conn = self.link.conn()?;
        let mut writing =
            Writing { conn, shared: &self.shared, batch: &mut *batch, uncut_kids: &mut self.uncut_kids.1 };
        issue::together(&mut writing, issues)
    }

    fn issue_apart(&mut self, issues: &mut [Issue], batch: &mut Batch) -> Result<(), StoreError> {
        for issue in issues {
            let conn = self.link.conn()?;
            let mut writing = Writing {
                conn,
                shared: &self.shared,
                batch: &mut *batch,
                uncut_kids: &mut self.uncut_kids.1,
            };
            apart(&mut writing, issue)?;
        }
        Ok(())
    }

    fn run_one(&mut self, job: &mut dyn Job, batch: &mut Batch, alone: bool) -> Result<(), StoreError> {
        let conn = self.link.conn()?;
        // An error undoes a verb that is alone with the transaction, so that it needs no savepoint.
        if !alone {
            savepoint(conn, Step::Begin)?;
        }
        let ran = job.run(&mut Writing {
            conn,
            shared: &self.shared,
            batch: &mut *batch,
            uncut_kids: &mut self.uncut_kids.1,
        });
        batch.ended(ran, job.changes());
        match (ran, alone) {
            (Ran::Done, true) => Ok(()),
            (Ran::Done, false) => savepoint(conn, Step::Keep),
            (Ran::Undone, false) => savepoint(conn, Step::Undo),
            (Ran::Undone, true) => conn.batch_execute("ROLLBACK; BEGIN").map_err(unavailable),
        }
    }

    /// What belongs to the transaction as a whole, and its commit.
    fn finish(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let conn = self.link.conn()?;
        if batch.changed != Changes::Nothing {
            queries::server::set_epoch(conn, Epoch(batch.epoch.0 + 1))?;
        }
        bulk::count_uses(conn, &batch.uses)?;
        conn.batch_execute("COMMIT").map_err(unavailable)
    }
}

/// One step of the savepoint of a verb.
pub(super) fn savepoint(conn: &mut Conn, step: Step) -> Result<(), StoreError> {
    let sql = match step {
        Step::Begin => "SAVEPOINT verb",
        Step::Keep => "RELEASE verb",
        Step::Undo => "ROLLBACK TO verb",
    };
    conn.batch_execute(sql).map_err(unavailable)
}
