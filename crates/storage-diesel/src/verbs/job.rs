//! One verb on its way through the writer.

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

/// A verb that waits to be written.
pub(crate) trait Job: Send {
    /// Run inside the transaction.
    fn run(&mut self, writing: &mut Writing<'_>) -> Ran;

    /// Answer, once the fate of the transaction is known. When it was not committed, nothing that was seen inside
    /// it is true, refusals included.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);

    /// Whether it changes what decisions are based on; only issuances do not.
    fn changes_facts(&self) -> bool;
}

/// A verb and who waits for its answer.
pub(crate) struct Verb<T, F> {
    verb: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
    changes_facts: bool,
}

impl<T, F> Verb<T, F> {
    pub(crate) fn new(verb: F, changes_facts: bool) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (answer, answered) = oneshot::channel();
        (Self { verb: Some(verb), outcome: None, answer, changes_facts }, answered)
    }
}

impl<T, F> Job for Verb<T, F>
where
    T: Send,
    F: FnOnce(&mut Writing<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, writing: &mut Writing<'_>) -> Ran {
        let outcome = self.verb.take().map(|verb| verb(writing));
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

    fn changes_facts(&self) -> bool {
        self.changes_facts
    }
}
