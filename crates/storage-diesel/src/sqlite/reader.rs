//! Reader threads for the hot path: facts are read in one snapshot, without a thread hop for each.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use diesel::connection::SimpleConnection;
use tokio::sync::oneshot;
use zeroid_storage::StoreError;

use super::{Conn, connection};
use crate::error::{OpenError, unavailable};

type Work = Box<dyn FnOnce(&mut Conn) + Send>;

/// The reader threads, each with its own queue and connection.
pub(super) struct Readers {
    queues: Vec<SyncSender<Work>>,
    threads: Vec<JoinHandle<()>>,
    next: AtomicUsize,
}

impl Readers {
    pub(super) fn start(path: &Path, count: usize, queue: usize) -> Result<Self, OpenError> {
        let io = |why: std::io::Error| OpenError::Io { path: path.to_owned(), why: why.to_string() };
        let (mut queues, mut threads) = (Vec::new(), Vec::new());
        for number in 0..count {
            let mut conn = connection::open(path, false)?;
            let (works, waiting) = sync_channel(queue);
            let thread = std::thread::Builder::new().name(format!("zeroid-reader-{number}"));
            threads.push(thread.spawn(move || run(&mut conn, &waiting)).map_err(io)?);
            queues.push(works);
        }
        Ok(Self { queues, threads, next: AtomicUsize::new(0) })
    }

    /// Read facts in one snapshot.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |conn| {
            // A caller that went away is not missed.
            drop(answer.send(in_one_snapshot(conn, work)));
        });
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.queues.len().max(1);
        let queue = self.queues.get(turn).ok_or_else(|| unavailable("no reader runs"))?;
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

fn run(conn: &mut Conn, waiting: &Receiver<Work>) {
    while let Ok(work) = waiting.recv() {
        work(conn);
    }
}

/// Run several queries against one state of the database.
pub(super) fn in_one_snapshot<T>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    conn.batch_execute("BEGIN DEFERRED").map_err(unavailable)?;
    let outcome = work(conn);
    conn.batch_execute("COMMIT").map_err(unavailable)?;
    outcome
}
