//! What holds for an identity, and what goes with a change of one.

use serde_json::{Map, Value};
use zeroid_identity_model::{Identity, PolicyId, Status, TextField, Timestamp};
use zeroid_jose::PublicKey;
use zeroid_storage::{Environment, IdentityChange, IdentityRecord};
use zeroid_token_core::{IdentityPatch, Reason};

use crate::api_keys::check_json;
use crate::error::AdminError;
use crate::requests::NewApiKey;

/// What a change brings about, in the same write.
pub(crate) fn consequences(
    before: &IdentityRecord,
    after: IdentityRecord,
    patch: &IdentityPatch,
    now: Timestamp,
) -> IdentityChange {
    let by = &patch.modified_by;
    let stopped =
        after.identity.status == Status::Deactivated && before.identity.status != Status::Deactivated;
    let distrusted = after.identity.trust_level < before.identity.trust_level;
    let cut_off = if stopped {
        Some("identity_deactivated")
    } else if distrusted {
        Some("trust_lowered")
    } else {
        patch.revoke_existing.then_some("revoke_existing")
    };
    IdentityChange {
        cut_off: cut_off.map(|why| Reason::new(why).by(by)),
        revoke_keys: stopped.then(|| Reason::new("identity_deactivated").by(by)),
        new_key: None,
        asked_with: None,
        now,
        record: after,
    }
}

/// A change of status and nothing else.
pub(crate) fn status_patch(status: Status, by: &str) -> IdentityPatch {
    IdentityPatch { status: Some(status), modified_by: by.to_owned(), ..IdentityPatch::default() }
}

/// The terms of a key that goes with an identity.
pub(crate) fn key_terms(identity: &Identity, policy_id: Option<PolicyId>) -> NewApiKey {
    NewApiKey {
        identity: identity.id,
        name: format!("Agent: {}", identity.name),
        description: String::new(),
        scopes: None,
        policy_id,
        environment: Environment::Live,
        metadata: Value::Object(Map::new()),
        created_by: identity.created_by.clone(),
        expires_at: identity.expires_at,
    }
}

/// Check an identity that is about to be stored.
pub(crate) fn check(identity: &Identity) -> Result<(), AdminError> {
    let texts = [
        ("name", &identity.name),
        ("framework", &identity.framework),
        ("version", &identity.version),
        ("publisher", &identity.publisher),
        ("description", &identity.description),
        ("created_by", &identity.created_by),
    ];
    for (field, text) in texts {
        TextField(field).check(text).map_err(|error| AdminError::invalid(field, error))?;
    }
    check_json("capabilities", &identity.capabilities)?;
    check_json("labels", &identity.labels)?;
    check_json("metadata", &identity.metadata)?;
    match &identity.public_key_pem {
        Some(pem) => match PublicKey::import_pem(pem) {
            Ok(_) => Ok(()),
            Err(error) => Err(AdminError::invalid("public_key_pem", error)),
        },
        None => Ok(()),
    }
}

/// What stands for nothing said.
pub(crate) fn or_default(value: Value, default: Value) -> Value {
    if value.is_null() { default } else { value }
}
