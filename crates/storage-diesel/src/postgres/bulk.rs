//! Statements for a whole batch: one round trip, however many rows.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Text};
use zeroid_identity_model::{CredentialId, IdentityId, PolicyId, SpiffeId};
use zeroid_storage::{
    ApiKeyRecord, ClientRecord, CredentialDigest, IdentityRecord, PolicyRecord, SecretHash, Spend, StoreError,
};
use zeroid_token_core::{ClientName, CredentialRecord, CutOff};

use super::Conn;
use super::columns::CredentialColumns;
use crate::error::unavailable;
use crate::packed::unpack;
use crate::rows::{ApiKeyRead, ClientRead, CredentialRow, bytes, from_json};
use crate::schema::{api_keys, clients, cut_offs, identities, policies};

/// Store credentials.
pub(super) fn insert_credentials(conn: &mut Conn, rows: &[(i64, &CredentialRow)]) -> Result<(), StoreError> {
    let mut columns = CredentialColumns::default();
    for (tenant, row) in rows {
        columns.push(*tenant, row);
    }
    InsertCredentials(columns).execute(conn).map(drop).map_err(unavailable)
}

struct InsertCredentials<'r>(CredentialColumns<'r>);

/// Names the statement among those kept prepared.
#[derive(Debug)]
struct InsertCredentialsId;

impl QueryId for InsertCredentials<'_> {
    type QueryId = InsertCredentialsId;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Pg> for InsertCredentials<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("INSERT INTO credentials (");
        out.push_sql(CredentialColumns::NAMES);
        out.push_sql(") SELECT * FROM unnest(");
        self.0.bind(&mut out)?;
        out.push_sql(")");
        Ok(())
    }
}

impl RunQueryDsl<Conn> for InsertCredentials<'_> {}

/// Use things up; gives those that were not used up before, each once.
pub(super) fn spend(conn: &mut Conn, spends: &[&Spend]) -> Result<Vec<(Vec<u8>, String)>, StoreError> {
    let insert = InsertSpent {
        hash: spends.iter().map(|spend| spend.hash.0.to_vec()).collect(),
        scope: spends.iter().map(|spend| spend.scope.clone()).collect(),
        forget_at: spends.iter().map(|spend| spend.forget_at.as_micros()).collect(),
    };
    insert.load(conn).map_err(unavailable)
}

#[derive(QueryId)]
struct InsertSpent {
    hash: Vec<Vec<u8>>,
    scope: Vec<String>,
    forget_at: Vec<i64>,
}

impl QueryFragment<Pg> for InsertSpent {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // In one order everywhere: two replicas that spend the same things must not wait for each other.
        out.push_sql("INSERT INTO spent (hash, scope, forget_at) SELECT * FROM unnest(");
        out.push_bind_param::<Array<Binary>, _>(&self.hash)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.scope)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.forget_at)?;
        out.push_sql(
            ") AS fresh (hash, scope, forget_at) ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING hash, scope",
        );
        Ok(())
    }
}

impl Query for InsertSpent {
    type SqlType = (Binary, Text);
}

impl RunQueryDsl<Conn> for InsertSpent {}

/// A stored credential with its tenant's number and its digest.
pub(super) type Stored = (CredentialId, i64, CredentialDigest, CredentialRecord);

/// Its columns as they are read.
type Found = (Vec<u8>, i64, Vec<u8>, Vec<u8>);

/// The credentials of these ids.
pub(super) fn credentials(conn: &mut Conn, ids: &[CredentialId]) -> Result<Vec<Stored>, StoreError> {
    let ids = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
    let rows: Vec<Found> = CredentialsOf(ids).load(conn).map_err(unavailable)?;
    let read = |(jti, tenant, digest, body): Found| {
        Ok((
            CredentialId::from_bytes(bytes("jti", &jti)?),
            tenant,
            CredentialDigest(bytes("digest", &digest)?),
            unpack(&body)?,
        ))
    };
    rows.into_iter().map(read).collect()
}

/// Each id is looked up by itself: for a list of them, a plan that is made once asks every partition for each. Without the
/// offset that would be a join, which a plan that was made while there were few begins with all credentials.
struct CredentialsOf<'i>(Vec<&'i [u8]>);

/// Names the statement among those kept prepared.
#[derive(Debug)]
struct CredentialsOfId;

impl QueryId for CredentialsOf<'_> {
    type QueryId = CredentialsOfId;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Pg> for CredentialsOf<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT c.jti, c.tenant_id, c.digest, c.body FROM unnest(");
        out.push_bind_param::<Array<Binary>, _>(&self.0)?;
        out.push_sql(") AS asked (jti) CROSS JOIN LATERAL (SELECT * FROM credentials WHERE credentials.jti = asked.jti OFFSET 0) c");
        Ok(())
    }
}

impl Query for CredentialsOf<'_> {
    type SqlType = (Binary, BigInt, Binary, Binary);
}

impl RunQueryDsl<Conn> for CredentialsOf<'_> {}

/// The identities of these ids.
pub(super) fn identities(conn: &mut Conn, ids: &[IdentityId]) -> Result<Vec<IdentityRecord>, StoreError> {
    let bodies: Vec<String> = identities::table
        .filter(identities::id.eq_any(ids.iter().map(|id| id.as_bytes().as_slice())))
        .select(identities::body)
        .load(conn)
        .map_err(unavailable)?;
    bodies.iter().map(|body| from_json("identity", body)).collect()
}

/// The identities of these URIs.
pub(super) fn identities_by_uri(
    conn: &mut Conn,
    uris: &[&SpiffeId],
) -> Result<Vec<IdentityRecord>, StoreError> {
    let bodies: Vec<String> = identities::table
        .filter(identities::spiffe_id.eq_any(uris.iter().map(|uri| uri.as_str())))
        .select(identities::body)
        .load(conn)
        .map_err(unavailable)?;
    bodies.iter().map(|body| from_json("identity", body)).collect()
}

/// The keys of these hashes.
pub(super) fn keys(conn: &mut Conn, hashes: &[SecretHash]) -> Result<Vec<ApiKeyRecord>, StoreError> {
    let rows: Vec<ApiKeyRead> = api_keys::table
        .filter(api_keys::hash.eq_any(hashes.iter().map(|hash| hash.0.as_slice())))
        .select(ApiKeyRead::as_select())
        .load(conn)
        .map_err(unavailable)?;
    rows.into_iter().map(ApiKeyRead::record).collect()
}

/// The clients of these names.
pub(super) fn clients(conn: &mut Conn, names: &[ClientName]) -> Result<Vec<ClientRecord>, StoreError> {
    let rows: Vec<ClientRead> = clients::table
        .filter(clients::client_id.eq_any(names.iter().map(ClientName::as_str)))
        .select(ClientRead::as_select())
        .load(conn)
        .map_err(unavailable)?;
    rows.into_iter().map(ClientRead::record).collect()
}

/// The policies of these ids.
pub(super) fn policies(conn: &mut Conn, ids: &[PolicyId]) -> Result<Vec<PolicyRecord>, StoreError> {
    let bodies: Vec<String> = policies::table
        .filter(policies::id.eq_any(ids.iter().map(|id| id.as_bytes().as_slice())))
        .select(policies::body)
        .load(conn)
        .map_err(unavailable)?;
    bodies.iter().map(|body| from_json("policy", body)).collect()
}

/// The cut-offs of these keys, oldest first, each with its key.
pub(super) fn cut_offs(conn: &mut Conn, keys: &[Vec<u8>]) -> Result<Vec<(Vec<u8>, CutOff)>, StoreError> {
    let mut rows: Vec<(i64, Vec<u8>, String)> = cut_offs::table
        .filter(cut_offs::cut_key.eq_any(keys))
        .select((cut_offs::id, cut_offs::cut_key, cut_offs::body))
        .load(conn)
        .map_err(unavailable)?;
    // Asked for in their order, a plan that was made while there were few would read all of them.
    rows.sort_unstable_by_key(|(id, _, _)| *id);
    rows.into_iter().map(|(_, key, body)| Ok((key, from_json("cut-off", &body)?))).collect()
}
