//! A credential on its way through the writer.
//!
//! Unlike any other verb it may be run twice: what waits is stored together, and each by itself if that fails.

use tokio::sync::oneshot;
use zeroid_storage::{Issuance, StoreError};
use zeroid_token_core::{Dead, Source, live};

use super::job::{Changes, Ran};
use super::writing::Writing;
use super::{Step, queries, savepoint};
use crate::answers::{Answers, Told, Waiting};
use crate::rows::CredentialRow;

/// A credential on its way through the writer.
pub(crate) struct Issue {
    pub(crate) issuance: Issuance,
    pub(crate) row: CredentialRow,
    pub(crate) outcome: Option<Result<(), StoreError>>,
    waiting: Waiting<Stored>,
}

/// What is said of a credential that was to be stored.
pub(crate) type Stored = Result<(), StoreError>;

impl Issue {
    pub(crate) fn new(issuance: Issuance, row: CredentialRow) -> (Self, oneshot::Receiver<Told<Stored>>) {
        let (waiting, answered) = oneshot::channel();
        (Self { issuance, row, outcome: None, waiting }, answered)
    }

    /// Answer them all, once the fate of the transaction is known.
    pub(crate) fn answer(issues: impl IntoIterator<Item = Self>, committed: &Result<(), StoreError>) {
        let not_run = || Err(StoreError::Unavailable("the credential was not stored".to_owned()));
        let mut answers = Answers::none();
        for Self { outcome, waiting, .. } in issues {
            answers.add(waiting, committed.clone().and_then(|()| outcome.unwrap_or_else(not_run)));
        }
        answers.tell();
    }

    /// Whether what its caller judged is still so, and nothing else has to be looked at.
    pub(crate) fn stands(&self, writing: &mut Writing<'_>) -> Result<bool, StoreError> {
        let (issuance, own) = (&self.issuance, self.issuance.record.lineage.own());
        Ok(writing.is_current(issuance.epoch, &issuance.record)
            && issuance.now < issuance.record.expires_at
            && issuance.spends.len() <= 1
            && !writing.is_cut(&own.kid)?)
    }

    /// The number of its tenant. Absent when it has none: then it is refused.
    pub(crate) fn tenant(&mut self, writing: &mut Writing<'_>) -> Result<Option<i64>, StoreError> {
        let own = self.issuance.record.lineage.own();
        let found = writing.find_tenant(&own.tenant)?;
        if found.is_none() {
            let identity = own.identity;
            self.outcome = Some(Err(StoreError::Dead(Box::new(Dead::Unknown { identity }))));
        }
        Ok(found)
    }

    /// It will be kept, if the transaction is.
    pub(crate) fn stored(&mut self, writing: &mut Writing<'_>) {
        if let Source::ApiKey(id) = self.issuance.record.lineage.own().source {
            writing.batch.count_use(id, self.issuance.now);
        }
        self.outcome = Some(Ok(()));
    }
}

/// Store one, in a savepoint of its own. An error means that the transaction is spoilt.
pub(crate) fn apart(writing: &mut Writing<'_>, issue: &mut Issue) -> Result<(), StoreError> {
    savepoint(writing.conn, Step::Begin)?;
    let outcome = issue_one(writing, &issue.issuance, &issue.row);
    let (ran, end) = match outcome {
        Ok(()) => (Ran::Done, Step::Keep),
        Err(_) => (Ran::Undone, Step::Undo),
    };
    savepoint(writing.conn, end)?;
    writing.batch.ended(ran, Changes::Nothing);
    issue.outcome = Some(outcome);
    Ok(())
}

/// Store a credential if everything it was decided by still holds and its whole chain is alive.
///
/// When no fact changed since they were read, what the caller judged is still so. What their facts do not tell is
/// judged in any case: the credential's own end, and whether the key that signed it was cut off.
fn issue_one(writing: &mut Writing<'_>, issuance: &Issuance, row: &CredentialRow) -> Result<(), StoreError> {
    let record = &issuance.record;
    let own = record.lineage.own();
    let unchanged = writing.is_current(issuance.epoch, record);
    if !unchanged {
        for guard in &issuance.guards {
            if !queries::facts::holds(writing.conn, *guard)? {
                return Err(StoreError::Stale);
            }
        }
    }
    issuance.spends.iter().try_for_each(|spend| queries::credentials::spend(writing.conn, spend))?;
    let unknown = || StoreError::Dead(Box::new(Dead::Unknown { identity: own.identity }));
    let tenant = writing.find_tenant(&own.tenant)?.ok_or_else(unknown)?;
    if !unchanged || issuance.now >= record.expires_at || writing.is_cut(&own.kid)? {
        let facts = queries::facts::live(writing.conn, tenant, record)?;
        live(record, &facts, issuance.now).map_err(|dead| StoreError::Dead(Box::new(dead)))?;
    }
    queries::credentials::insert(writing.conn, tenant, row)?;
    if let Source::ApiKey(id) = own.source {
        writing.count_use(id, issuance.now);
    }
    Ok(())
}
