//! Cut-offs.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Text};
use zeroid_identity_model::{Tenant, Timestamp};
use zeroid_storage::StoreError;
use zeroid_token_core::{CutOff, CutOffKey, KeyId, Order, Reason};

use super::{Conn, Dialect};
use crate::cut_key;
use crate::error::unavailable;
use crate::rows::{from_json, signed, to_json};
use crate::schema::cut_offs;

/// Keys of one query.
const KEYS: usize = 8;

/// The cut-offs that name any of these keys, oldest first.
pub(crate) fn naming(conn: &mut Conn, keys: &[Vec<u8>]) -> Result<Vec<CutOff>, StoreError> {
    let mut found: Vec<(i64, String)> = Vec::new();
    for chunk in keys.chunks(KEYS) {
        // No key is empty: what a chunk lacks finds nothing.
        let key = |at: usize| chunk.get(at).map(Vec::as_slice).unwrap_or_default();
        found.extend(Naming(std::array::from_fn(key)).load(conn).map_err(unavailable)?);
    }
    found.sort_unstable_by_key(|(id, _)| *id);
    found.iter().map(|(_, body)| from_json("cut-off", body)).collect()
}

/// One look-up a key, all in one statement that is always the same and so is prepared once. A list (`IN`) would be
/// gathered and sorted in a table of its own at every use.
struct Naming<'k>([&'k [u8]; KEYS]);

impl QueryId for Naming<'_> {
    type QueryId = Naming<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Dialect> for Naming<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Dialect>) -> QueryResult<()> {
        for (at, key) in self.0.iter().enumerate() {
            out.push_sql(if at == 0 { "" } else { " UNION ALL " });
            out.push_sql("SELECT id, body FROM cut_offs WHERE cut_key = ");
            out.push_bind_param::<Binary, _>(key)?;
        }
        Ok(())
    }
}

impl Query for Naming<'_> {
    type SqlType = (BigInt, Text);
}

impl RunQueryDsl<Conn> for Naming<'_> {}

/// Whether a signing key was cut off, with everything it ever signed.
pub(crate) fn is_signing_key_cut(conn: &mut Conn, kid: &KeyId) -> Result<bool, StoreError> {
    let key = cut_key::encode(0, &CutOffKey::SigningKey(kid.clone()));
    Ok(!naming(conn, std::slice::from_ref(&key))?.is_empty())
}

/// One more row, or the first again when the key is cut for ever.
pub(crate) fn insert(
    conn: &mut Conn,
    of: Option<(i64, &Tenant)>,
    key: CutOffKey,
    order: Order,
    reason: &Reason,
    now: Timestamp,
) -> Result<CutOff, StoreError> {
    let encoded = cut_key::encode(of.map_or(0, |(id, _)| id), &key);
    let for_ever = key.is_for_ever();
    if for_ever && let Some(first) = naming(conn, std::slice::from_ref(&encoded))?.into_iter().next() {
        return Ok(first);
    }
    let up_to = (!for_ever).then_some(order);
    let tenant = of.map(|(_, tenant)| tenant.clone());
    let cut = CutOff { tenant, key, up_to, at: now, reason: reason.clone() };
    diesel::insert_into(cut_offs::table)
        .values((
            cut_offs::tenant_id.eq(of.map(|(id, _)| id)),
            cut_offs::cut_key.eq(encoded),
            cut_offs::up_to.eq(up_to.map(|order| signed(order.0))),
            cut_offs::cut_at.eq(now.as_micros()),
            cut_offs::body.eq(to_json("cut-off", &cut)?),
        ))
        .execute(conn)
        .map_err(unavailable)?;
    Ok(cut)
}
