//! Cut-offs.

use diesel::prelude::*;
use zeroid_identity_model::{Tenant, Timestamp};
use zeroid_storage::StoreError;
use zeroid_token_core::{CutOff, CutOffKey, KeyId, Order, Reason};

use super::Conn;
use crate::cut_key;
use crate::error::unavailable;
use crate::rows::{from_json, signed, to_json};
use crate::schema::cut_offs;

/// The cut-offs that name any of these keys, oldest first.
///
/// Eight keys a query, the last repeated: the statement is always the same, so it is prepared once.
pub(crate) fn naming(conn: &mut Conn, keys: &[Vec<u8>]) -> Result<Vec<CutOff>, StoreError> {
    let mut found: Vec<(i64, String)> = Vec::new();
    for chunk in keys.chunks(8) {
        let key = |at: usize| chunk.get(at).or(chunk.last()).map(Vec::as_slice).unwrap_or_default();
        let named = cut_offs::cut_key
            .eq(key(0))
            .or(cut_offs::cut_key.eq(key(1)))
            .or(cut_offs::cut_key.eq(key(2)))
            .or(cut_offs::cut_key.eq(key(3)))
            .or(cut_offs::cut_key.eq(key(4)))
            .or(cut_offs::cut_key.eq(key(5)))
            .or(cut_offs::cut_key.eq(key(6)))
            .or(cut_offs::cut_key.eq(key(7)));
        let rows: Vec<(i64, String)> = cut_offs::table
            .filter(named)
            .select((cut_offs::id, cut_offs::body))
            .load(conn)
            .map_err(unavailable)?;
        found.extend(rows);
    }
    found.sort_unstable_by_key(|(id, _)| *id);
    found.iter().map(|(_, body)| from_json("cut-off", body)).collect()
}

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
