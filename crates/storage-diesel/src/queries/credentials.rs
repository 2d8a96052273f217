//! Credentials.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Text};
use zeroid_identity_model::CredentialId;
use zeroid_storage::{
    ChainFacts, CredentialDigest, CredentialFilter, CredentialView, Listed, Page, Spend, StoreError,
};
use zeroid_token_core::CredentialRecord;

use super::{Conn, Dialect};
use crate::cut_key;
use crate::error::{missing, unavailable};
use crate::packed::unpack;
use crate::rows::{CredentialRow, bytes, signed, unsigned};
use crate::schema::credentials;

/// Store a credential.
pub(crate) fn insert(conn: &mut Conn, tenant: i64, row: &CredentialRow) -> Result<(), StoreError> {
    let values = (credentials::tenant_id.eq(tenant), row);
    diesel::insert_into(credentials::table).values(values).execute(conn).map(drop).map_err(unavailable)
}

/// Use something up. What was used up before is no error to the database, whose log nobody is to fill with replays.
pub(crate) fn spend(conn: &mut Conn, spend: &Spend) -> Result<(), StoreError> {
    let insert = UseUp { hash: spend.hash.0, scope: &spend.scope, forget_at: spend.forget_at.as_micros() };
    match insert.execute(conn).map_err(unavailable)? {
        0 => Err(StoreError::Spent),
        _ => Ok(()),
    }
}

/// Kept prepared, which the query builder does with no insert that may conflict.
struct UseUp<'s> {
    hash: [u8; 32],
    scope: &'s str,
    forget_at: i64,
}

/// Names the statement among those kept prepared.
#[derive(Debug)]
struct UseUpId;

impl QueryId for UseUp<'_> {
    type QueryId = UseUpId;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Dialect> for UseUp<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Dialect>) -> QueryResult<()> {
        out.push_sql("INSERT INTO spent (hash, scope, forget_at) VALUES (");
        out.push_bind_param::<Binary, _>(&self.hash)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.scope)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.forget_at)?;
        out.push_sql(") ON CONFLICT DO NOTHING");
        Ok(())
    }
}

impl RunQueryDsl<Conn> for UseUp<'_> {}

/// A credential with its tenant's number and its digest, whoever's.
pub(crate) fn by_jti(
    conn: &mut Conn,
    jti: CredentialId,
) -> Result<Option<(i64, CredentialDigest, CredentialRecord)>, StoreError> {
    let row: Option<(i64, Vec<u8>, Vec<u8>)> = credentials::table
        .filter(credentials::jti.eq(jti.as_bytes().as_slice()))
        .select((credentials::tenant_id, credentials::digest, credentials::body))
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    row.map(|(tenant, digest, body)| {
        Ok((tenant, CredentialDigest(bytes("digest", &digest)?), unpack(&body)?))
    })
    .transpose()
}

/// Whether the tenant has the credential.
pub(crate) fn exists(conn: &mut Conn, tenant: i64, jti: CredentialId) -> Result<bool, StoreError> {
    let found: Option<i64> = credentials::table
        .filter(credentials::jti.eq(jti.as_bytes().as_slice()).and(credentials::tenant_id.eq(tenant)))
        .select(credentials::tenant_id)
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    Ok(found.is_some())
}

/// A credential as lists show it.
pub(crate) fn view(
    conn: &mut Conn,
    tenant: i64,
    record: CredentialRecord,
) -> Result<CredentialView, StoreError> {
    let cuts = super::cut_offs::naming(conn, &cut_key::of_lineage(tenant, &record.lineage))?;
    let revoked_by = record.revoked_by(&cuts).cloned();
    Ok(CredentialView { record, revoked_by })
}

/// The credentials that match.
pub(crate) fn list(
    conn: &mut Conn,
    tenant: i64,
    filter: CredentialFilter,
    page: Page,
) -> Result<Listed<CredentialView>, StoreError> {
    let of_tenant = credentials::tenant_id.eq(tenant);
    let (limit, offset) = (i64::from(page.limit), signed(page.offset));
    let (total, bodies): (i64, Vec<Vec<u8>>) = match filter {
        CredentialFilter::Identity(id) => {
            let of = of_tenant.and(credentials::identity_id.eq(id.as_bytes().to_vec()));
            let total =
                credentials::table.filter(of.clone()).count().get_result(conn).map_err(unavailable)?;
            let rows = credentials::table
                .filter(of)
                .order((credentials::issued_at.desc(), credentials::jti.asc()))
                .limit(limit)
                .offset(offset)
                .select(credentials::body)
                .load(conn)
                .map_err(unavailable)?;
            (total, rows)
        }
        CredentialFilter::Mission(root) => {
            // The root comes first, and is found by its own id; the index has only what is below it.
            let own = of_tenant
                .and(credentials::jti.eq(root.as_bytes().to_vec()))
                .and(credentials::mission_id.eq(credentials::jti));
            let own = credentials::table.filter(own).select(credentials::body);
            let mut rows: Vec<Vec<u8>> = own.load(conn).map_err(unavailable)?;
            let roots = i64::from(!rows.is_empty());
            let shown = if offset == 0 && limit > 0 { roots } else { 0 };
            if shown == 0 {
                rows.clear();
            }
            let below = of_tenant
                .and(credentials::mission_id.eq(root.as_bytes().to_vec()))
                .and(credentials::jti.ne(credentials::mission_id));
            let total: i64 =
                credentials::table.filter(below.clone()).count().get_result(conn).map_err(unavailable)?;
            let descendants: Vec<Vec<u8>> = credentials::table
                .filter(below)
                .order((credentials::depth.asc(), credentials::issued_at.asc(), credentials::jti.asc()))
                .limit(limit - shown)
                .offset((offset - roots).max(0))
                .select(credentials::body)
                .load(conn)
                .map_err(unavailable)?;
            rows.extend(descendants);
            (total + roots, rows)
        }
    };
    let mut items = Vec::with_capacity(bodies.len());
    for body in bodies {
        items.push(view(conn, tenant, unpack(&body)?)?);
    }
    Ok(Listed { items, total: unsigned(total) })
}

/// Every credential of a lineage, and every identity on it; absent when one of them was forgotten.
pub(crate) fn chain(
    conn: &mut Conn,
    tenant: i64,
    leaf: &CredentialRecord,
) -> Result<Option<ChainFacts>, StoreError> {
    let mut chain = ChainFacts { credentials: Vec::new(), identities: Vec::new() };
    // Whatever names a link of an ancestor names one of the leaf.
    let cuts = super::cut_offs::naming(conn, &cut_key::of_lineage(tenant, &leaf.lineage))?;
    for link in leaf.lineage.links() {
        let Some((_, _, record)) = by_jti(conn, link.jti)? else { return Ok(None) };
        let revoked_by = record.revoked_by(&cuts).cloned();
        chain.credentials.push(CredentialView { record, revoked_by });
        if !chain.identities.iter().any(|known| known.identity.id == link.identity) {
            let identity = super::identities::by_id(conn, link.identity)?;
            chain.identities.push(identity.ok_or_else(|| missing("an identity of a chain"))?);
        }
    }
    Ok(Some(chain))
}
