//! The rows of a batch as columns: one array for each, however many rows.

use diesel::pg::Pg;
use diesel::query_builder::AstPass;
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Binary, SmallInt};

use crate::rows::CredentialRow;

/// Credentials that are stored.
#[derive(Debug, Default)]
pub(super) struct CredentialColumns<'r> {
    jti: Vec<&'r [u8]>,
    tenant_id: Vec<i64>,
    identity_id: Vec<&'r [u8]>,
    mission_id: Vec<&'r [u8]>,
    depth: Vec<i16>,
    issued_at: Vec<i64>,
    expires_at: Vec<i64>,
    digest: Vec<&'r [u8]>,
    body: Vec<&'r [u8]>,
}

impl<'r> CredentialColumns<'r> {
    /// The names of the columns, in the order they are bound in.
    pub(super) const NAMES: &'static str =
        "jti, tenant_id, identity_id, mission_id, depth, issued_at, expires_at, digest, body";

    /// One more row, with its tenant's number.
    pub(super) fn push(&mut self, tenant: i64, row: &'r CredentialRow) {
        self.jti.push(&row.jti);
        self.tenant_id.push(tenant);
        self.identity_id.push(&row.identity_id);
        self.mission_id.push(&row.mission_id);
        self.depth.push(row.depth);
        self.issued_at.push(row.issued_at);
        self.expires_at.push(row.expires_at);
        self.digest.push(&row.digest);
        self.body.push(&row.body);
    }

    /// The columns as arguments, a comma between two.
    pub(super) fn bind<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Array<Binary>, _>(&self.jti)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.tenant_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.identity_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.mission_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SmallInt>, _>(&self.depth)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.issued_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.expires_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.digest)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.body)
    }
}
