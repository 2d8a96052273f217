//! The record of one registered identity.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ExternalId, IdentityId, Kind, Owner, SpiffeId, Status, Tenant, Timestamp, TrustLevel};

/// Longest free text of an identity (name, framework, …), in bytes.
pub const MAX_TEXT_BYTES: usize = 1024;

/// A registered identity: who it is, what it is, who answers for it, and whether it may act.
///
/// What it may be granted is not here: ceilings and policies belong to tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The id by which records refer to it.
    pub id: IdentityId,
    /// Whose it is.
    pub tenant: Tenant,
    /// The caller's own stable name, unique in the tenant for ever.
    pub external_id: ExternalId,
    /// The URI that names it in credentials. It never changes.
    pub spiffe_id: SpiffeId,
    /// Display name; may be empty.
    pub name: String,
    /// Type and sub-type.
    pub kind: Kind,
    /// How much it is trusted.
    pub trust_level: TrustLevel,
    /// Where it is in its life.
    pub status: Status,
    /// Who answers for it; absent only while it is merely discovered.
    pub owner: Option<Owner>,
    /// When its authority ends by itself.
    pub expires_at: Option<Timestamp>,
    /// Public key (SPKI PEM, P-256) for assertions it signs itself.
    pub public_key_pem: Option<String>,
    /// Framework it is built with, such as `langgraph`.
    pub framework: String,
    /// Its version.
    pub version: String,
    /// Who publishes it.
    pub publisher: String,
    /// What it is for.
    pub description: String,
    /// What it can do; any JSON.
    pub capabilities: Value,
    /// Flat labels; any JSON object.
    pub labels: Value,
    /// Opaque to us and never in a token; any JSON.
    pub metadata: Value,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Who registered it; may be empty.
    pub created_by: String,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Who changed it last; may be empty.
    pub modified_by: String,
}

/// Why an identity may not act at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MayNotAct {
    /// Its status forbids it.
    #[error("identity is {0}")]
    Status(Status),
    /// Its time ran out.
    #[error(transparent)]
    Expired(#[from] Expired),
}

/// The identity's own time ran out, whatever its status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("identity_expired")]
pub struct Expired;

impl Identity {
    /// Check that the identity may act at `now`: active and not past its own end.
    ///
    /// # Errors
    /// [`MayNotAct`] names the status or the expiry.
    pub fn may_act(&self, now: Timestamp) -> Result<(), MayNotAct> {
        if !self.status.may_act() {
            return Err(MayNotAct::Status(self.status));
        }
        match self.expires_at {
            Some(end) if now >= end => Err(Expired.into()),
            _ => Ok(()),
        }
    }
}

/// A free text of an identity that is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextField(pub &'static str);

/// A free text is longer than its bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {bytes} bytes long, at most {MAX_TEXT_BYTES} allowed")]
pub struct TextTooLong {
    /// Which text.
    pub field: &'static str,
    /// How long it was.
    pub bytes: usize,
}

impl TextField {
    /// Check the bound of a free text.
    ///
    /// # Errors
    /// [`TextTooLong`] names the field.
    pub fn check(self, text: &str) -> Result<(), TextTooLong> {
        if text.len() > MAX_TEXT_BYTES {
            Err(TextTooLong { field: self.0, bytes: text.len() })
        } else {
            Ok(())
        }
    }
}
