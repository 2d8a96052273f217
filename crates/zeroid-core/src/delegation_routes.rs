//! Delegation routes: their registry, and the actor of an exchange that nobody proved to be (house rules X1 d, X11).

use zeroid_identity_model::{DelegationRouteId, IdentityId, SpiffeId, Tenant};
use zeroid_jose::Secret;
use zeroid_storage::{DelegationRouteRecord, Epoch, Listed, Page};
use zeroid_token_core::limits::MAX_ROUTE_TTL_SECONDS;
use zeroid_token_core::{Asked, CredentialRecord, DelegationRoute, DelegationRouteError, NoRoute, ScopeSet};

use crate::engine::Engine;
use crate::error::{AdminError, Fault, TokenError};
use crate::exchange::subject_unknown;
use crate::grants::corrupt;

/// Longest description, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 1024;

/// A new delegation route.
#[derive(Clone, Debug)]
pub struct NewDelegationRoute {
    /// Who presents the subject token.
    pub from: IdentityId,
    /// Who will present what is made of it.
    pub to: IdentityId,
    /// All that may be asked for by it; one scope at least.
    pub scopes: ScopeSet,
    /// Longest lifetime of what it makes, in seconds: 1 to 300, which it is when absent.
    pub max_ttl_seconds: Option<u32>,
    /// What it is for.
    pub description: String,
    /// Who makes it; may be empty.
    pub created_by: String,
}

impl Engine {
    /// Make a route.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] names the member; [`AdminError::Conflict`] when as many as can begin at the identity.
    pub async fn create_delegation_route(
        &self,
        tenant: &Tenant,
        new: NewDelegationRoute,
    ) -> Result<DelegationRouteRecord, AdminError> {
        let now = self.now();
        let route = DelegationRoute {
            id: DelegationRouteId::from_bytes(self.fresh_id(now)?),
            from: new.from,
            to: new.to,
            scopes: new.scopes,
            max_ttl_seconds: new.max_ttl_seconds.unwrap_or(MAX_ROUTE_TTL_SECONDS),
        };
        route.check().map_err(|error| {
            let field = match error {
                DelegationRouteError::ToItself => "to_identity_id",
                DelegationRouteError::NoScopes => "scopes",
                _ => "max_ttl_seconds",
            };
            AdminError::invalid(field, error)
        })?;
        if new.description.len() > MAX_DESCRIPTION_BYTES {
            let why = format!("at most {MAX_DESCRIPTION_BYTES} bytes allowed");
            return Err(AdminError::invalid("description", why));
        }
        let (description, created_by) = (new.description, new.created_by);
        let record =
            DelegationRouteRecord { tenant: tenant.clone(), route, description, created_at: now, created_by };
        self.store.create_delegation_route(record.clone()).await?;
        Ok(record)
    }

    /// One route.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], or our fault.
    pub async fn delegation_route(
        &self,
        tenant: &Tenant,
        id: DelegationRouteId,
    ) -> Result<DelegationRouteRecord, AdminError> {
        self.store.delegation_route(tenant, id).await?.ok_or(AdminError::NotFound)
    }

    /// All routes of the tenant, newest first.
    ///
    /// # Errors
    /// Our fault.
    pub async fn delegation_routes(
        &self,
        tenant: &Tenant,
        page: Page,
    ) -> Result<Listed<DelegationRouteRecord>, AdminError> {
        Ok(self.store.delegation_routes(tenant, page).await?)
    }

    /// Delete a route: from now on it makes nothing. What it made lives until its end, five minutes at most, and is
    /// revoked like any credential.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], or our fault.
    pub async fn delete_delegation_route(
        &self,
        tenant: &Tenant,
        id: DelegationRouteId,
    ) -> Result<(), AdminError> {
        Ok(self.store.delete_delegation_route(tenant, id).await?)
    }

    /// The one route that covers an exchange without a proof of its actor. Whoever has no live token learns nothing of
    /// routes.
    pub(crate) async fn route_of(&self, subject: &Secret, asked: &Asked) -> Result<Routed, TokenError> {
        let parent = self.live_token(subject.expose()).await?.ok_or_else(subject_unknown)?.facts;
        let (route, epoch) = self.covering_route(&parent.record, asked).await?;
        let to = self.store.identity(parent.record.tenant(), route.to).await.map_err(Fault::from)?;
        let to = to.ok_or_else(|| corrupt("the end of a delegation route"))?.identity.spiffe_id;
        Ok(Routed { route, to, epoch })
    }

    /// The one route that covers a request for a child of this credential, and the state of the store it was read in.
    pub(crate) async fn covering_route(
        &self,
        parent: &CredentialRecord,
        asked: &Asked,
    ) -> Result<(DelegationRoute, Epoch), TokenError> {
        let (tenant, from) = (parent.tenant(), parent.identity());
        let known = self.store.delegation_routes_from(tenant, from).await.map_err(Fault::from)?;
        let covering = DelegationRoute::covering(&known.routes, parent, asked.scopes.as_ref());
        let route = covering.map_err(|none| match none {
            NoRoute::Uncovered => TokenError::NoActor,
            NoRoute::Ambiguous(count) => TokenError::ManyRoutes(count),
            NoRoute::Refused(refusal) => refusal.into(),
        })?;
        Ok((route.clone(), known.epoch))
    }
}

/// A route that stands in for a proof of the actor.
pub(crate) struct Routed {
    pub(crate) route: DelegationRoute,
    /// The URI of the identity it leads to, which never changes.
    pub(crate) to: SpiffeId,
    /// The state of the store it was read in.
    pub(crate) epoch: Epoch,
}
