//! One verb on its way through the writer.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use zeroid_storage::StoreError;

use super::writing::Writing;

/// How a verb ended, seen from the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    /// Its changes are to be kept.
    Done,
    /// It refused or failed: its changes, if any, are to be undone.
    Undone,
}

/// What a verb changes of what decisions are based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Changes {
    /// Nothing: credentials that are issued, or forgotten when they have ended.
    Nothing,
    /// Cut-offs, every one of them made by [`Writing::cut`], and nothing else.
    CutOffs,
    /// Whatever else.
    Facts,
}

/// A verb that waits to be written.
pub(crate) trait Job: Send {
    /// Run inside the transaction.
    fn run(&mut self, writing: &mut Writing<'_>) -> Ran;

    /// Answer, once the fate of the transaction is known. When it was not committed, nothing that was seen inside
    /// it is true, refusals included.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);

    /// What it changes of what decisions are based on.
    fn changes(&self) -> Changes;
}

/// How long after it was asked for a verb may still be done. Its caller has been told by then, or soon will be, that it
/// was not: what comes too late must not happen after all.
const NOT_AFTER: Duration = Duration::from_secs(8);

/// Since when somebody waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience(Instant);

impl Patience {
    pub(crate) fn new() -> Self {
        Self(now())
    }

    /// How long it may still be done; no more than nothing, when it is too late.
    pub(crate) fn rest(self) -> Duration {
        NOT_AFTER.saturating_sub(now().duration_since(self.0))
    }

    /// Whether it is too late to do what was asked for.
    pub(crate) fn is_over(self) -> bool {
        self.rest().is_zero()
    }
}

/// Why what came too late was not done.
pub(crate) fn late() -> StoreError {
    StoreError::Unavailable("the database took too long".to_owned())
}

/// A verb and who waits for its answer.
pub(crate) struct Verb<T, F> {
    verb: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
    changes: Changes,
    patience: Patience,
}

impl<T, F> Verb<T, F> {
    pub(crate) fn new(verb: F, changes: Changes) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (answer, answered) = oneshot::channel();
        (Self { verb: Some(verb), outcome: None, answer, changes, patience: Patience::new() }, answered)
    }
}

impl<T, F> Job for Verb<T, F>
where
    T: Send,
    F: FnOnce(&mut Writing<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, writing: &mut Writing<'_>) -> Ran {
        let late = || Some(Err(late()));
        let outcome = match self.verb.take() {
            Some(verb) if !self.patience.is_over() => Some(verb(writing)),
            _ => late(),
        };
        // The database may have stood still in the middle of it.
        let outcome = if self.patience.is_over() { late() } else { outcome };
        let ran = if matches!(outcome, Some(Ok(_))) { Ran::Done } else { Ran::Undone };
        self.outcome = outcome;
        ran
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { outcome, answer, .. } = *self;
        let not_run = || Err(StoreError::Unavailable("the verb was not run".to_owned()));
        // A caller that went away is not missed.
        drop(answer.send(committed.and_then(|()| outcome.unwrap_or_else(not_run))));
    }

    fn changes(&self) -> Changes {
        self.changes
    }
}

#[allow(clippy::disallowed_methods, reason = "how long somebody has waited is no fact of the domain")]
fn now() -> Instant {
    Instant::now()
}
