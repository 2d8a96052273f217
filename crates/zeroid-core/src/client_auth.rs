//! Client authentication (RFC 6749 §2.3): who the client of a request is, and whether that is proven.

use std::fmt;
use std::sync::Arc;

use zeroid_identity_model::{IdentityId, Tenant, Timestamp};
use zeroid_jose::{KeyedHash, Secret};
use zeroid_storage::{ActorLookup, ClientRecord, Epoch, RootFacts, Spend, StoreError};
use zeroid_token_core::{
    Asked, Audience, ClientAuthMethod, ClientCaps, ClientName, CredentialRecord, GrantType, Policy,
};

use crate::assertion::{Assertion, Signer};
use crate::engine::Engine;
use crate::error::{Fault, TokenError};
use crate::grants::{ATTEMPTS, USED, corrupt};
use crate::settings::Inspection;

/// What a client presented to say who it is.
#[derive(Debug)]
pub enum ClientProof {
    /// Its name alone: enough for public clients, and proof of nothing.
    Name(String),
    /// Its secret, in the header `Authorization`.
    Basic {
        /// Its name.
        client_id: String,
        /// Its secret.
        secret: Secret,
    },
    /// Its secret, in the body.
    Post {
        /// Its name.
        client_id: String,
        /// Its secret.
        secret: Secret,
    },
    /// An assertion it signed (RFC 7523 §2.2).
    Assertion {
        /// Its name, where the request repeats it.
        client_id: Option<String>,
        /// The assertion.
        assertion: Secret,
    },
}

/// Who looks at a token or gives it up, as far as that decides what is answered.
#[derive(Clone, Debug, Default)]
pub struct Inspector {
    /// The tenant whose tokens are answered; any when absent.
    pub(crate) tenant: Option<Tenant>,
    /// The client that proved who it is.
    pub(crate) client: Option<ClientName>,
    /// That client's tenant.
    pub(crate) own_tenant: Option<Tenant>,
    /// What that client is, as a resource server, where that is known.
    pub(crate) resources: Option<Audience>,
}

impl Inspector {
    /// Whether tokens of this tenant are answered.
    pub(crate) fn sees(&self, tenant: &Tenant) -> bool {
        self.tenant.as_ref().is_none_or(|own| own == tenant)
    }

    /// Whether it is told what this credential says: where it is known what it is, as a resource server, of nothing
    /// that is for somebody else (RFC 7662 §4, RFC 9701 §5).
    pub(crate) fn is_told_of(&self, record: &CredentialRecord) -> bool {
        let is_for = |own: &Audience| record.audience.names_one_of(own);
        self.sees(record.tenant()) && self.resources.as_ref().is_none_or(is_for)
    }
}

/// The client of a request, authenticated as far as it can be.
pub(crate) struct UsedClient {
    pub(crate) record: Arc<ClientRecord>,
    pub(crate) policy: Option<Arc<Policy>>,
    /// The identity it is bound to, with what limits that.
    pub(crate) facts: Option<RootFacts>,
    /// What its proof uses up.
    pub(crate) spend: Option<Spend>,
}

/// How an assertion of a client is read (RFC 7523 §2.2; house rule X12).
impl Signer for ClientName {
    const KINDS: &'static [&'static str] = &["JWT", "client-authentication+jwt"];
    const NO_NAME: &'static str = "`iss` is no client_id";
}

impl Engine {
    /// Who looks at a token, or gives it up. Credentials that are presented must hold; where the deployment asks for
    /// them, they must be there, and only tokens of the client's own tenant are answered (house rule E3).
    ///
    /// # Errors
    /// [`TokenError`] of a client, or our fault.
    pub async fn inspector(&self, proof: Option<&ClientProof>) -> Result<Inspector, TokenError> {
        let is_open = self.settings.inspection == Inspection::Possession;
        let Some(proof) = proof else {
            return if is_open { Ok(Inspector::default()) } else { Err(TokenError::Client) };
        };
        let (client, spend) = self.authenticate_client(proof, self.now()).await?;
        if !is_open && !client.is_confidential() {
            return Err(TokenError::Client);
        }
        if let Some(spend) = spend {
            match self.store.spend_once(spend).await {
                Ok(()) => {}
                Err(StoreError::Spent) => return Err(TokenError::ClientAssertion(USED.to_owned())),
                Err(error) => return Err(Fault::from(error).into()),
            }
        }
        let own_tenant = client.is_confidential().then(|| client.tenant.clone());
        let resources = client.resources.clone().filter(|_| client.is_confidential());
        Ok(Inspector {
            tenant: (!is_open).then(|| client.tenant.clone()),
            client: own_tenant.is_some().then(|| client.client_id.clone()),
            own_tenant,
            resources,
        })
    }

    /// The client of a request for a token; absent when none came, and when it only named itself, which proves
    /// nothing. One that may act for somebody is bound to that identity at its first use (house rule E5).
    pub(crate) async fn client_of_request(
        &self,
        proof: Option<&ClientProof>,
        grant: GrantType,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<Option<UsedClient>, TokenError> {
        match proof {
            // Apart, so that a request without a client does not carry what it needs.
            Some(proof) => Box::pin(self.client_for(proof, grant, asked, now)).await,
            None => Ok(None),
        }
    }

    async fn client_for(
        &self,
        proof: &ClientProof,
        grant: GrantType,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<Option<UsedClient>, TokenError> {
        for _ in 0..ATTEMPTS {
            let (record, spend) = self.authenticate_client(proof, now).await?;
            if !counts_for(&record, grant, asked.proven_key.is_some())? {
                return Ok(None);
            }
            if record.identity.is_none() && self.bind_client(&record).await?.is_some() {
                continue;
            }
            if let Some(facts) = self.facts_of_client(&record).await? {
                return Ok(Some(UsedClient { spend, ..facts }));
            }
        }
        Err(Fault::Contended.into())
    }

    /// A client as it would count in a request of this grant if it authenticated; nothing is bound.
    pub(crate) async fn client_as_if(
        &self,
        record: ClientRecord,
        grant: GrantType,
    ) -> Result<Option<UsedClient>, TokenError> {
        if !record.is_active {
            return Err(TokenError::Client);
        }
        // Its proof of possession is taken as given.
        if !counts_for(&record, grant, true)? {
            return Ok(None);
        }
        let record = Arc::new(record);
        let used = self.facts_of_client(&record).await?.ok_or(Fault::Contended)?;
        if used.facts.is_some() {
            return Ok(Some(used));
        }
        // Its first use would bind it.
        let Some(identity) = self.namesake(&record).await? else { return Ok(Some(used)) };
        let lookup = ActorLookup::Spiffe(identity.spiffe_id);
        let facts = self.store.root_facts(&lookup).await.map_err(Fault::from)?;
        Ok(Some(UsedClient { facts, ..used }))
    }

    /// What a client limits and whom it acts for; absent when it changed since it was read.
    async fn facts_of_client(&self, record: &Arc<ClientRecord>) -> Result<Option<UsedClient>, TokenError> {
        let used = |policy, facts| UsedClient { record: Arc::clone(record), policy, facts, spend: None };
        if record.identity.is_none() {
            return Ok(Some(used(self.policy_of(record).await?, None)));
        }
        let lookup = ActorLookup::Client(record.client_id.clone());
        let Some(facts) = self.store.root_facts(&lookup).await.map_err(Fault::from)? else { return Ok(None) };
        let (read, policy) = facts.actor.client.clone().ok_or_else(|| corrupt("a client"))?;
        // What was authenticated is what these facts are about, or it is authenticated again.
        let unchanged = (read.id, read.version) == (record.id, record.version);
        Ok(unchanged.then(|| used(policy, Some(facts))))
    }

    async fn policy_of(&self, client: &ClientRecord) -> Result<Option<Arc<Policy>>, Fault> {
        let Some(id) = client.policy_id else { return Ok(None) };
        let found = self.store.policy(&client.tenant, id).await?;
        Ok(Some(Arc::new(found.ok_or_else(|| corrupt("a policy"))?.policy)))
    }

    /// Authenticate a client; gives what its proof uses up. An unknown one, one that is switched off and a wrong proof
    /// are not told apart, and have the same reads behind them.
    async fn authenticate_client(
        &self,
        proof: &ClientProof,
        now: Timestamp,
    ) -> Result<(Arc<ClientRecord>, Option<Spend>), TokenError> {
        let assertion = match proof {
            ClientProof::Assertion { assertion, .. } => {
                let issuer = &self.settings.rules.issuer;
                let read = Assertion::<ClientName>::read(assertion.expose(), issuer, now);
                Some(read.map_err(TokenError::ClientAssertion)?)
            }
            ClientProof::Name(_) | ClientProof::Basic { .. } | ClientProof::Post { .. } => None,
        };
        let named = match (proof, &assertion) {
            (ClientProof::Name(name), _) => name,
            (ClientProof::Basic { client_id, .. } | ClientProof::Post { client_id, .. }, _) => client_id,
            (ClientProof::Assertion { client_id: Some(name), .. }, Some(assertion))
                if name != assertion.issuer.as_str() =>
            {
                return Err(TokenError::ClientAssertion("`client_id` names another client".to_owned()));
            }
            (ClientProof::Assertion { .. }, Some(assertion)) => assertion.issuer.as_str(),
            (ClientProof::Assertion { .. }, None) => return Err(TokenError::Client),
        };
        let name: ClientName = named.parse().map_err(|_| TokenError::Client)?;
        let found = self.store.client_by_name(&name).await.map_err(Fault::from)?;
        self.proven(found.filter(|client| client.is_active), proof, assertion, now).await
    }

    /// The client, if the proof is its own and of the kind it is registered for (house rule E4).
    async fn proven(
        &self,
        found: Option<Arc<ClientRecord>>,
        proof: &ClientProof,
        assertion: Option<Assertion<'_, ClientName>>,
        now: Timestamp,
    ) -> Result<(Arc<ClientRecord>, Option<Spend>), TokenError> {
        let (secret, used) = match proof {
            ClientProof::Name(_) => {
                // What a client that has a method of its own is told is what an unknown one is told.
                let public = found.filter(|client| !client.is_confidential());
                return public.map(|client| (client, None)).ok_or(TokenError::Client);
            }
            ClientProof::Assertion { .. } => {
                let unproven = || TokenError::ClientAssertion(NOT_ITS_KEY.to_owned());
                let assertion = assertion.ok_or_else(unproven)?;
                let by_key = Some(ClientAuthMethod::PrivateKeyJwt);
                let client = found.filter(|client| client.auth_method == by_key).ok_or_else(unproven)?;
                let spend = self.signed_by_client(&client, assertion, now).await?;
                return Ok((client, Some(spend.ok_or_else(unproven)?)));
            }
            ClientProof::Basic { secret, .. } => (secret, ClientAuthMethod::ClientSecretBasic),
            ClientProof::Post { secret, .. } => (secret, ClientAuthMethod::ClientSecretPost),
        };
        let known = found.as_ref().and_then(|client| client.secret);
        // Without a secret to compare with the same work is done, and refused.
        let expected = KeyedHash::from_bytes(known.unwrap_or_default().0);
        let agrees = expected.matches(&KeyedHash::from_bytes(self.client_secret_hash(secret).0));
        let client = found.filter(|_| agrees && known.is_some()).ok_or(TokenError::Client)?;
        match client.auth_method {
            Some(registered) if registered != used => Err(TokenError::ClientMethod(registered)),
            _ => Ok((client, None)),
        }
    }
}

/// Whether a client limits and proves anything in a request of this grant, with or without a DPoP proof: one that only
/// names itself does not.
fn counts_for(client: &ClientRecord, grant: GrantType, proven: bool) -> Result<bool, TokenError> {
    if !client.grant_types.contains(&grant) {
        return Err(TokenError::UnauthorizedClient(grant));
    }
    if client.dpop_bound_access_tokens && !proven {
        return Err(TokenError::ClientWithoutProof);
    }
    Ok(client.is_confidential())
}

/// Unknown clients, those without such a key and wrong signatures are not told apart.
const NOT_ITS_KEY: &str = "it is not signed by a key registered for this client";

impl UsedClient {
    /// The identity it is bound to.
    pub(crate) fn identity(&self) -> Option<IdentityId> {
        self.facts.as_ref().map(|facts| facts.actor.identity.identity.id)
    }

    /// The state of the store it was read in; the beginning of time when that is not known, so that all is judged
    /// again.
    pub(crate) fn epoch(&self) -> Epoch {
        self.facts.as_ref().map_or(Epoch(0), |facts| facts.epoch)
    }

    /// What it limits, for a presenter under this policy.
    pub(crate) fn caps<'a>(&'a self, governing: &Policy) -> ClientCaps<'a> {
        ClientCaps {
            id: self.record.id,
            name: self.record.client_id.as_str(),
            scopes: self.record.scopes.as_ref(),
            policy: self.policy.as_deref().filter(|policy| policy.id != governing.id),
            ttl_seconds: self.record.access_token_ttl_seconds,
        }
    }
}

impl fmt::Debug for UsedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsedClient").field("client_id", &self.record.client_id).finish_non_exhaustive()
    }
}
