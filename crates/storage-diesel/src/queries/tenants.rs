//! Tenants and their numbers.

use diesel::prelude::*;
use zeroid_identity_model::Tenant;
use zeroid_storage::StoreError;

use super::Conn;
use crate::error::unavailable;
use crate::schema::tenants::dsl::{account, id, project, tenants};

/// The number of a tenant, if anything was ever stored for it.
pub(crate) fn find(conn: &mut Conn, tenant: &Tenant) -> Result<Option<i64>, StoreError> {
    tenants
        .filter(account.eq(tenant.account.as_str()))
        .filter(project.eq(tenant.project.as_str()))
        .select(id)
        .first(conn)
        .optional()
        .map_err(unavailable)
}

/// The number of a tenant, given at its first use.
pub(crate) fn find_or_add(conn: &mut Conn, tenant: &Tenant) -> Result<i64, StoreError> {
    if let Some(found) = find(conn, tenant)? {
        return Ok(found);
    }
    diesel::insert_into(tenants)
        .values((account.eq(tenant.account.as_str()), project.eq(tenant.project.as_str())))
        .returning(id)
        .get_result(conn)
        .map_err(unavailable)
}
