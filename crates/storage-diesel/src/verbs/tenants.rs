//! What is read belongs to one tenant.

use zeroid_identity_model::Tenant;
use zeroid_storage::StoreError;

use super::{Conn, ThisStore, queries};

impl ThisStore {
    /// Read for a tenant; a tenant that never stored anything has nothing.
    pub(crate) async fn read_tenant<T: Default + Send + 'static>(
        &self,
        tenant: &Tenant,
        work: impl FnOnce(&mut Conn, i64) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self.tenant_id(tenant).await? {
            Some(id) => self.read(move |conn| work(conn, id)).await,
            None => Ok(T::default()),
        }
    }

    /// The number of a tenant. It never changes, so it is remembered.
    pub(crate) async fn tenant_id(&self, tenant: &Tenant) -> Result<Option<i64>, StoreError> {
        if let Some(known) = self.shared.tenant(tenant) {
            return Ok(Some(known));
        }
        let wanted = tenant.clone();
        let found = self.read(move |conn| queries::tenants::find(conn, &wanted)).await?;
        if let Some(id) = found {
            self.shared.remember_tenant(tenant, id);
        }
        Ok(found)
    }
}
