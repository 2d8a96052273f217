//! The numbers of tenants: they never change, so whoever saw one committed remembers it.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use zeroid_identity_model::Tenant;

/// Committed tenants and their numbers.
#[derive(Debug, Default)]
pub(crate) struct TenantNumbers(RwLock<HashMap<Tenant, i64>>);

impl TenantNumbers {
    /// The number of a tenant, if it is known without asking the database.
    pub(crate) fn tenant(&self, tenant: &Tenant) -> Option<i64> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(tenant).copied()
    }

    /// Remember the number of a tenant whose row is committed.
    pub(crate) fn remember_tenant(&self, tenant: &Tenant, id: i64) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone(), id);
    }
}
