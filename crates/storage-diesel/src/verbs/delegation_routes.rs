//! Delegation routes.

use async_trait::async_trait;
use zeroid_identity_model::{DelegationRouteId, IdentityId, Tenant};
use zeroid_storage::{DelegationRouteRecord, DelegationRouteStore, Listed, Page, RoutesFrom, StoreError};

use super::job::Changes;
use super::writing::Writing;
use super::{Conn, ThisStore, queries};

#[async_trait]
impl DelegationRouteStore for ThisStore {
    async fn create_delegation_route(&self, route: DelegationRouteRecord) -> Result<(), StoreError> {
        let create = move |writing: &mut Writing<'_>| {
            let tenant = writing.tenant(&route.tenant)?;
            queries::delegation_routes::insert(writing.conn, tenant, &route)
        };
        self.write(Changes::Facts, create).await
    }

    async fn delegation_route(
        &self,
        tenant: &Tenant,
        id: DelegationRouteId,
    ) -> Result<Option<DelegationRouteRecord>, StoreError> {
        let read = move |conn: &mut Conn, tenant| queries::delegation_routes::of_tenant(conn, tenant, id);
        self.read_tenant(tenant, read).await
    }

    async fn delegation_routes(
        &self,
        tenant: &Tenant,
        page: Page,
    ) -> Result<Listed<DelegationRouteRecord>, StoreError> {
        let listed = move |conn: &mut Conn, id| queries::delegation_routes::list(conn, id, page).map(Some);
        let found = self.read_tenant(tenant, listed).await?;
        Ok(found.unwrap_or(Listed { items: Vec::new(), total: 0 }))
    }

    async fn delegation_routes_from(
        &self,
        tenant: &Tenant,
        from: IdentityId,
    ) -> Result<RoutesFrom, StoreError> {
        let read = move |conn: &mut Conn, tenant| queries::delegation_routes::from(conn, tenant, from);
        self.read_tenant(tenant, read).await
    }

    async fn delete_delegation_route(
        &self,
        tenant: &Tenant,
        id: DelegationRouteId,
    ) -> Result<(), StoreError> {
        let of = tenant.clone();
        let delete = move |writing: &mut Writing<'_>| {
            let tenant = writing.known_tenant(&of)?;
            queries::delegation_routes::delete(writing.conn, tenant, id)
        };
        self.write(Changes::Facts, delete).await
    }
}
