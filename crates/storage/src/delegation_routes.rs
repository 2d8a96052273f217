//! Delegation routes: their record, and the verbs about them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use zeroid_identity_model::{DelegationRouteId, IdentityId, Tenant, Timestamp};
use zeroid_token_core::DelegationRoute;

use crate::error::StoreError;
use crate::filters::{Listed, Page};
use crate::records::Epoch;

/// Most routes that begin at one identity: an exchange without a proof reads them all.
pub const MAX_ROUTES_FROM_ONE: usize = 64;

/// A delegation route of a tenant. It is made and deleted, never changed: its id is its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationRouteRecord {
    /// Whose it is.
    pub tenant: Tenant,
    /// The route.
    pub route: DelegationRoute,
    /// What it is for.
    pub description: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it; may be empty.
    pub created_by: String,
}

/// The routes from one identity, and the state of the store they are all of.
#[derive(Clone, Debug, Default)]
pub struct RoutesFrom {
    /// The routes, in the order of their ids.
    pub routes: Vec<DelegationRoute>,
    /// No older than this they are; what is decided by them is stored only if they still hold.
    pub epoch: Epoch,
}

/// Where delegation routes are kept. Every method sees one tenant only.
#[async_trait]
pub trait DelegationRouteStore: Send + Sync {
    /// Store a route.
    ///
    /// # Errors
    /// [`Conflict::NoSuchFrom`](crate::Conflict), [`Conflict::NoSuchTo`](crate::Conflict),
    /// [`Conflict::TooManyRoutes`](crate::Conflict).
    async fn create_delegation_route(&self, route: DelegationRouteRecord) -> Result<(), StoreError>;

    /// The route of this id.
    async fn delegation_route(
        &self,
        tenant: &Tenant,
        id: DelegationRouteId,
    ) -> Result<Option<DelegationRouteRecord>, StoreError>;

    /// All routes of the tenant, newest first, then by id.
    async fn delegation_routes(
        &self,
        tenant: &Tenant,
        page: Page,
    ) -> Result<Listed<DelegationRouteRecord>, StoreError>;

    /// All routes from an identity, with the state of the store they were read in.
    async fn delegation_routes_from(
        &self,
        tenant: &Tenant,
        from: IdentityId,
    ) -> Result<RoutesFrom, StoreError>;

    /// Delete a route. What it made lives on until its end; nothing decided by it is stored any more.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn delete_delegation_route(&self, tenant: &Tenant, id: DelegationRouteId)
    -> Result<(), StoreError>;
}
