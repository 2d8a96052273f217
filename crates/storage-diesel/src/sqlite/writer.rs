//! Group commit: one thread owns the write connection, and verbs that wait share a transaction.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tokio::sync::oneshot;
use zeroid_identity_model::{ApiKeyId, Tenant, Timestamp};
use zeroid_storage::{Epoch, StoreError};
use zeroid_token_core::Order;

use super::{Conn, queries};
use crate::error::unavailable;

/// Numbers of the sequence reserved by one write. What is left of a block after a crash is never used.
const BLOCK: u64 = 10_000;

/// What the writer and the readers share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Raised by every commit that changed a fact other than by issuing.
    epoch: AtomicU64,
    /// The last number handed out.
    drawn: AtomicU64,
    /// The last number that may be handed out: everything up to it is reserved on disk.
    reserved: AtomicU64,
}

impl Shared {
    /// The state of the facts. Read it before reading facts.
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::SeqCst))
    }

    /// The next number of the sequence, if the reserved block has one left.
    pub(super) fn try_draw(&self) -> Option<Order> {
        let limit = self.reserved.load(Ordering::SeqCst);
        let next = |last| if last < limit { Some(last + 1) } else { None };
        let drawn = self.drawn.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
        drawn.ok().map(|last| Order(last + 1))
    }

    /// Whether another block should be reserved with the next commit.
    fn is_low(&self) -> bool {
        self.reserved.load(Ordering::SeqCst) < self.drawn.load(Ordering::SeqCst) + BLOCK / 2
    }

    /// Hand out a block: it is on disk, and follows the number `before`.
    fn publish(&self, before: u64) {
        if before != self.reserved.load(Ordering::SeqCst) {
            // Another process reserved what lies between; those numbers are not ours.
            self.drawn.fetch_max(before, Ordering::SeqCst);
        }
        self.reserved.fetch_max(before + BLOCK, Ordering::SeqCst);
    }
}

/// What a verb sees while it is written.
pub(super) struct Writing<'a> {
    pub(super) conn: &'a mut Conn,
    shared: &'a Shared,
    batch: &'a mut Batch,
}

/// What the verbs of one transaction have in common.
#[derive(Default)]
struct Batch {
    changed: bool,
    uses: HashMap<ApiKeyId, (u64, Timestamp)>,
    fresh_uses: Vec<(ApiKeyId, Timestamp)>,
}

impl Writing<'_> {
    /// Whether facts read at that epoch cannot have changed since.
    pub(super) fn is_current(&self, epoch: Epoch) -> bool {
        !self.batch.changed && self.shared.epoch() == epoch
    }

    /// The next number of the sequence, after every number drawn so far.
    pub(super) fn draw(&mut self) -> Result<Order, StoreError> {
        self.shared.try_draw().ok_or(StoreError::Busy)
    }

    /// The number of a tenant, given at its first use.
    pub(super) fn tenant(&mut self, tenant: &Tenant) -> Result<i64, StoreError> {
        queries::tenants::find_or_add(self.conn, tenant)
    }

    /// The number of a tenant that must have stored something.
    pub(super) fn known_tenant(&mut self, tenant: &Tenant) -> Result<i64, StoreError> {
        queries::tenants::find(self.conn, tenant)?.ok_or(StoreError::NotFound)
    }

    /// Count a use of an API key; written once a key and transaction.
    pub(super) fn count_use(&mut self, id: ApiKeyId, at: Timestamp) {
        self.batch.fresh_uses.push((id, at));
    }
}

type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Work = Box<dyn FnOnce(&mut Writing<'_>) -> (bool, Answer) + Send>;

struct Job {
    work: Work,
    changes_facts: bool,
}

/// The writer thread and the queue in front of it.
pub(super) struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        mut conn: Conn,
        shared: Arc<Shared>,
        queue: usize,
        batch: usize,
    ) -> Result<Self, String> {
        let block = i64::try_from(BLOCK).unwrap_or(i64::MAX);
        let first = queries::server::reserve(&mut conn, block).map_err(|error| error.to_string())?;
        shared.drawn.store(first, Ordering::SeqCst);
        shared.reserved.store(first + BLOCK, Ordering::SeqCst);
        let (jobs, waiting) = sync_channel(queue);
        let thread = std::thread::Builder::new().name("zeroid-writer".to_owned());
        let thread = thread
            .spawn(move || run(&mut conn, &shared, &waiting, batch))
            .map_err(|error| error.to_string())?;
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
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |writing| {
            let outcome = verb(writing);
            let done = outcome.is_ok();
            // A caller that went away is not missed.
            let tell: Answer = Box::new(move |committed| {
                drop(answer.send(outcome.and_then(|value| committed.map(|()| value))))
            });
            (done, tell)
        });
        let jobs = self.jobs.as_ref().ok_or_else(|| unavailable("the writer has stopped"))?;
        jobs.try_send(Job { work, changes_facts }).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => unavailable("the writer has stopped"),
        })?;
        answered.await.map_err(|_| unavailable("the database does not accept writes"))?
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

/// Take one verb, then everything else that waits; one transaction; answer after the commit. No timer.
fn run(conn: &mut Conn, shared: &Shared, waiting: &Receiver<Job>, most: usize) {
    let mut seen_version = data_version(conn).ok();
    while let Ok(first) = waiting.recv() {
        let mut jobs = vec![first];
        while jobs.len() < most
            && let Ok(job) = waiting.try_recv()
        {
            jobs.push(job);
        }
        write_batch(conn, shared, jobs, &mut seen_version);
    }
    let _ = conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE);");
}

fn write_batch(conn: &mut Conn, shared: &Shared, jobs: Vec<Job>, seen_version: &mut Option<i64>) {
    let mut answers = Vec::with_capacity(jobs.len());
    let mut batch = Batch::default();
    if conn.batch_execute("BEGIN IMMEDIATE").is_err() {
        // The verbs are dropped unrun, and whoever waits for an answer learns that there is none.
        return;
    }
    // Another process may have written: then facts may have changed without our knowing.
    let version = data_version(conn).ok();
    if version != *seen_version {
        shared.epoch.fetch_add(1, Ordering::SeqCst);
        *seen_version = version;
    }
    // Reserved outside every savepoint, and handed out only after the commit: a verb that is undone must not undo
    // the reservation of numbers that others have.
    let block =
        shared.is_low().then(|| queries::server::reserve(conn, i64::try_from(BLOCK).unwrap_or(i64::MAX)));
    for job in jobs {
        answers.push(run_one(conn, shared, &mut batch, job));
    }
    let uses: Result<(), StoreError> = batch
        .uses
        .iter()
        .try_for_each(|(id, (count, last))| queries::keys::count_use(conn, *id, *count, *last));
    let committed = uses.and_then(|()| conn.batch_execute("COMMIT").map_err(unavailable));
    if committed.is_err() {
        let _ = conn.batch_execute("ROLLBACK");
    }
    if committed.is_ok() {
        if let Some(Ok(before)) = block {
            shared.publish(before);
        }
        if batch.changed {
            shared.epoch.fetch_add(1, Ordering::SeqCst);
        }
    }
    for answer in answers {
        answer(committed.clone());
    }
}

/// One verb in its own savepoint: an error undoes it alone.
fn run_one(conn: &mut Conn, shared: &Shared, batch: &mut Batch, job: Job) -> Answer {
    let mut trouble = conn.batch_execute("SAVEPOINT verb").map_err(unavailable).err();
    let (done, answer) = (job.work)(&mut Writing { conn, shared, batch });
    let keep = done && trouble.is_none();
    let end = if keep { "RELEASE verb" } else { "ROLLBACK TO verb; RELEASE verb" };
    if let Err(error) = conn.batch_execute(end) {
        trouble = Some(unavailable(error));
    }
    let fresh = std::mem::take(&mut batch.fresh_uses);
    if keep {
        batch.changed |= job.changes_facts;
        for (id, at) in fresh {
            let (count, last) = batch.uses.entry(id).or_insert((0, at));
            *count += 1;
            *last = (*last).max(at);
        }
    }
    match trouble {
        None => answer,
        Some(error) => Box::new(move |_| answer(Err(error))),
    }
}

/// Changes when another connection committed.
fn data_version(conn: &mut Conn) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Version {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        data_version: i64,
    }
    diesel::sql_query("PRAGMA data_version").get_result::<Version>(conn).map(|row| row.data_version)
}
