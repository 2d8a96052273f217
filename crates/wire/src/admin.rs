//! Bodies of the administrative routes, from JSON to the domain.

use std::collections::BTreeSet;

use serde_json::Value;
use zeroid_identity_model::{
    ExternalId, IdentityId, IdentityType, Owner, PolicyId, SpiffeId, Status, SubType, Timestamp, TrustLevel,
};
use zeroid_token_core::{AttestationLevel, GrantType, ScopeSet};

use crate::body::{BodyError, Reader};

/// What registrations of agents and of identities have in common.
#[derive(Clone, Debug, Default)]
pub struct IdentityBody {
    /// `external_id`.
    pub external_id: Option<ExternalId>,
    /// `name`.
    pub name: String,
    /// `identity_type`; `agent` when absent.
    pub identity_type: Option<IdentityType>,
    /// `sub_type`.
    pub sub_type: Option<SubType>,
    /// `trust_level`.
    pub trust_level: Option<TrustLevel>,
    /// `allowed_scopes`; no list when absent.
    pub allowed_scopes: Option<ScopeSet>,
    /// `credential_policy_id`.
    pub policy_id: Option<PolicyId>,
    /// `public_key_pem`.
    pub public_key_pem: Option<String>,
    /// `expires_at`.
    pub expires_at: Option<Timestamp>,
    /// `framework`.
    pub framework: String,
    /// `version`.
    pub version: String,
    /// `publisher`.
    pub publisher: String,
    /// `description`.
    pub description: String,
    /// `capabilities`.
    pub capabilities: Value,
    /// `labels`.
    pub labels: Value,
    /// `metadata`.
    pub metadata: Value,
    /// `owner_user_id` of an identity.
    pub owner: Option<Owner>,
    /// `created_by`; the owner of an agent.
    pub created_by: Option<Owner>,
}

/// The body of `POST /agents/register`.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// The identity.
    pub identity: IdentityBody,
    /// `api_key_credential_policy_id`.
    pub key_policy_id: Option<PolicyId>,
}

/// The body of `PATCH /identities/{id}` and `PATCH /agents/registry/{id}`.
#[derive(Clone, Debug, Default)]
pub struct IdentityPatchBody {
    /// `name`.
    pub name: Option<String>,
    /// `identity_type`.
    pub identity_type: Option<IdentityType>,
    /// `sub_type`.
    pub sub_type: Option<SubType>,
    /// `trust_level`.
    pub trust_level: Option<TrustLevel>,
    /// `status`.
    pub status: Option<Status>,
    /// `owner_user_id`.
    pub owner: Option<Owner>,
    /// `allowed_scopes`, and `scopes_restricted: false` to lift the list.
    pub allowed_scopes: Option<Option<ScopeSet>>,
    /// `credential_policy_id`; `""` goes back to the tenant's default.
    pub policy_id: Option<Option<PolicyId>>,
    /// `public_key_pem`.
    pub public_key_pem: Option<String>,
    /// `expires_at`; `""` lifts it.
    pub expires_at: Option<Option<Timestamp>>,
    /// `framework`.
    pub framework: Option<String>,
    /// `version`.
    pub version: Option<String>,
    /// `publisher`.
    pub publisher: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `capabilities`.
    pub capabilities: Option<Value>,
    /// `labels`.
    pub labels: Option<Value>,
    /// `metadata`.
    pub metadata: Option<Value>,
    /// `revoke_existing`.
    pub revoke_existing: bool,
}

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

/// The body of `POST /credential-policies`.
#[derive(Clone, Debug, Default)]
pub struct PolicyBody {
    /// `name`.
    pub name: String,
    /// `description`.
    pub description: String,
    /// `max_ttl_seconds`.
    pub max_ttl_seconds: Option<u32>,
    /// `allowed_grant_types`.
    pub allowed_grant_types: Option<Vec<GrantType>>,
    /// `allowed_scopes`; no restriction when absent.
    pub allowed_scopes: Option<ScopeSet>,
    /// `delegable_scopes`.
    pub delegable_scopes: ScopeSet,
    /// `required_trust_level`.
    pub required_trust_level: Option<TrustLevel>,
    /// `required_attestation`.
    pub required_attestation: Option<AttestationLevel>,
    /// `max_delegation_depth`.
    pub max_delegation_depth: Option<u8>,
    /// `may_act`.
    pub may_act: Option<Vec<SpiffeId>>,
    /// `token_labels`.
    pub token_labels: BTreeSet<String>,
    /// `expires_at`.
    pub expires_at: Option<Timestamp>,
}

/// The body of `PATCH /credential-policies/{id}`.
#[derive(Clone, Debug, Default)]
pub struct PolicyPatchBody {
    /// `name`.
    pub name: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `max_ttl_seconds`.
    pub max_ttl_seconds: Option<u32>,
    /// `allowed_grant_types`.
    pub allowed_grant_types: Option<Vec<GrantType>>,
    /// `allowed_scopes`, and `scopes_restricted: false` to lift the list.
    pub allowed_scopes: Option<Option<ScopeSet>>,
    /// `delegable_scopes`.
    pub delegable_scopes: Option<ScopeSet>,
    /// `required_trust_level`; `""` lifts it.
    pub required_trust_level: Option<Option<TrustLevel>>,
    /// `required_attestation`; `""` lifts it.
    pub required_attestation: Option<Option<AttestationLevel>>,
    /// `max_delegation_depth`.
    pub max_delegation_depth: Option<u8>,
    /// `may_act`; `""` lifts it.
    pub may_act: Option<Option<Vec<SpiffeId>>>,
    /// `token_labels`.
    pub token_labels: Option<BTreeSet<String>>,
    /// `is_active`.
    pub is_active: Option<bool>,
    /// `expires_at`; `""` lifts it.
    pub expires_at: Option<Option<Timestamp>>,
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

/// Read `POST /agents/register`.
///
/// # Errors
/// [`BodyError`].
pub fn read_registration(bytes: &[u8]) -> Result<Registration, BodyError> {
    let mut reader = Reader::new(bytes)?;
    // The tenant comes from the credential; some clients repeat it here.
    reader.text("account_id");
    reader.text("project_id");
    let name = reader.required_text("name");
    let created_by = reader.parsed("created_by");
    let metadata = reader.json("metadata").unwrap_or_default();
    let key_policy_id = reader.parsed("api_key_credential_policy_id");
    let identity = IdentityBody { name, created_by, metadata, ..identity(&mut reader) };
    reader.finish(Registration { identity, key_policy_id })
}

/// Read `POST /identities`.
///
/// # Errors
/// [`BodyError`].
pub fn read_identity(bytes: &[u8]) -> Result<IdentityBody, BodyError> {
    let mut reader = Reader::new(bytes)?;
    let name = reader.text("name").unwrap_or_default();
    if !reader.has("owner_user_id") {
        reader.required_text("owner_user_id");
    }
    let owner = reader.parsed("owner_user_id");
    let created_by = reader.parsed("created_by");
    let body = IdentityBody { name, owner, created_by, ..identity(&mut reader) };
    if body.owner.is_none() {
        reader.breaks("owner_user_id", "must not be empty");
    }
    reader.finish(body)
}

fn identity(reader: &mut Reader) -> IdentityBody {
    let external_id = reader.required_text("external_id");
    let external_id = match external_id.parse() {
        Ok(id) => Some(id),
        Err(error) => {
            reader.breaks("external_id", error);
            None
        }
    };
    IdentityBody {
        external_id,
        identity_type: reader.word("identity_type"),
        sub_type: reader.word("sub_type"),
        trust_level: reader.word("trust_level"),
        allowed_scopes: reader.scopes("allowed_scopes"),
        policy_id: reader.parsed("credential_policy_id"),
        public_key_pem: reader.text("public_key_pem"),
        expires_at: reader.time("expires_at"),
        framework: reader.text("framework").unwrap_or_default(),
        version: reader.text("version").unwrap_or_default(),
        publisher: reader.text("publisher").unwrap_or_default(),
        description: reader.text("description").unwrap_or_default(),
        capabilities: reader.json("capabilities").unwrap_or_default(),
        labels: reader.json("labels").unwrap_or_default(),
        ..IdentityBody::default()
    }
}

/// Read `PATCH /identities/{id}` and `PATCH /agents/registry/{id}`.
///
/// # Errors
/// [`BodyError`].
pub fn read_identity_patch(bytes: &[u8]) -> Result<IdentityPatchBody, BodyError> {
    let mut reader = Reader::new(bytes)?;
    reader.text("updated_by");
    let status: Option<Status> = reader.word("status");
    if status.is_some_and(|status| matches!(status, Status::Discovered | Status::Expired)) {
        reader.breaks("status", "can be set to pending, active, suspended or deactivated");
    }
    let allowed_scopes = reader.scopes_patch("allowed_scopes");
    let body = IdentityPatchBody {
        name: reader.text("name"),
        identity_type: reader.word("identity_type"),
        sub_type: reader.word("sub_type"),
        trust_level: reader.word("trust_level"),
        status,
        owner: reader.parsed("owner_user_id"),
        allowed_scopes,
        policy_id: reader.liftable("credential_policy_id", |reader| reader.parsed("credential_policy_id")),
        public_key_pem: reader.text("public_key_pem"),
        expires_at: reader.liftable("expires_at", |reader| reader.time("expires_at")),
        framework: reader.text("framework"),
        version: reader.text("version"),
        publisher: reader.text("publisher"),
        description: reader.text("description"),
        capabilities: reader.json("capabilities").filter(|value| !value.is_null()),
        labels: reader.json("labels").filter(|value| !value.is_null()),
        metadata: reader.json("metadata").filter(|value| !value.is_null()),
        revoke_existing: reader.flag("revoke_existing").unwrap_or(false),
    };
    reader.finish(body)
}

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
pub fn read_policy(bytes: &[u8]) -> Result<PolicyBody, BodyError> {
    let mut reader = Reader::new(bytes)?;
    let body = PolicyBody {
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
pub fn read_policy_patch(bytes: &[u8]) -> Result<PolicyPatchBody, BodyError> {
    let mut reader = Reader::new(bytes)?;
    let allowed_scopes = reader.scopes_patch("allowed_scopes");
    let body = PolicyPatchBody {
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

    fn locations(error: &BodyError) -> Vec<&str> {
        match error {
            BodyError::Schema(issues) => issues.iter().map(|issue| issue.location.as_str()).collect(),
            BodyError::Rule(issue) => vec![issue.location.as_str()],
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_mistake_of_a_registration_is_named() {
        let error = read_registration(br#"{"external_id":7,"foo":1,"trust_level":"high"}"#).unwrap_err();
        assert!(matches!(error, BodyError::Schema(_)));
        let mut named = locations(&error);
        named.sort_unstable();
        named.dedup();
        assert_eq!(named, ["body.external_id", "body.foo", "body.name", "body.trust_level"]);
        assert_eq!(read_registration(b"").unwrap_err(), BodyError::Empty);
        assert!(matches!(read_registration(b"{").unwrap_err(), BodyError::NotJson(_)));
        assert!(matches!(read_registration(b"[]").unwrap_err(), BodyError::Schema(_)));
    }

    #[test]
    fn rules_come_after_the_schema() {
        let error = read_registration(br#"{"name":"n","external_id":"a b"}"#).unwrap_err();
        assert!(matches!(&error, BodyError::Rule(issue) if issue.location == "body.external_id"));
        let error =
            read_registration(br#"{"name":"n","external_id":"a","created_by":"system:x"}"#).unwrap_err();
        assert_eq!(locations(&error), ["body.created_by"]);
        let error = read_policy(br#"{"name":"p","allowed_scopes":["a b"]}"#).unwrap_err();
        assert_eq!(locations(&error), ["body.allowed_scopes[0]"]);
    }

    #[test]
    fn an_empty_list_is_not_an_absent_one() {
        let with =
            |list: &str| read_registration(format!(r#"{{"name":"n","external_id":"a"{list}}}"#).as_bytes());
        assert_eq!(with("").unwrap().identity.allowed_scopes, None);
        assert_eq!(with(r#","allowed_scopes":null"#).unwrap().identity.allowed_scopes, None);
        let empty = with(r#","allowed_scopes":[]"#).unwrap().identity.allowed_scopes;
        assert_eq!(empty, Some(ScopeSet::nothing()));
    }

    #[test]
    fn patches_lift_and_leave() {
        let patch =
            read_identity_patch(br#"{"expires_at":"","credential_policy_id":"","name":null}"#).unwrap();
        assert_eq!((patch.expires_at, patch.policy_id, patch.name), (Some(None), Some(None), None));
        let patch = read_identity_patch(b"{}").unwrap();
        assert!(patch.expires_at.is_none() && patch.policy_id.is_none() && patch.allowed_scopes.is_none());
        let patch = read_identity_patch(br#"{"scopes_restricted":false}"#).unwrap();
        assert_eq!(patch.allowed_scopes, Some(None));
        assert!(read_identity_patch(br#"{"status":"expired"}"#).is_err());
    }

    #[test]
    fn no_submitted_value_is_repeated() {
        let secret = "hunter2-hunter2";
        for body in [
            format!(r#"{{"name":"n","external_id":"{secret} x"}}"#),
            format!(r#"{{"name":"n","external_id":"a","trust_level":"{secret}"}}"#),
            format!(r#"{{"name":"n","external_id":"a","expires_at":"{secret}"}}"#),
            format!(r#"{{"name":"n","external_id":"a","allowed_scopes":["{secret} x"]}}"#),
        ] {
            let error = read_registration(body.as_bytes()).unwrap_err();
            assert!(!format!("{error:?}").contains(secret), "{error:?}");
        }
    }
}
