//! Delegation routes.

use diesel::prelude::*;
use zeroid_identity_model::{DelegationRouteId, IdentityId};
use zeroid_storage::{
    Conflict, DelegationRouteRecord, Listed, MAX_ROUTES_FROM_ONE, Page, RoutesFrom, StoreError,
};

use super::super::epochs;
use super::{Conn, identities};
use crate::error::unavailable;
use crate::rows::{DelegationRouteRow, from_json, signed, unsigned};
use crate::schema::delegation_routes;

const WHAT: &str = "delegation route";

/// Store a route.
pub(crate) fn insert(conn: &mut Conn, tenant: i64, record: &DelegationRouteRecord) -> Result<(), StoreError> {
    let route = &record.route;
    if identities::version_of(conn, tenant, route.from)?.is_none() {
        return Err(Conflict::NoSuchFrom.into());
    }
    if identities::version_of(conn, tenant, route.to)?.is_none() {
        return Err(Conflict::NoSuchTo.into());
    }
    let from_one = delegation_routes::tenant_id
        .eq(tenant)
        .and(delegation_routes::from_identity_id.eq(route.from.as_bytes().as_slice()));
    let count: i64 =
        delegation_routes::table.filter(from_one).count().get_result(conn).map_err(unavailable)?;
    if unsigned(count) >= MAX_ROUTES_FROM_ONE as u64 {
        return Err(Conflict::TooManyRoutes.into());
    }
    let row = DelegationRouteRow::of(tenant, record)?;
    diesel::insert_into(delegation_routes::table).values(row).execute(conn).map(drop).map_err(unavailable)
}

/// The route of this id in this tenant.
pub(crate) fn of_tenant(
    conn: &mut Conn,
    tenant: i64,
    id: DelegationRouteId,
) -> Result<Option<DelegationRouteRecord>, StoreError> {
    let of = delegation_routes::id.eq(id.as_bytes().as_slice()).and(delegation_routes::tenant_id.eq(tenant));
    let body: Option<String> = delegation_routes::table
        .filter(of)
        .select(delegation_routes::body)
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    body.map(|body| from_json(WHAT, &body)).transpose()
}

/// Whether there is such a route, for a guard.
pub(crate) fn is_there(conn: &mut Conn, id: DelegationRouteId) -> Result<bool, StoreError> {
    let found: Option<i64> = delegation_routes::table
        .filter(delegation_routes::id.eq(id.as_bytes().as_slice()))
        .select(delegation_routes::tenant_id)
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    Ok(found.is_some())
}

/// All routes of the tenant, newest first.
pub(crate) fn list(
    conn: &mut Conn,
    tenant: i64,
    page: Page,
) -> Result<Listed<DelegationRouteRecord>, StoreError> {
    let of_tenant = || delegation_routes::table.filter(delegation_routes::tenant_id.eq(tenant));
    let total: i64 = of_tenant().count().get_result(conn).map_err(unavailable)?;
    let bodies: Vec<String> = of_tenant()
        .order((delegation_routes::created_at.desc(), delegation_routes::id.asc()))
        .limit(i64::from(page.limit))
        .offset(signed(page.offset))
        .select(delegation_routes::body)
        .load(conn)
        .map_err(unavailable)?;
    let items: Result<_, _> = bodies.iter().map(|body| from_json(WHAT, body)).collect();
    Ok(Listed { items: items?, total: unsigned(total) })
}

/// All routes from an identity, in one state of the facts.
pub(crate) fn from(conn: &mut Conn, tenant: i64, from: IdentityId) -> Result<RoutesFrom, StoreError> {
    // The epoch first: the routes are never older than it says.
    let epoch = epochs::epoch(conn)?;
    let of = delegation_routes::tenant_id
        .eq(tenant)
        .and(delegation_routes::from_identity_id.eq(from.as_bytes().as_slice()));
    let bodies: Vec<String> = delegation_routes::table
        .filter(of)
        .order(delegation_routes::id.asc())
        .select(delegation_routes::body)
        .load(conn)
        .map_err(unavailable)?;
    let record = |body: &String| Ok(from_json::<DelegationRouteRecord>(WHAT, body)?.route);
    let routes = bodies.iter().map(record).collect::<Result<_, StoreError>>()?;
    Ok(RoutesFrom { routes, epoch })
}

/// Delete a route.
pub(crate) fn delete(conn: &mut Conn, tenant: i64, id: DelegationRouteId) -> Result<(), StoreError> {
    let of = delegation_routes::id.eq(id.as_bytes().as_slice()).and(delegation_routes::tenant_id.eq(tenant));
    match diesel::delete(delegation_routes::table.filter(of)).execute(conn).map_err(unavailable)? {
        0 => Err(StoreError::NotFound),
        _ => Ok(()),
    }
}
