//! What an operator changes of an identity.

use serde_json::Value;
use zeroid_identity_model::{IdentityType, Owner, PolicyId, Status, SubType, Timestamp, TrustLevel};

use crate::scope::ScopeSet;

/// A change of an identity; absent members stay as they are.
#[derive(Clone, Debug, Default)]
pub struct IdentityPatch {
    /// Display name.
    pub name: Option<String>,
    /// Must equal the stored type: it is part of the URI.
    pub identity_type: Option<IdentityType>,
    /// Sub-type.
    pub sub_type: Option<SubType>,
    /// Trust; lowering it cuts off earlier tokens.
    pub trust_level: Option<TrustLevel>,
    /// Status; the life cycle decides.
    pub status: Option<Status>,
    /// Owner.
    pub owner: Option<Owner>,
    /// List of scopes; `Some(None)` lifts the list.
    pub allowed_scopes: Option<Option<ScopeSet>>,
    /// Policy; `Some(None)` goes back to the tenant's default.
    pub policy_id: Option<Option<PolicyId>>,
    /// Public key.
    pub public_key_pem: Option<String>,
    /// End of authority; `Some(None)` lifts it.
    pub expires_at: Option<Option<Timestamp>>,
    /// Framework.
    pub framework: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Publisher.
    pub publisher: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Capabilities.
    pub capabilities: Option<Value>,
    /// Labels.
    pub labels: Option<Value>,
    /// Metadata.
    pub metadata: Option<Value>,
    /// Cut off what the identity held so far.
    pub revoke_existing: bool,
    /// Who changes it; may be empty.
    pub modified_by: String,
}
