//! Token exchange (RFC 8693): delegation, or narrowing one's own token.

use std::sync::Arc;

use zeroid_identity_model::Timestamp;
use zeroid_jose::PublicKey;
use zeroid_storage::{ActorFacts, ActorLookup, ExchangeFacts, SecretHash, Spend};
use zeroid_token_core::{ActorProof, GrantType, Refusal, Route, live};

use crate::assertion::Assertion;
use crate::client_auth::UsedClient;
use crate::delegation_routes::Routed;
use crate::engine::Engine;
use crate::error::{Fault, TokenError};
use crate::grants::{ATTEMPTS, Actor, Deciding, Draft, NOT_SIGNED, corrupt};
use crate::requests::{ExchangeGrant, Issued};

impl Engine {
    /// Exchange a token for one its actor presents (RFC 8693): delegation, or narrowing one's own token.
    ///
    /// What the actor proves decides who presents the new token, and without any proof the one delegation route that
    /// covers the request; never are the subject's own powers given because a proof was missing.
    ///
    /// # Errors
    /// [`TokenError`]; nothing was issued and nothing used up.
    pub async fn exchange(&self, grant: ExchangeGrant) -> Result<Issued, TokenError> {
        let key_hash = grant.api_key.as_ref().map(|key| self.api_key_hash(key));
        for _ in 0..ATTEMPTS {
            let (now, signer) = (self.now(), self.signer());
            let client = self
                .client_of_request(grant.client.as_ref(), GrantType::TokenExchange, &grant.asked, now)
                .await?;
            let assertion = match &grant.actor_token {
                Some(token) => Some(self.read_assertion(token, now).map_err(TokenError::ActorToken)?),
                None => None,
            };
            // A client that is bound to an identity proves that one (house rule X1 b).
            let bound = client.as_ref().filter(|client| client.facts.is_some());
            let routed = match (&assertion, &client, key_hash) {
                // Apart, so that an exchange with a proof does not carry what it needs.
                (None, None, None) => {
                    Some(Box::pin(self.route_of(&grant.subject_token, &grant.asked)).await?)
                }
                _ => None,
            };
            let lookup = match (&assertion, bound, key_hash) {
                (Some(assertion), _, _) => ActorLookup::Spiffe(assertion.issuer.clone()),
                (None, Some(client), _) => ActorLookup::Client(client.record.client_id.clone()),
                (None, None, Some(hash)) => ActorLookup::ApiKey(hash),
                (None, None, None) => match &routed {
                    Some(routed) => ActorLookup::Spiffe(routed.to.clone()),
                    None => return Err(TokenError::NoIdentity),
                },
            };
            let subject = grant.subject_token.expose();
            let presented = self.read_token(subject).await?.ok_or_else(subject_unknown)?;
            let facts = self.store.exchange_facts(presented.jti(), &lookup).await.map_err(Fault::from)?;
            let parent = facts.subject.as_ref().ok_or_else(subject_unknown)?;
            let claims = self.authenticate(presented, &parent.digest).ok_or_else(subject_unknown)?;
            if claims.get().exp <= now.unix_seconds() {
                return Err(TokenError::SubjectToken("`exp` has passed".to_owned()));
            }
            let found = match &routed {
                Some(routed) => Some(FoundActor::by_route(&facts, routed)?),
                None => self.actor_of(&facts, assertion, bound, now)?,
            };
            let Some(mut found) = found else { continue };
            if bound.is_some_and(|client| client.identity() != Some(found.facts.identity.identity.id)) {
                return Err(TokenError::TwoActors);
            }
            let with_key;
            if let (Some(hash), ActorLookup::Spiffe(_) | ActorLookup::Client(_)) = (key_hash, &lookup) {
                with_key = self.same_actor_by_key(&found, &hash).await?;
                found = FoundActor { facts: &with_key, ..found };
            }
            let alive = live(&parent.record, &parent.live, now).map_err(Refusal::Subject)?;
            let principal = facts.principal.as_ref().ok_or_else(|| corrupt("the root of a chain"))?;
            let actor = Actor::of(found.facts, client.as_ref(), now)?;
            let plan = self.decide(Deciding {
                presenter: actor.presenter(found.key.as_ref()),
                principal,
                route: Route::Exchange { parent: alive, proof: found.proof },
                asked: &grant.asked,
                order: facts.order,
                signer: &signer,
                now,
            })?;
            let spend = found.spend;
            let asked = &grant.asked;
            // A route is read apart, as a client is: what holds since the older reading holds.
            let epoch = routed.as_ref().map_or(facts.epoch, |routed| routed.epoch.min(facts.epoch));
            let draft = Draft { plan, asked, actor, epoch, spend, signer: &signer, now };
            if let Some(issued) = self.store_and_sign(draft, grant.typ).await? {
                return Ok(issued);
            }
        }
        Err(Fault::Contended.into())
    }

    /// Who acts, and how that is proven; absent when the client changed since it was authenticated. Unknown, foreign
    /// and unproven actors are not told apart.
    fn actor_of<'f>(
        &self,
        facts: &'f ExchangeFacts,
        assertion: Option<Assertion<'_>>,
        client: Option<&UsedClient>,
        now: Timestamp,
    ) -> Result<Option<FoundActor<'f>>, TokenError> {
        let subject = facts.subject.as_ref().ok_or_else(subject_unknown)?;
        let tenant = subject.record.tenant();
        if let Some(assertion) = assertion {
            let unproven = || TokenError::ActorToken(NOT_SIGNED.to_owned());
            let same_tenant = |actor: &&Arc<ActorFacts>| actor.identity.identity.tenant == *tenant;
            let actor = facts.actor.as_ref().filter(same_tenant).ok_or_else(unproven)?;
            let (key, spend) = self.signed_by(actor, assertion)?.ok_or_else(unproven)?;
            let proof = ActorProof::Assertion;
            return Ok(Some(FoundActor { facts: actor, proof, key: Some(key), spend: Some(spend) }));
        }
        if let Some(client) = client {
            let unchanged = |actor: &&Arc<ActorFacts>| {
                let read = actor.client.as_ref().map(|(read, _)| (read.id, read.version));
                read == Some((client.record.id, client.record.version))
            };
            let Some(actor) = facts.actor.as_ref().filter(unchanged) else { return Ok(None) };
            // Only a child of a bound token is bound to its actor's own key.
            let pem = actor.identity.identity.public_key_pem.as_deref();
            let key = match pem.filter(|_| subject.record.confirmation.is_some()) {
                Some(pem) => Some(PublicKey::from_pem(pem).map_err(|_| corrupt("a registered public key"))?),
                None => None,
            };
            let proof = ActorProof::Client(client.record.id);
            return Ok(Some(FoundActor { facts: actor, proof, key, spend: None }));
        }
        let actor = facts.actor.as_ref().ok_or(TokenError::ApiKey)?;
        let (key, _) = actor.key.as_ref().ok_or(TokenError::ApiKey)?;
        if *tenant != key.tenant {
            return Err(TokenError::ApiKey);
        }
        Actor::of(actor, None, now)?;
        Ok(Some(FoundActor { facts: actor, proof: ActorProof::ApiKey(key.id), key: None, spend: None }))
    }

    /// The same actor, limited by the key it presented beside its other proof.
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
}

/// The actor of an exchange, the registered key that its child may be bound to, and what its proof uses up.
struct FoundActor<'a> {
    facts: &'a ActorFacts,
    proof: ActorProof<'a>,
    key: Option<PublicKey>,
    spend: Option<Spend>,
}

impl<'a> FoundActor<'a> {
    /// Whom the route leads to, and nothing it proved.
    fn by_route(facts: &'a ExchangeFacts, routed: &'a Routed) -> Result<Self, TokenError> {
        let actor = facts.actor.as_ref().ok_or_else(|| corrupt("the end of a delegation route"))?;
        Ok(Self { facts: actor, proof: ActorProof::Route(&routed.route), key: None, spend: None })
    }
}

pub(crate) fn subject_unknown() -> TokenError {
    TokenError::SubjectToken("it is not a token of this issuer, or not valid any more".to_owned())
}
