//! What the engine is asked, and what it answers.

use std::sync::Arc;

use serde_json::Value;
use zeroid_identity_model::{
    ExternalId, IdentityId, IdentityType, Owner, PolicyId, SpiffeId, SubType, Tenant, Timestamp, TrustLevel,
};
use zeroid_jose::{ProofError, Secret};
use zeroid_storage::{ApiKeyRecord, Environment, IdentityRecord};
use zeroid_token_core::{Asked, Claims, CredentialRecord, ScopeSet, TokenTyp};

use crate::client_auth::ClientProof;
use crate::proofs::ProvenRequest;

/// A registration.
#[derive(Clone, Debug)]
pub struct NewIdentity {
    /// The caller's stable name for it.
    pub external_id: ExternalId,
    /// Display name.
    pub name: String,
    /// Its type.
    pub identity_type: IdentityType,
    /// Its sub-type; an agent without one is a `tool_agent`.
    pub sub_type: Option<SubType>,
    /// How much it is trusted.
    pub trust_level: TrustLevel,
    /// Who answers for it.
    pub owner: Owner,
    /// Who registers it; may be empty.
    pub created_by: String,
    /// Its list of scopes; absent when it has none.
    pub allowed_scopes: Option<ScopeSet>,
    /// Its policy; the tenant's default when absent.
    pub policy_id: Option<PolicyId>,
    /// Its public key.
    pub public_key_pem: Option<String>,
    /// When its authority ends.
    pub expires_at: Option<Timestamp>,
    /// Framework.
    pub framework: String,
    /// Version.
    pub version: String,
    /// Publisher.
    pub publisher: String,
    /// Description.
    pub description: String,
    /// Capabilities, any JSON.
    pub capabilities: Value,
    /// Labels, any JSON.
    pub labels: Value,
    /// Metadata, any JSON.
    pub metadata: Value,
}

impl NewIdentity {
    /// An agent of this name and owner; everything else unset.
    pub fn agent(external_id: ExternalId, owner: Owner) -> Self {
        Self {
            name: external_id.to_string(),
            created_by: owner.to_string(),
            external_id,
            identity_type: IdentityType::Agent,
            sub_type: None,
            trust_level: TrustLevel::Unverified,
            owner,
            allowed_scopes: None,
            policy_id: None,
            public_key_pem: None,
            expires_at: None,
            framework: String::new(),
            version: String::new(),
            publisher: String::new(),
            description: String::new(),
            capabilities: Value::Array(Vec::new()),
            labels: Value::Object(serde_json::Map::new()),
            metadata: Value::Object(serde_json::Map::new()),
        }
    }
}

/// An identity that was registered with its first key, or got a new one.
#[derive(Debug)]
pub struct Registered {
    /// The identity.
    pub record: IdentityRecord,
    /// The key's record.
    pub key: ApiKeyRecord,
    /// The key itself; shown once.
    pub api_key: Secret,
}

/// A new API key.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// The identity that will authenticate with it.
    pub identity: IdentityId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its list of scopes; absent when it has none.
    pub scopes: Option<ScopeSet>,
    /// Its own policy; the identity's alone governs it when absent.
    pub policy_id: Option<PolicyId>,
    /// A label.
    pub environment: Environment,
    /// Opaque to us.
    pub metadata: Value,
    /// Who makes it; may be empty.
    pub created_by: String,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A request of the grant `api_key`.
#[derive(Debug)]
pub struct ApiKeyGrant {
    /// The key.
    pub api_key: Secret,
    /// The client that asks with it, if one does.
    pub client: Option<ClientProof>,
    /// What is asked for.
    pub asked: Asked,
    /// Which kind of token; the deployment's default when absent.
    pub typ: Option<TokenTyp>,
}

/// A request of the grant `client_credentials` (RFC 6749 §4.4).
#[derive(Debug)]
pub struct ClientCredentialsGrant {
    /// The client that asks; without one nobody does.
    pub client: Option<ClientProof>,
    /// The account it says it belongs to, if it says so.
    pub account: Option<String>,
    /// The project it says it belongs to, if it says so.
    pub project: Option<String>,
    /// What is asked for.
    pub asked: Asked,
    /// Which kind of token; the deployment's default when absent.
    pub typ: Option<TokenTyp>,
}

/// A request of the grant `urn:ietf:params:oauth:grant-type:jwt-bearer` (RFC 7523 §2.1).
#[derive(Debug)]
pub struct JwtBearerGrant {
    /// The identity's own assertion, signed by its registered key.
    pub assertion: Secret,
    /// The client that asks with it, if one does.
    pub client: Option<ClientProof>,
    /// What is asked for.
    pub asked: Asked,
    /// Which kind of token; the deployment's default when absent.
    pub typ: Option<TokenTyp>,
}

/// A request of the grant `urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693 §2.1).
#[derive(Debug)]
pub struct ExchangeGrant {
    /// The token that is delegated from.
    pub subject_token: Secret,
    /// The delegate's own signed assertion.
    pub actor_token: Option<Secret>,
    /// The delegate's own API key.
    pub api_key: Option<Secret>,
    /// The client that asks; one that is bound to an identity proves the delegate by that.
    pub client: Option<ClientProof>,
    /// What is asked for.
    pub asked: Asked,
    /// Which kind of token; the deployment's default when absent.
    pub typ: Option<TokenTyp>,
}

/// A credential that was issued and is durable.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub access_token: Secret,
    /// Its kind.
    pub typ: TokenTyp,
    /// What is stored of it.
    pub record: Arc<CredentialRecord>,
    /// What it says.
    pub claims: Box<Claims>,
    /// Its lifetime in seconds.
    pub expires_in: i64,
    /// The creator of the key it was issued against; grant `api_key` only, and may be empty.
    pub user_id: Option<String>,
    /// The external id of who presents it.
    pub external_id: ExternalId,
}

/// What a token's holder may know of it, now.
#[derive(Clone, Debug)]
pub enum Introspection {
    /// Not a live token of ours. Nothing more is said.
    Inactive,
    /// Live.
    Active(Box<ActiveToken>),
}

/// A live token.
#[derive(Clone, Debug)]
pub struct ActiveToken {
    /// What it says; trust is never more than the registry's.
    pub claims: Box<Claims>,
    /// The labels of its presenter, now.
    pub labels: Value,
    /// `Bearer`, or `DPoP` when it is bound to a key.
    pub token_type: &'static str,
    /// The root workload's URI.
    pub principal_sub: String,
}

/// Who makes an administrative call, as its credential says.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The tenant the credential belongs to.
    pub tenant: Tenant,
    /// The usable scopes.
    pub scopes: ScopeSet,
    /// The presenter.
    pub identity: IdentityId,
    /// The presenter's URI.
    pub subject: SpiffeId,
    /// The creator of the key behind the token, else the presenter's owner; may be empty.
    pub created_by: String,
}

/// How an access token came with a request. Holds secrets, so it cannot be printed.
#[derive(Clone, Copy)]
pub enum Presentation<'a> {
    /// By itself (RFC 6750 §2.1).
    Bearer(&'a str),
    /// With a proof of the key it is bound to (RFC 9449 §7.1).
    Dpop {
        /// The token.
        token: &'a str,
        /// The proof.
        proof: &'a str,
        /// The request the proof must be for.
        request: ProvenRequest<'a>,
    },
}

/// Why an access token was not accepted as it was presented.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresentationRefused {
    /// The token is none for us, or not alive, or wants a proof.
    #[error(transparent)]
    Bearer(#[from] BearerRefused),
    /// Bound to no key, so that no proof says anything about it.
    #[error("the access token is bound to no key and must be used as a bearer token")]
    Unbound,
    /// The proof is none for this token and request.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The proof was used before.
    #[error("the DPoP proof's `jti` was used before; sign a fresh one")]
    ProofUsed,
}

/// Why a bearer was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BearerRefused {
    /// Malformed, not ours, not for us, or not live.
    #[error("the access token is invalid, expired or revoked")]
    InvalidToken,
    /// Bound to a key, and presented without proof of it.
    #[error("the access token is bound to a key and cannot be used as a bearer token")]
    SenderConstrained,
}
