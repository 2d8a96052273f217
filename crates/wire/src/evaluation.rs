//! A hypothetical issuance: what is asked, and what would be decided.

use serde_json::{Map, Value, json};
use zeroid_identity_model::{ApiKeyId, CredentialId, IdentityId, PolicyId, SpiffeId, Timestamp};
use zeroid_token_core::limits::MAX_MAY_ACT;
use zeroid_token_core::{
    Asked, Audience, DecidedBy, GrantType, OAuthCode, Plan, ProvenKey, Refusal, ScopeRefused, Side,
    Thumbprint,
};

use crate::body::{BodyError, Reader};

/// The body of `POST /credential-policies/evaluate`.
#[derive(Clone, Debug)]
pub struct EvaluationBody {
    /// `identity_id`: who would present the credential. Absent only when it breaks a rule.
    pub identity_id: Option<IdentityId>,
    /// `grant_type`, by its short or its wire name; `api_key` when absent.
    pub grant: GrantType,
    /// `parent_jti`: the credential that would be exchanged.
    pub parent_jti: Option<CredentialId>,
    /// `api_key_id`.
    pub api_key_id: Option<ApiKeyId>,
    /// `credential_policy_id`: as if this one governed the identity.
    pub policy_id: Option<PolicyId>,
    /// `scopes`, `audience`, `ttl_seconds`, `may_act` and `dpop_jkt`.
    pub asked: Asked,
}

/// Read it.
///
/// # Errors
/// [`BodyError`].
pub fn read_evaluation(bytes: &[u8]) -> Result<EvaluationBody, BodyError> {
    let mut reader = Reader::new(bytes)?;
    reader.required("identity_id");
    let identity_id = reader.parsed("identity_id");
    let grant = reader.word::<GrantType>("grant_type").unwrap_or(GrantType::ApiKey);
    let parent_jti = reader.parsed("parent_jti");
    let api_key_id = reader.parsed("api_key_id");
    let policy_id = reader.parsed("credential_policy_id");
    let scopes = reader.scopes("scopes").filter(|scopes| !scopes.is_empty());
    let audience = reader.texts("audience").filter(|values| !values.is_empty());
    let audience = audience.and_then(|values| match Audience::asked_for(values) {
        Ok(audience) => Some(audience),
        Err(error) => {
            reader.breaks("audience", error);
            None
        }
    });
    let ttl_seconds = reader.integer("ttl_seconds").and_then(|seconds| match u32::try_from(seconds) {
        Ok(seconds) if seconds > 0 => Some(seconds),
        _ => {
            reader.breaks("ttl_seconds", "must be at least 1");
            None
        }
    });
    let may_act: Option<Vec<SpiffeId>> = reader.list("may_act");
    if may_act.as_ref().is_some_and(|named| named.len() > MAX_MAY_ACT) {
        reader.breaks("may_act", format!("at most {MAX_MAY_ACT} workloads allowed"));
    }
    let proven_key: Option<Thumbprint> = reader.parsed("dpop_jkt");
    // Nobody proves anything here: no proof is used up.
    let proven_key = proven_key.map(|thumbprint| ProvenKey { thumbprint, jti: String::new(), iat: 0 });
    let asked = Asked { scopes, audience, ttl_seconds, may_act, proven_key, ..Asked::default() };
    reader.finish(EvaluationBody { identity_id, grant, parent_jti, api_key_id, policy_id, asked })
}

/// What would be decided.
#[derive(Clone, Debug)]
pub struct EvaluationView<'a> {
    /// For which moment.
    pub at: Timestamp,
    /// Who would present the credential.
    pub identity: IdentityId,
    /// The grant.
    pub grant: GrantType,
    /// The credential that would be exchanged.
    pub parent: Option<CredentialId>,
    /// The key used; absent when an assertion proves the identity.
    pub api_key: Option<ApiKeyId>,
    /// The policies asked.
    pub policies: &'a [DecidedBy],
    /// What would be issued, or why nothing.
    pub outcome: Result<&'a Plan, RefusalView<'a>>,
    /// Scopes that would be left out.
    pub left_out: &'a [ScopeRefused],
}

/// Why nothing would be issued.
#[derive(Clone, Debug)]
pub enum RefusalView<'a> {
    /// The rule.
    Rule(&'a Refusal),
    /// The key or the assertion would not be taken, for this reason.
    Proof(String),
}

/// The answer as JSON.
pub fn evaluation_view(view: &EvaluationView<'_>) -> Value {
    let proof = match view.api_key {
        Some(id) => json!({"type": "api_key", "api_key_id": id}),
        None => json!({"type": "assertion"}),
    };
    let policies = view.policies.iter().map(|by| json!({"id": by.policy, "version": by.version}));
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    set("allowed", json!(view.outcome.is_ok()));
    set("evaluated_at", json!(view.at));
    set("identity_id", json!(view.identity));
    set("grant_type", json!(view.grant));
    if let Some(parent) = view.parent {
        set("parent_jti", json!(parent));
    }
    set("proof", proof);
    set("policies", policies.collect());
    set("left_out", view.left_out.iter().map(left_out).collect());
    match &view.outcome {
        Ok(plan) => set("credential", credential(plan)),
        Err(refusal) => set("refusal", refused(refusal)),
    }
    Value::Object(members)
}

/// The credential as it would be, without what only an issuance gives it.
fn credential(plan: &Plan) -> Value {
    let Plan { record, claims } = plan;
    let mut credential = json!({
        "sub": claims.sub,
        "scopes": record.usable,
        "delegable_scopes": record.delegable,
        "audience": record.audience.values(),
        "expires_at": record.expires_at,
        "ttl_seconds": claims.exp - claims.iat,
        "delegation_depth": record.delegation_depth(),
        "max_delegation_depth": record.max_delegation_depth,
    });
    if let Some(members) = credential.as_object_mut() {
        let optional = [
            ("act", claims.act.as_ref().map(|act| json!(act))),
            ("cnf", claims.cnf.as_ref().map(|cnf| json!(cnf))),
            ("may_act", record.may_act.as_ref().map(|named| json!(named))),
        ];
        members.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    credential
}

fn refused(refusal: &RefusalView<'_>) -> Value {
    match refusal {
        RefusalView::Rule(refusal) => {
            json!({"error": refusal.oauth_code().as_str(), "reason": reason(refusal), "detail": refusal.to_string()})
        }
        RefusalView::Proof(why) => {
            json!({"error": OAuthCode::InvalidGrant.as_str(), "reason": "proof", "detail": why})
        }
    }
}

fn left_out(refused: &ScopeRefused) -> Value {
    json!({"scope": refused.scope, "refused_by": side(refused.side), "reason": refused.side.to_string()})
}

/// Every word of `refused_by`.
pub const SIDES: [&str; 9] = [
    "parent",
    "route",
    "identity",
    "identity_policy",
    "key",
    "key_policy",
    "client",
    "client_policy",
    "management",
];

const fn side(side: Side) -> &'static str {
    match side {
        Side::Parent => "parent",
        Side::Route => "route",
        Side::Identity => "identity",
        Side::IdentityPolicy => "identity_policy",
        Side::Key => "key",
        Side::KeyPolicy => "key_policy",
        Side::Client => "client",
        Side::ClientPolicy => "client_policy",
        Side::Management => "management",
    }
}

/// A word for each rule. No `_` arm: a new refusal must choose.
const fn reason(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Presenter(_) => "presenter",
        Refusal::CredentialExpired => "no_time_left",
        Refusal::Subject(_) => "parent_not_alive",
        Refusal::ForeignActor => "foreign_actor",
        Refusal::OffRoute => "route",
        Refusal::NotNamedByMayAct => "may_act",
        Refusal::SenderProofMissing => "sender_proof_missing",
        Refusal::ChainTooDeep { .. } => "chain_too_deep",
        Refusal::Lineage(_) => "lineage_too_long",
        Refusal::ScopeMissing => "scope_missing",
        Refusal::NothingLeft(_) => "no_scope_left",
        Refusal::Target(_) => "audience",
        Refusal::PolicyInactive => "policy_inactive",
        Refusal::PolicyExpired => "policy_expired",
        Refusal::GrantNotAllowed(_) => "grant_type",
        Refusal::TtlAboveMaximum { .. } => "ttl",
        Refusal::TrustTooLow { .. } => "trust_level",
        Refusal::NotAttested { .. } => "attestation",
        Refusal::TaskClaim(_) => "task",
        Refusal::Additional(_) => "additional_claims",
        Refusal::TokenTooLarge { .. } => "token_too_large",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ID: &str = "01890000-0000-7000-8000-000000000001";

    fn check(body: &Value, expected: Result<(), &str>) {
        let read = read_evaluation(body.to_string().as_bytes());
        let seen = match &read {
            Ok(_) => Ok(()),
            Err(BodyError::Rule(issue)) => Err(format!("rule {}", issue.location)),
            Err(BodyError::Schema(issues)) => Err(format!("schema {}", issues.first().unwrap().location)),
            Err(other) => Err(format!("{other:?}")),
        };
        assert_eq!(seen, expected.map_err(str::to_owned), "{body}");
    }

    #[test]
    fn bodies() {
        check(&json!({"identity_id": ID}), Ok(()));
        check(
            &json!({"identity_id": ID, "grant_type": "token_exchange", "parent_jti": ID, "scopes": ["a"]}),
            Ok(()),
        );
        check(&json!({"identity_id": ID, "grant_type": GrantType::TokenExchange.wire_name()}), Ok(()));
        check(&json!({"identity_id": ID, "audience": ["https://a.example"], "ttl_seconds": 60}), Ok(()));
        check(&json!({}), Err("schema body.identity_id"));
        check(&json!({"identity_id": null}), Err("schema body.identity_id"));
        check(&json!({"identity_id": "x"}), Err("rule body.identity_id"));
        check(&json!({"identity_id": ID, "grant_type": "password"}), Err("schema body.grant_type"));
        check(&json!({"identity_id": ID, "ttl_seconds": 0}), Err("rule body.ttl_seconds"));
        check(&json!({"identity_id": ID, "ttl_seconds": "1"}), Err("schema body.ttl_seconds"));
        check(&json!({"identity_id": ID, "audience": ["nowhere"]}), Err("rule body.audience"));
        check(&json!({"identity_id": ID, "dpop_jkt": "x"}), Err("rule body.dpop_jkt"));
        check(&json!({"identity_id": ID, "scope": "a"}), Err("schema body.scope"));
    }
}
