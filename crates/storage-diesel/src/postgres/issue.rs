//! Storing credentials: together where the facts they were decided by still stand, one by one where they do not.

use std::collections::HashSet;

use zeroid_storage::{Spend, StoreError};

use super::bulk;
use super::verbs::{Issue, Writing, apart};

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
    for issue in standing.into_iter().filter(|issue| issue.outcome.is_none()) {
        if let Some(tenant) = issue.tenant(writing)? {
            issue.stored(writing);
            rows.push((tenant, &issue.row));
        }
    }
    if !rows.is_empty() {
        bulk::insert_credentials(writing.conn, &rows)?;
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
