//! OAuth clients: what callers send of them, and what they are told.

use serde_json::{Value, json};
use zeroid_token_core::ClientAuthMethod;

use super::words::{
    any_grant_type, count, flag, grant_on_the_wire, id, nullable, one_of, or_empty, scopes, text, time, told,
};
use super::{Named, closed, list_of};

/// Every schema of a client.
pub(super) fn all() -> Named {
    let shown = json!({"client": super::reference("Client"), "client_secret": text(), "note": text()});
    vec![
        ("Client", client()),
        ("NewClient", new_client()),
        ("ClientPatch", client_patch()),
        (
            "ClientWithSecret",
            told(
                closed(&["client", "client_secret", "note"], shown),
                "The secret is shown this once; empty when the client has none.",
            ),
        ),
        ("ClientDeleted", closed(&["deleted", "id"], json!({"deleted": {"const": true}, "id": id()}))),
    ]
}

fn auth_method() -> Value {
    one_of(ClientAuthMethod::ALL.iter().map(|method| method.as_str()))
}

/// What can be said of it when it is made and when it is changed.
fn terms() -> Value {
    let seconds = || nullable(json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}));
    json!({
        "description": nullable(text()),
        "identity_id": told(or_empty(id()), "The identity it acts for; once and for good."),
        "grant_types": nullable(list_of(any_grant_type())),
        "redirect_uris": nullable(list_of(text())),
        "access_token_ttl": told(seconds(), "Seconds; the deployment's when absent or 0."),
        "refresh_token_ttl": told(seconds(), "Seconds; the deployment's when absent or 0."),
        "jwks": told(json!({}), "Its public keys (RFC 7517 §5)."),
        "jwks_uri": told(or_empty(text()), "Where they are fetched, instead of `jwks`; one of them takes the other away."),
        "resources": told(nullable(list_of(text())), "What it is, as a resource server: introspection tells it of tokens for one of these alone. An empty list lifts that."),
        "dpop_bound_access_tokens": told(nullable(flag()), "Whether it asks for tokens with a DPoP proof alone (RFC 9449 §5.2)."),
        "software_id": nullable(text()),
        "software_version": nullable(text()),
        "contacts": nullable(list_of(text())),
        "metadata": told(json!({}), "Any JSON, at most 16 KiB."),
    })
}

fn with_terms(more: Value) -> Value {
    let mut members = terms();
    if let (Some(members), Value::Object(more)) = (members.as_object_mut(), more) {
        members.extend(more);
    }
    members
}

fn new_client() -> Value {
    let more = json!({
        "client_id": {"type": "string", "minLength": 1},
        "name": {"type": "string", "minLength": 1},
        "confidential": nullable(flag()),
        "token_endpoint_auth_method": told(or_empty(auth_method()), "How it proves who it is; by its secret when absent."),
        "scopes": told(nullable(scopes()), "No list when absent; an empty list permits nothing."),
        "credential_policy_id": told(or_empty(id()), "The identity's policy alone when absent."),
        "created_by": or_empty(text()),
    });
    let mut schema = closed(&["client_id", "name"], with_terms(more));
    if let Some(members) = schema.as_object_mut() {
        members.insert("examples".to_owned(), json!([{"client_id": "reporter", "name": "Reporter"}]));
    }
    schema
}

fn client_patch() -> Value {
    let fixed = || told(json!({"type": "null"}), "Cannot change; register another client instead.");
    let more = json!({
        "client_id": fixed(),
        "confidential": fixed(),
        "token_endpoint_auth_method": fixed(),
        "name": nullable(text()),
        "scopes": told(nullable(scopes()), "Replaces the list."),
        "scopes_restricted": told(nullable(flag()), "`false` lifts the list."),
        "credential_policy_id": told(or_empty(id()), "Empty lifts it."),
        "is_active": nullable(flag()),
        "revoke_existing": told(nullable(flag()), "Cut off what it was issued so far."),
    });
    closed(&[], with_terms(more))
}

fn client() -> Value {
    let always = json!({
        "id": id(), "account_id": text(), "project_id": text(), "client_id": text(), "name": text(),
        "client_type": {"enum": ["confidential", "public"]}, "grant_types": list_of(grant_on_the_wire()),
        "redirect_uris": list_of(text()), "scopes": scopes(), "scopes_restricted": flag(), "is_active": flag(),
        "dpop_bound_access_tokens": flag(), "registration_source": text(), "created_at": time(), "updated_at": time(),
    });
    let required: Vec<String> = always.as_object().into_iter().flat_map(|of| of.keys().cloned()).collect();
    let required: Vec<&str> = required.iter().map(String::as_str).collect();
    let mut members = always.clone();
    let sometimes = json!({
        "description": text(), "created_by": text(), "token_endpoint_auth_method": auth_method(),
        "identity_id": id(), "credential_policy_id": id(), "access_token_ttl": count(), "resources": list_of(text()),
        "refresh_token_ttl": count(), "jwks": {"type": "object"}, "jwks_uri": text(), "software_id": text(),
        "software_version": text(), "contacts": list_of(text()), "metadata": {},
    });
    if let (Some(members), Value::Object(sometimes)) = (members.as_object_mut(), sometimes) {
        members.extend(sometimes);
    }
    closed(&required, members)
}
