//! Delegation routes: what callers send of them, and what they are told.

use serde_json::{Value, json};
use zeroid_token_core::limits::MAX_ROUTE_TTL_SECONDS;

use super::words::{count, id, nullable, or_empty, scopes, text, time, told};
use super::{Named, closed, page_of};

/// Every schema of a route.
pub(super) fn all() -> Named {
    vec![
        ("DelegationRoute", route()),
        ("NewDelegationRoute", new_route()),
        ("DelegationRoutePage", page_of("delegation_routes", "DelegationRoute", &["limit", "offset"])),
    ]
}

fn new_route() -> Value {
    let seconds = json!({"type": "integer", "minimum": 1, "maximum": MAX_ROUTE_TTL_SECONDS});
    let mut some = scopes();
    if let Some(members) = some.as_object_mut() {
        members.insert("minItems".to_owned(), json!(1));
    }
    closed(
        &["from_identity_id", "to_identity_id", "scopes"],
        json!({
            "from_identity_id": told(id(), "Who presents the subject token."),
            "to_identity_id": told(id(), "Who will present what is made of it; another identity."),
            "scopes": told(some, "All that may be asked for by it."),
            "max_ttl_seconds": told(nullable(seconds), "The longest lifetime of what it makes; 300 when absent."),
            "description": nullable(text()),
            "created_by": or_empty(text()),
        }),
    )
}

fn route() -> Value {
    let mut members = json!({
        "id": id(), "account_id": text(), "project_id": text(), "from_identity_id": id(), "to_identity_id": id(),
        "scopes": scopes(), "max_ttl_seconds": count(), "created_at": time(),
    });
    let required: Vec<String> =
        members.as_object().into_iter().flat_map(|members| members.keys().cloned()).collect();
    let required: Vec<&str> = required.iter().map(String::as_str).collect();
    if let Some(members) = members.as_object_mut() {
        members.extend([("description".to_owned(), text()), ("created_by".to_owned(), text())]);
    }
    closed(&required, members)
}
