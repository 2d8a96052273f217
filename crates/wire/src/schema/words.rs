//! The kinds of value that occur again and again.

use serde_json::{Value, json};
use zeroid_identity_model::{IdentityType, Status, SubType, TrustLevel};
use zeroid_token_core::{AttestationLevel, GrantType};

const UUID: &str = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";

pub(super) fn text() -> Value {
    json!({"type": "string"})
}

pub(super) fn flag() -> Value {
    json!({"type": "boolean"})
}

pub(super) fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

pub(super) fn id() -> Value {
    json!({"type": "string", "pattern": format!("^{UUID}$")})
}

/// RFC 3339 with six digits, in UTC.
pub(super) fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

pub(super) fn uri() -> Value {
    json!({"type": "string", "pattern": "^spiffe://"})
}

/// RFC 6749 §3.3.
pub(super) fn scopes() -> Value {
    json!({"type": "array", "items": {"type": "string", "pattern": r"^[\x21\x23-\x5B\x5D-\x7E]{1,256}$"}})
}

pub(super) fn one_of(words: impl Iterator<Item = &'static str>) -> Value {
    json!({"type": "string", "enum": words.collect::<Vec<_>>()})
}

pub(super) fn identity_type() -> Value {
    one_of(IdentityType::ALL.iter().map(|word| word.as_str()))
}

pub(super) fn sub_type() -> Value {
    one_of(SubType::ALL.iter().map(|word| word.as_str()))
}

pub(super) fn trust_level() -> Value {
    one_of(TrustLevel::ALL.iter().map(|word| word.as_str()))
}

pub(super) fn status() -> Value {
    one_of(Status::ALL.iter().map(|word| word.as_str()))
}

pub(super) fn attestation() -> Value {
    one_of(
        ["software", "platform", "hardware"]
            .into_iter()
            .filter(|word| AttestationLevel::from_word(word).is_some()),
    )
}

/// As records have it.
pub(super) fn grant_type() -> Value {
    one_of(GrantType::ALL.iter().map(|grant| grant.as_str()))
}

/// As the token endpoint names it.
pub(super) fn grant_on_the_wire() -> Value {
    one_of(GrantType::ALL.iter().map(|grant| grant.wire_name()))
}

/// As requests may have it: the short name or the one of the wire.
pub(super) fn any_grant_type() -> Value {
    let names = GrantType::ALL.iter().flat_map(|grant| [grant.as_str(), grant.wire_name()]);
    let mut names: Vec<_> = names.collect();
    names.dedup();
    json!({"type": "string", "enum": names})
}

/// Something that may be left out, or be null, which is the same.
pub(super) fn nullable(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// Something that may be empty, or null; what that does is told with the member.
pub(super) fn or_empty(schema: Value) -> Value {
    json!({"anyOf": [schema, {"const": ""}, {"type": "null"}]})
}

/// The same with a sentence.
pub(super) fn told(mut schema: Value, description: &str) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.insert("description".to_owned(), description.into());
    }
    schema
}
