//! The grants: each proves only who is asking, and then asks the one decision.

use std::sync::Arc;

use zeroid_identity_model::{ApiKeyId, CredentialId, Timestamp};
use zeroid_jose::{HashPurpose, PublicKey, Secret, SigningKey};
use zeroid_storage::{
    ActorFacts, ActorLookup, Epoch, ExchangeFacts, Guard, IdentityRecord, Issuance, SecretHash, Spend,
    StoreError,
};
use zeroid_token_core::{
    ActorProof, Asked, Facts, GrantType, KeyCaps, NewCredential, Order, Plan, Presenter, Refusal, Route,
    Source, TokenTyp, decide, live,
};

use crate::assertion::Assertion;
use crate::engine::Engine;
use crate::error::{Fault, TokenError};
use crate::requests::{ApiKeyGrant, ExchangeGrant, Issued, JwtBearerGrant};

/// How often facts are read again when they changed before the outcome was stored.
const ATTEMPTS: usize = 8;

/// Unknown, foreign and keyless signers are not told apart.
const NOT_SIGNED: &str = "it is not signed by a key registered in this tenant";

const USED: &str = "its `jti` was used before; sign a fresh one";

impl Engine {
    /// Issue against an API key: the root of a chain.
    ///
    /// # Errors
    /// [`TokenError`]; nothing was issued.
    pub async fn api_key_grant(&self, grant: ApiKeyGrant) -> Result<Issued, TokenError> {
        let proof = RootProof::ApiKey(self.api_key_hash(&grant.api_key));
        self.root_grant(proof, &grant.asked, grant.typ).await
    }

    /// Issue against an assertion signed by an identity's registered key (RFC 7523 §2.1): the root of a chain.
    ///
    /// # Errors
    /// [`TokenError`]; nothing was issued, and the assertion was not used up.
    pub async fn jwt_bearer_grant(&self, grant: JwtBearerGrant) -> Result<Issued, TokenError> {
        self.root_grant(RootProof::Assertion(&grant.assertion), &grant.asked, grant.typ).await
    }

    /// The one way to a root: who asks is found and proven, and then asks the one decision.
    async fn root_grant(
        &self,
        proof: RootProof<'_>,
        asked: &Asked,
        typ: Option<TokenTyp>,
    ) -> Result<Issued, TokenError> {
        for _ in 0..ATTEMPTS {
            let (now, signer) = (self.now(), self.signer());
            let (lookup, assertion) = match proof {
                RootProof::ApiKey(hash) => (ActorLookup::ApiKey(hash), None),
                RootProof::Assertion(token) => {
                    let assertion = self.read_assertion(token, now).map_err(TokenError::Assertion)?;
                    (ActorLookup::Spiffe(assertion.issuer.clone()), Some(assertion))
                }
            };
            let facts = self.store.root_facts(&lookup).await.map_err(Fault::from)?;
            let facts = facts.ok_or_else(|| proof.refused())?;
            let actor = Actor::of(&facts.actor, now)?;
            let mut spends = Vec::new();
            let (grant, source, registered) = match assertion {
                None => {
                    (GrantType::ApiKey, Source::ApiKey(actor.key_id().ok_or_else(|| proof.refused())?), None)
                }
                Some(assertion) => {
                    let (key, spend) =
                        self.signed_by(&facts.actor, assertion)?.ok_or_else(|| proof.refused())?;
                    spends.push(spend);
                    (GrantType::JwtBearer, Source::Assertion, Some(key))
                }
            };
            let plan = self.decide(Deciding {
                presenter: actor.presenter(registered.as_ref()),
                principal: &facts.actor.identity,
                route: Route::Root { grant, source },
                asked,
                order: facts.order,
                signer: &signer,
                now,
            })?;
            let draft = Draft { plan, actor: &facts.actor, epoch: facts.epoch, spends, signer: &signer, now };
            if let Some(mut issued) = self.store_and_sign(draft, typ).await? {
                issued.user_id = facts.actor.key.as_ref().map(|(key, _)| key.created_by.clone());
                return Ok(issued);
            }
        }
        Err(Fault::Contended.into())
    }

    /// Exchange a token for one its actor presents (RFC 8693): delegation, or narrowing one's own token.
    ///
    /// What the actor proves decides who presents the new token; never are the subject's own powers given
    /// because a proof was missing.
    ///
    /// # Errors
    /// [`TokenError`]; nothing was issued and nothing used up.
    pub async fn exchange(&self, grant: ExchangeGrant) -> Result<Issued, TokenError> {
        let key_hash = grant.api_key.as_ref().map(|key| self.api_key_hash(key));
        for _ in 0..ATTEMPTS {
            let (now, signer) = (self.now(), self.signer());
            let assertion = match &grant.actor_token {
                Some(token) => Some(self.read_assertion(token, now).map_err(TokenError::ActorToken)?),
                None => None,
            };
            let lookup = match (&assertion, key_hash) {
                (Some(assertion), _) => ActorLookup::Spiffe(assertion.issuer.clone()),
                (None, Some(hash)) => ActorLookup::ApiKey(hash),
                (None, None) => return Err(TokenError::NoActor),
            };
            let subject = grant.subject_token.expose();
            let presented = self.read_token(subject).await?.ok_or_else(subject_unknown)?;
            let facts = self.store.exchange_facts(presented.jti(), &lookup).await.map_err(Fault::from)?;
            let parent = facts.subject.as_ref().ok_or_else(subject_unknown)?;
            let claims = self.authenticate(presented, &parent.digest).ok_or_else(subject_unknown)?;
            if claims.get().exp <= now.unix_seconds() {
                return Err(TokenError::SubjectToken("`exp` has passed".to_owned()));
            }
            let mut spends = Vec::new();
            let mut found = self.actor_of(&facts, assertion, now, &mut spends)?;
            let with_key;
            if let (Some(hash), ActorLookup::Spiffe(_)) = (key_hash, &lookup) {
                with_key = self.same_actor_by_key(&found, &hash).await?;
                found = FoundActor { facts: &with_key, proof: found.proof, key: found.key };
            }
            let alive = live(&parent.record, &parent.live, now).map_err(Refusal::Subject)?;
            let principal = facts.principal.as_ref().ok_or_else(|| corrupt("the root of a chain"))?;
            let actor = Actor::of(found.facts, now)?;
            let plan = self.decide(Deciding {
                presenter: actor.presenter(found.key.as_ref()),
                principal,
                route: Route::Exchange { parent: alive, proof: found.proof },
                asked: &grant.asked,
                order: facts.order,
                signer: &signer,
                now,
            })?;
            let draft = Draft { plan, actor: found.facts, epoch: facts.epoch, spends, signer: &signer, now };
            if let Some(issued) = self.store_and_sign(draft, grant.typ).await? {
                return Ok(issued);
            }
        }
        Err(Fault::Contended.into())
    }

    pub(crate) fn api_key_hash(&self, key: &Secret) -> SecretHash {
        SecretHash(*self.master.keyed_hash(HashPurpose::ApiKey, key.expose().as_bytes()).as_bytes())
    }

    /// The key that signs now; one decision uses one key.
    fn signer(&self) -> Arc<SigningKey> {
        Arc::clone(self.ring().signer())
    }

    fn read_assertion<'a>(&self, token: &'a Secret, now: Timestamp) -> Result<Assertion<'a>, String> {
        Assertion::read(token.expose(), &self.settings.rules.issuer, now)
    }

    /// The identity's registered key, if it signed the assertion, and what that uses up; absent when it has none or
    /// did not.
    fn signed_by(
        &self,
        actor: &ActorFacts,
        assertion: Assertion<'_>,
    ) -> Result<Option<(PublicKey, Spend)>, Fault> {
        let Some(pem) = actor.identity.identity.public_key_pem.as_deref() else { return Ok(None) };
        let key = PublicKey::from_pem(pem).map_err(|_| corrupt("a registered public key"))?;
        Ok(assertion.authenticate(&key, &self.master).ok().map(|spend| (key, spend)))
    }

    /// Who acts, and how that is proven. Unknown, foreign and unproven actors are not told apart.
    fn actor_of<'f>(
        &self,
        facts: &'f ExchangeFacts,
        assertion: Option<Assertion<'_>>,
        now: Timestamp,
        spends: &mut Vec<Spend>,
    ) -> Result<FoundActor<'f>, TokenError> {
        let Some(assertion) = assertion else {
            let actor = facts.actor.as_ref().ok_or(TokenError::ApiKey)?;
            let (key, _) = actor.key.as_ref().ok_or(TokenError::ApiKey)?;
            let foreign =
                facts.subject.as_ref().is_some_and(|subject| *subject.record.tenant() != key.tenant);
            if foreign {
                return Err(TokenError::ApiKey);
            }
            Actor::by_key(actor, now)?;
            return Ok(FoundActor { facts: actor, proof: ActorProof::ApiKey(key.id), key: None });
        };
        let unproven = || TokenError::ActorToken(NOT_SIGNED.to_owned());
        let subject = facts.subject.as_ref().ok_or_else(subject_unknown)?;
        let same_tenant =
            |actor: &&Arc<ActorFacts>| actor.identity.identity.tenant == *subject.record.tenant();
        let actor = facts.actor.as_ref().filter(same_tenant).ok_or_else(unproven)?;
        let (key, spend) = self.signed_by(actor, assertion)?.ok_or_else(unproven)?;
        spends.push(spend);
        Ok(FoundActor { facts: actor, proof: ActorProof::Assertion, key: Some(key) })
    }

    /// The same actor, limited by the key it presented beside its assertion.
    async fn same_actor_by_key(
        &self,
        found: &FoundActor<'_>,
        hash: &SecretHash,
    ) -> Result<Arc<ActorFacts>, TokenError> {
        let facts = self.store.root_facts(&ActorLookup::ApiKey(*hash)).await.map_err(Fault::from)?;
        let facts = facts.ok_or(TokenError::ApiKey)?;
        if facts.actor.identity.identity.tenant != found.facts.identity.identity.tenant {
            return Err(TokenError::ApiKey);
        }
        if facts.actor.identity.identity.id != found.facts.identity.identity.id {
            return Err(TokenError::TwoActors);
        }
        Ok(facts.actor)
    }

    fn decide(&self, deciding: Deciding<'_>) -> Result<Plan, TokenError> {
        let new = NewCredential {
            jti: CredentialId::from_bytes(self.fresh_id(deciding.now)?),
            kid: deciding.signer.kid().clone(),
            order: deciding.order,
        };
        let facts = Facts {
            rules: &self.settings.rules,
            presenter: deciding.presenter,
            principal: &deciding.principal.identity,
            route: deciding.route,
            asked: deciding.asked,
            new,
        };
        Ok(decide(&facts, deciding.now)?)
    }

    /// Sign and store; absent when a fact changed meanwhile and all must be read again. The token leaves only
    /// after the commit that stores it and uses up what was single-use.
    async fn store_and_sign(
        &self,
        draft: Draft<'_>,
        typ: Option<TokenTyp>,
    ) -> Result<Option<Issued>, TokenError> {
        let typ = typ.unwrap_or(self.settings.token_typ);
        let (access_token, digest) = self.sign(draft.signer, &draft.plan, typ).await?;
        let Plan { record, claims } = draft.plan;
        let record = Arc::new(record);
        let issuance = Issuance {
            record: Arc::clone(&record),
            digest,
            guards: guards(draft.actor),
            epoch: draft.epoch,
            spends: draft.spends,
            now: draft.now,
        };
        match self.store.issue(issuance).await {
            Ok(()) => {}
            Err(StoreError::Stale) => return Ok(None),
            Err(StoreError::Spent) => {
                return Err(match record.grant_type {
                    GrantType::TokenExchange => TokenError::ActorToken(USED.to_owned()),
                    _ => TokenError::Assertion(USED.to_owned()),
                });
            }
            Err(StoreError::Dead(dead)) => {
                // Another replica may have retired the key this one signed with.
                let again = self.lost_its_key(draft.signer.kid(), &dead).await?;
                return if again { Ok(None) } else { Err(Refusal::Subject(*dead).into()) };
            }
            Err(other) => return Err(Fault::from(other).into()),
        }
        let expires_in = claims.exp - claims.iat;
        let external_id = draft.actor.identity.identity.external_id.clone();
        Ok(Some(Issued { access_token, typ, record, claims, expires_in, user_id: None, external_id }))
    }
}

/// How whoever asks for a root proves who it is.
#[derive(Clone, Copy)]
enum RootProof<'a> {
    ApiKey(SecretHash),
    Assertion(&'a Secret),
}

impl RootProof<'_> {
    /// What is said when nobody stands behind it.
    fn refused(self) -> TokenError {
        match self {
            Self::ApiKey(_) => TokenError::ApiKey,
            Self::Assertion(_) => TokenError::Assertion(NOT_SIGNED.to_owned()),
        }
    }
}

/// What one decision is made of.
struct Deciding<'a> {
    presenter: Presenter<'a>,
    principal: &'a IdentityRecord,
    route: Route<'a>,
    asked: &'a Asked,
    order: Order,
    signer: &'a SigningKey,
    now: Timestamp,
}

/// What was decided and must still hold when it is stored.
struct Draft<'a> {
    plan: Plan,
    actor: &'a ActorFacts,
    epoch: Epoch,
    spends: Vec<Spend>,
    signer: &'a Arc<SigningKey>,
    now: Timestamp,
}

/// The actor of an exchange, and the registered key that proved it, if one did.
struct FoundActor<'a> {
    facts: &'a ActorFacts,
    proof: ActorProof,
    key: Option<PublicKey>,
}

/// An identity with a key that is good now, if it used one.
struct Actor<'a>(&'a ActorFacts);

impl<'a> Actor<'a> {
    /// The actor as it is; a key it used must be good.
    fn of(facts: &'a ActorFacts, now: Timestamp) -> Result<Self, TokenError> {
        match &facts.key {
            Some(_) => Self::by_key(facts, now),
            None => Ok(Self(facts)),
        }
    }

    /// The actor by its key. Unknown, revoked and expired keys are not told apart.
    fn by_key(facts: &'a ActorFacts, now: Timestamp) -> Result<Self, TokenError> {
        let (key, _) = facts.key.as_ref().ok_or(TokenError::ApiKey)?;
        let expired = key.expires_at.is_some_and(|end| now >= end);
        if key.revoked.is_some() || expired { Err(TokenError::ApiKey) } else { Ok(Self(facts)) }
    }

    fn key_id(&self) -> Option<ApiKeyId> {
        self.0.key.as_ref().map(|(key, _)| key.id)
    }

    fn presenter(&self, registered: Option<&PublicKey>) -> Presenter<'a> {
        let facts = self.0;
        let key = facts.key.as_ref().map(|(key, policy)| KeyCaps {
            id: key.id,
            scopes: key.scopes.as_ref(),
            policy: policy.as_deref().filter(|policy| policy.id != facts.policy.id),
            expires_at: key.expires_at,
        });
        Presenter {
            identity: &facts.identity.identity,
            allowed_scopes: facts.identity.allowed_scopes.as_ref(),
            policy: &facts.policy,
            key,
            client: None,
            attestation: None,
            registered_key: registered.map(|key| key.thumbprint()),
        }
    }
}

/// Everything the decision was based on, in the version it had.
fn guards(actor: &ActorFacts) -> Vec<Guard> {
    let mut guards = vec![
        Guard::Identity(actor.identity.identity.id, actor.identity.version),
        Guard::Policy(actor.policy.id, actor.policy.version),
    ];
    if let Some((key, policy)) = &actor.key {
        guards.push(Guard::ApiKey(key.id));
        guards.extend(policy.iter().map(|policy| Guard::Policy(policy.id, policy.version)));
    }
    guards
}

fn subject_unknown() -> TokenError {
    TokenError::SubjectToken("it is not a token of this issuer, or not valid any more".to_owned())
}

fn corrupt(what: &str) -> Fault {
    Fault::Store(StoreError::Corrupt(format!("{what} is missing or unreadable")))
}
