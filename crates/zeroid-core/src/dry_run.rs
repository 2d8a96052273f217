//! What would be decided: the same decision on the same facts, and nothing issued.

use std::sync::Arc;

use zeroid_identity_model::{ApiKeyId, CredentialId, IdentityId, PolicyId, Tenant, Timestamp};
use zeroid_jose::PublicKey;
use zeroid_storage::{ActorFacts, ActorLookup, ApiKeyRecord, ExchangeFacts, IdentityRecord};
use zeroid_token_core::{
    ActorProof, Asked, DecidedBy, GrantType, Plan, Refusal, Route, Scope, ScopeRefused, ScopeSet, live,
};

use crate::engine::Engine;
use crate::error::{AdminError, Fault, TokenError};
use crate::grants::{Actor, Deciding};

/// A request nobody has made.
#[derive(Clone, Debug)]
pub struct Hypothetical {
    /// Who would present the credential.
    pub identity: IdentityId,
    /// How it would be asked for: `api_key`, `jwt_bearer` or `token_exchange`.
    pub grant: GrantType,
    /// The credential that would be exchanged; with `token_exchange`, and only then.
    pub parent: Option<CredentialId>,
    /// The key it would use; when absent and one is needed, the newest it has.
    pub api_key: Option<ApiKeyId>,
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
    pub proof: ActorProof<'static>,
    /// The policies asked, in the version they had; the identity's own first.
    pub policies: Vec<DecidedBy>,
    /// The credential as it would be, or why there would be none. Nothing else is refused here than an issuance
    /// would be: [`TokenError::ApiKey`], [`TokenError::ActorToken`] or [`TokenError::Refused`].
    pub outcome: Result<Plan, TokenError>,
    /// Scopes that were asked for and would be left out, and which side refuses them; also when all are.
    pub left_out: Vec<ScopeRefused>,
}

impl Engine {
    /// Decide a hypothetical request as it would be decided now.
    ///
    /// It asks the store for what an issuance asks it, and the one rule for what it would say. A proof of the
    /// identity is taken as given where the identity could give it: a registered key, or an API key.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] names the member: what does not exist in the tenant, or does not go together.
    pub async fn evaluate(&self, tenant: &Tenant, wanted: Hypothetical) -> Result<Evaluation, AdminError> {
        check_shape(&wanted)?;
        let missing = |field| move || AdminError::invalid(field, "no such thing in this tenant");
        let identity = self.store.identity(tenant, wanted.identity).await?;
        let identity = identity.ok_or_else(missing("identity_id"))?;
        let (proof, key) = self.actor_proof_of(tenant, &identity, &wanted).await?;
        let lookup = match &key {
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
        let case = Case { facts: &facts, actor: &actor, proof, grant: wanted.grant, now };
        let outcome = self.decide_case(&case, &wanted.asked)?;
        let left_out = self.left_out(&case, &wanted.asked, &outcome)?;
        let own = [&actor.policy].into_iter();
        let policies = own.chain(
            actor
                .key
                .iter()
                .filter_map(|(_, policy)| policy.as_ref().filter(|policy| policy.id != actor.policy.id)),
        );
        let policies =
            policies.map(|policy| DecidedBy { policy: policy.id, version: policy.version }).collect();
        Ok(Evaluation { at: now, proof, policies, outcome, left_out })
    }

    /// How it would prove itself: as the grant says, else by its own key, else by its newest API key.
    async fn actor_proof_of(
        &self,
        tenant: &Tenant,
        identity: &IdentityRecord,
        wanted: &Hypothetical,
    ) -> Result<(ActorProof<'static>, Option<ApiKeyRecord>), AdminError> {
        let signs = identity.identity.public_key_pem.is_some();
        if wanted.grant == GrantType::JwtBearer {
            let why = "has no registered key to sign an assertion with";
            return if signs {
                Ok((ActorProof::Assertion, None))
            } else {
                Err(AdminError::invalid("identity_id", why))
            };
        }
        let key = match wanted.api_key {
            Some(id) => {
                let key = self.store.api_key(tenant, id).await?;
                let its_own = key.filter(|key| key.identity == wanted.identity);
                Some(
                    its_own
                        .ok_or_else(|| AdminError::invalid("api_key_id", "the identity has no such key"))?,
                )
            }
            None if wanted.grant == GrantType::TokenExchange && signs => None,
            None => self.newest_key(tenant, wanted.identity).await?,
        };
        match key {
            Some(key) => Ok((ActorProof::ApiKey(key.id), Some(key))),
            None if wanted.grant == GrantType::TokenExchange && signs => Ok((ActorProof::Assertion, None)),
            None => Err(AdminError::invalid("identity_id", "has neither an API key nor a registered key")),
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
        let Case { facts, actor: of, proof, grant, now } = *case;
        let actor = Actor::of(of, None, now)?;
        let registered = match (proof, &of.identity.identity.public_key_pem) {
            (ActorProof::Assertion, Some(pem)) => PublicKey::from_pem(pem).ok(),
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
    proof: ActorProof<'static>,
    grant: GrantType,
    now: Timestamp,
}

fn check_shape(wanted: &Hypothetical) -> Result<(), AdminError> {
    match (wanted.grant, wanted.parent) {
        (GrantType::TokenExchange, Some(_)) | (GrantType::ApiKey | GrantType::JwtBearer, None) => {}
        (GrantType::TokenExchange, None) => {
            return Err(AdminError::invalid("parent_jti", "is required with token_exchange"));
        }
        (GrantType::ApiKey | GrantType::JwtBearer, Some(_)) => {
            return Err(AdminError::invalid("parent_jti", "goes with token_exchange alone"));
        }
        (
            GrantType::AuthorizationCode
            | GrantType::Ciba
            | GrantType::ClientCredentials
            | GrantType::RefreshToken,
            _,
        ) => {
            let why = "is not evaluated: it takes api_key, jwt_bearer or token_exchange";
            return Err(AdminError::invalid("grant_type", why));
        }
    }
    if wanted.grant == GrantType::JwtBearer && wanted.api_key.is_some() {
        return Err(AdminError::invalid("api_key_id", "goes with api_key and token_exchange"));
    }
    Ok(())
}

fn one(scope: &Scope) -> ScopeSet {
    ScopeSet::of([scope.clone()]).unwrap_or_default()
}
