//! What is good once.

use async_trait::async_trait;
use tokio::sync::oneshot;
use zeroid_storage::{Spend, SpendStore, StoreError};

use super::job::{Patience, late};
use super::{Conn, ThisStore, queries};
use crate::answers::{Answers, Told, Waiting};

#[async_trait]
impl SpendStore for ThisStore {
    async fn spend_once(&self, spend: Spend) -> Result<(), StoreError> {
        self.use_up(spend).await
    }
}

/// Something on its way to be used up.
///
/// That is one statement, which does it or does not: where nothing can stand in its way it needs no savepoint.
pub(crate) struct UseUp {
    pub(crate) spend: Spend,
    pub(crate) outcome: Option<Result<(), StoreError>>,
    pub(crate) patience: Patience,
    waiting: Waiting<Result<(), StoreError>>,
}

impl UseUp {
    pub(crate) fn new(spend: Spend) -> (Self, oneshot::Receiver<Told<Result<(), StoreError>>>) {
        let (waiting, answered) = oneshot::channel();
        (Self { spend, outcome: None, patience: Patience::new(), waiting }, answered)
    }

    /// Use it up, unless it is too late. An error means that the transaction is spoilt.
    pub(crate) fn run(&mut self, conn: &mut Conn) -> Result<(), StoreError> {
        if self.patience.is_over() {
            self.outcome = Some(Err(late()));
            return Ok(());
        }
        self.outcome = Some(match queries::credentials::spend(conn, &self.spend) {
            Err(StoreError::Spent) => Err(StoreError::Spent),
            done => Ok(done?),
        });
        Ok(())
    }

    /// Answer them all, once the fate of the transaction is known.
    pub(crate) fn answer(spends: Vec<Self>, committed: &Result<(), StoreError>) {
        let not_run = || Err(StoreError::Unavailable("nothing was used up".to_owned()));
        let mut answers = Answers::none();
        for Self { outcome, waiting, .. } in spends {
            answers.add(waiting, committed.clone().and_then(|()| outcome.unwrap_or_else(not_run)));
        }
        answers.tell();
    }
}
