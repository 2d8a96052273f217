//! What callers send. Administrative bodies are closed: a member that is not listed is refused with 422.

use serde_json::{Value, json};
use zeroid_token_core::limits::{MAX_DEPTH, MAX_TTL_SECONDS};

use super::words::{
    any_grant_type, attestation, flag, id, identity_type, nullable, one_of, or_empty, scopes, status,
    sub_type, text, time, told, trust_level, uri,
};
use super::{Named, closed, list_of};
use crate::evaluation::ProofWord;
use crate::workload_proofs::{MAX_PROOF_AUDIENCE_BYTES, MAX_PROOF_NONCE_BYTES};

/// Every schema of a body.
pub(super) fn all() -> Named {
    vec![
        ("AgentRegistration", registration()),
        ("NewIdentity", new_identity()),
        ("IdentityPatch", identity_patch()),
        ("NewApiKey", new_api_key()),
        ("NewPolicy", new_policy()),
        ("PolicyPatch", policy_patch()),
        ("Reason", closed(&[], json!({"reason": nullable(json!({"type": "string", "maxLength": 255}))}))),
        ("OwnKey", own_key()),
        ("NewProof", new_proof()),
        ("ShownProof", shown_proof()),
        ("EvaluationRequest", evaluation()),
        ("TokenRequest", token_request()),
        ("PresentedToken", presented_token()),
    ]
}

fn needed() -> Value {
    json!({"type": "string", "minLength": 1})
}

fn anything(description: &str) -> Value {
    json!({"description": description})
}

/// What is common to both ways to register.
fn identity_members() -> Value {
    json!({
        "external_id": {
            "type": "string",
            "pattern": "^[A-Za-z0-9._-]{1,255}$",
            "description": "The caller's stable name for it; part of its URI.",
        },
        "identity_type": told(nullable(identity_type()), "`agent` when absent."),
        "sub_type": nullable(sub_type()),
        "trust_level": told(nullable(trust_level()), "`unverified` when absent."),
        "allowed_scopes": told(nullable(scopes()), "No list when absent; an empty list permits nothing."),
        "credential_policy_id": told(or_empty(id()), "The tenant's default policy when absent."),
        "public_key_pem": told(nullable(text()), "SubjectPublicKeyInfo of a P-256, RSA or Ed25519 key, PEM."),
        "expires_at": nullable(time()),
        "framework": nullable(text()),
        "version": nullable(text()),
        "publisher": nullable(text()),
        "description": nullable(text()),
        "capabilities": anything("Any JSON, at most 16 KiB."),
        "labels": anything("Any JSON, at most 16 KiB."),
        "created_by": or_empty(text()),
    })
}

/// The schema with an example.
fn such_as(schema: Value, example: Value) -> Value {
    with(schema, json!({"examples": [example]}))
}

fn with(mut members: Value, more: Value) -> Value {
    if let (Some(members), Value::Object(more)) = (members.as_object_mut(), more) {
        members.extend(more);
    }
    members
}

fn registration() -> Value {
    let more = json!({
        "name": needed(),
        "metadata": anything("Any JSON, at most 16 KiB."),
        "api_key_credential_policy_id": told(or_empty(id()), "A policy of the first key; the identity's when absent."),
        "account_id": told(nullable(text()), "Ignored: the tenant comes from the credential."),
        "project_id": told(nullable(text()), "Ignored, likewise."),
    });
    let example = json!({"name": "My agent", "external_id": "my-agent", "created_by": "me@example.com"});
    such_as(closed(&["name", "external_id"], with(identity_members(), more)), example)
}

fn new_identity() -> Value {
    let more = json!({"name": nullable(text()), "owner_user_id": needed()});
    let example =
        json!({"external_id": "my-service", "identity_type": "service", "owner_user_id": "me@example.com"});
    such_as(closed(&["external_id", "owner_user_id"], with(identity_members(), more)), example)
}

fn identity_patch() -> Value {
    closed(
        &[],
        json!({
            "name": nullable(text()),
            "identity_type": told(nullable(identity_type()), "Must be what it is: it is part of the URI."),
            "sub_type": nullable(sub_type()),
            "trust_level": told(nullable(trust_level()), "Lowering it cuts off the tokens issued so far."),
            "status": nullable(status()),
            "owner_user_id": or_empty(text()),
            "allowed_scopes": told(nullable(scopes()), "Replaces the list."),
            "scopes_restricted": told(nullable(flag()), "`false` lifts the list."),
            "credential_policy_id": told(or_empty(id()), "Empty goes back to the tenant's default."),
            "public_key_pem": told(nullable(text()), "Empty leaves the key as it is."),
            "expires_at": told(or_empty(time()), "Empty lifts it."),
            "framework": nullable(text()),
            "version": nullable(text()),
            "publisher": nullable(text()),
            "description": nullable(text()),
            "capabilities": anything("Any JSON, at most 16 KiB."),
            "labels": anything("Any JSON, at most 16 KiB."),
            "metadata": anything("Any JSON, at most 16 KiB."),
            "revoke_existing": told(nullable(flag()), "Cut off what it was issued so far."),
            "updated_by": nullable(text()),
        }),
    )
}

fn new_api_key() -> Value {
    closed(
        &["name", "identity_id"],
        json!({
            "name": needed(),
            "description": nullable(text()),
            "identity_id": id(),
            "credential_policy_id": told(or_empty(id()), "The identity's policy alone when absent."),
            "scopes": told(nullable(scopes()), "No list when absent; an empty list permits nothing."),
            "environment": or_empty(json!({"type": "string", "enum": ["live", "test"]})),
            "expires_in_days": told(nullable(json!({"type": "integer", "maximum": 3650})), "Never when absent, 0 or less."),
            "metadata": anything("Any JSON, at most 16 KiB."),
            "created_by": or_empty(text()),
        }),
    )
}

/// What is common to a new policy and a change of one.
fn policy_members() -> Value {
    json!({
        "description": nullable(text()),
        "allowed_grant_types": nullable(list_of(any_grant_type())),
        "delegable_scopes": told(nullable(scopes()), "May be passed on without being used."),
        "token_labels": told(nullable(list_of(text())), "The labels of its identities that stand in their tokens, by name."),
        "required_trust_level": or_empty(trust_level()),
        "required_attestation": or_empty(attestation()),
        "max_delegation_depth": nullable(json!({"type": "integer", "minimum": 0, "maximum": MAX_DEPTH})),
    })
}

fn ttl(least: u32) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": MAX_TTL_SECONDS})
}

fn new_policy() -> Value {
    let more = json!({
        "name": needed(),
        "allowed_scopes": told(nullable(scopes()), "No restriction when absent; an empty list permits nothing."),
        "max_ttl_seconds": told(nullable(ttl(0)), "The deployment's when absent or 0."),
        "may_act": told(nullable(list_of(uri())), "The only workloads that may act."),
        "expires_at": nullable(time()),
    });
    let example = json!({
        "name": "watchers",
        "allowed_grant_types": ["api_key", "token_exchange"],
        "allowed_scopes": ["read:logs"],
        "delegable_scopes": ["write:firewall"],
        "max_ttl_seconds": 600,
        "max_delegation_depth": 2,
    });
    such_as(closed(&["name"], with(policy_members(), more)), example)
}

fn policy_patch() -> Value {
    let more = json!({
        "name": told(nullable(text()), "Empty leaves the name as it is."),
        "allowed_scopes": told(nullable(scopes()), "Replaces the list."),
        "scopes_restricted": told(nullable(flag()), "`false` lifts the list."),
        "max_ttl_seconds": nullable(ttl(1)),
        "may_act": told(or_empty(list_of(uri())), "Empty text lifts it."),
        "is_active": nullable(flag()),
        "expires_at": told(or_empty(time()), "Empty lifts it."),
    });
    closed(&[], with(policy_members(), more))
}

fn own_key() -> Value {
    closed(
        &["new_public_key_pem", "new_key_proof"],
        json!({
            "new_public_key_pem": told(needed(), "SubjectPublicKeyInfo of a P-256 key, PEM."),
            "new_key_proof": told(needed(), "A compact JWS by the new key: `sub`, `aud`, `iat`, `exp`, `jti`."),
            "current_key_proof": told(nullable(text()), "The same by the current key, with `nkt`; when there is one."),
        }),
    )
}

fn proof_audience() -> Value {
    told(
        json!({"type": "string", "minLength": 1, "maxLength": MAX_PROOF_AUDIENCE_BYTES}),
        "The one party the proof is for, as it calls itself.",
    )
}

fn proof_nonce(description: &str) -> Value {
    told(nullable(json!({"type": "string", "maxLength": MAX_PROOF_NONCE_BYTES})), description)
}

fn new_proof() -> Value {
    closed(
        &["audience"],
        json!({
            "identity_id": told(or_empty(id()), "The caller's own id; may be left out."),
            "audience": proof_audience(),
            "nonce": proof_nonce("Taken once for this audience."),
        }),
    )
}

fn shown_proof() -> Value {
    closed(
        &["proof_token", "audience"],
        json!({
            "proof_token": told(needed(), "A proof token of ours, or a workload proof token (`wpt+jwt`)."),
            "audience": proof_audience(),
            "nonce": proof_nonce("What must be in it."),
            "access_token": told(nullable(text()), "The access token that a workload proof token names by its hash in `wth`, or `ath`."),
        }),
    )
}

fn evaluation() -> Value {
    closed(
        &["identity_id"],
        json!({
            "identity_id": told(id(), "Who would present the credential."),
            "grant_type": told(nullable(any_grant_type()), "`api_key` when absent."),
            "parent_jti": told(or_empty(id()), "The credential that would be exchanged."),
            "api_key_id": told(or_empty(id()), "The key it would use."),
            "credential_policy_id": told(or_empty(id()), "As if this policy governed the identity."),
            "scopes": nullable(scopes()),
            "audience": nullable(list_of(text())),
            "ttl_seconds": nullable(json!({"type": "integer", "minimum": 1})),
            "may_act": nullable(list_of(uri())),
            "client_id": told(or_empty(text()), "The client that would authenticate."),
            "proof": told(nullable(one_of(ProofWord::ALL.into_iter().map(ProofWord::as_str))), "How the actor of an exchange would prove itself."),
            "session_id": nullable(text()),
            "task_id": nullable(text()),
            "task_type": nullable(text()),
            "workspace": nullable(text()),
            "environment": nullable(text()),
            "allowed_tools": nullable(list_of(text())),
            "additional_claims": nullable(json!({"type": "object"})),
            "dpop_jkt": told(or_empty(text()), "The thumbprint of the key of which a proof would come."),
        }),
    )
}

/// OAuth ignores parameters it does not know (RFC 6749 §3.2), and an empty one is as good as none.
fn open(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "required": required, "properties": properties})
}

fn token_request() -> Value {
    let parameter = |description: &str| told(nullable(text()), description);
    open(
        &["grant_type"],
        json!({
            "grant_type": told(needed(), "`api_key`, `client_credentials`, or the URN of jwt-bearer (RFC 7523) or token exchange (RFC 8693)."),
            "scope": parameter("Scopes, separated by spaces (RFC 6749 §3.3)."),
            "assertion": parameter("The caller's own signed assertion, grant jwt-bearer (RFC 7523 §2.1)."),
            "subject": parameter("The same under an older name."),
            "account_id": parameter("Must be the client's own, grant `client_credentials`."),
            "project_id": parameter("Likewise."),
            "client_id": parameter("The client's name (RFC 6749 §2.3.1)."),
            "client_secret": parameter("The client's secret, unless it is in the header `Authorization`."),
            "client_assertion": parameter("The client's own signed assertion (RFC 7523 §2.2)."),
            "client_assertion_type": parameter("RFC 7523 §2.2."),
            "api_key": parameter("The caller's API key; in an exchange the delegate's own, as its proof."),
            "subject_token": parameter("The token that is exchanged (RFC 8693 §2.1)."),
            "subject_token_type": parameter("RFC 8693 §3; an access token or a JWT."),
            "actor_token": parameter("The delegate's own signed assertion, as its proof."),
            "actor_token_type": parameter("RFC 8693 §3; a JWT."),
            "requested_token_type": parameter("RFC 8693 §3; a JWT asks for a JWT-SVID."),
            "session_id": parameter("The session it belongs to; like the next ones, a claim of the token."),
            "task_id": parameter("The task it is for."),
            "task_type": parameter("What kind of task that is."),
            "may_act": told(json!({}), "The only workloads that may act on it: SPIFFE IDs; one, or several (RFC 8693 §4.4)."),
            "allowed_tools": told(json!({}), "The only tools it may be used with; one, or several."),
            "workspace": parameter("The workspace it is about."),
            "environment": parameter("The environment it is about."),
            "additional_claims": told(json!({}), "Claims of the caller's own: a JSON object; in a form, the text of one."),
            "resource": told(json!({}), "An absolute URI, or several (RFC 8707 §2)."),
            "audience": told(json!({}), "The same under its name in RFC 8693."),
        }),
    )
}

fn presented_token() -> Value {
    let hint = told(nullable(text()), "Ignored: a token is found without it.");
    let parameter = |description: &str| told(nullable(text()), description);
    open(
        &["token"],
        json!({
            "token": needed(),
            "token_type_hint": hint,
            "client_id": parameter("The client's name (RFC 6749 §2.3.1)."),
            "client_secret": parameter("The client's secret, unless it is in the header `Authorization`."),
            "client_assertion": parameter("The client's own signed assertion (RFC 7523 §2.2)."),
            "client_assertion_type": parameter("RFC 7523 §2.2."),
        }),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::BTreeSet;

    use crate::body::asked_members;
    use crate::{
        read_api_key, read_client, read_client_patch, read_delegation_route, read_evaluation, read_identity,
        read_identity_patch, read_new_proof, read_own_key, read_policy, read_policy_patch, read_reason,
        read_registration, read_shown_proof,
    };

    #[track_caller]
    fn check<T>(name: &str, read: impl Fn(&[u8]) -> Result<T, crate::BodyError>) {
        let schema = super::super::schemas().remove(name).unwrap();
        let described: BTreeSet<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(asked_members(|| drop(read(b"{}"))), described, "{name}");
    }

    #[test]
    fn every_member_a_reader_takes_is_described_and_no_other() {
        check("AgentRegistration", read_registration);
        check("NewIdentity", read_identity);
        check("IdentityPatch", read_identity_patch);
        check("NewApiKey", read_api_key);
        check("NewPolicy", read_policy);
        check("NewClient", read_client);
        check("ClientPatch", read_client_patch);
        check("NewDelegationRoute", read_delegation_route);
        check("PolicyPatch", read_policy_patch);
        check("Reason", read_reason);
        check("OwnKey", read_own_key);
        check("NewProof", read_new_proof);
        check("ShownProof", read_shown_proof);
        check("EvaluationRequest", read_evaluation);
    }
}
