//! Bodies of the administrative routes for agents and identities, from JSON to the domain.

use serde_json::Value;
use zeroid_identity_model::{
    ExternalId, IdentityType, Owner, PolicyId, Status, SubType, Timestamp, TrustLevel,
};
use zeroid_token_core::{IdentityPatch, ScopeSet};

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
pub fn read_identity_patch(bytes: &[u8]) -> Result<IdentityPatch, BodyError> {
    let mut reader = Reader::new(bytes)?;
    reader.text("updated_by");
    let status: Option<Status> = reader.word("status");
    if status.is_some_and(|status| matches!(status, Status::Discovered | Status::Expired)) {
        reader.breaks("status", "can be set to pending, active, suspended or deactivated");
    }
    let allowed_scopes = reader.scopes_patch("allowed_scopes");
    let body = IdentityPatch {
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
        // The credential says who.
        modified_by: String::new(),
    };
    reader.finish(body)
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
