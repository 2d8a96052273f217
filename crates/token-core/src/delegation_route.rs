//! Delegation routes: an operator's standing word that one identity may delegate to another, in place of a proof by the
//! other (house rules X1 d, X11).

use serde::{Deserialize, Serialize};
use zeroid_identity_model::{DelegationRouteId, IdentityId};

use crate::record::CredentialRecord;
use crate::refusal::Refusal;
use crate::scope::ScopeSet;

/// Longest lifetime of what a route makes, in seconds: nobody proved to be the actor, so it is short.
pub const MAX_ROUTE_TTL_SECONDS: u32 = 300;

/// One route. It is never changed, only deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelegationRoute {
    /// Its id.
    pub id: DelegationRouteId,
    /// Who presents the subject token.
    pub from: IdentityId,
    /// Who will present what is made of it.
    pub to: IdentityId,
    /// All that may be asked for by it.
    pub scopes: ScopeSet,
    /// Longest lifetime of what it makes, in seconds: 1 to 300.
    pub max_ttl_seconds: u32,
}

/// A route that cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DelegationRouteError {
    /// It leads nowhere.
    #[error("must be another identity than from_identity_id")]
    ToItself,
    /// Nothing could be asked for by it.
    #[error("must name at least one scope")]
    NoScopes,
    /// The lifetime is zero or beyond the bound.
    #[error("must be 1 to {MAX_ROUTE_TTL_SECONDS}")]
    Ttl,
}

/// Why no route stands in for a proof of the actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// None covers the request.
    Uncovered,
    /// Several do, and which of their ends is meant is nobody's guess.
    Ambiguous(usize),
    /// Whatever route there is, the request is refused.
    Refused(Refusal),
}

impl DelegationRoute {
    /// Check the bounds of a route that is about to be stored.
    ///
    /// # Errors
    /// [`DelegationRouteError`] is about one member.
    pub fn check(&self) -> Result<(), DelegationRouteError> {
        if self.from == self.to {
            return Err(DelegationRouteError::ToItself);
        }
        if self.scopes.is_empty() {
            return Err(DelegationRouteError::NoScopes);
        }
        if (1..=MAX_ROUTE_TTL_SECONDS).contains(&self.max_ttl_seconds) {
            Ok(())
        } else {
            Err(DelegationRouteError::Ttl)
        }
    }

    /// Whether it leads from who presents this credential to that identity.
    pub fn leads(&self, parent: &CredentialRecord, to: IdentityId) -> bool {
        self.from == parent.identity() && self.to == to
    }

    /// The one route of these that covers a request: it begins at who presents the subject token, and every scope that
    /// is asked for is one of its own (house rule X11).
    ///
    /// Depth comes first, as everywhere: below the cap of the chain no route leads on (house rule X4).
    ///
    /// # Errors
    /// [`NoRoute`].
    pub fn covering<'r>(
        routes: impl IntoIterator<Item = &'r Self>,
        parent: &CredentialRecord,
        asked: Option<&ScopeSet>,
    ) -> Result<&'r Self, NoRoute> {
        let (depth, cap) = (parent.delegation_depth().saturating_add(1), parent.max_delegation_depth);
        if depth > cap {
            return Err(NoRoute::Refused(Refusal::ChainTooDeep { depth, cap }));
        }
        let mut from_here = routes.into_iter().filter(|route| route.from == parent.identity()).peekable();
        let Some(asked) = asked.filter(|asked| !asked.is_empty()) else {
            let any = from_here.peek().is_some();
            return Err(if any { NoRoute::Refused(Refusal::ScopeMissing) } else { NoRoute::Uncovered });
        };
        let mut covering = from_here.filter(|route| asked.is_subset(&route.scopes));
        let first = covering.next().ok_or(NoRoute::Uncovered)?;
        match covering.count() {
            0 => Ok(first),
            others => Err(NoRoute::Ambiguous(others + 1)),
        }
    }
}
