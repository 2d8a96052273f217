//! Storing credentials: together where the facts they were decided by still stand, one by one where they do not.

use std::collections::HashSet;

use diesel::connection::SimpleConnection;
use tokio::sync::oneshot;
use zeroid_storage::{Issuance, Spend, StoreError};
use zeroid_token_core::{Dead, Source};

use super::bulk;
use super::verbs::{Ran, Writing, issue_one};
use crate::error::unavailable;
use crate::rows::CredentialRow;

/// A credential on its way through the writer.
pub(super) struct Issue {
    issuance: Issuance,
    row: CredentialRow,
    outcome: Option<Result<(), StoreError>>,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

impl Issue {
    pub(super) const fn new(
        issuance: Issuance,
        row: CredentialRow,
        answer: oneshot::Sender<Result<(), StoreError>>,
    ) -> Self {
        Self { issuance, row, outcome: None, answer }
    }

    /// Answer, once the fate of the transaction is known. A caller that went away is not missed.
    pub(super) fn answer(self, committed: Result<(), StoreError>) {
        let not_run = || Err(StoreError::Unavailable("the credential was not stored".to_owned()));
        drop(self.answer.send(committed.and_then(|()| self.outcome.unwrap_or_else(not_run))));
    }

    /// Whether what its caller judged is still so, and nothing else has to be looked at.
    fn stands(&self, writing: &mut Writing<'_>) -> Result<bool, StoreError> {
        let (issuance, own) = (&self.issuance, self.issuance.record.lineage.own());
        Ok(writing.is_current(issuance.epoch)
            && issuance.now < issuance.record.expires_at
            && issuance.spends.len() <= 1
            && !writing.is_cut(&own.kid)?)
    }
}

/// Store all of them. An error means that the transaction is spoilt and nothing was stored.
pub(super) fn together(writing: &mut Writing<'_>, issues: &mut [Issue]) -> Result<(), StoreError> {
    let mut others = Vec::new();
    let mut standing = Vec::new();
    for issue in issues {
        issue.outcome = None;
        if issue.stands(writing)? { standing.push(issue) } else { others.push(issue) }
    }
    let mut rows = Vec::with_capacity(standing.len());
    spend(writing, &mut standing)?;
    for issue in standing.iter_mut().filter(|issue| issue.outcome.is_none()) {
        let own = issue.issuance.record.lineage.own();
        let Some(tenant) = writing.find_tenant(&own.tenant)? else {
            let identity = own.identity;
            issue.outcome = Some(Err(StoreError::Dead(Box::new(Dead::Unknown { identity }))));
            continue;
        };
        let mut row = issue.row.clone();
        row.tenant_id = tenant;
        rows.push(row);
        if let Source::ApiKey(id) = own.source {
            writing.batch.count_use(id, issue.issuance.now);
        }
        issue.outcome = Some(Ok(()));
    }
    if !rows.is_empty() {
        bulk::insert_credentials(writing.conn, rows)?;
    }
    for issue in others {
        apart(writing, issue)?;
    }
    Ok(())
}

/// Use up what they use up; of those that use up the same thing the first wins.
fn spend(writing: &mut Writing<'_>, issues: &mut [&mut Issue]) -> Result<(), StoreError> {
    let mut seen = HashSet::new();
    for issue in issues.iter_mut() {
        if let Some(spend) = issue.issuance.spends.first()
            && !seen.insert((spend.hash, spend.scope.clone()))
        {
            issue.outcome = Some(Err(StoreError::Spent));
        }
    }
    let first = |issue: &&mut Issue| issue.outcome.is_none();
    let spends: Vec<&Spend> = issues
        .iter()
        .filter(|issue| first(issue))
        .filter_map(|issue| issue.issuance.spends.first())
        .collect();
    if spends.is_empty() {
        return Ok(());
    }
    let fresh: HashSet<(Vec<u8>, String)> = bulk::spend(writing.conn, &spends)?.into_iter().collect();
    for issue in issues.iter_mut() {
        if let Some(spend) = issue.issuance.spends.first()
            && !fresh.contains(&(spend.hash.0.to_vec(), spend.scope.clone()))
        {
            issue.outcome = Some(Err(StoreError::Spent));
        }
    }
    Ok(())
}

/// Store one, in a savepoint of its own.
pub(super) fn apart(writing: &mut Writing<'_>, issue: &mut Issue) -> Result<(), StoreError> {
    writing.conn.batch_execute("SAVEPOINT verb").map_err(unavailable)?;
    let outcome = issue_one(writing, &issue.issuance, issue.row.clone());
    let (ran, end) = match outcome {
        Ok(()) => (Ran::Done, "RELEASE verb"),
        Err(_) => (Ran::Undone, "ROLLBACK TO verb"),
    };
    writing.conn.batch_execute(end).map_err(unavailable)?;
    writing.batch.ended(ran, false);
    issue.outcome = Some(outcome);
    Ok(())
}
