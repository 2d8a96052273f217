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
use crate::requests::{ApiKeyGrant, ExchangeGrant, Issued};

/// How often facts are read again when they changed before the outcome was stored.
const ATTEMPTS: usize = 8;

impl Engine {
    /// Issue against an API key: the root of a chain.
    ///
    /// # Errors
    /// [`TokenError`]; nothing was issued.
    pub async fn api_key_grant(&self, grant: ApiKeyGrant) -> Result<Issued, TokenError> {
        let hash = self.api_key_hash(&grant.api_key);
        for _ in 0..ATTEMPTS {
            let (now, signer) = (self.now(), self.signer());
            let facts = self.store.key_facts(&hash).await.map_err(Fault::from)?.ok_or(TokenError::ApiKey)?;
            let actor = Actor::by_key(&facts.actor, now)?;
            let key = actor.key_id().ok_or(TokenError::ApiKey)?;
            let plan = self.decide(Deciding {
                presenter: actor.presenter(None),
                principal: &facts.actor.identity,
                route: Route::Root { grant: GrantType::ApiKey, source: Source::ApiKey(key) },
                asked: &grant.asked,
                order: facts.order,
                signer: &signer,
                now,
            })?;
            let draft = Draft {
                plan,
                asked: &grant.asked,
                actor: &facts.actor,
                epoch: facts.epoch,
                spends: Vec::new(),
                signer: &signer,
                now,
            };
            if let Some(mut issued) = self.store_and_sign(draft, grant.typ).await? {
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
                Some(token) => Some(self.read_assertion(token, now)?),
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
            let draft = Draft {
                plan,
                asked: &grant.asked,
                actor: found.facts,
                epoch: facts.epoch,
                spends,
                signer: &signer,
                now,
            };
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
    pub(crate) fn signer(&self) -> Arc<SigningKey> {
        Arc::clone(self.ring().signer())
    }

    fn read_assertion<'a>(&self, token: &'a Secret, now: Timestamp) -> Result<Assertion<'a>, TokenError> {
        Assertion::read(token.expose(), &self.settings.rules.issuer, now).map_err(TokenError::ActorToken)
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
        let unproven =
            || TokenError::ActorToken("it is not signed by a key registered in this tenant".to_owned());
        let subject = facts.subject.as_ref().ok_or_else(subject_unknown)?;
        let same_tenant =
            |actor: &&Arc<ActorFacts>| actor.identity.identity.tenant == *subject.record.tenant();
        let actor = facts.actor.as_ref().filter(same_tenant).ok_or_else(unproven)?;
        let pem = actor.identity.identity.public_key_pem.as_deref().ok_or_else(unproven)?;
        let key = PublicKey::from_pem(pem).map_err(|_| corrupt("a registered public key"))?;
        spends.push(assertion.authenticate(&key, &self.master).map_err(|_| unproven())?);
        Ok(FoundActor { facts: actor, proof: ActorProof::Assertion, key: Some(key) })
    }

    /// The same actor, limited by the key it presented beside its assertion.
    async fn same_actor_by_key(
        &self,
        found: &FoundActor<'_>,
        hash: &SecretHash,
    ) -> Result<Arc<ActorFacts>, TokenError> {
        let facts = self.store.key_facts(hash).await.map_err(Fault::from)?.ok_or(TokenError::ApiKey)?;
        if facts.actor.identity.identity.tenant != found.facts.identity.identity.tenant {
            return Err(TokenError::ApiKey);
        }
        if facts.actor.identity.identity.id != found.facts.identity.identity.id {
            return Err(TokenError::TwoActors);
        }
        Ok(facts.actor)
    }

    pub(crate) fn decide(&self, deciding: Deciding<'_>) -> Result<Plan, TokenError> {
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
        let proof = draft.asked.proven_key.as_ref().map(|proven| self.spend_of(proven));
        let used = SingleUse { assertion: !draft.spends.is_empty(), proof: proof.is_some() };
        let issuance = Issuance {
            record: Arc::clone(&record),
            digest,
            guards: guards(draft.actor),
            epoch: draft.epoch,
            spends: draft.spends.into_iter().chain(proof).collect(),
            now: draft.now,
        };
        match self.store.issue(issuance).await {
            Ok(()) => {}
            Err(StoreError::Stale) => return Ok(None),
            Err(StoreError::Spent) => return Err(used.before()),
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

/// What one decision is made of.
pub(crate) struct Deciding<'a> {
    pub(crate) presenter: Presenter<'a>,
    pub(crate) principal: &'a IdentityRecord,
    pub(crate) route: Route<'a>,
    pub(crate) asked: &'a Asked,
    pub(crate) order: Order,
    pub(crate) signer: &'a SigningKey,
    pub(crate) now: Timestamp,
}

/// What was decided and must still hold when it is stored.
struct Draft<'a> {
    plan: Plan,
    asked: &'a Asked,
    actor: &'a ActorFacts,
    epoch: Epoch,
    spends: Vec<Spend>,
    signer: &'a Arc<SigningKey>,
    now: Timestamp,
}

/// What a request used that is good for one request only.
struct SingleUse {
    assertion: bool,
    proof: bool,
}

impl SingleUse {
    /// That something of it was used before. The store does not tell which; to either, the answer is a fresh one.
    fn before(&self) -> TokenError {
        match (self.assertion, self.proof) {
            (false, true) => TokenError::ProofUsed,
            (true, true) => TokenError::ActorToken(
                "its `jti`, or that of the DPoP proof, was used before; sign both afresh".to_owned(),
            ),
            (_, false) => TokenError::ActorToken("its `jti` was used before; sign a fresh one".to_owned()),
        }
    }
}

/// The actor of an exchange, and the registered key that proved it, if one did.
struct FoundActor<'a> {
    facts: &'a ActorFacts,
    proof: ActorProof,
    key: Option<PublicKey>,
}

/// An identity with a key that is good now, if it used one.
pub(crate) struct Actor<'a>(&'a ActorFacts);

impl<'a> Actor<'a> {
    /// The actor as it is; a key it used must be good.
    pub(crate) fn of(facts: &'a ActorFacts, now: Timestamp) -> Result<Self, TokenError> {
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

    pub(crate) fn presenter(&self, registered: Option<&PublicKey>) -> Presenter<'a> {
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
