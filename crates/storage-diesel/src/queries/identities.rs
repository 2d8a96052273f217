//! Identities.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;
use zeroid_identity_model::{ExternalId, IdentityId, SpiffeId, Status, Timestamp};
use zeroid_storage::{
    Conflict, Facets, IdentityFilter, IdentityRecord, Listed, OwnerFilter, Page, StoreError,
};

use super::{Conn, Dialect};
use crate::error::unavailable;
use crate::rows::{IdentityRow, from_json, signed, unsigned};
use crate::schema::{credentials, identities};

/// Store an identity.
pub(crate) fn insert(conn: &mut Conn, tenant: i64, record: &IdentityRecord) -> Result<(), StoreError> {
    if let Some(taken) = by_external_id(conn, tenant, &record.identity.external_id)? {
        let (id, status) = (taken.identity.id, taken.identity.status);
        return Err(Conflict::ExternalId { id, status }.into());
    }
    let row = IdentityRow::of(tenant, record)?;
    diesel::insert_into(identities::table).values(row).execute(conn).map_err(unavailable)?;
    Ok(())
}

/// Replace the row of an identity.
pub(crate) fn update(conn: &mut Conn, tenant: i64, record: &IdentityRecord) -> Result<(), StoreError> {
    let row = IdentityRow::of(tenant, record)?;
    let id = record.identity.id.as_bytes().as_slice();
    diesel::update(identities::table.filter(identities::id.eq(id)))
        .set(row)
        .execute(conn)
        .map_err(unavailable)?;
    Ok(())
}

/// The identity of this external id in this tenant.
pub(crate) fn by_external_id(
    conn: &mut Conn,
    tenant: i64,
    external_id: &ExternalId,
) -> Result<Option<IdentityRecord>, StoreError> {
    let body: Option<String> = identities::table
        .filter(identities::tenant_id.eq(tenant).and(identities::external_id.eq(external_id.as_str())))
        .select(identities::body)
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    body.map(|body| from_json("identity", &body)).transpose()
}

/// The identity of this id, whoever's.
pub(crate) fn by_id(conn: &mut Conn, id: IdentityId) -> Result<Option<IdentityRecord>, StoreError> {
    let body: Option<String> = identities::table
        .filter(identities::id.eq(id.as_bytes().as_slice()))
        .select(identities::body)
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    body.map(|body| from_json("identity", &body)).transpose()
}

/// The identity of this URI, whoever's.
pub(crate) fn by_uri(conn: &mut Conn, uri: &SpiffeId) -> Result<Option<IdentityRecord>, StoreError> {
    let body: Option<String> = identities::table
        .filter(identities::spiffe_id.eq(uri.as_str()))
        .select(identities::body)
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    body.map(|body| from_json("identity", &body)).transpose()
}

/// The version of an identity, for a guard.
pub(crate) fn version(conn: &mut Conn, id: IdentityId) -> Result<Option<u64>, StoreError> {
    let found: Option<i64> = identities::table
        .filter(identities::id.eq(id.as_bytes().as_slice()))
        .select(identities::version)
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    Ok(found.map(unsigned))
}

/// The version of an identity of this tenant.
pub(crate) fn version_of(conn: &mut Conn, tenant: i64, id: IdentityId) -> Result<Option<u64>, StoreError> {
    let found: Option<i64> = identities::table
        .filter(identities::id.eq(id.as_bytes().as_slice()).and(identities::tenant_id.eq(tenant)))
        .select(identities::version)
        .get_result(conn)
        .optional()
        .map_err(unavailable)?;
    Ok(found.map(unsigned))
}

/// What an identity may do now: its status and its end.
pub(crate) fn standing(conn: &mut Conn, id: IdentityId) -> Result<Option<(String, Option<i64>)>, StoreError> {
    identities::table
        .filter(identities::id.eq(id.as_bytes().as_slice()))
        .select((identities::status, identities::expires_at))
        .get_result(conn)
        .optional()
        .map_err(unavailable)
}

type Boxed<'a> = identities::BoxedQuery<'a, Dialect>;

fn filtered<'a>(tenant: i64, filter: &'a IdentityFilter) -> Boxed<'a> {
    let mut query = identities::table.into_boxed().filter(identities::tenant_id.eq(tenant));
    query = if filter.statuses.is_empty() {
        query.filter(identities::status.ne(Status::Discovered.as_str()))
    } else {
        query.filter(identities::status.eq_any(filter.statuses.iter().map(|status| status.as_str())))
    };
    if !filter.identity_types.is_empty() {
        query = query
            .filter(identities::identity_type.eq_any(filter.identity_types.iter().map(|kind| kind.as_str())));
    }
    if !filter.trust_levels.is_empty() {
        query = query
            .filter(identities::trust_level.eq_any(filter.trust_levels.iter().map(|level| level.as_str())));
    }
    match filter.is_active {
        Some(true) => query = query.filter(identities::status.eq(Status::Active.as_str())),
        Some(false) => query = query.filter(identities::status.ne(Status::Active.as_str())),
        None => {}
    }
    match &filter.owner {
        Some(OwnerFilter::Is(owner)) => query = query.filter(identities::owner.eq(owner.as_str())),
        Some(OwnerFilter::Nobody) => query = query.filter(identities::owner.is_null()),
        None => {}
    }
    if let Some((name, value)) = &filter.label {
        query = query.filter(super::super::has_label(name, value));
    }
    if let Some(text) = &filter.search {
        let mut found = super::super::is_named_like(format!("%{}%", escaped(text)));
        if let Ok(id) = text.to_ascii_lowercase().parse::<IdentityId>() {
            found = Box::new(found.or(identities::id.eq(id.as_bytes().to_vec())));
        }
        query = query.filter(found);
    }
    query
}

/// `%`, `_` and the escape itself, literally.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}

/// The identities that match, newest first.
pub(crate) fn list(
    conn: &mut Conn,
    tenant: i64,
    filter: &IdentityFilter,
    page: Page,
) -> Result<Listed<IdentityRecord>, StoreError> {
    let total: i64 = filtered(tenant, filter).count().get_result(conn).map_err(unavailable)?;
    let bodies: Vec<String> = filtered(tenant, filter)
        .order((identities::created_at.desc(), identities::id.asc()))
        .limit(i64::from(page.limit))
        .offset(signed(page.offset))
        .select(identities::body)
        .load(conn)
        .map_err(unavailable)?;
    let items: Result<_, _> = bodies.iter().map(|body| from_json("identity", body)).collect();
    Ok(Listed { items: items?, total: unsigned(total) })
}

/// How many identities there are of each kind.
pub(crate) fn facets(conn: &mut Conn, tenant: i64) -> Result<Facets, StoreError> {
    let shown = identities::tenant_id.eq(tenant).and(identities::status.ne(Status::Discovered.as_str()));
    macro_rules! counted {
        ($column:expr) => {{
            let mut rows: Vec<(String, i64)> = identities::table
                .filter(shown)
                .group_by($column)
                .select(($column, diesel::dsl::count_star()))
                .load(conn)
                .map_err(unavailable)?;
            rows.sort_by(|a, b| (std::cmp::Reverse(a.1), &a.0).cmp(&(std::cmp::Reverse(b.1), &b.0)));
            rows.into_iter().map(|(name, count)| (name, unsigned(count))).collect()
        }};
    }
    let owner_or_creator = || sql::<Text>("coalesce(owner, created_by)");
    let mut by_owner: Vec<(String, i64)> = identities::table
        .filter(shown)
        .group_by(owner_or_creator())
        .select((owner_or_creator(), sql::<diesel::sql_types::BigInt>("count(*)")))
        .load(conn)
        .map_err(unavailable)?;
    by_owner.sort_by(|a, b| (std::cmp::Reverse(a.1), &a.0).cmp(&(std::cmp::Reverse(b.1), &b.0)));
    let ended = [Status::Deactivated.as_str(), Status::Expired.as_str()];
    let ownerless: i64 = identities::table
        .filter(shown)
        .filter(identities::owner.is_null().and(identities::status.ne_all(ended)))
        .count()
        .get_result(conn)
        .map_err(unavailable)?;
    let discovered: i64 = identities::table
        .filter(identities::tenant_id.eq(tenant).and(identities::status.eq(Status::Discovered.as_str())))
        .count()
        .get_result(conn)
        .map_err(unavailable)?;
    Ok(Facets {
        identity_types: counted!(identities::identity_type),
        trust_levels: counted!(identities::trust_level),
        statuses: counted!(identities::status),
        created_by: by_owner.into_iter().map(|(name, count)| (name, unsigned(count))).collect(),
        ownerless: unsigned(ownerless),
        discovered: unsigned(discovered),
    })
}

/// The deepest delegation among the credentials of an identity.
pub(crate) fn deepest_delegation(conn: &mut Conn, tenant: i64, id: IdentityId) -> Result<u8, StoreError> {
    let deepest: Option<i16> = credentials::table
        .filter(credentials::tenant_id.eq(tenant).and(credentials::identity_id.eq(id.as_bytes().as_slice())))
        .select(diesel::dsl::max(credentials::depth))
        .get_result(conn)
        .map_err(unavailable)?;
    Ok(deepest.and_then(|depth| u8::try_from(depth).ok()).unwrap_or(0))
}

/// Identities whose time ran out and that still count as usable, with their tenants.
pub(crate) fn overdue(
    conn: &mut Conn,
    now: Timestamp,
    most: i64,
) -> Result<Vec<(i64, IdentityRecord)>, StoreError> {
    let usable = [Status::Active.as_str(), Status::Suspended.as_str()];
    let rows: Vec<(i64, String)> = identities::table
        .filter(identities::expires_at.le(now.as_micros()).and(identities::status.eq_any(usable)))
        .limit(most)
        .select((identities::tenant_id, identities::body))
        .load(conn)
        .map_err(unavailable)?;
    rows.into_iter().map(|(tenant, body)| Ok((tenant, from_json("identity", &body)?))).collect()
}
