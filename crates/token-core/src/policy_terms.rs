//! What an operator says of a credential policy.

use std::collections::BTreeSet;

use zeroid_identity_model::{SpiffeId, Timestamp, TrustLevel};

use crate::grant::GrantType;
use crate::policy::AttestationLevel;
use crate::scope::ScopeSet;

/// A new credential policy.
#[derive(Clone, Debug, Default)]
pub struct NewPolicy {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Longest lifetime in seconds; an hour when absent.
    pub max_ttl_seconds: Option<u32>,
    /// Grants it permits; `client_credentials` when absent.
    pub allowed_grant_types: Option<Vec<GrantType>>,
    /// Scopes it permits; no restriction when absent.
    pub allowed_scopes: Option<ScopeSet>,
    /// Scopes that may be passed on without being used.
    pub delegable_scopes: ScopeSet,
    /// Least trust.
    pub required_trust_level: Option<TrustLevel>,
    /// Least attestation.
    pub required_attestation: Option<AttestationLevel>,
    /// Deepest delegation; none when absent.
    pub max_delegation_depth: Option<u8>,
    /// The only workloads that may act.
    pub may_act: Option<Vec<SpiffeId>>,
    /// The labels that stand in tokens.
    pub token_labels: BTreeSet<String>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A change of a credential policy; absent members stay as they are.
#[derive(Clone, Debug, Default)]
pub struct PolicyPatch {
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Longest lifetime in seconds.
    pub max_ttl_seconds: Option<u32>,
    /// Grants.
    pub allowed_grant_types: Option<Vec<GrantType>>,
    /// Scopes; `Some(None)` lifts the list.
    pub allowed_scopes: Option<Option<ScopeSet>>,
    /// Scopes that may be passed on.
    pub delegable_scopes: Option<ScopeSet>,
    /// Least trust; `Some(None)` lifts it.
    pub required_trust_level: Option<Option<TrustLevel>>,
    /// Least attestation; `Some(None)` lifts it.
    pub required_attestation: Option<Option<AttestationLevel>>,
    /// Deepest delegation.
    pub max_delegation_depth: Option<u8>,
    /// The only workloads that may act; `Some(None)` lifts it.
    pub may_act: Option<Option<Vec<SpiffeId>>>,
    /// The labels that stand in tokens.
    pub token_labels: Option<BTreeSet<String>>,
    /// In force or not.
    pub is_active: Option<bool>,
    /// End; `Some(None)` lifts it.
    pub expires_at: Option<Option<Timestamp>>,
}
