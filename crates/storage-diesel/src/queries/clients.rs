//! OAuth clients.

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use zeroid_identity_model::{ClientId, PolicyId};
use zeroid_storage::{ClientRecord, Conflict, Listed, Page, StoreError};
use zeroid_token_core::ClientName;

use super::{Conn, identities, policies};
use crate::error::unavailable;
use crate::rows::{ClientRead, ClientRow, signed, unsigned};
use crate::schema::clients;

/// Store a client.
pub(crate) fn insert(conn: &mut Conn, tenant: i64, record: &ClientRecord) -> Result<(), StoreError> {
    if by_name(conn, &record.client_id)?.is_some() {
        return Err(Conflict::ClientName.into());
    }
    check_references(conn, tenant, record)?;
    let row = ClientRow::of(tenant, record)?;
    match diesel::insert_into(clients::table).values(row).execute(conn) {
        Ok(_) => Ok(()),
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Err(Conflict::ClientName.into()),
        Err(error) => Err(unavailable(error)),
    }
}

/// The client of this id in this tenant.
pub(crate) fn of_tenant(
    conn: &mut Conn,
    tenant: i64,
    id: ClientId,
) -> Result<Option<ClientRecord>, StoreError> {
    let row: Option<ClientRead> = clients::table
        .filter(clients::id.eq(id.as_bytes().as_slice()).and(clients::tenant_id.eq(tenant)))
        .select(ClientRead::as_select())
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    row.map(ClientRead::record).transpose()
}

/// The client that calls itself so, whoever's.
pub(crate) fn by_name(conn: &mut Conn, name: &ClientName) -> Result<Option<ClientRecord>, StoreError> {
    let row: Option<ClientRead> = clients::table
        .filter(clients::client_id.eq(name.as_str()))
        .select(ClientRead::as_select())
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    row.map(ClientRead::record).transpose()
}

/// The version of a client, for a guard.
pub(crate) fn version(conn: &mut Conn, id: ClientId) -> Result<Option<u64>, StoreError> {
    let found: Option<i64> = clients::table
        .filter(clients::id.eq(id.as_bytes().as_slice()))
        .select(clients::version)
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    Ok(found.map(unsigned))
}

/// All clients of the tenant, newest first.
pub(crate) fn list(conn: &mut Conn, tenant: i64, page: Page) -> Result<Listed<ClientRecord>, StoreError> {
    let of_tenant = || clients::table.filter(clients::tenant_id.eq(tenant));
    let total: i64 = of_tenant().count().get_result(conn).map_err(unavailable)?;
    let rows: Vec<ClientRead> = of_tenant()
        .order((clients::created_at.desc(), clients::id.asc()))
        .limit(i64::from(page.limit))
        .offset(signed(page.offset))
        .select(ClientRead::as_select())
        .load(conn)
        .map_err(unavailable)?;
    let items: Result<_, _> = rows.into_iter().map(ClientRead::record).collect();
    Ok(Listed { items: items?, total: unsigned(total) })
}

/// Replace the row of a client by its next version.
pub(crate) fn change(conn: &mut Conn, tenant: i64, record: &ClientRecord) -> Result<(), StoreError> {
    let stored = of_tenant(conn, tenant, record.id)?.ok_or(StoreError::NotFound)?;
    if stored.version + 1 != record.version {
        return Err(StoreError::Stale);
    }
    check_references(conn, tenant, record)?;
    let row = ClientRow::of(tenant, record)?;
    diesel::update(clients::table.filter(clients::id.eq(record.id.as_bytes().as_slice())))
        .set(row)
        .execute(conn)
        .map_err(unavailable)?;
    Ok(())
}

/// Delete a client.
pub(crate) fn delete(conn: &mut Conn, tenant: i64, id: ClientId) -> Result<(), StoreError> {
    let of_tenant = clients::id.eq(id.as_bytes().as_slice()).and(clients::tenant_id.eq(tenant));
    match diesel::delete(clients::table.filter(of_tenant)).execute(conn).map_err(unavailable)? {
        0 => Err(StoreError::NotFound),
        _ => Ok(()),
    }
}

/// How many clients have a policy.
pub(crate) fn under_policy(conn: &mut Conn, tenant: i64, id: PolicyId) -> Result<u64, StoreError> {
    let count: i64 = clients::table
        .filter(clients::tenant_id.eq(tenant).and(clients::policy_id.eq(id.as_bytes().as_slice())))
        .count()
        .get_result(conn)
        .map_err(unavailable)?;
    Ok(unsigned(count))
}

/// What a record refers to must be there, in the same tenant.
fn check_references(conn: &mut Conn, tenant: i64, record: &ClientRecord) -> Result<(), StoreError> {
    if let Some(identity) = record.identity
        && identities::version_of(conn, tenant, identity)?.is_none()
    {
        return Err(Conflict::NoSuchIdentity.into());
    }
    match record.policy_id {
        Some(policy) if !policies::exists(conn, tenant, policy)? => Err(Conflict::NoSuchPolicy.into()),
        _ => Ok(()),
    }
}
