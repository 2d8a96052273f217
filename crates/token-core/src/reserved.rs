//! Names of claims that no caller sets (house rule C8): one list for every route by which one could try.

/// Whether a claim of this name is the server's own to say, or one that readers take authority from.
///
/// Letter case is ignored, because some readers of JSON ignore it, too: to them `SUB` would be `sub`.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
}

/// What is never a caller's word. A test holds it against everything that [`crate::Claims`] writes, and `wire` has one
/// for introspection.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    // RFC 7519 §4.1, and what a JWT-SVID says.
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti",
    // Who presents it, for whom, in which chain: what `Claims` says.
    "client_id", "account_id", "project_id", "grant_type", "mission_id", "identity_id", "external_id", "identity_type",
    "sub_type", "trust_level", "status", "owner", "owner_user_id", "name", "framework", "version", "publisher",
    "capabilities", "scopes", "scope", "delegation_depth", "max_delegation_depth", "act", "actor_proof", "cnf",
    "may_act", "labels", "links", "principal_type",
    // What a request says of the task has parameters of its own, with rules of their own.
    "session_id", "task_id", "task_type", "allowed_tools", "workspace", "environment",
    // What introspection says beside them (RFC 7662 §2.2, RFC 9701 §5).
    "active", "token_type", "username", "principal_sub", "principal_iss", "token_introspection",
    // What grants for people and for external principals say.
    "user_id", "user_email", "user_name", "user_id_iss", "role", "privilege_scope", "trusted_by", "token_exchange",
    "application_id", "resource", "authorization_details", "auth_time", "acr", "amr", "nonce", "sid", "azp",
    // Security events and logout (RFC 8417 §2.2), and the members of proofs (RFC 9449 §4.2, WIMSE).
    "events", "txn", "toe", "sub_id", "htm", "htu", "ath", "nkt", "jwk", "jkt", "at_hash", "c_hash", "s_hash",
    // Who somebody is, to readers of OpenID Connect (Core §5.1, §5.6.2).
    "email", "email_verified", "phone_number", "phone_number_verified", "preferred_username", "given_name",
    "family_name", "_claim_names", "_claim_sources",
    // What readers take authority from (RFC 9068 §2.2.3.1; products that have names of their own for it).
    "groups", "roles", "entitlements", "permissions", "authorities", "scp", "upn", "tid", "oid", "appid", "tenant",
    "tenant_id", "org_id", "realm_access", "resource_access", "typ", "token_use", "vot", "vtm",
    "https://aws.amazon.com/tags", "https://aws.amazon.com/source_identity",
    // The parameter itself, and a name with which objects are changed where claims are copied in JavaScript.
    "additional_claims", "__proto__",
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};
    use zeroid_identity_model::{CredentialId, IdentityId, IdentityType, Status, SubType, TrustLevel};

    use super::*;
    use crate::additional::AdditionalClaims;
    use crate::claims::{Act, Claims, Confirmation, MayActEntry};
    use crate::task::TaskClaims;

    fn full() -> Claims {
        let text = || "x".to_owned();
        let act = Act { sub: text(), external_id: None, identity_type: None, trust_level: None, act: None };
        Claims {
            iss: text(),
            sub: text(),
            aud: vec![text()],
            iat: 1,
            exp: 2,
            jti: CredentialId::from_bytes([1; 16]),
            client_id: text(),
            account_id: text(),
            project_id: text(),
            grant_type: text(),
            mission_id: CredentialId::from_bytes([1; 16]),
            identity_id: IdentityId::from_bytes([1; 16]),
            external_id: text(),
            identity_type: IdentityType::Agent,
            sub_type: Some(SubType::ToolAgent),
            trust_level: TrustLevel::FirstParty,
            status: Status::Active,
            owner: Some(text()),
            owner_user_id: Some(text()),
            name: text(),
            framework: text(),
            version: text(),
            publisher: text(),
            capabilities: json!(["x"]),
            scopes: "x".parse().unwrap(),
            scope: text(),
            delegation_depth: 1,
            max_delegation_depth: 1,
            act: Some(act),
            actor_proof: Some(text()),
            cnf: Some(Confirmation { jkt: "k".repeat(43).parse().unwrap() }),
            may_act: Some(vec![MayActEntry { sub: text() }]),
            labels: Some(std::iter::once((text(), json!("x"))).collect()),
            task: TaskClaims {
                session_id: Some(text()),
                task_id: Some(text()),
                task_type: Some(text()),
                allowed_tools: Some(vec![text()]),
                workspace: Some(text()),
                environment: Some(text()),
            },
            principal_type: Some(text()),
            additional: AdditionalClaims::default(),
        }
    }

    #[test]
    fn every_claim_of_the_server_is_reserved() {
        let claims = full();
        // A member that is added above and left unset would not be written, and so not be seen.
        let shown = format!("{:?}", Claims { act: None, ..claims.clone() }).replacen("act: None", "", 1);
        assert!(!shown.contains("None"), "every claim is set: {shown}");
        let Value::Object(written) = serde_json::to_value(&claims).unwrap() else { unreachable!() };
        for name in written.keys() {
            assert!(is_reserved(name), "{name}");
        }
        assert!(written.len() >= 39, "{}", written.len());
    }

    #[test]
    fn no_name_stands_twice_and_letter_case_hides_none() {
        let lower: BTreeSet<String> = RESERVED.iter().map(|name| name.to_ascii_lowercase()).collect();
        assert_eq!(lower.len(), RESERVED.len());
        assert!(is_reserved("SUB") && is_reserved("Scope") && is_reserved("__PROTO__"));
        assert!(!is_reserved("department") && !is_reserved("https://acme.example/sub") && !is_reserved(""));
    }
}
