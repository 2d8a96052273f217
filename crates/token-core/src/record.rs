//! What is stored of an issued credential. It is written once and never changed.

use serde::{Deserialize, Serialize};
use zeroid_identity_model::{
    CredentialId, DelegationRouteId, IdentityId, PolicyId, SpiffeId, Tenant, Timestamp,
};

use crate::additional::AdditionalClaims;
use crate::audience::Audience;
use crate::grant::GrantType;
use crate::key_id::Thumbprint;
use crate::lineage::{Lineage, Source};
use crate::scope::ScopeSet;
use crate::task::TaskClaims;

/// A policy that took part in a decision, in the version it had then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DecidedBy {
    /// The policy.
    pub policy: PolicyId,
    /// Its version at the time.
    pub version: u64,
}

/// An issued credential: its lineage, what it may do and pass on, and what decided that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRecord {
    /// From the root of authority to this credential.
    pub lineage: Lineage,
    /// How it was asked for.
    pub grant_type: GrantType,
    /// What the client that authenticated calls itself; absent when none did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client_id: Option<String>,
    /// When it ends (whole seconds).
    pub expires_at: Timestamp,
    /// Scopes its holder may use; the ones in the token.
    pub usable: ScopeSet,
    /// Scopes its holder may pass on without using them; never in the token.
    #[serde(skip_serializing_if = "ScopeSet::is_empty", default)]
    pub delegable: ScopeSet,
    /// Scopes that were asked for; absent when the request named none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub requested: Option<ScopeSet>,
    /// The deepest delegation allowed below this chain's root.
    pub max_delegation_depth: u8,
    /// Whom it is for.
    pub audience: Audience,
    /// The key its presenter must prove to hold (`cnf.jkt`, RFC 9449 §6).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confirmation: Option<Thumbprint>,
    /// The only workloads that may act on it (RFC 8693 §4.4); absent when any may.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub may_act: Option<Vec<SpiffeId>>,
    /// What it is for.
    #[serde(skip_serializing_if = "TaskClaims::is_empty", default)]
    pub task: TaskClaims,
    /// What else is told of it, by the word of whoever asked.
    #[serde(skip_serializing_if = "AdditionalClaims::is_empty", default)]
    pub additional: AdditionalClaims,
    /// The policies that decided it.
    pub decided_by: Vec<DecidedBy>,
}

impl CredentialRecord {
    /// Its id, the `jti` of the token.
    pub const fn jti(&self) -> CredentialId {
        self.lineage.own().jti
    }

    /// Whose it is.
    pub const fn tenant(&self) -> &Tenant {
        &self.lineage.own().tenant
    }

    /// The identity that presents it.
    pub const fn identity(&self) -> IdentityId {
        self.lineage.own().identity
    }

    /// When it was issued.
    pub const fn issued_at(&self) -> Timestamp {
        self.lineage.own().issued_at
    }

    /// The root's id: names the whole tree of delegations.
    pub fn mission_id(&self) -> CredentialId {
        self.lineage.root().jti
    }

    /// The credential it was made from, absent at a root.
    pub fn parent_jti(&self) -> Option<CredentialId> {
        self.lineage.parent().map(|link| link.jti)
    }

    /// How often authority went from one identity to another on the way here.
    pub fn delegation_depth(&self) -> u8 {
        self.lineage.depth()
    }

    /// The delegation route that stood in for a proof of its presenter; absent when the presenter proved itself.
    pub const fn route(&self) -> Option<DelegationRouteId> {
        match self.lineage.own().source {
            Source::Route(id) => Some(id),
            Source::ApiKey(_) | Source::Client(_) | Source::Assertion | Source::Presented => None,
        }
    }

    /// What is said of how its presenter was proven: `policy` when a delegation route stood in for a proof.
    pub fn actor_proof(&self) -> Option<&'static str> {
        self.route().map(|_| "policy")
    }

    /// What it may use or pass on: the most a child can have.
    pub fn held(&self) -> ScopeSet {
        self.usable.union(&self.delegable)
    }
}
