//! What a request that nobody has made would bring to say who asks.

use zeroid_identity_model::{ApiKeyId, DelegationRouteId, Tenant};
use zeroid_storage::{ApiKeyRecord, ClientRecord, IdentityRecord};
use zeroid_token_core::{ActorProof, ClientName, DelegationRoute, GrantType};

use super::{Hypothetical, missing};
use crate::client_auth::UsedClient;
use crate::engine::Engine;
use crate::error::{AdminError, TokenError};

/// How the actor of an exchange would prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeProof {
    /// By an assertion that its registered key signs.
    Assertion,
    /// By its API key.
    ApiKey,
    /// By a client that is bound to it.
    Client,
    /// Not at all: a delegation route stands in, if one covers the request.
    Route,
}

/// What proves who asks, and what limits it besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluatedProof {
    /// What proves it.
    pub by: ExchangeProof,
    /// The key that is used.
    pub api_key: Option<ApiKeyId>,
    /// The client that authenticates.
    pub client: Option<ClientName>,
    /// The route that stands in for a proof; absent when none does.
    pub route: Option<DelegationRouteId>,
}

/// What the request would bring.
pub(super) struct Presented {
    pub(super) by: ExchangeProof,
    pub(super) key: Option<ApiKeyRecord>,
    /// The client that counts, or why it would be refused.
    pub(super) client: Result<Option<UsedClient>, TokenError>,
    client_name: Option<ClientName>,
}

impl Presented {
    /// As the decision takes it; absent where there is none.
    pub(super) fn actor_proof<'r>(
        &self,
        client: Option<&UsedClient>,
        route: Option<&'r DelegationRoute>,
    ) -> Result<ActorProof<'r>, TokenError> {
        match (self.by, &self.key) {
            (ExchangeProof::Assertion, _) => Ok(ActorProof::Assertion),
            (ExchangeProof::Client, _) => {
                client.map(|client| ActorProof::Client(client.record.id)).ok_or(TokenError::Client)
            }
            (ExchangeProof::ApiKey, Some(key)) => Ok(ActorProof::ApiKey(key.id)),
            (ExchangeProof::ApiKey, None) => Err(TokenError::ApiKey),
            (ExchangeProof::Route, _) => route.map(ActorProof::Route).ok_or(TokenError::NoActor),
        }
    }

    pub(super) fn told(&self, route: Option<&DelegationRoute>) -> EvaluatedProof {
        EvaluatedProof {
            by: self.by,
            api_key: self.key.as_ref().map(|key| key.id),
            client: self.client_name.clone(),
            route: route.map(|route| route.id),
        }
    }
}

impl Engine {
    /// What it would bring: what is named, and where nothing is named the proof it can give that shows most of it.
    pub(super) async fn presented_by(
        &self,
        tenant: &Tenant,
        identity: &IdentityRecord,
        wanted: &Hypothetical,
    ) -> Result<Presented, AdminError> {
        let signs = identity.identity.public_key_pem.is_some();
        let client = self.client_named(tenant, wanted).await?;
        let named = match wanted.api_key {
            Some(id) => {
                let key = self.store.api_key(tenant, id).await?;
                let its_own = key.filter(|key| key.identity == wanted.identity);
                Some(
                    its_own
                        .ok_or_else(|| AdminError::invalid("api_key_id", "the identity has no such key"))?,
                )
            }
            None => None,
        };
        let counts = !matches!(client, Ok(None));
        let acts =
            client.as_ref().is_ok_and(|client| client.as_ref().is_some_and(|client| client.facts.is_some()));
        let needs_key = match (wanted.grant, wanted.proof) {
            (GrantType::ApiKey, _) | (_, Some(ExchangeProof::ApiKey)) => true,
            (GrantType::TokenExchange, None) => !signs && !counts,
            _ => false,
        };
        let key = match named {
            None if needs_key => self.newest_key(tenant, wanted.identity).await?,
            named => named,
        };
        let by = match (wanted.grant, wanted.proof) {
            (GrantType::ClientCredentials, _) => ExchangeProof::Client,
            (GrantType::JwtBearer, _) => ExchangeProof::Assertion,
            // As in an exchange: a client that acts for somebody proves that one, whatever key is beside it.
            (GrantType::TokenExchange, None | Some(ExchangeProof::ApiKey)) if acts => ExchangeProof::Client,
            (GrantType::TokenExchange, Some(proof)) => proof,
            (GrantType::TokenExchange, None) if key.is_some() => ExchangeProof::ApiKey,
            (GrantType::TokenExchange, None) if counts => ExchangeProof::Client,
            (GrantType::TokenExchange, None) if signs => ExchangeProof::Assertion,
            (GrantType::TokenExchange, None) => ExchangeProof::Route,
            _ => ExchangeProof::ApiKey,
        };
        match by {
            ExchangeProof::Assertion if !signs => {
                let why = "has no registered key to sign an assertion with";
                return Err(AdminError::invalid("identity_id", why));
            }
            ExchangeProof::ApiKey if key.is_none() => {
                return Err(AdminError::invalid("identity_id", "has no API key"));
            }
            ExchangeProof::Client if !counts && wanted.grant == GrantType::TokenExchange => {
                return Err(AdminError::invalid("client_id", "proves nobody: this client only names itself"));
            }
            ExchangeProof::Client => {
                let other = |client: &UsedClient| client.identity().is_some_and(|id| id != wanted.identity);
                if client.as_ref().is_ok_and(|client| client.as_ref().is_some_and(other)) {
                    return Err(AdminError::invalid("client_id", "acts for another identity"));
                }
            }
            _ => {}
        }
        Ok(Presented { by, key, client: client_that_proves(client, by), client_name: wanted.client.clone() })
    }

    /// The client of the request, or why it would be refused.
    async fn client_named(
        &self,
        tenant: &Tenant,
        wanted: &Hypothetical,
    ) -> Result<Result<Option<UsedClient>, TokenError>, AdminError> {
        let Some(name) = &wanted.client else { return Ok(Ok(None)) };
        let found = self.store.client_by_name(name).await?;
        let found = found.filter(|client| client.tenant == *tenant).ok_or_else(missing("client_id"))?;
        match self.client_as_if(ClientRecord::clone(&found), wanted.grant).await {
            Err(TokenError::Fault(fault)) => Err(fault.into()),
            used => Ok(used),
        }
    }
}

/// Who acts for nobody proves nobody, and who only names itself proves nothing.
fn client_that_proves(
    client: Result<Option<UsedClient>, TokenError>,
    by: ExchangeProof,
) -> Result<Option<UsedClient>, TokenError> {
    match (client, by) {
        (Ok(None), ExchangeProof::Client) => Err(TokenError::Client),
        (Ok(Some(client)), ExchangeProof::Client) if client.facts.is_none() => Err(TokenError::NoIdentity),
        (client, _) => client,
    }
}
