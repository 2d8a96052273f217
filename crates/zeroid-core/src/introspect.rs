//! What a token says and whether it is alive; giving one up; and who an administrative caller is.

use zeroid_jose::MAX_COMPACT_BYTES;
use zeroid_storage::StoreError;
use zeroid_token_core::{Claims, CutOffKey, Profile, ProvenKey, Reason, Source};

use crate::client_auth::Inspector;
use crate::engine::Engine;
use crate::error::Fault;
use crate::requests::{ActiveToken, BearerRefused, Caller, Introspection, Presentation, PresentationRefused};
use crate::token::LiveToken;

impl Engine {
    /// What this token says, if it is alive now (RFC 7662 §2.2). Whatever is wrong with it, the answer is only
    /// that it is inactive.
    ///
    /// # Errors
    /// Our fault, which is never "inactive".
    pub async fn introspect(&self, token: &str) -> Result<Introspection, Fault> {
        self.introspect_for(token, &Inspector::default()).await
    }

    /// The same, for somebody who may not see all.
    ///
    /// # Errors
    /// As [`Engine::introspect`].
    pub async fn introspect_for(&self, token: &str, who: &Inspector) -> Result<Introspection, Fault> {
        let seen = self.live_token(token).await?.filter(|token| who.is_told_of(&token.facts.record));
        Ok(match seen {
            Some(live) => Introspection::Active(Box::new(self.active(live))),
            None => Introspection::Inactive,
        })
    }

    /// What a live token's holder may know of it.
    pub(crate) fn active(&self, live: LiveToken) -> ActiveToken {
        let LiveToken { claims, facts } = live;
        let mut claims = claims.into_inner();
        let presenter = &facts.presenter.identity;
        lower_trust(&mut claims, presenter.trust_level, self.settings.rules.profile);
        // The registry's are told beside, all of them and as they are now.
        claims.labels = None;
        let token_type = if claims.cnf.is_some() { "DPoP" } else { "Bearer" };
        let principal_sub = facts.record.lineage.root().subject.to_string();
        let labels = presenter.labels.clone();
        ActiveToken { claims, labels, token_type, principal_sub }
    }

    /// Give up a token and everything below it (RFC 7009). A token that is not ours, or is dead already, needs
    /// no giving up.
    ///
    /// # Errors
    /// Our fault: the cut-off is not durable.
    pub async fn revoke_token(&self, token: &str) -> Result<(), Fault> {
        self.revoke_for(token, &Inspector::default()).await
    }

    /// The same, for somebody who may not see all: what they do not see is left alone.
    ///
    /// # Errors
    /// As [`Engine::revoke_token`].
    pub async fn revoke_for(&self, token: &str, who: &Inspector) -> Result<(), Fault> {
        if token.len() > MAX_COMPACT_BYTES {
            return Ok(());
        }
        let Some(presented) = self.read_token(token).await? else { return Ok(()) };
        let Some(facts) = self.store.credential_facts(presented.jti()).await? else { return Ok(()) };
        if self.authenticate(presented, &facts.digest).is_none() || !who.sees(facts.record.tenant()) {
            return Ok(());
        }
        let key = CutOffKey::Credential(facts.record.jti());
        let reason = Reason::new("oauth2_revocation");
        match self.store.cut_off(facts.record.tenant(), &key, &reason, self.now()).await {
            Ok(_) | Err(StoreError::NotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Who presents this bearer token, if it is alive, for us, and bound to no key.
    ///
    /// # Errors
    /// Our fault.
    pub async fn authenticate_bearer(&self, token: &str) -> Result<Result<Caller, BearerRefused>, Fault> {
        let Some(live) = self.token_for_us(token).await? else { return Ok(Err(BearerRefused::InvalidToken)) };
        if live.facts.record.confirmation.is_some() {
            return Ok(Err(BearerRefused::SenderConstrained));
        }
        Ok(Ok(self.caller(&live).await?))
    }

    /// Who presents this access token, if it is alive, for us, and comes as it must: by itself when it is bound to no
    /// key, otherwise with a proof of that key, which is used up.
    ///
    /// # Errors
    /// Our fault.
    pub async fn authenticate_caller(
        &self,
        presented: &Presentation<'_>,
    ) -> Result<Result<Caller, PresentationRefused>, Fault> {
        let (live, proven) = match self.live_presented(presented).await? {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        // What is used up last was not used up in vain.
        let caller = self.caller(&live).await?;
        match proven {
            Some(proven) => Ok(self.use_up(&proven).await?.map(|()| caller)),
            None => Ok(Ok(caller)),
        }
    }

    /// An access token that is alive, for us, and comes as it must, with the proof that it came with: that one is still
    /// to be used up.
    pub(crate) async fn live_presented(
        &self,
        presented: &Presentation<'_>,
    ) -> Result<Result<(LiveToken, Option<ProvenKey>), PresentationRefused>, Fault> {
        let (Presentation::Bearer(token) | Presentation::Dpop { token, .. }) = presented;
        let Some(live) = self.token_for_us(token).await? else {
            return Ok(Err(BearerRefused::InvalidToken.into()));
        };
        Ok(match presented {
            Presentation::Bearer(_) if live.facts.record.confirmation.is_some() => {
                Err(BearerRefused::SenderConstrained.into())
            }
            Presentation::Bearer(_) => Ok((live, None)),
            Presentation::Dpop { token, proof, request } => {
                self.proof_of(&live, token, proof, request).map(|proven| (live, Some(proven)))
            }
        })
    }

    /// A token that is alive and names us as its audience.
    async fn token_for_us(&self, token: &str) -> Result<Option<LiveToken>, Fault> {
        let live = self.live_token(token).await?;
        Ok(live.filter(|live| live.claims.get().aud.contains(&self.settings.rules.issuer)))
    }

    async fn caller(&self, live: &LiveToken) -> Result<Caller, Fault> {
        let facts = &live.facts;
        let own = facts.record.lineage.own();
        let created_by = match own.source {
            Source::ApiKey(id) => self.store.api_key(&own.tenant, id).await?.map(|key| key.created_by),
            Source::Client(_) | Source::Assertion | Source::Presented | Source::Route(_) => None,
        };
        let owner = facts.presenter.identity.owner.as_ref().map(ToString::to_string);
        Ok(Caller {
            tenant: own.tenant.clone(),
            scopes: facts.record.usable.clone(),
            identity: own.identity,
            subject: own.subject.clone(),
            created_by: created_by.filter(|name| !name.is_empty()).or(owner).unwrap_or_default(),
        })
    }
}

/// Introspection never reports more trust than the registry (house rule P9).
fn lower_trust(claims: &mut Claims, registry: zeroid_identity_model::TrustLevel, profile: Profile) {
    match (profile, &mut claims.act) {
        (Profile::Rfc8693, Some(actor)) => {
            actor.trust_level = actor.trust_level.map(|level| level.min(registry));
        }
        _ => claims.trust_level = claims.trust_level.min(registry),
    }
}
