//! A hypothetical issuance: what is asked, and what would be decided.

use std::str::FromStr;

use serde_json::{Map, Value, json};
use zeroid_identity_model::{
    ApiKeyId, CredentialId, DelegationRouteId, IdentityId, PolicyId, SpiffeId, Timestamp,
};
use zeroid_token_core::limits::MAX_MAY_ACT;
use zeroid_token_core::{
    AdditionalClaims, Asked, Audience, ClientName, DecidedBy, GrantType, OAuthCode, Plan, ProvenKey, Refusal,
    ScopeRefused, Side, TaskClaims, Thumbprint,
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
    /// `client_id`: the client that would authenticate.
    pub client: Option<ClientName>,
    /// `proof`: how the actor of an exchange would prove itself.
    pub proof: Option<ProofWord>,
    /// `credential_policy_id`: as if this one governed the identity.
    pub policy_id: Option<PolicyId>,
    /// `scopes`, `audience`, `ttl_seconds`, `may_act`, `dpop_jkt`, the task claims and `additional_claims`.
    pub asked: Asked,
}

/// A proof of who asks, by its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofWord {
    /// An assertion that the identity's registered key signs.
    Assertion,
    /// Its API key.
    ApiKey,
    /// A client that acts for it.
    Client,
    /// None: a delegation route stands in.
    Route,
}

impl ProofWord {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Assertion, Self::ApiKey, Self::Client, Self::Route];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Assertion => "assertion",
            Self::ApiKey => "api_key",
            Self::Client => "client",
            Self::Route => "route",
        }
    }
}

impl FromStr for ProofWord {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|proof| proof.as_str() == word);
        known.ok_or("must be assertion, api_key, client or route")
    }
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
    let client = reader.parsed("client_id");
    let proof = reader.word("proof");
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
    let (task, additional) = (task(&mut reader), additional(&mut reader));
    let asked = Asked { scopes, audience, ttl_seconds, may_act, proven_key, task, additional };
    reader.finish(EvaluationBody {
        identity_id,
        grant,
        parent_jti,
        api_key_id,
        client,
        proof,
        policy_id,
        asked,
    })
}

fn task(reader: &mut Reader) -> TaskClaims {
    let mut one = |name| reader.text(name).filter(|text| !text.is_empty());
    let task = TaskClaims {
        session_id: one("session_id"),
        task_id: one("task_id"),
        task_type: one("task_type"),
        workspace: one("workspace"),
        environment: one("environment"),
        allowed_tools: reader.texts("allowed_tools"),
    };
    if let Err((name, error)) = task.check() {
        reader.breaks(name, error);
    }
    task
}

fn additional(reader: &mut Reader) -> AdditionalClaims {
    let name = "additional_claims";
    let asked = match reader.json(name) {
        None | Some(Value::Null) => return AdditionalClaims::default(),
        Some(Value::Object(claims)) => AdditionalClaims::asked_for(claims),
        Some(_) => {
            reader.wrong(name, "expected a JSON object");
            return AdditionalClaims::default();
        }
    };
    asked.unwrap_or_else(|error| {
        reader.breaks(name, error);
        AdditionalClaims::default()
    })
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
    /// What proves the identity.
    pub proof: ProofWord,
    /// The key used.
    pub api_key: Option<ApiKeyId>,
    /// The client that authenticates.
    pub client: Option<&'a ClientName>,
    /// The delegation route that stands in for a proof.
    pub route: Option<DelegationRouteId>,
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
    /// What it would bring to say who asks would not be taken.
    Proof {
        /// The code the caller would see.
        code: OAuthCode,
        /// Why not.
        why: String,
    },
}

/// The answer as JSON.
pub fn evaluation_view(view: &EvaluationView<'_>) -> Value {
    let mut proof = json!({"type": view.proof.as_str()});
    if let Some(members) = proof.as_object_mut() {
        let used = [
            ("api_key_id", view.api_key.map(|id| json!(id))),
            ("client_id", view.client.map(|name| json!(name))),
            ("delegation_route_id", view.route.map(|id| json!(id))),
        ];
        members.extend(used.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
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
            ("actor_proof", record.actor_proof().map(|proof| json!(proof))),
            ("labels", claims.labels.as_ref().map(|labels| json!(labels))),
            ("task", Some(&record.task).filter(|task| !task.is_empty()).map(|task| json!(task))),
            (
                "additional_claims",
                Some(&record.additional).filter(|all| !all.is_empty()).map(|all| json!(all)),
            ),
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
        RefusalView::Proof { code, why } => {
            json!({"error": code.as_str(), "reason": "proof", "detail": why})
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
        check(&json!({"identity_id": ID, "client_id": "c", "proof": "client", "task_id": "t"}), Ok(()));
        check(&json!({"identity_id": ID, "client_id": "spiffe://x"}), Err("rule body.client_id"));
        check(&json!({"identity_id": ID, "proof": "none"}), Err("schema body.proof"));
        check(&json!({"identity_id": ID, "task_id": "t".repeat(257)}), Err("rule body.task_id"));
        check(&json!({"identity_id": ID, "allowed_tools": "a"}), Err("schema body.allowed_tools"));
        check(&json!({"identity_id": ID, "additional_claims": {"a": {"b": 1}}}), Ok(()));
        check(&json!({"identity_id": ID, "additional_claims": "{}"}), Err("schema body.additional_claims"));
        check(&json!({"identity_id": ID, "additional_claims": {"": 1}}), Err("rule body.additional_claims"));
    }
}
