//! The writer thread, and the queue in front of it. What the thread does with what waits is the dialect's own.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use zeroid_storage::{Issuance, Spend, StoreError};

use super::issue::Issue;
use super::job::{Changes, Job, Verb};
use super::spends::UseUp;
use super::writing::Writing;
use crate::error::unavailable;
use crate::rows::CredentialRow;

/// What waits to be written; `Own` is what only one dialect knows.
pub(crate) enum Work<Own> {
    /// A credential; these are stored together.
    Issue(Box<Issue>),
    /// What is good once.
    UseUp(Box<UseUp>),
    /// What the dialect has for itself.
    #[allow(dead_code, reason = "SQLite has nothing")]
    Own(Own),
    /// Any other verb.
    Verb(Box<dyn Job>),
    /// A verb before which the uses of API keys are written.
    Settle(Box<dyn Job>),
}

/// The writer thread and the queue in front of it.
pub(crate) struct Writer<Own> {
    works: Option<SyncSender<Work<Own>>>,
    thread: Option<JoinHandle<()>>,
}

impl<Own: Send + 'static> Writer<Own> {
    /// Start the thread. It ends when nothing waits and nothing can come.
    pub(crate) fn start(
        queue: usize,
        run: impl FnOnce(&Receiver<Work<Own>>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (works, waiting) = sync_channel(queue);
        let thread = std::thread::Builder::new().name("zeroid-writer".to_owned());
        let thread = thread.spawn(move || run(&waiting))?;
        Ok(Self { works: Some(works), thread: Some(thread) })
    }

    /// Write one verb, in its own savepoint of a shared transaction; answered after the commit.
    ///
    /// `changes` says what it changes of what decisions are based on.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        changes: Changes,
        verb: impl FnOnce(&mut Writing<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answered) = Verb::new(verb, changes);
        self.hand_over(Work::Verb(Box::new(job)))?;
        answered.await.map_err(|_| stopped())?
    }

    /// Have every use of an API key written that was counted so far.
    pub(crate) async fn settle(&self) -> Result<(), StoreError> {
        let (job, answered) = Verb::new(|_: &mut Writing<'_>| Ok(()), Changes::Nothing);
        self.hand_over(Work::Settle(Box::new(job)))?;
        answered.await.map_err(|_| stopped())?
    }

    /// Store a credential; answered after the commit.
    pub(crate) async fn issue(&self, issuance: Issuance, row: CredentialRow) -> Result<(), StoreError> {
        let (issue, answered) = Issue::new(issuance, row);
        self.hand_over(Work::Issue(Box::new(issue)))?;
        answered.await.map_err(|_| stopped())?.answer()
    }

    /// Use something up, in a shared transaction; answered after the commit.
    pub(crate) async fn use_up(&self, spend: Spend) -> Result<(), StoreError> {
        let (spending, answered) = UseUp::new(spend);
        self.hand_over(Work::UseUp(Box::new(spending)))?;
        answered.await.map_err(|_| stopped())?.answer()
    }

    /// Put it into the queue, if that is not full.
    pub(crate) fn hand_over(&self, work: Work<Own>) -> Result<(), StoreError> {
        let works = self.works.as_ref().ok_or_else(stopped)?;
        works.try_send(work).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => stopped(),
        })
    }
}

impl<Own> Drop for Writer<Own> {
    /// Write what waits, then stop.
    fn drop(&mut self) {
        drop(self.works.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Why nothing is written any more.
pub(crate) fn stopped() -> StoreError {
    unavailable("the writer has stopped")
}

/// The first that comes; nothing, if `due_in` passes before; an error, when nothing can come any more.
pub(crate) fn first_of<Own>(
    waiting: &Receiver<Work<Own>>,
    due_in: Option<Duration>,
) -> Result<Option<Work<Own>>, StoreError> {
    let first = match due_in {
        None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(rest) => waiting.recv_timeout(rest),
    };
    match first {
        Ok(first) => Ok(Some(first)),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(stopped()),
    }
}

/// What waits. Before nothing does, whoever is about to hand over more goes first: a transaction costs as much for few
/// as for many. Where a processor is idle, yielding returns at once.
pub(crate) fn next_of<Own>(waiting: &Receiver<Work<Own>>) -> Option<Work<Own>> {
    waiting.try_recv().ok().or_else(|| {
        std::thread::yield_now();
        waiting.try_recv().ok()
    })
}
