//! Bodies of the administrative routes for API keys and policies, from JSON to the domain.

use std::collections::BTreeSet;

use serde_json::Value;
use zeroid_identity_model::{IdentityId, Owner, PolicyId};
use zeroid_token_core::{AttestationLevel, NewPolicy, PolicyPatch, ScopeSet};

use crate::body::{BodyError, Reader};

/// The body of `POST /api-keys`.
#[derive(Clone, Debug, Default)]
pub struct ApiKeyBody {
    /// `name`.
    pub name: String,
    /// `description`.
    pub description: String,
    /// `identity_id`.
    pub identity_id: Option<IdentityId>,
    /// `credential_policy_id`.
    pub policy_id: Option<PolicyId>,
    /// `scopes`; no list when absent.
    pub scopes: Option<ScopeSet>,
    /// Whether `environment` is `test`.
    pub is_test: bool,
    /// `expires_in_days`.
    pub expires_in_days: Option<u32>,
    /// `metadata`.
    pub metadata: Value,
    /// `created_by`.
    pub created_by: Option<Owner>,
}

/// A body with nothing but a reason.
#[derive(Clone, Debug, Default)]
pub struct ReasonBody {
    /// `reason`.
    pub reason: Option<String>,
}

/// Longest reason, in bytes.
const MAX_REASON_BYTES: usize = 255;

/// Most days an API key can be given: ten years.
const MAX_KEY_DAYS: i64 = 3650;

/// Read `POST /api-keys`.
///
/// # Errors
/// [`BodyError`].
pub fn read_api_key(bytes: &[u8]) -> Result<ApiKeyBody, BodyError> {
    let mut reader = Reader::new(bytes)?;
    let environment = reader.text("environment").filter(|text| !text.is_empty());
    if environment.as_deref().is_some_and(|word| !matches!(word, "live" | "test")) {
        reader.breaks("environment", "must be live or test");
    }
    let days = reader.integer("expires_in_days").filter(|days| *days > 0);
    if days.is_some_and(|days| days > MAX_KEY_DAYS) {
        reader.breaks("expires_in_days", format!("at most {MAX_KEY_DAYS} allowed"));
    }
    let body = ApiKeyBody {
        name: reader.required_text("name"),
        description: reader.text("description").unwrap_or_default(),
        identity_id: reader.parsed("identity_id"),
        policy_id: reader.parsed("credential_policy_id"),
        scopes: reader.scopes("scopes"),
        is_test: environment.as_deref() == Some("test"),
        expires_in_days: days.and_then(|days| u32::try_from(days).ok()),
        metadata: reader.json("metadata").unwrap_or_default(),
        created_by: reader.parsed("created_by"),
    };
    if body.identity_id.is_none() {
        reader.breaks("identity_id", "is needed: name the identity that will authenticate with the key");
    }
    reader.finish(body)
}

/// Read `POST /credential-policies`.
///
/// # Errors
/// [`BodyError`].
pub fn read_policy(bytes: &[u8]) -> Result<NewPolicy, BodyError> {
    let mut reader = Reader::new(bytes)?;
    let body = NewPolicy {
        name: reader.required_text("name"),
        description: reader.text("description").unwrap_or_default(),
        max_ttl_seconds: ttl(&mut reader).filter(|ttl| *ttl > 0),
        allowed_grant_types: reader.list("allowed_grant_types"),
        allowed_scopes: reader.scopes("allowed_scopes"),
        delegable_scopes: reader.scopes("delegable_scopes").unwrap_or_default(),
        required_trust_level: reader.parsed("required_trust_level"),
        required_attestation: attestation(&mut reader),
        max_delegation_depth: depth(&mut reader),
        may_act: reader.list("may_act"),
        token_labels: token_labels(&mut reader).unwrap_or_default(),
        expires_at: reader.time("expires_at"),
    };
    reader.finish(body)
}

/// Read `PATCH /credential-policies/{id}`.
///
/// # Errors
/// [`BodyError`].
pub fn read_policy_patch(bytes: &[u8]) -> Result<PolicyPatch, BodyError> {
    let mut reader = Reader::new(bytes)?;
    let allowed_scopes = reader.scopes_patch("allowed_scopes");
    let body = PolicyPatch {
        name: reader.text("name"),
        description: reader.text("description"),
        max_ttl_seconds: ttl(&mut reader),
        allowed_grant_types: reader.list("allowed_grant_types"),
        allowed_scopes,
        delegable_scopes: reader.scopes("delegable_scopes"),
        required_trust_level: reader
            .liftable("required_trust_level", |reader| reader.parsed("required_trust_level")),
        required_attestation: reader.liftable("required_attestation", attestation),
        max_delegation_depth: depth(&mut reader),
        may_act: reader.liftable("may_act", |reader| reader.list("may_act")),
        token_labels: token_labels(&mut reader),
        is_active: reader.flag("is_active"),
        expires_at: reader.liftable("expires_at", |reader| reader.time("expires_at")),
    };
    reader.finish(body)
}

/// Read a body with nothing but a reason; an empty one will do.
///
/// # Errors
/// [`BodyError`].
pub fn read_reason(bytes: &[u8]) -> Result<ReasonBody, BodyError> {
    let mut reader = Reader::new(bytes)?;
    let reason = reader.text("reason").filter(|reason| !reason.trim().is_empty());
    if reason.as_ref().is_some_and(|reason| reason.len() > MAX_REASON_BYTES) {
        reader.breaks("reason", format!("at most {MAX_REASON_BYTES} bytes allowed"));
    }
    reader.finish(ReasonBody { reason })
}

fn ttl(reader: &mut Reader) -> Option<u32> {
    let seconds = reader.integer("max_ttl_seconds")?;
    let fits = u32::try_from(seconds).ok();
    if fits.is_none() {
        reader.breaks("max_ttl_seconds", "is out of range");
    }
    fits
}

fn token_labels(reader: &mut Reader) -> Option<BTreeSet<String>> {
    Some(reader.texts("token_labels")?.into_iter().collect())
}

fn depth(reader: &mut Reader) -> Option<u8> {
    let hops = reader.integer("max_delegation_depth")?;
    let fits = u8::try_from(hops).ok();
    if fits.is_none() {
        reader.breaks("max_delegation_depth", "must be 0 to 16");
    }
    fits
}

fn attestation(reader: &mut Reader) -> Option<AttestationLevel> {
    let word = reader.text("required_attestation").filter(|word| !word.is_empty())?;
    let level = AttestationLevel::from_word(&word);
    if level.is_none() {
        reader.breaks("required_attestation", "must be software, platform or hardware");
    }
    level
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_the_item() {
        let error = read_policy(br#"{"name":"p","allowed_scopes":["a b"]}"#).unwrap_err();
        assert!(matches!(&error, BodyError::Rule(issue) if issue.location == "body.allowed_scopes[0]"));
    }
}
