//! Statements about one row: without a round trip to pay, one by one is as good as many at once.

use std::sync::Arc;

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary};
use zeroid_identity_model::{ApiKeyId, PolicyId, Timestamp};
use zeroid_storage::{
    ActorFacts, ActorLookup, ApiKeyRecord, ClientRecord, IdentityRecord, SecretHash, StoreError,
};
use zeroid_token_core::Policy;

use super::queries::{clients, identities, policies};
use super::{Conn, Dialect};
use crate::error::{missing, unavailable};
use crate::rows::{ApiKeyRead, signed};
use crate::schema::api_keys;

/// An identity with what limits it.
fn actor(
    conn: &mut Conn,
    identity: IdentityRecord,
    key: Option<ApiKeyRecord>,
    client: Option<ClientRecord>,
) -> Result<ActorFacts, StoreError> {
    let policy = policy(conn, identity.policy_id)?;
    let key = match key {
        Some(key) => {
            let own = key.policy_id.map(|id| self::policy(conn, id)).transpose()?;
            Some((key, own))
        }
        None => None,
    };
    let client = match client {
        Some(client) => {
            let own = client.policy_id.map(|id| self::policy(conn, id)).transpose()?;
            Some((Arc::new(client), own))
        }
        None => None,
    };
    Ok(ActorFacts { identity: Arc::new(identity), policy, key, client })
}

fn policy(conn: &mut Conn, id: PolicyId) -> Result<Arc<Policy>, StoreError> {
    policies::by_id(conn, id)?.map(|record| Arc::new(record.policy)).ok_or_else(|| missing("a policy"))
}

/// Whoever is looked for, with everything that limits it.
pub(super) fn find_actor(conn: &mut Conn, lookup: &ActorLookup) -> Result<Option<ActorFacts>, StoreError> {
    match lookup {
        ActorLookup::ApiKey(hash) => match by_hash(conn, hash)? {
            Some(key) => {
                let identity =
                    identities::by_id(conn, key.identity)?.ok_or_else(|| missing("an identity"))?;
                Ok(Some(actor(conn, identity, Some(key), None)?))
            }
            None => Ok(None),
        },
        ActorLookup::Spiffe(uri) => match identities::by_uri(conn, uri)? {
            Some(identity) => Ok(Some(actor(conn, identity, None, None)?)),
            None => Ok(None),
        },
        ActorLookup::Client(name) => {
            let client = clients::by_name(conn, name)?;
            match client.and_then(|client| Some((client.identity?, client))) {
                Some((identity, client)) => {
                    let identity =
                        identities::by_id(conn, identity)?.ok_or_else(|| missing("an identity"))?;
                    Ok(Some(actor(conn, identity, None, Some(client))?))
                }
                None => Ok(None),
            }
        }
    }
}

/// The key of this hash, whoever's.
fn by_hash(conn: &mut Conn, hash: &SecretHash) -> Result<Option<ApiKeyRecord>, StoreError> {
    let row: Option<ApiKeyRead> = api_keys::table
        .filter(api_keys::hash.eq(hash.0.as_slice()))
        .select(ApiKeyRead::as_select())
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    row.map(ApiKeyRead::record).transpose()
}

/// Count that a key was used.
pub(super) fn count_use(conn: &mut Conn, id: ApiKeyId, uses: u64, last: Timestamp) -> Result<(), StoreError> {
    let (uses, last) = (signed(uses), last.as_micros());
    CountUse { id: *id.as_bytes(), uses, last }.execute(conn).map(drop).map_err(unavailable)
}

/// Written once a key and transaction, and kept prepared, which the query builder does with no update.
#[derive(QueryId)]
struct CountUse {
    id: [u8; 16],
    uses: i64,
    last: i64,
}

impl QueryFragment<Dialect> for CountUse {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Dialect>) -> QueryResult<()> {
        out.push_sql("UPDATE api_keys SET usage_count = usage_count + ");
        out.push_bind_param::<BigInt, _>(&self.uses)?;
        // Transactions may come in another order than their moments.
        out.push_sql(", last_used_at = CASE WHEN last_used_at >= ");
        out.push_bind_param::<BigInt, _>(&self.last)?;
        out.push_sql(" THEN last_used_at ELSE ");
        out.push_bind_param::<BigInt, _>(&self.last)?;
        out.push_sql(" END WHERE id = ");
        out.push_bind_param::<Binary, _>(&self.id)?;
        Ok(())
    }
}

impl RunQueryDsl<Conn> for CountUse {}
