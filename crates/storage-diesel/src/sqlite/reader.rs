//! Reader threads for the hot path: whatever waits is read in one snapshot, without a thread hop for each query.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use diesel::prelude::*;
use tokio::sync::oneshot;
use zeroid_storage::{Epoch, StoreError};

use super::cache::FactCache;
use super::memo::Memo;
use super::statement::{BeginRead, Commit, Rollback};
use super::{Conn, connection, epochs};
use crate::error::{OpenError, unavailable};

/// Most requests of one snapshot: the last of them waits for all before it.
const MOST: usize = 64;

/// What a request sees: one state of the database, and what is known of it already.
pub(super) struct Reading<'a> {
    pub(super) conn: &'a mut Conn,
    pub(super) memo: &'a mut Memo,
    pub(super) known: &'a FactCache,
    /// The epoch of the snapshot.
    pub(super) epoch: Epoch,
    /// What is found out holds at this epoch, whether it was read or remembered: the snapshot may be ahead of what the
    /// writer has noted, and what is remembered is judged by that.
    pub(super) holds_at: Epoch,
}

/// Read, or answer that there was no snapshot to read.
type Work = Box<dyn FnOnce(Result<&mut Reading<'_>, StoreError>) + Send>;

/// The reader threads, each with its own queue, connection and memory.
pub(super) struct Readers {
    queues: Vec<SyncSender<Work>>,
    threads: Vec<JoinHandle<()>>,
    next: AtomicUsize,
}

impl Readers {
    pub(super) fn start(
        path: &Path,
        count: usize,
        queue: usize,
        known: &Arc<FactCache>,
    ) -> Result<Self, OpenError> {
        let io = |why: std::io::Error| OpenError::Io { path: path.to_owned(), why: why.to_string() };
        let mut readers = Self { queues: Vec::new(), threads: Vec::new(), next: AtomicUsize::new(0) };
        for number in 0..count.max(1) {
            let (conn, known) = (connection::open(path, false)?, Arc::clone(known));
            let (works, waiting) = sync_channel(queue);
            let thread = std::thread::Builder::new().name(format!("zeroid-reader-{number}"));
            readers.threads.push(thread.spawn(move || run(conn, &known, &waiting)).map_err(io)?);
            readers.queues.push(works);
        }
        Ok(readers)
    }

    /// Read facts on the next reader.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Reading<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_at(self.next.fetch_add(1, Ordering::Relaxed), work).await
    }

    /// Read facts on the reader of this number, which remembers what it read.
    pub(super) async fn read_at<T: Send + 'static>(
        &self,
        number: usize,
        work: impl FnOnce(&mut Reading<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |reading| {
            // A caller that went away is not missed.
            drop(answer.send(reading.and_then(work)));
        });
        let queue = self.queues.get(number % self.queues.len().max(1));
        let queue = queue.ok_or_else(|| unavailable("no reader runs"))?;
        queue.try_send(work).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => unavailable("the reader has stopped"),
        })?;
        answered.await.map_err(|_| unavailable("the reader has stopped"))?
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queues.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn run(mut conn: Conn, known: &FactCache, waiting: &Receiver<Work>) {
    let mut memo = Memo::default();
    while let Ok(first) = waiting.recv() {
        // All that waits is taken before the snapshot is: nobody is shown a state older than their question.
        let mut works = vec![first];
        while works.len() < MOST
            && let Ok(work) = waiting.try_recv()
        {
            works.push(work);
        }
        read_batch(&mut conn, &mut memo, known, works);
    }
}

fn read_batch(conn: &mut Conn, memo: &mut Memo, known: &FactCache, works: Vec<Work>) {
    let begun = BeginRead.execute(conn).map_err(unavailable).and_then(|_| epochs::epoch(conn));
    match begun {
        Ok(epoch) => {
            let holds_at = epoch.min(known.shared().epoch());
            memo.bring_to(epoch, known.shared());
            let mut reading = Reading { conn, memo, known, epoch, holds_at };
            for work in works {
                work(Ok(&mut reading));
            }
        }
        Err(error) => {
            for work in works {
                work(Err(error.clone()));
            }
        }
    }
    end(conn);
}

/// Let go of the snapshot; a connection must not keep an old one.
fn end(conn: &mut Conn) {
    if Commit.execute(conn).is_err() {
        let _ = Rollback.execute(conn);
    }
}

/// Run several queries against one state of the database.
pub(super) fn in_one_snapshot<T>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    BeginRead.execute(conn).map_err(unavailable)?;
    let outcome = work(conn);
    end(conn);
    outcome
}
