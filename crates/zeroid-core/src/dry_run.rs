//! What would be decided: the same decision on the same facts, and nothing issued.

mod presented;

use std::sync::Arc;

use zeroid_identity_model::{ApiKeyId, CredentialId, IdentityId, PolicyId, Tenant, Timestamp};
use zeroid_jose::PublicKey;
use zeroid_storage::{ActorFacts, ActorLookup, ExchangeFacts};
use zeroid_token_core::{
    Asked, ClientName, DecidedBy, DelegationRoute, GrantType, Plan, Refusal, Route, Scope, ScopeRefused,
    ScopeSet, live,
};

use self::presented::Presented;
pub use self::presented::{EvaluatedProof, ExchangeProof};
use crate::client_auth::UsedClient;
use crate::engine::Engine;
use crate::error::{AdminError, Fault, TokenError};
use crate::grants::{Actor, Deciding};

/// A request nobody has made.
#[derive(Clone, Debug)]
pub struct Hypothetical {
    /// Who would present the credential.
    pub identity: IdentityId,
    /// How it would be asked for.
    pub grant: GrantType,
    /// The credential that would be exchanged; with `token_exchange`, and only then.
    pub parent: Option<CredentialId>,
    /// The key it would use; when absent and one is needed, the newest it has.
    pub api_key: Option<ApiKeyId>,
    /// The client that would authenticate; with `client_credentials` the one that asks.
    pub client: Option<ClientName>,
    /// How the actor of an exchange would prove itself. When absent: by the client or the key named, else by its own
    /// key, else by its newest API key, else not at all.
    pub proof: Option<ExchangeProof>,
    /// As if this policy governed the identity.
    pub policy: Option<PolicyId>,
    /// What it would ask for.
    pub asked: Asked,
}

/// What would be decided, and on what grounds.
#[derive(Debug)]
pub struct Evaluation {
    /// The moment it was decided for.
    pub at: Timestamp,
    /// How the identity would prove itself.
    pub proof: EvaluatedProof,
    /// The policies asked, in the version they had; the identity's own first.
    pub policies: Vec<DecidedBy>,
    /// The credential as it would be, or why there would be none. Nothing else is refused here than an issuance would
    /// be; of a parent that is dead more is told than somebody who follows a route learns.
    pub outcome: Result<Plan, TokenError>,
    /// Scopes that were asked for and would be left out, and which side refuses them; also when all are.
    pub left_out: Vec<ScopeRefused>,
}

impl Engine {
    /// Decide a hypothetical request as it would be decided now.
    ///
    /// It asks the store for what an issuance asks it, and the one rule for what it would say. A proof of the
    /// identity is taken as given where the identity could give it: a registered key, an API key, or a client.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] names the member: what does not exist in the tenant, or does not go together.
    pub async fn evaluate(&self, tenant: &Tenant, wanted: Hypothetical) -> Result<Evaluation, AdminError> {
        check_shape(&wanted)?;
        let identity = self.store.identity(tenant, wanted.identity).await?;
        let identity = identity.ok_or_else(missing("identity_id"))?;
        let presented = self.presented_by(tenant, &identity, &wanted).await?;
        let lookup = match &presented.key {
            Some(key) => ActorLookup::ApiKey(key.hash),
            None => ActorLookup::Spiffe(identity.identity.spiffe_id.clone()),
        };
        // A root has no subject; a fresh id is nobody's.
        let now = self.now();
        let subject = match wanted.parent {
            Some(parent) => parent,
            None => CredentialId::from_bytes(self.fresh_id(now)?),
        };
        let facts = self.store.exchange_facts(subject, &lookup).await?;
        let ours = facts.subject.as_ref().is_some_and(|subject| subject.record.tenant() == tenant);
        if wanted.parent.is_some() && !ours {
            return Err(missing("parent_jti")());
        }
        let actor = facts.actor.clone().ok_or(Fault::Contended)?;
        let actor = match wanted.policy {
            Some(policy) => Arc::new(self.under(tenant, &actor, policy).await?),
            None => actor,
        };
        let route = match presented.by {
            ExchangeProof::Route => self.route_for(&facts, &wanted, now).await?,
            _ => Ok(None),
        };
        let grant = wanted.grant;
        let case = Case { facts: &facts, actor: &actor, presented: &presented, route: &route, grant, now };
        let outcome = self.decide_case(&case, &wanted.asked)?;
        let left_out = self.left_out(&case, &wanted.asked, &outcome)?;
        let proof = presented.told(route.as_ref().ok().and_then(Option::as_ref));
        Ok(Evaluation { at: now, proof, policies: policies(&actor, &presented), outcome, left_out })
    }

    /// The one route that covers the request and leads to the identity, or why none does. Whoever has no live token
    /// learns nothing of routes, here as there.
    async fn route_for(
        &self,
        facts: &ExchangeFacts,
        wanted: &Hypothetical,
        now: Timestamp,
    ) -> Result<Result<Option<DelegationRoute>, TokenError>, AdminError> {
        let Some(subject) = &facts.subject else { return Ok(Ok(None)) };
        if let Err(dead) = live(&subject.record, &subject.live, now) {
            return Ok(Err(Refusal::Subject(dead).into()));
        }
        match self.covering_route(&subject.record, &wanted.asked).await {
            Ok((route, _)) if route.to != wanted.identity => {
                let why = format!("the one delegation route that covers the request leads to {}", route.to);
                Err(AdminError::invalid("identity_id", why))
            }
            Ok((route, _)) => Ok(Ok(Some(route))),
            Err(TokenError::Fault(fault)) => Err(fault.into()),
            Err(refused) => Ok(Err(refused)),
        }
    }

    /// The actor as if another policy governed its identity.
    async fn under(
        &self,
        tenant: &Tenant,
        actor: &ActorFacts,
        policy: PolicyId,
    ) -> Result<ActorFacts, AdminError> {
        let found = self.store.policy(tenant, policy).await?;
        let found =
            found.ok_or_else(|| AdminError::invalid("credential_policy_id", "no such credential policy"))?;
        Ok(ActorFacts { policy: Arc::new(found.policy), ..actor.clone() })
    }

    /// The outcome, and nothing of it kept. Only our own fault is an error here.
    fn decide_case(&self, case: &Case<'_>, asked: &Asked) -> Result<Result<Plan, TokenError>, Fault> {
        match self.try_case(case, asked) {
            Err(TokenError::Fault(fault)) => Err(fault),
            outcome => Ok(outcome),
        }
    }

    fn try_case(&self, case: &Case<'_>, asked: &Asked) -> Result<Plan, TokenError> {
        let Case { facts, actor: of, presented, route, grant, now } = *case;
        // In the order of an issuance: the client of the request, the actor, the life of the subject, the rule.
        let client = presented.client.as_ref().map_err(TokenError::clone)?.as_ref();
        let route = route.as_ref().map_err(TokenError::clone)?.as_ref();
        let proof = presented.actor_proof(client, route)?;
        let bound_elsewhere =
            |client: &UsedClient| client.identity().is_some_and(|id| id != of.identity.identity.id);
        if facts.subject.is_some() && client.is_some_and(bound_elsewhere) {
            return Err(TokenError::TwoActors);
        }
        let actor = Actor::of(of, client, now)?;
        let registered = match (presented.by, &of.identity.identity.public_key_pem) {
            (ExchangeProof::Assertion | ExchangeProof::Client, Some(pem)) => PublicKey::from_pem(pem).ok(),
            _ => None,
        };
        let (route, principal) = match &facts.subject {
            Some(subject) => {
                let parent = live(&subject.record, &subject.live, now).map_err(Refusal::Subject)?;
                let principal = facts.principal.as_ref().ok_or(Fault::Contended)?;
                (Route::Exchange { parent, proof }, principal)
            }
            None => (Route::Root { grant, source: proof.source() }, &of.identity),
        };
        let signer = self.signer();
        self.decide(Deciding {
            presenter: actor.presenter(registered.as_ref()),
            principal,
            route,
            asked,
            order: facts.order,
            signer: &signer,
            now,
        })
    }

    /// Which side refuses each scope that is not granted: the decision is asked for that scope alone.
    fn left_out(
        &self,
        case: &Case<'_>,
        asked: &Asked,
        outcome: &Result<Plan, TokenError>,
    ) -> Result<Vec<ScopeRefused>, Fault> {
        let granted = match outcome {
            Ok(plan) => &plan.record.usable,
            Err(TokenError::Refused(Refusal::NothingLeft(refused))) => return Ok(refused.clone()),
            Err(_) => return Ok(Vec::new()),
        };
        let mut left_out = Vec::new();
        let missing = asked.scopes.iter().flat_map(ScopeSet::iter).filter(|scope| !granted.contains(scope));
        for scope in missing {
            let alone = Asked { scopes: Some(one(scope)), ..asked.clone() };
            if let Err(TokenError::Refused(Refusal::NothingLeft(refused))) = self.decide_case(case, &alone)? {
                left_out.extend(refused);
            }
        }
        Ok(left_out)
    }
}

/// What a hypothetical request is decided by.
#[derive(Clone, Copy)]
struct Case<'a> {
    facts: &'a ExchangeFacts,
    actor: &'a Arc<ActorFacts>,
    presented: &'a Presented,
    route: &'a Result<Option<DelegationRoute>, TokenError>,
    grant: GrantType,
    now: Timestamp,
}

/// The policies that would be asked: the identity's, and those of the key and the client.
fn policies(actor: &ActorFacts, presented: &Presented) -> Vec<DecidedBy> {
    let client = presented.client.as_ref().ok().and_then(Option::as_ref);
    let key = actor.key.as_ref().and_then(|(_, policy)| policy.as_ref());
    let others = key.into_iter().chain(client.and_then(|client| client.policy.as_ref()));
    let others = others.filter(|policy| policy.id != actor.policy.id);
    let all = std::iter::once(&actor.policy).chain(others);
    all.map(|policy| DecidedBy { policy: policy.id, version: policy.version }).collect()
}

fn missing(field: &'static str) -> impl Fn() -> AdminError {
    move || AdminError::invalid(field, "no such thing in this tenant")
}

fn check_shape(wanted: &Hypothetical) -> Result<(), AdminError> {
    let exchanged = wanted.grant == GrantType::TokenExchange;
    match wanted.grant {
        GrantType::ApiKey | GrantType::JwtBearer | GrantType::TokenExchange => {}
        GrantType::ClientCredentials if wanted.client.is_some() => {}
        GrantType::ClientCredentials => {
            return Err(AdminError::invalid("client_id", "is required with client_credentials"));
        }
        GrantType::AuthorizationCode | GrantType::Ciba | GrantType::RefreshToken => {
            let why = "is not evaluated: it takes api_key, client_credentials, jwt_bearer or token_exchange";
            return Err(AdminError::invalid("grant_type", why));
        }
    }
    if exchanged && wanted.parent.is_none() {
        return Err(AdminError::invalid("parent_jti", "is required with token_exchange"));
    }
    if !exchanged && wanted.parent.is_some() {
        return Err(AdminError::invalid("parent_jti", "goes with token_exchange alone"));
    }
    if wanted.api_key.is_some() && !matches!(wanted.grant, GrantType::ApiKey | GrantType::TokenExchange) {
        return Err(AdminError::invalid("api_key_id", "goes with api_key and token_exchange"));
    }
    match wanted.proof {
        Some(_) if !exchanged => Err(AdminError::invalid("proof", "goes with token_exchange alone")),
        Some(ExchangeProof::Client) if wanted.client.is_none() => {
            Err(AdminError::invalid("client_id", "is required: it is the proof"))
        }
        Some(ExchangeProof::Route) if wanted.api_key.is_some() || wanted.client.is_some() => {
            Err(AdminError::invalid("proof", "is none with a route: leave out api_key_id and client_id"))
        }
        _ => Ok(()),
    }
}

fn one(scope: &Scope) -> ScopeSet {
    ScopeSet::of([scope.clone()]).unwrap_or_default()
}
