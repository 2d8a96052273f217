//! API keys.

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use zeroid_identity_model::{ApiKeyId, IdentityId, PolicyId, Timestamp};
use zeroid_storage::{ApiKeyFilter, ApiKeyRecord, ApiKeyStateFilter, Listed, Page, Revoked, StoreError};
use zeroid_token_core::Reason;

use super::{Conn, Dialect};
use crate::error::unavailable;
use crate::rows::{ApiKeyRead, ApiKeyRow, signed, to_json, unsigned};
use crate::schema::api_keys;

/// Store a key.
pub(crate) fn insert(conn: &mut Conn, tenant: i64, record: &ApiKeyRecord) -> Result<(), StoreError> {
    let row = ApiKeyRow::of(tenant, record)?;
    match diesel::insert_into(api_keys::table).values(row).execute(conn) {
        Ok(_) => Ok(()),
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Err(StoreError::Stale),
        Err(error) => Err(unavailable(error)),
    }
}

/// The key of this id in this tenant.
pub(crate) fn of_tenant(
    conn: &mut Conn,
    tenant: i64,
    id: ApiKeyId,
) -> Result<Option<ApiKeyRecord>, StoreError> {
    let row: Option<ApiKeyRead> = api_keys::table
        .filter(api_keys::id.eq(id.as_bytes().as_slice()).and(api_keys::tenant_id.eq(tenant)))
        .select(ApiKeyRead::as_select())
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    row.map(ApiKeyRead::record).transpose()
}

/// Whether a key exists and is not revoked, for a guard.
pub(crate) fn is_unrevoked(conn: &mut Conn, id: ApiKeyId) -> Result<bool, StoreError> {
    let revoked: Option<bool> = api_keys::table
        .filter(api_keys::id.eq(id.as_bytes().as_slice()))
        .select(api_keys::is_revoked)
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    Ok(revoked == Some(false))
}

fn filtered(tenant: i64, filter: &ApiKeyFilter, now: Timestamp) -> api_keys::BoxedQuery<'static, Dialect> {
    let mut query = api_keys::table.into_boxed().filter(api_keys::tenant_id.eq(tenant));
    if let Some(id) = filter.identity {
        query = query.filter(api_keys::identity_id.eq(id.as_bytes().to_vec()));
    }
    let now = now.as_micros();
    match filter.state {
        None => query,
        Some(ApiKeyStateFilter::Revoked) => query.filter(api_keys::is_revoked.eq(true)),
        Some(ApiKeyStateFilter::Expired) => {
            query.filter(api_keys::is_revoked.eq(false)).filter(api_keys::expires_at.le(now))
        }
        Some(ApiKeyStateFilter::Active) => query
            .filter(api_keys::is_revoked.eq(false))
            .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.gt(now))),
    }
}

/// The keys that match, newest first.
pub(crate) fn list(
    conn: &mut Conn,
    tenant: i64,
    filter: &ApiKeyFilter,
    page: Page,
    now: Timestamp,
) -> Result<Listed<ApiKeyRecord>, StoreError> {
    let total: i64 = filtered(tenant, filter, now).count().get_result(conn).map_err(unavailable)?;
    let rows: Vec<ApiKeyRead> = filtered(tenant, filter, now)
        .order((api_keys::created_at.desc(), api_keys::id.asc()))
        .limit(i64::from(page.limit))
        .offset(signed(page.offset))
        .select(ApiKeyRead::as_select())
        .load(conn)
        .map_err(unavailable)?;
    let items: Result<_, _> = rows.into_iter().map(ApiKeyRead::record).collect();
    Ok(Listed { items: items?, total: unsigned(total) })
}

/// The unrevoked keys of an identity, newest first.
pub(crate) fn unrevoked(
    conn: &mut Conn,
    tenant: i64,
    identity: IdentityId,
) -> Result<Vec<ApiKeyRecord>, StoreError> {
    let rows: Vec<ApiKeyRead> = api_keys::table
        .filter(api_keys::tenant_id.eq(tenant).and(api_keys::identity_id.eq(identity.as_bytes().as_slice())))
        .filter(api_keys::is_revoked.eq(false))
        .order((api_keys::created_at.desc(), api_keys::id.asc()))
        .select(ApiKeyRead::as_select())
        .load(conn)
        .map_err(unavailable)?;
    rows.into_iter().map(ApiKeyRead::record).collect()
}

/// Mark a key revoked.
pub(crate) fn revoke(
    conn: &mut Conn,
    mut record: ApiKeyRecord,
    reason: &Reason,
    now: Timestamp,
) -> Result<(), StoreError> {
    record.revoked = Some(Revoked { at: now, reason: reason.clone() });
    record.updated_at = now;
    let body = to_json("api key", &record)?;
    diesel::update(api_keys::table.filter(api_keys::id.eq(record.id.as_bytes().as_slice())))
        .set((api_keys::is_revoked.eq(true), api_keys::body.eq(body)))
        .execute(conn)
        .map_err(unavailable)?;
    Ok(())
}

/// Revoked keys no longer name a policy that is about to go.
pub(crate) fn forget_policy(conn: &mut Conn, tenant: i64, policy: PolicyId) -> Result<(), StoreError> {
    let of_policy = api_keys::tenant_id.eq(tenant).and(api_keys::policy_id.eq(policy.as_bytes().as_slice()));
    let rows: Vec<ApiKeyRead> =
        api_keys::table.filter(of_policy).select(ApiKeyRead::as_select()).load(conn).map_err(unavailable)?;
    for row in rows {
        let mut record = row.record()?;
        record.policy_id = None;
        let body = to_json("api key", &record)?;
        diesel::update(api_keys::table.filter(api_keys::id.eq(record.id.as_bytes().as_slice())))
            .set((api_keys::policy_id.eq(None::<Vec<u8>>), api_keys::body.eq(body)))
            .execute(conn)
            .map_err(unavailable)?;
    }
    Ok(())
}
