//! Credential policies: what may be issued to whom.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use zeroid_identity_model::{PolicyId, SpiffeId, Timestamp, TrustLevel};

use crate::grant::GrantType;
use crate::lineage::MAX_DEPTH;
use crate::scope::ScopeSet;

/// Longest name of a policy, in bytes.
pub const MAX_POLICY_NAME_BYTES: usize = 255;

/// Longest lifetime a policy can allow, in seconds: 90 days.
pub const MAX_TTL_SECONDS: u32 = 7_776_000;

/// Most labels that a policy lets into tokens.
pub const MAX_TOKEN_LABELS: usize = 16;

/// Longest name of such a label, in bytes.
pub const MAX_LABEL_NAME_BYTES: usize = 128;

/// How strongly an identity was attested, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttestationLevel {
    /// By software alone.
    Software,
    /// By the platform it runs on.
    Platform,
    /// By hardware.
    Hardware,
}

impl AttestationLevel {
    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Software => "software",
            Self::Platform => "platform",
            Self::Hardware => "hardware",
        }
    }

    /// The level of this word, if it is one.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Software, Self::Platform, Self::Hardware].into_iter().find(|level| level.as_str() == word)
    }
}

/// What may be issued: lifetime, grants, scopes, trust, attestation, depth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its id.
    pub id: PolicyId,
    /// Raised by every change.
    pub version: u64,
    /// Its name, unique in the tenant.
    pub name: String,
    /// Longest lifetime, in seconds.
    pub max_ttl_seconds: u32,
    /// Grants it permits; none when empty.
    pub allowed_grant_types: BTreeSet<GrantType>,
    /// Scopes it permits; absent means no restriction, empty means nothing.
    pub allowed_scopes: Option<ScopeSet>,
    /// Scopes its identities may pass on without using them.
    pub delegable_scopes: ScopeSet,
    /// Least trust it demands.
    pub required_trust_level: Option<TrustLevel>,
    /// Least attestation it demands.
    pub required_attestation: Option<AttestationLevel>,
    /// Deepest delegation of a chain its identities take part in.
    pub max_delegation_depth: u8,
    /// The only workloads that may act on its identities' tokens (RFC 8693 §4.4); absent when any may.
    pub may_act: Option<Vec<SpiffeId>>,
    /// The labels of its identities that stand in their tokens, by name; none when empty, which it is in policies of
    /// before that was possible.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub token_labels: BTreeSet<String>,
    /// Whether it is in force. One that is not permits nothing.
    pub is_active: bool,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// A policy that cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No name.
    #[error("name must not be empty")]
    NoName,
    /// The name is longer than its bound.
    #[error("name is {bytes} bytes long, at most {MAX_POLICY_NAME_BYTES} allowed")]
    NameTooLong {
        /// How long it was.
        bytes: usize,
    },
    /// The lifetime is zero or beyond the bound.
    #[error("max_ttl_seconds must be 1 to {MAX_TTL_SECONDS}")]
    Ttl,
    /// The depth is beyond the bound.
    #[error("max_delegation_depth must be 0 to {MAX_DEPTH}")]
    Depth,
    /// Too many labels, or a name that is none.
    #[error(
        "token_labels must be at most {MAX_TOKEN_LABELS} names of 1 to {MAX_LABEL_NAME_BYTES} bytes without control characters"
    )]
    Labels,
}

impl Policy {
    /// Check the bounds of a policy that is about to be stored.
    ///
    /// # Errors
    /// [`PolicyError`] names the member.
    pub fn check(&self) -> Result<(), PolicyError> {
        if self.name.trim().is_empty() {
            return Err(PolicyError::NoName);
        }
        if self.name.len() > MAX_POLICY_NAME_BYTES {
            return Err(PolicyError::NameTooLong { bytes: self.name.len() });
        }
        if !(1..=MAX_TTL_SECONDS).contains(&self.max_ttl_seconds) {
            return Err(PolicyError::Ttl);
        }
        if self.max_delegation_depth > MAX_DEPTH {
            return Err(PolicyError::Depth);
        }
        let is_name = |name: &String| {
            (1..=MAX_LABEL_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control)
        };
        let named = self.token_labels.len() <= MAX_TOKEN_LABELS && self.token_labels.iter().all(is_name);
        if named { Ok(()) } else { Err(PolicyError::Labels) }
    }

    /// The policy of identities that name none: an hour, the grants of machines, five hops, no ceiling.
    pub fn tenant_default(id: PolicyId) -> Self {
        Self {
            id,
            version: 1,
            name: "default".to_owned(),
            max_ttl_seconds: 3600,
            allowed_grant_types: BTreeSet::from([
                GrantType::ClientCredentials,
                GrantType::ApiKey,
                GrantType::JwtBearer,
                GrantType::TokenExchange,
            ]),
            allowed_scopes: None,
            delegable_scopes: ScopeSet::nothing(),
            required_trust_level: None,
            required_attestation: None,
            max_delegation_depth: 5,
            may_act: None,
            token_labels: BTreeSet::new(),
            is_active: true,
            expires_at: None,
        }
    }

    /// The first member in which this policy permits more than `ceiling`, if any: a key's policy must stay
    /// within its identity's.
    pub fn exceeds(&self, ceiling: &Self) -> Option<&'static str> {
        let scopes_within = match (&self.allowed_scopes, &ceiling.allowed_scopes) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(mine), Some(theirs)) => mine.is_subset(theirs),
        };
        if !scopes_within {
            Some("allowed_scopes")
        } else if !self.delegable_scopes.is_subset(&ceiling.delegable_scopes) {
            Some("delegable_scopes")
        } else if !self.allowed_grant_types.is_subset(&ceiling.allowed_grant_types) {
            Some("allowed_grant_types")
        } else if self.max_ttl_seconds > ceiling.max_ttl_seconds {
            Some("max_ttl_seconds")
        } else if self.max_delegation_depth > ceiling.max_delegation_depth {
            Some("max_delegation_depth")
        } else if self.required_trust_level < ceiling.required_trust_level {
            Some("required_trust_level")
        } else if self.required_attestation < ceiling.required_attestation {
            Some("required_attestation")
        } else if !self.token_labels.is_subset(&ceiling.token_labels) {
            Some("token_labels")
        } else {
            None
        }
    }
}
