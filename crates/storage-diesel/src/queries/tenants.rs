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
        .get_result(conn)
        .optional()
        .map_err(unavailable)
}

/// Give a tenant its number.
pub(crate) fn add(conn: &mut Conn, tenant: &Tenant) -> Result<i64, StoreError> {
    diesel::insert_into(tenants)
        .values((account.eq(tenant.account.as_str()), project.eq(tenant.project.as_str())))
        .returning(id)
        .get_result(conn)
        .map_err(unavailable)
}
