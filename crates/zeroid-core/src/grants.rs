//! The grants: each proves only who is asking, and then asks the one decision.

use std::sync::Arc;

use zeroid_identity_model::{CredentialId, Timestamp};
use zeroid_jose::{HashPurpose, PublicKey, Secret, SigningKey};
use zeroid_storage::{
    ActorFacts, ActorLookup, Epoch, Guard, IdentityRecord, Issuance, RootFacts, SecretHash, Spend, StoreError,
};
use zeroid_token_core::{
    Asked, Facts, GrantType, KeyCaps, NewCredential, Order, Plan, Presenter, Refusal, Route, Source,
    TokenTyp, decide,
};

use crate::assertion::Assertion;
use crate::client_auth::{ClientProof, UsedClient};
use crate::engine::Engine;
use crate::error::{Fault, TokenError};
use crate::requests::{ApiKeyGrant, ClientCredentialsGrant, Issued, JwtBearerGrant};

/// How often facts are read again when they changed before the outcome was stored.
pub(crate) const ATTEMPTS: usize = 8;

/// Unknown, foreign and keyless signers are not told apart.
pub(crate) const NOT_SIGNED: &str = "it is not signed by a key registered in this tenant";

pub(crate) const USED: &str = "its `jti` was used before; sign a fresh one";

const PROOF_OR_USED: &str = "its `jti`, or that of another proof of the request (DPoP, `client_assertion`), was used before; sign fresh ones";

const EITHER_USED: &str = "its `jti`, or that of `client_assertion`, was used before; sign fresh ones";

impl Engine {
    /// Issue against an API key: the root of a chain.
    ///
    /// # Errors
    /// [`TokenError`]; nothing was issued.
    pub async fn api_key_grant(&self, grant: ApiKeyGrant) -> Result<Issued, TokenError> {
        let proof = RootProof::ApiKey(self.api_key_hash(&grant.api_key));
        self.root_grant(proof, grant.client.as_ref(), &grant.asked, grant.typ).await
    }

    /// Issue against an assertion signed by an identity's registered key (RFC 7523 §2.1): the root of a chain.
    ///
    /// # Errors
    /// [`TokenError`]; nothing was issued, and the assertion was not used up.
    pub async fn jwt_bearer_grant(&self, grant: JwtBearerGrant) -> Result<Issued, TokenError> {
        let proof = RootProof::Assertion(&grant.assertion);
        self.root_grant(proof, grant.client.as_ref(), &grant.asked, grant.typ).await
    }

    /// Issue to the identity a client is bound to (RFC 6749 §4.4): the root of a chain.
    ///
    /// # Errors
    /// [`TokenError`]; nothing was issued, and no assertion was used up.
    pub async fn client_credentials_grant(
        &self,
        grant: ClientCredentialsGrant,
    ) -> Result<Issued, TokenError> {
        let proof =
            RootProof::Client { account: grant.account.as_deref(), project: grant.project.as_deref() };
        self.root_grant(proof, grant.client.as_ref(), &grant.asked, grant.typ).await
    }

    /// The one way to a root: who asks is found and proven, and then asks the one decision.
    async fn root_grant(
        &self,
        proof: RootProof<'_>,
        client_proof: Option<&ClientProof>,
        asked: &Asked,
        typ: Option<TokenTyp>,
    ) -> Result<Issued, TokenError> {
        for _ in 0..ATTEMPTS {
            let (now, signer) = (self.now(), self.signer());
            let client = self.client_of_request(client_proof, proof.grant(), asked, now).await?;
            let Asking { facts, source, registered, spend } =
                self.who_asks(proof, client.as_ref(), now).await?;
            let actor = Actor::of(&facts.actor, client.as_ref(), now)?;
            let plan = self.decide(Deciding {
                presenter: actor.presenter(registered.as_ref()),
                principal: &facts.actor.identity,
                route: Route::Root { grant: proof.grant(), source },
                asked,
                order: facts.order,
                signer: &signer,
                now,
            })?;
            let draft = Draft { plan, asked, actor, epoch: facts.epoch, spend, signer: &signer, now };
            if let Some(mut issued) = self.store_and_sign(draft, typ).await? {
                issued.user_id = facts.actor.key.as_ref().map(|(key, _)| key.created_by.clone());
                return Ok(issued);
            }
        }
        Err(Fault::Contended.into())
    }

    /// Who asks for a root, and how that is proven.
    async fn who_asks(
        &self,
        proof: RootProof<'_>,
        client: Option<&UsedClient>,
        now: Timestamp,
    ) -> Result<Asking, TokenError> {
        match proof {
            RootProof::ApiKey(hash) => {
                let facts = self.store.root_facts(&ActorLookup::ApiKey(hash)).await.map_err(Fault::from)?;
                let facts = facts.ok_or(TokenError::ApiKey)?;
                let (key, _) = facts.actor.key.as_ref().ok_or(TokenError::ApiKey)?;
                let source = Source::ApiKey(key.id);
                Ok(Asking { facts, source, registered: None, spend: None })
            }
            RootProof::Assertion(token) => {
                let unproven = || TokenError::Assertion(NOT_SIGNED.to_owned());
                let assertion = self.read_assertion(token, now).map_err(TokenError::Assertion)?;
                let lookup = ActorLookup::Spiffe(assertion.issuer.clone());
                let facts = self.store.root_facts(&lookup).await.map_err(Fault::from)?;
                let facts = facts.ok_or_else(unproven)?;
                let (key, spend) = self.signed_by(&facts.actor, assertion)?.ok_or_else(unproven)?;
                Ok(Asking { facts, source: Source::Assertion, registered: Some(key), spend: Some(spend) })
            }
            RootProof::Client { account, project } => {
                let client = client.ok_or(TokenError::Client)?;
                let own = &client.record.tenant;
                let agrees = account.is_none_or(|named| named == own.account.as_str())
                    && project.is_none_or(|named| named == own.project.as_str());
                if !agrees {
                    return Err(TokenError::OtherTenant);
                }
                let facts = client.facts.clone().ok_or(TokenError::NoIdentity)?;
                let source = Source::Client(client.record.id);
                Ok(Asking { facts, source, registered: None, spend: None })
            }
        }
    }

    pub(crate) fn api_key_hash(&self, key: &Secret) -> SecretHash {
        SecretHash(*self.master.keyed_hash(HashPurpose::ApiKey, key.expose().as_bytes()).as_bytes())
    }

    /// The key that signs now; one decision uses one key.
    pub(crate) fn signer(&self) -> Arc<SigningKey> {
        Arc::clone(self.ring().signer())
    }

    pub(crate) fn read_assertion<'a>(
        &self,
        token: &'a Secret,
        now: Timestamp,
    ) -> Result<Assertion<'a>, String> {
        Assertion::read(token.expose(), &self.settings.rules.issuer, now)
    }

    /// The identity's registered key, if it signed the assertion, and what that uses up; absent when it has none or
    /// did not.
    pub(crate) fn signed_by(
        &self,
        actor: &ActorFacts,
        assertion: Assertion<'_>,
    ) -> Result<Option<(PublicKey, Spend)>, Fault> {
        let Some(pem) = actor.identity.identity.public_key_pem.as_deref() else { return Ok(None) };
        let key = PublicKey::from_pem(pem).map_err(|_| corrupt("a registered public key"))?;
        Ok(assertion.authenticate([&key], &self.master).map(|spend| (key, spend)))
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
    pub(crate) async fn store_and_sign(
        &self,
        draft: Draft<'_>,
        typ: Option<TokenTyp>,
    ) -> Result<Option<Issued>, TokenError> {
        let typ = typ.unwrap_or(self.settings.token_typ);
        let (access_token, digest) = self.sign(draft.signer, &draft.plan, typ).await?;
        let Plan { record, claims } = draft.plan;
        let by_client = draft.actor.client.and_then(|client| client.spend.clone());
        let proof = draft.asked.proven_key.as_ref().map(|proven| self.spend_of(proven));
        let mut guards = draft.actor.guards();
        guards.extend(record.route().map(Guard::DelegationRoute));
        let used = Used { own: draft.spend.is_some(), client: by_client.is_some(), proof: proof.is_some() };
        let issuance = Issuance {
            record: Arc::clone(&record),
            digest,
            guards,
            // The client was read apart: what holds since the older reading holds.
            epoch: draft.actor.client.map_or(draft.epoch, |client| client.epoch().min(draft.epoch)),
            spends: draft.spend.into_iter().chain(by_client).chain(proof).collect(),
            now: draft.now,
        };
        match self.store.issue(issuance).await {
            Ok(()) => {}
            Err(StoreError::Stale) => return Ok(None),
            Err(StoreError::Spent) => {
                return Err(used.refused(record.grant_type));
            }
            Err(StoreError::Dead(dead)) => {
                // Another replica may have retired the key this one signed with.
                let again = self.lost_its_key(draft.signer.kid(), &dead).await?;
                return if again { Ok(None) } else { Err(Refusal::Subject(*dead).into()) };
            }
            Err(other) => return Err(Fault::from(other).into()),
        }
        let expires_in = claims.exp - claims.iat;
        let external_id = draft.actor.facts.identity.identity.external_id.clone();
        Ok(Some(Issued { access_token, typ, record, claims, expires_in, user_id: None, external_id }))
    }
}

/// How whoever asks for a root proves who it is.
#[derive(Clone, Copy)]
enum RootProof<'a> {
    ApiKey(SecretHash),
    Assertion(&'a Secret),
    /// By the client of the request, and the tenant it names, if it does.
    Client {
        account: Option<&'a str>,
        project: Option<&'a str>,
    },
}

impl RootProof<'_> {
    const fn grant(self) -> GrantType {
        match self {
            Self::ApiKey(_) => GrantType::ApiKey,
            Self::Assertion(_) => GrantType::JwtBearer,
            Self::Client { .. } => GrantType::ClientCredentials,
        }
    }
}

/// Who asks for a root.
struct Asking {
    facts: RootFacts,
    source: Source,
    registered: Option<PublicKey>,
    spend: Option<Spend>,
}

/// Which single-use things a request brought.
#[derive(Clone, Copy)]
struct Used {
    own: bool,
    client: bool,
    proof: bool,
}

impl Used {
    /// One of them was used before. The store does not say which.
    fn refused(self, grant: GrantType) -> TokenError {
        match (self, grant) {
            (Self { own: false, client: false, .. }, _) => TokenError::ProofUsed,
            (Self { own: false, proof, .. }, _) => {
                TokenError::ClientAssertion(if proof { PROOF_OR_USED } else { USED }.to_owned())
            }
            (Self { proof: true, .. }, GrantType::TokenExchange) => {
                TokenError::ActorToken(PROOF_OR_USED.to_owned())
            }
            (Self { proof: true, .. }, _) => TokenError::Assertion(PROOF_OR_USED.to_owned()),
            (Self { client: true, .. }, _) => TokenError::Assertion(EITHER_USED.to_owned()),
            (_, GrantType::TokenExchange) => TokenError::ActorToken(USED.to_owned()),
            _ => TokenError::Assertion(USED.to_owned()),
        }
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
pub(crate) struct Draft<'a> {
    pub(crate) plan: Plan,
    pub(crate) asked: &'a Asked,
    pub(crate) actor: Actor<'a>,
    pub(crate) epoch: Epoch,
    pub(crate) spend: Option<Spend>,
    pub(crate) signer: &'a Arc<SigningKey>,
    pub(crate) now: Timestamp,
}

/// An identity with what it used in the request: a key that is good now, a client of its tenant.
#[derive(Clone, Copy)]
pub(crate) struct Actor<'a> {
    facts: &'a ActorFacts,
    client: Option<&'a UsedClient>,
}

impl<'a> Actor<'a> {
    /// The actor as it is. Unknown, revoked and expired keys are not told apart.
    pub(crate) fn of(
        facts: &'a ActorFacts,
        client: Option<&'a UsedClient>,
        now: Timestamp,
    ) -> Result<Self, TokenError> {
        if let Some((key, _)) = &facts.key {
            let expired = key.expires_at.is_some_and(|end| now >= end);
            if key.revoked.is_some() || expired {
                return Err(TokenError::ApiKey);
            }
        }
        if client.is_some_and(|client| client.record.tenant != facts.identity.identity.tenant) {
            return Err(TokenError::ForeignClient);
        }
        Ok(Self { facts, client })
    }

    pub(crate) fn presenter(&self, registered: Option<&PublicKey>) -> Presenter<'a> {
        let facts = self.facts;
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
            client: self.client.map(|client| client.caps(&facts.policy)),
            attestation: None,
            registered_key: registered.map(|key| key.thumbprint()),
        }
    }

    /// Everything the decision was based on, in the version it had.
    fn guards(&self) -> Vec<Guard> {
        let (identity, policy) = (&self.facts.identity, &self.facts.policy);
        let mut guards = vec![
            Guard::Identity(identity.identity.id, identity.version),
            Guard::Policy(policy.id, policy.version),
        ];
        if let Some((key, policy)) = &self.facts.key {
            guards.push(Guard::ApiKey(key.id));
            guards.extend(policy.iter().map(|policy| Guard::Policy(policy.id, policy.version)));
        }
        if let Some(client) = self.client {
            guards.push(Guard::Client(client.record.id, client.record.version));
            guards.extend(client.policy.iter().map(|policy| Guard::Policy(policy.id, policy.version)));
        }
        guards
    }
}

pub(crate) fn corrupt(what: &str) -> Fault {
    Fault::Store(StoreError::Corrupt(format!("{what} is missing or unreadable")))
}
