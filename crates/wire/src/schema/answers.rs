//! What goes back. Lists are never null, and what is unset is left out or empty.

use serde_json::{Map, Value, json};
use zeroid_token_core::OAuthCode;

use super::words::{
    attestation, count, flag, grant_type, id, identity_type, one_of, scopes, status, sub_type, text, time,
    told, trust_level, uri,
};
use super::{Named, closed, list_of, page_of, reference};
use crate::evaluation::{ProofWord, SIDES};

/// Every schema of an answer.
pub(super) fn all() -> Named {
    vec![
        ("Problem", problem()),
        ("OAuthError", oauth_error()),
        ("Health", health()),
        ("Ready", closed(&["ready"], json!({"ready": {"const": true}}))),
        ("Jwk", jwk()),
        ("JwkSet", closed(&["keys"], json!({"keys": list_of(reference("Jwk"))}))),
        ("TrustBundle", trust_bundle()),
        ("AuthorizationServer", authorization_server()),
        ("ProtectedResource", protected_resource()),
        ("Admitted", closed(&["active"], json!({"active": {"const": true}}))),
        ("Token", token()),
        ("Introspection", introspection()),
        ("TokenRevoked", closed(&["revoked"], json!({"revoked": {"const": true}}))),
        ("ProofMade", proof_made()),
        ("ProofHeld", proof_held()),
        ("Agent", agent()),
        (
            "AgentWithKey",
            closed(&["identity", "api_key"], json!({"identity": reference("Agent"), "api_key": secret()})),
        ),
        ("AgentPage", page_of("agents", "Agent", &["limit", "offset"])),
        ("Facets", facets()),
        ("Identity", identity()),
        ("IdentityPage", page_of("identities", "Identity", &["limit", "offset"])),
        ("Vocabulary", vocabulary()),
        ("ApiKey", api_key()),
        ("ApiKeyMade", api_key_made()),
        ("ApiKeyPage", page_of("keys", "ApiKey", &["page", "limit"])),
        ("Message", closed(&["message"], json!({"message": text()}))),
        ("Policy", policy()),
        ("ClientPage", page_of("clients", "Client", &["limit", "offset"])),
        ("PolicyPage", page_of("credential_policies", "Policy", &["limit", "offset"])),
        ("Evaluation", evaluation()),
        ("Credential", credential()),
        ("CredentialPage", page_of("credentials", "Credential", &["limit", "offset"])),
        ("CredentialRevoked", closed(&["revoked", "id"], json!({"revoked": {"const": true}, "id": id()}))),
        ("DelegationChain", chain()),
        ("OpenApi", open_api()),
    ]
}

fn proof_made() -> Value {
    let members =
        json!({"proof_token": text(), "token_type": {"const": "WIMSE-Proof"}, "expires_in": count()});
    closed(&["proof_token", "token_type", "expires_in"], members)
}

fn proof_held() -> Value {
    record(
        json!({
            "valid": {"const": true}, "subject": uri(), "account_id": text(), "project_id": text(),
            "proof_type": {"enum": ["wimse_proof", "wpt"]},
        }),
        json!({}),
    )
}

fn open_api() -> Value {
    let object = || json!({"type": "object"});
    let members = json!({"openapi": text(), "info": object(), "paths": object(), "components": object()});
    told(
        json!({"type": "object", "required": ["openapi", "info", "paths"], "properties": members}),
        "This document.",
    )
}

/// An object whose members are all there, but for the last.
fn record(always: Value, sometimes: Value) -> Value {
    let mut properties = always.as_object().cloned().unwrap_or_default();
    let required: Vec<String> = properties.keys().cloned().collect();
    properties.extend(sometimes.as_object().cloned().unwrap_or_default());
    let required: Vec<&str> = required.iter().map(String::as_str).collect();
    closed(&required, Value::Object(properties))
}

fn secret() -> Value {
    told(text(), "Shown this once.")
}

fn problem() -> Value {
    let place = record(json!({"message": text(), "location": text()}), json!({"value": text()}));
    told(
        record(
            json!({"title": text(), "status": {"type": "integer"}, "detail": text()}),
            json!({"errors": list_of(place)}),
        ),
        "A problem document (RFC 9457).",
    )
}

fn oauth_error() -> Value {
    let codes = [
        OAuthCode::InvalidRequest,
        OAuthCode::InvalidClient,
        OAuthCode::InvalidGrant,
        OAuthCode::UnauthorizedClient,
        OAuthCode::UnsupportedGrantType,
        OAuthCode::InvalidScope,
        OAuthCode::InvalidTarget,
        OAuthCode::InvalidDpopProof,
        OAuthCode::UseDpopNonce,
        OAuthCode::PolicyViolation,
    ];
    // RFC 6749 §4.1.2.1, RFC 6750 §3.1, and two of forward-auth's own.
    let others = [
        "server_error",
        "temporarily_unavailable",
        "invalid_token",
        "insufficient_scope",
        "missing_token",
        "invalid_authorization_header",
    ];
    let codes: Vec<_> = codes.iter().map(|code| code.as_str()).chain(others).collect();
    let error = json!({"type": "string", "enum": codes});
    told(
        closed(&["error", "error_description"], json!({"error": error, "error_description": text()})),
        "RFC 6749 §5.2.",
    )
}

fn health() -> Value {
    record(
        json!({"status": text(), "service": text(), "version": text(), "timestamp": time(), "uptime_ms": count()}),
        json!({}),
    )
}

fn jwk() -> Value {
    record(
        json!({"kty": text(), "kid": text(), "alg": text(), "use": text()}),
        json!({"crv": text(), "x": text(), "y": text(), "n": text(), "e": text()}),
    )
}

fn trust_bundle() -> Value {
    record(
        json!({"keys": list_of(reference("Jwk")), "spiffe_sequence": count(), "spiffe_refresh_hint": count()}),
        json!({}),
    )
}

fn protected_resource() -> Value {
    let words = || list_of(text());
    told(
        record(
            json!({
                "resource": text(), "resource_name": text(), "authorization_servers": words(), "jwks_uri": text(),
                "scopes_supported": words(), "bearer_methods_supported": words(),
                "dpop_signing_alg_values_supported": words(),
                "dpop_bound_access_tokens_required": {"type": "boolean"},
            }),
            json!({}),
        ),
        "RFC 9728 §2.",
    )
}

/// Open: a later release adds what it can do.
fn authorization_server() -> Value {
    let words = || list_of(text());
    told(
        json!({
            "type": "object",
            "required": ["issuer", "token_endpoint", "jwks_uri", "grant_types_supported", "response_types_supported"],
            "properties": {
                "issuer": text(), "token_endpoint": text(), "introspection_endpoint": text(),
                "revocation_endpoint": text(), "jwks_uri": text(), "grant_types_supported": words(),
                "response_types_supported": words(), "token_endpoint_auth_methods_supported": words(),
                "zeroid_token_profile": {"enum": ["zeroid", "rfc8693"]},
            },
        }),
        "RFC 8414 §2.",
    )
}

fn token() -> Value {
    told(
        record(
            json!({
                "access_token": text(), "token_type": {"enum": ["Bearer", "DPoP"]}, "expires_in": count(),
                "jti": id(), "iat": count(),
            }),
            json!({
                "scope": text(), "issued_token_type": text(), "account_id": text(), "project_id": text(),
                "external_id": text(), "user_id": text(),
            }),
        ),
        "RFC 6749 §5.1, RFC 8693 §2.2.1.",
    )
}

/// Open: it has every claim of the token.
fn introspection() -> Value {
    told(
        json!({
            "type": "object",
            "required": ["active"],
            "properties": {
                "active": flag(), "iss": text(), "sub": text(), "aud": list_of(text()), "exp": count(), "iat": count(),
                "jti": id(), "scope": text(), "scopes": list_of(text()), "token_type": {"enum": ["Bearer", "DPoP"]},
                "delegation_depth": count(), "mission_id": id(), "actor_proof": actor_proof(), "labels": {"type": "object"},
            },
        }),
        "RFC 7662 §2.2; nothing but `active` when the token is not alive.",
    )
}

/// What both views of an identity have.
fn common() -> Value {
    json!({
        "id": id(), "account_id": text(), "project_id": text(), "external_id": text(), "name": text(),
        "wimse_uri": uri(), "identity_type": identity_type(), "trust_level": trust_level(), "status": status(),
        "origin": text(), "capabilities": {}, "labels": {}, "metadata": {}, "created_at": time(), "updated_at": time(),
        "allowed_scopes": told(scopes(), "Empty also when there is no list."),
        "scopes_restricted": told(flag(), "Whether there is a list."),
        "credential_policy_id": id(),
    })
}

fn joined(one: Value, other: Value) -> Value {
    let members = |value: Value| value.as_object().cloned().unwrap_or_default();
    let joined: Map<String, Value> = members(one).into_iter().chain(members(other)).collect();
    Value::Object(joined)
}

fn agent() -> Value {
    let always = json!({
        "api_key_prefix": text(), "sub_type": text(), "framework": text(), "version": text(), "publisher": text(),
        "description": text(), "created_by": text(), "delegation_depth": count(),
    });
    record(joined(common(), always), json!({"owner_user_id": text(), "expires_at": time()}))
}

fn identity() -> Value {
    let sometimes = json!({
        "sub_type": sub_type(), "public_key_pem": text(), "framework": text(), "version": text(), "publisher": text(),
        "description": text(), "created_by": text(), "modified_by": text(), "expires_at": time(),
    });
    record(joined(common(), json!({"owner_user_id": text()})), sometimes)
}

fn facets() -> Value {
    let counted = || list_of(closed(&["value", "count"], json!({"value": text(), "count": count()})));
    record(
        json!({
            "identity_types": counted(), "trust_levels": counted(), "statuses": counted(), "created_by": counted(),
            "origins": counted(), "ownerless": count(), "discovered": count(),
        }),
        json!({}),
    )
}

fn vocabulary() -> Value {
    let word = || closed(&["value", "label"], json!({"value": text(), "label": text()}));
    let kind = closed(
        &["value", "label", "sub_types"],
        json!({"value": text(), "label": text(), "sub_types": list_of(word())}),
    );
    let words = || list_of(word());
    record(
        json!({"identity_types": list_of(kind), "trust_levels": words(), "statuses": words(), "origins": words()}),
        json!({}),
    )
}

fn api_key() -> Value {
    record(
        json!({
            "id": id(), "name": text(), "description": text(), "key_prefix": text(), "key_version": count(),
            "account_id": text(), "project_id": text(), "identity_id": id(), "created_by": text(), "scopes": scopes(),
            "scopes_restricted": flag(), "product": text(), "environment": {"enum": ["live", "test"]},
            "state": {"enum": ["active", "expired", "revoked"]}, "usage_count": count(), "credential_policy_id": id(),
            "metadata": {}, "created_at": time(), "updated_at": time(),
        }),
        json!({
            "expires_at": time(), "last_used_at": time(), "revoked_at": time(), "revoked_by": text(),
            "revoke_reason": text(),
        }),
    )
}

fn api_key_made() -> Value {
    record(
        json!({
            "id": id(), "name": text(), "description": text(), "key": secret(), "key_prefix": text(),
            "environment": {"enum": ["live", "test"]}, "scopes": scopes(), "scopes_restricted": flag(),
            "created_at": time(),
        }),
        json!({"expires_at": time()}),
    )
}

fn policy() -> Value {
    record(
        json!({
            "id": id(), "account_id": text(), "project_id": text(), "name": text(), "max_ttl_seconds": count(),
            "allowed_grant_types": list_of(grant_type()), "allowed_scopes": scopes(), "scopes_restricted": flag(),
            "delegable_scopes": scopes(), "max_delegation_depth": count(), "is_active": flag(), "is_default": flag(),
            "token_labels": list_of(text()), "created_at": time(), "updated_at": time(),
        }),
        json!({
            "description": text(), "required_trust_level": trust_level(), "required_attestation": attestation(),
            "may_act": list_of(uri()), "expires_at": time(),
        }),
    )
}

fn evaluation() -> Value {
    let proof = record(
        json!({"type": one_of(ProofWord::ALL.into_iter().map(ProofWord::as_str))}),
        json!({"api_key_id": id(), "client_id": text(), "delegation_route_id": id()}),
    );
    let policy = record(json!({"id": id(), "version": count()}), json!({}));
    let left_out =
        record(json!({"scope": text(), "refused_by": {"enum": SIDES}, "reason": text()}), json!({}));
    let credential = record(
        json!({
            "sub": uri(), "scopes": scopes(), "delegable_scopes": scopes(), "audience": list_of(text()),
            "expires_at": time(), "ttl_seconds": count(), "delegation_depth": count(), "max_delegation_depth": count(),
        }),
        json!({
            "act": {"type": "object"}, "cnf": {"type": "object"}, "may_act": list_of(uri()), "actor_proof": actor_proof(),
            "labels": {"type": "object"}, "task": {"type": "object"}, "additional_claims": {"type": "object"},
        }),
    );
    let refusal = record(json!({"error": text(), "reason": text(), "detail": text()}), json!({}));
    record(
        json!({
            "allowed": flag(), "evaluated_at": time(), "identity_id": id(), "grant_type": grant_type(), "proof": proof,
            "policies": list_of(policy), "left_out": list_of(left_out),
        }),
        json!({"parent_jti": id(), "credential": credential, "refusal": refusal}),
    )
}

fn credential() -> Value {
    record(
        json!({
            "id": id(), "jti": id(), "account_id": text(), "project_id": text(), "identity_id": id(), "subject": uri(),
            "issued_at": time(), "expires_at": time(), "ttl_seconds": count(), "scopes": scopes(),
            "delegable_scopes": scopes(), "is_revoked": flag(), "grant_type": grant_type(), "delegation_depth": count(),
            "max_delegation_depth": count(), "mission_id": id(),
        }),
        json!({
            "requested_scopes": scopes(), "client_id": text(), "parent_jti": id(), "delegated_by_wimse_uri": uri(),
            "task": {"type": "object"}, "additional_claims": {"type": "object"},
            "dpop_key_thumbprint": text(), "revoked_at": time(), "revoke_reason": text(),
            "actor_proof": actor_proof(), "delegation_route_id": id(),
        }),
    )
}

fn actor_proof() -> Value {
    told(json!({"const": "policy"}), "A delegation route stood in for a proof of the presenter.")
}

fn chain() -> Value {
    let node = record(
        json!({
            "id": id(), "wimse_uri": uri(), "name": text(), "identity_type": identity_type(),
            "trust_level": trust_level(), "status": status(),
        }),
        json!({}),
    );
    let edge = record(
        json!({
            "to": id(), "jti": id(), "mission_id": id(), "issued_at": time(), "expires_at": time(),
            "grant_type": grant_type(), "delegation_depth": count(), "scopes_in": scopes(), "scopes_out": scopes(),
            "attenuated": scopes(), "is_revoked": flag(),
        }),
        json!({
            "from": id(), "parent_jti": id(), "revoked_at": time(), "revoke_reason": text(),
            "actor_proof": actor_proof(), "delegation_route_id": id(),
        }),
    );
    told(closed(&["nodes", "edges"], json!({"nodes": list_of(node), "edges": list_of(edge)})), "Root first.")
}
