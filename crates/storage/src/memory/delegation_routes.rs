//! Delegation routes, in memory.

use std::cmp::Reverse;

use async_trait::async_trait;
use zeroid_identity_model::{DelegationRouteId, IdentityId, Tenant};

use super::MemoryStore;
use super::state::{State, window};
use crate::delegation_routes::{
    DelegationRouteRecord, DelegationRouteStore, MAX_ROUTES_FROM_ONE, RoutesFrom,
};
use crate::error::{Conflict, StoreError};
use crate::filters::{Listed, Page};

#[async_trait]
impl DelegationRouteStore for MemoryStore {
    async fn create_delegation_route(&self, route: DelegationRouteRecord) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.identity_of(&route.tenant, route.route.from).ok_or(Conflict::NoSuchFrom)?;
        state.identity_of(&route.tenant, route.route.to).ok_or(Conflict::NoSuchTo)?;
        if state.routes.values().filter(|old| old.route.from == route.route.from).count()
            >= MAX_ROUTES_FROM_ONE
        {
            return Err(Conflict::TooManyRoutes.into());
        }
        state.routes.insert(route.route.id, route);
        Ok(())
    }

    async fn delegation_route(
        &self,
        tenant: &Tenant,
        id: DelegationRouteId,
    ) -> Result<Option<DelegationRouteRecord>, StoreError> {
        Ok(self.lock().routes.get(&id).filter(|route| route.tenant == *tenant).cloned())
    }

    async fn delegation_routes(
        &self,
        tenant: &Tenant,
        page: Page,
    ) -> Result<Listed<DelegationRouteRecord>, StoreError> {
        let state = self.lock();
        let mut found: Vec<_> =
            state.routes.values().filter(|route| route.tenant == *tenant).cloned().collect();
        found.sort_by_key(|route| (Reverse(route.created_at), route.route.id));
        Ok(window(found, page))
    }

    async fn delegation_routes_from(
        &self,
        tenant: &Tenant,
        from: IdentityId,
    ) -> Result<RoutesFrom, StoreError> {
        let state = self.lock();
        let of = state.routes.values().filter(|route| route.tenant == *tenant && route.route.from == from);
        Ok(RoutesFrom { routes: of.map(|record| record.route.clone()).collect(), epoch: State::epoch() })
    }

    async fn delete_delegation_route(
        &self,
        tenant: &Tenant,
        id: DelegationRouteId,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.routes.get(&id).filter(|route| route.tenant == *tenant).ok_or(StoreError::NotFound)?;
        state.routes.remove(&id);
        Ok(())
    }
}
