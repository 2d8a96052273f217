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
use zeroid_token_core::{CutOff, KeyId};

use super::connection::{Link, after};
use super::cut::{Cut, Row};
use super::together::{self, Together};
use super::verbs::{Batch, Changes, Issue, Job, Ran, Step, Verb, Writing, apart};
use super::{Conn, Shared, bulk, issue, queries};
use crate::error::unavailable;
use crate::rows::CredentialRow;

/// The lock that orders transactions.
pub(super) const ORDER_LOCK: i64 = 0x7a69_645f_6f72_6472;

/// What waits to be written.
enum Work {
    /// A credential; these are stored together.
    Issue(Box<Issue>),
    /// The cut-off of a credential; these are written together, too.
    Cut(Box<Cut>),
    /// Any other verb.
    Verb(Box<dyn Job>),
}

/// The writer thread and the queue in front of it.
pub(super) struct Writer {
    works: Option<SyncSender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(link: Link, shared: Arc<Shared>, queue: usize, most: usize) -> std::io::Result<Self> {
        let (works, waiting) = sync_channel(queue);
        let mut desk = Desk { link, shared, most: most.max(1), uncut_kids: (Epoch(0), HashSet::new()) };
        let thread = std::thread::Builder::new().name("zeroid-writer".to_owned());
        let thread = thread.spawn(move || desk.run(&waiting))?;
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
        answered.await.map_err(|_| unavailable("the writer has stopped"))?.answer()
    }

    /// Cut off a credential; answered after the commit.
    pub(super) async fn cut_off(&self, row: Row) -> Result<CutOff, StoreError> {
        let (cut, answered) = Cut::new(row);
        self.hand_over(Work::Cut(Box::new(cut)))?;
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
    link: Link,
    shared: Arc<Shared>,
    most: usize,
    /// Signing keys that were not cut off at an epoch.
    uncut_kids: (Epoch, HashSet<KeyId>),
}

/// What one transaction writes.
#[derive(Default)]
struct Load {
    issues: Vec<Issue>,
    verbs: Vec<Box<dyn Job>>,
    cuts: Vec<Cut>,
}

impl Load {
    fn len(&self) -> usize {
        self.issues.len() + self.verbs.len() + self.cuts.len()
    }

    fn answer(self, committed: &Result<(), StoreError>) {
        Issue::answer(self.issues, committed);
        for verb in self.verbs {
            verb.answer(committed.clone());
        }
        Cut::answer(self.cuts, committed);
    }
}

/// What waits. Before nothing does, whoever is about to hand over more goes first: a round trip costs as much for few
/// as for many. Where a processor is idle, yielding returns at once.
fn next_of(waiting: &Receiver<Work>) -> Option<Work> {
    waiting.try_recv().ok().or_else(|| {
        std::thread::yield_now();
        waiting.try_recv().ok()
    })
}

impl Desk {
    /// Take one work, then everything else that waits; one transaction; answer after the commit. No timer.
    fn run(&mut self, waiting: &Receiver<Work>) {
        while let Ok(first) = waiting.recv() {
            let mut load = Load::default();
            let mut next = Some(first);
            while let Some(work) = next {
                match work {
                    Work::Issue(issue) => load.issues.push(*issue),
                    Work::Cut(cut) => load.cuts.push(*cut),
                    Work::Verb(verb) => load.verbs.push(verb),
                }
                next = if load.len() < self.most { next_of(waiting) } else { None };
            }
            self.write(load);
        }
    }

    /// What can be written by one statement is; the rest, and what that statement would not write, shares a transaction.
    fn write(&mut self, mut load: Load) {
        let mut rest = Load { verbs: std::mem::take(&mut load.verbs), ..Load::default() };
        let issues = std::mem::take(&mut load.issues);
        let mut plain = Vec::with_capacity(issues.len());
        for issue in issues {
            match self.shared.tenant(issue.issuance.record.tenant()) {
                Some(tenant) if is_plain(&issue) => plain.push((tenant, issue)),
                _ => rest.issues.push(issue),
            }
        }
        let mut apart = false;
        if !plain.is_empty() || !load.cuts.is_empty() {
            let written = self.together(&plain, &mut load.cuts);
            load.issues = plain.into_iter().map(|(_, issue)| issue).collect();
            match written {
                Ok(true) => {
                    load.issues.iter_mut().for_each(|issue| issue.outcome = Some(Ok(())));
                    load.answer(&Ok(()));
                }
                // An error is told by a server that is there, and has undone it.
                Ok(false) | Err(_) if self.link.is_open() => {
                    apart = written.is_err();
                    rest.issues.append(&mut load.issues);
                    rest.cuts = load.cuts;
                }
                Ok(false) => load.answer(&Err(unavailable("the connection is lost"))),
                Err(why) => load.answer(&Err(why)),
            }
        }
        if rest.len() > 0 {
            let written = self.transaction(&mut rest, apart);
            if written.is_err() {
                self.link.rollback();
            }
            rest.answer(&written);
        }
    }

    /// One statement, which is the whole transaction. False, when it would not have been right to write it.
    fn together(&mut self, plain: &[(i64, Issue)], cuts: &mut [Cut]) -> Result<bool, StoreError> {
        let clock = self.link.awake()?;
        let oldest = plain.iter().map(|(_, issue)| issue.issuance.epoch).min();
        let mut together = Together::default();
        if let Some(rest) = cuts.iter().map(|cut| cut.patience.rest()).filter(|rest| !rest.is_zero()).min() {
            together.ends_by(after(clock, rest));
        }
        let mut unknown: HashSet<KeyId> = HashSet::new();
        if let Some(oldest) = oldest {
            // Known of an epoch no older, it is known now: the statement writes nothing if such a thing changed since.
            if self.uncut_kids.0 < oldest {
                self.uncut_kids = (oldest, HashSet::new());
            }
            together.issue(plain, oldest);
            for (_, issue) in plain {
                let kid = &issue.issuance.record.lineage.own().kid;
                if !self.uncut_kids.1.contains(kid) {
                    unknown.insert(kid.clone());
                }
            }
            together.signed_by(&unknown);
        }
        let written = self.link.conn().and_then(|conn| together::write(conn, together, cuts));
        match written {
            Ok(Some(written)) => {
                self.link.heard(written.clock);
                if oldest.is_some() {
                    self.uncut_kids.0 = written.epoch;
                    self.uncut_kids.1.extend(unknown);
                }
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(why) => {
                self.link.rollback();
                Err(why)
            }
        }
    }

    /// Write everything and commit. An error means that nothing of it is known to be kept.
    fn transaction(&mut self, load: &mut Load, mut issue_apart: bool) -> Result<(), StoreError> {
        let changes =
            !load.cuts.is_empty() || load.verbs.iter().any(|verb| verb.changes() != Changes::Nothing);
        let mut batch = Batch::at(self.begin(changes)?);
        let alone = load.len() == 1;
        if !issue_apart
            && !load.issues.is_empty()
            && self.issue_together(&mut load.issues, &mut batch).is_err()
        {
            // One of them cannot be stored, and has spoilt the transaction for all: each by itself, then.
            self.link.rollback();
            batch = Batch::at(self.begin(changes)?);
            issue_apart = true;
        }
        if issue_apart {
            self.issue_apart(&mut load.issues, &mut batch)?;
        }
        for verb in &mut load.verbs {
            self.run_one(verb.as_mut(), &mut batch, alone)?;
        }
        self.finish(&batch, &mut load.cuts)
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
    fn finish(&mut self, batch: &Batch, cuts: &mut [Cut]) -> Result<(), StoreError> {
        let conn = self.link.conn()?;
        if batch.changed != Changes::Nothing {
            queries::server::set_epoch(conn, Epoch(batch.epoch.0 + 1))?;
        }
        bulk::count_uses(conn, &batch.uses)?;
        // Cut-offs of credentials raise the epoch once more: theirs must be one that says nothing but them.
        for cut in cuts {
            savepoint(conn, Step::Begin)?;
            let written = together::write(conn, Together::default(), std::slice::from_mut(cut));
            match written {
                Ok(_) => cut.be_in_time(),
                Err(why) => cut.outcome = Some(Err(why)),
            }
            let done = matches!(cut.outcome, Some(Ok(_)));
            savepoint(conn, if done { Step::Keep } else { Step::Undo })?;
        }
        conn.batch_execute("COMMIT").map_err(unavailable)
    }
}

/// Whether all there is to look at beside its facts is the key that signed it.
fn is_plain(issue: &Issue) -> bool {
    issue.issuance.spends.is_empty() && issue.issuance.now < issue.issuance.record.expires_at
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
