//! Credential policies.

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use zeroid_identity_model::PolicyId;
use zeroid_storage::{Conflict, Listed, Page, PolicyRecord, StoreError};

use super::Conn;
use crate::error::unavailable;
use crate::rows::{PolicyRow, from_json, signed, unsigned};
use crate::schema::{api_keys, identities, policies};

fn conflict(error: Error) -> StoreError {
    match error {
        Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Conflict::PolicyName.into(),
        other => unavailable(other),
    }
}

/// Store a policy.
pub(crate) fn insert(conn: &mut Conn, tenant: i64, record: &PolicyRecord) -> Result<(), StoreError> {
    let row = PolicyRow::of(tenant, record)?;
    diesel::insert_into(policies::table).values(row).execute(conn).map_err(conflict)?;
    Ok(())
}

/// The policy of this id, whoever's.
pub(crate) fn by_id(conn: &mut Conn, id: PolicyId) -> Result<Option<PolicyRecord>, StoreError> {
    let body: Option<String> = policies::table
        .filter(policies::id.eq(id.as_bytes().as_slice()))
        .select(policies::body)
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    body.map(|body| from_json("policy", &body)).transpose()
}

/// Whether the tenant has the policy.
pub(crate) fn exists(conn: &mut Conn, tenant: i64, id: PolicyId) -> Result<bool, StoreError> {
    let found: Option<i64> = policies::table
        .filter(policies::id.eq(id.as_bytes().as_slice()).and(policies::tenant_id.eq(tenant)))
        .select(policies::version)
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    Ok(found.is_some())
}

/// The version of a policy, for a guard.
pub(crate) fn version(conn: &mut Conn, id: PolicyId) -> Result<Option<u64>, StoreError> {
    let found: Option<i64> = policies::table
        .filter(policies::id.eq(id.as_bytes().as_slice()))
        .select(policies::version)
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    Ok(found.map(unsigned))
}

/// The tenant's default policy.
pub(crate) fn default(conn: &mut Conn, tenant: i64) -> Result<Option<PolicyRecord>, StoreError> {
    let body: Option<String> = policies::table
        .filter(policies::tenant_id.eq(tenant).and(policies::is_default.eq(true)))
        .select(policies::body)
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    body.map(|body| from_json("policy", &body)).transpose()
}

/// Whether the tenant has a policy of this name.
pub(crate) fn is_named(conn: &mut Conn, tenant: i64, name: &str) -> Result<bool, StoreError> {
    let count: i64 = policies::table
        .filter(policies::tenant_id.eq(tenant).and(policies::name.eq(name)))
        .count()
        .get_result(conn)
        .map_err(unavailable)?;
    Ok(count > 0)
}

/// All policies of the tenant, newest first.
pub(crate) fn list(conn: &mut Conn, tenant: i64, page: Page) -> Result<Listed<PolicyRecord>, StoreError> {
    let of_tenant = || policies::table.filter(policies::tenant_id.eq(tenant));
    let total: i64 = of_tenant().count().get_result(conn).map_err(unavailable)?;
    let bodies: Vec<String> = of_tenant()
        .order((policies::created_at.desc(), policies::id.asc()))
        .limit(i64::from(page.limit))
        .offset(signed(page.offset))
        .select(policies::body)
        .load(conn)
        .map_err(unavailable)?;
    let items: Result<_, _> = bodies.iter().map(|body| from_json("policy", body)).collect();
    Ok(Listed { items: items?, total: unsigned(total) })
}

/// Replace a policy by its next version.
pub(crate) fn change(conn: &mut Conn, tenant: i64, record: &PolicyRecord) -> Result<(), StoreError> {
    let id = record.policy.id.as_bytes().as_slice();
    let of_tenant = policies::id.eq(id).and(policies::tenant_id.eq(tenant));
    let stored: Option<i64> = policies::table
        .filter(of_tenant)
        .select(policies::version)
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    match stored {
        None => Err(StoreError::NotFound),
        Some(version) if unsigned(version) + 1 != record.policy.version => Err(StoreError::Stale),
        Some(_) => {
            let row = PolicyRow::of(tenant, record)?;
            diesel::update(policies::table.filter(policies::id.eq(id)))
                .set(row)
                .execute(conn)
                .map_err(conflict)?;
            Ok(())
        }
    }
}

/// Delete a policy nobody uses.
pub(crate) fn delete(conn: &mut Conn, tenant: i64, id: PolicyId) -> Result<(), StoreError> {
    let stored = by_id(conn, id)?.ok_or(StoreError::NotFound)?;
    if !exists(conn, tenant, id)? {
        return Err(StoreError::NotFound);
    }
    let bytes = id.as_bytes().as_slice();
    let users: i64 = identities::table
        .filter(identities::tenant_id.eq(tenant).and(identities::policy_id.eq(bytes)))
        .count()
        .get_result(conn)
        .map_err(unavailable)?;
    let of_policy = api_keys::tenant_id.eq(tenant).and(api_keys::policy_id.eq(bytes));
    let keys: i64 = api_keys::table
        .filter(of_policy)
        .filter(api_keys::is_revoked.eq(false))
        .count()
        .get_result(conn)
        .map_err(unavailable)?;
    let clients = super::clients::under_policy(conn, tenant, id)?;
    if stored.is_default || users > 0 || keys > 0 || clients > 0 {
        let (identities, keys) = (unsigned(users), unsigned(keys));
        return Err(Conflict::PolicyInUse { identities, keys, clients }.into());
    }
    super::keys::forget_policy(conn, tenant, id)?;
    diesel::delete(policies::table.filter(policies::id.eq(bytes))).execute(conn).map_err(unavailable)?;
    Ok(())
}
