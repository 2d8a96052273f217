//! What the writer and everybody else share in memory. Nothing of it is a fact of a decision.

use zeroid_identity_model::Tenant;

use crate::tenants::TenantNumbers;
use crate::uses::UsesWait;

/// Shared by the writer and the callers.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    tenants: TenantNumbers,
    pub(super) uses_wait: UsesWait,
}

impl Shared {
    pub(super) fn tenant(&self, tenant: &Tenant) -> Option<i64> {
        self.tenants.tenant(tenant)
    }

    pub(super) fn remember_tenant(&self, tenant: &Tenant, id: i64) {
        self.tenants.remember_tenant(tenant, id);
    }
}
