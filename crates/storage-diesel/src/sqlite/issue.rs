//! Storing credentials that wait together.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, SmallInt};
use zeroid_storage::StoreError;

use super::verbs::{Issue, Writing, apart};
use super::{Conn, Dialect, queries};
use crate::error::unavailable;
use crate::rows::CredentialRow;

/// Store all of them. An error means that the transaction may be spoilt and nothing of it is to be kept.
///
/// What stands is stored by one statement, which the database undoes by itself when it fails: such a credential needs
/// no savepoint, and a savepoint costs a copy of every page it touches. Neither does what it uses up, which comes first:
/// what was used up before ends it with nothing to undo.
pub(super) fn together(writing: &mut Writing<'_>, issues: &mut [Issue]) -> Result<(), StoreError> {
    for issue in issues {
        issue.outcome = None;
        if !issue.stands(writing)? {
            apart(writing, issue)?;
            continue;
        }
        let Some(tenant_id) = issue.tenant(writing)? else { continue };
        // At most one, of what stands.
        let spent =
            issue.issuance.spends.first().map(|spend| queries::credentials::spend(writing.conn, spend));
        match spent.transpose() {
            Err(StoreError::Spent) => {
                issue.outcome = Some(Err(StoreError::Spent));
                continue;
            }
            spent => spent.map(drop)?,
        }
        insert(writing.conn, tenant_id, &issue.row)?;
        issue.stored(writing);
    }
    Ok(())
}

fn insert(conn: &mut Conn, tenant_id: i64, row: &CredentialRow) -> Result<(), StoreError> {
    InsertCredential { tenant_id, row }.execute(conn).map(drop).map_err(unavailable)
}

/// Kept prepared, and bound without a copy.
struct InsertCredential<'r> {
    tenant_id: i64,
    row: &'r CredentialRow,
}

/// Names the statement among those kept prepared.
#[derive(Debug)]
struct InsertCredentialId;

impl QueryId for InsertCredential<'_> {
    type QueryId = InsertCredentialId;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Dialect> for InsertCredential<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Dialect>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO credentials (jti, tenant_id, identity_id, mission_id, depth, issued_at, expires_at, digest, \
             body) VALUES (",
        );
        let row = self.row;
        out.push_bind_param::<Binary, _>(&row.jti)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.tenant_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Binary, _>(&row.identity_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Binary, _>(&row.mission_id)?;
        out.push_sql(", ");
        out.push_bind_param::<SmallInt, _>(&row.depth)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&row.issued_at)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&row.expires_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Binary, _>(&row.digest)?;
        out.push_sql(", ");
        out.push_bind_param::<Binary, _>(&row.body)?;
        out.push_sql(")");
        Ok(())
    }
}

impl RunQueryDsl<Conn> for InsertCredential<'_> {}
