//! Three kinds of no: the caller's mistake, a refusal, our fault. They never turn into one another.

use zeroid_jose::{RandomError, RotateError};
use zeroid_storage::{Conflict, StoreError};
use zeroid_token_core::{ClientAuthMethod, GrantType, OAuthCode, Refusal};

/// Our fault. It says nothing about the caller, and it is worth trying again when [`Fault::is_passing`].
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// The store did not do it.
    #[error("{0}")]
    Store(StoreError),
    /// No randomness.
    #[error("no randomness: {0}")]
    Random(#[from] RandomError),
    /// A key did not sign, or a stored key does not load.
    #[error("signing keys: {0}")]
    Keys(String),
    /// Claims or an answer could not be written as JSON.
    #[error("not written as JSON: {0}")]
    Json(String),
    /// What signs did not sign in time: a key that lives elsewhere failed, or too many signatures are waited for.
    #[error("signing: {0}")]
    Signing(String),
    /// Too much is being fetched already.
    #[error("too many fetches are under way")]
    Fetching,
    /// This machine's clock is too far off the store's, by so many seconds.
    #[error("this machine's clock is {0} s off the database's")]
    Clock(i64),
    /// Facts kept changing under a decision.
    #[error("facts changed under every attempt")]
    Contended,
}

impl Fault {
    /// Whether the same call may well succeed soon.
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Contended
                | Self::Clock(_)
                | Self::Signing(_)
                | Self::Fetching
                | Self::Store(StoreError::Busy | StoreError::Unavailable(_))
        )
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Why the signing keys were not changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeysError {
    /// No key of this id is in use.
    #[error("no signing key of this id is in use")]
    Unknown,
    /// The ring refused.
    #[error(transparent)]
    Rotate(#[from] RotateError),
    /// Our fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why the token endpoint issued nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// The key is unknown, revoked or expired: the caller is not told which.
    #[error("API key is not valid")]
    ApiKey,
    /// The subject token is malformed, not ours, not live or unknown.
    #[error("subject_token is not valid: {0}")]
    SubjectToken(String),
    /// The actor's proof does not hold.
    #[error("actor_token is not valid: {0}")]
    ActorToken(String),
    /// The assertion of a grant does not hold.
    #[error("assertion is not valid: {0}")]
    Assertion(String),
    /// No proof of the actor came.
    #[error(
        "token exchange needs a proof of the actor: send `actor_token` (an assertion signed by the delegate's registered key), the delegate's `api_key`, or authenticate as a client bound to it; no delegation route covers the request"
    )]
    NoActor,
    /// No proof of the actor came, and several delegation routes cover the request.
    #[error(
        "{0} delegation routes cover the request, and one must: ask for fewer of their scopes, or prove the actor"
    )]
    ManyRoutes(usize),
    /// Two proofs name two identities.
    #[error("the proofs of the actor name different identities")]
    TwoActors,
    /// The DPoP proof was used before.
    #[error("the DPoP proof's `jti` was used before; sign a fresh one")]
    ProofUsed,
    /// The client is unknown, switched off, or its proof is wrong or missing: the caller is not told which.
    #[error("client authentication failed")]
    Client,
    /// The client's assertion does not hold.
    #[error("client_assertion is not valid: {0}")]
    ClientAssertion(String),
    /// The client proved who it is, in another way than it is registered for.
    #[error("client authentication failed: this client is registered for `{}`", .0.as_str())]
    ClientMethod(ClientAuthMethod),
    /// The client acts for an identity that does not exist.
    #[error("no identity found that this client acts for")]
    NoIdentity,
    /// The client is registered to ask with a DPoP proof (RFC 9449 §5.2), and sent none.
    #[error("this client is registered for `dpop_bound_access_tokens`: a DPoP header with a proof is needed")]
    ClientWithoutProof,
    /// The client is not registered for the grant.
    #[error("this client is not registered for the grant `{}`", .0.wire_name())]
    UnauthorizedClient(GrantType),
    /// The client and whoever presents the token belong to different tenants.
    #[error("the client belongs to another tenant than the credential presented with it")]
    ForeignClient,
    /// The client says it belongs to a tenant that it does not belong to.
    #[error("account_id and project_id are not those of the client")]
    OtherTenant,
    /// A rule refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Our fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl TokenError {
    /// The code the client sees; absent when it is our fault.
    pub const fn oauth_code(&self) -> Option<OAuthCode> {
        Some(match self {
            Self::ApiKey | Self::SubjectToken(_) | Self::ActorToken(_) | Self::Assertion(_) => {
                OAuthCode::InvalidGrant
            }
            Self::ProofUsed | Self::ClientWithoutProof => OAuthCode::InvalidDpopProof,
            Self::ForeignClient => OAuthCode::InvalidGrant,
            Self::NoActor | Self::ManyRoutes(_) | Self::TwoActors | Self::OtherTenant => {
                OAuthCode::InvalidRequest
            }
            Self::Client | Self::ClientAssertion(_) | Self::ClientMethod(_) | Self::NoIdentity => {
                OAuthCode::InvalidClient
            }
            Self::UnauthorizedClient(_) => OAuthCode::UnauthorizedClient,
            Self::Refused(refusal) => refusal.oauth_code(),
            Self::Fault(_) => return None,
        })
    }
}

/// Why an administrative call did nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AdminError {
    /// Unknown, or another tenant's.
    #[error("not found")]
    NotFound,
    /// A member breaks a rule.
    #[error("{field}: {message}")]
    Invalid {
        /// The member, as the request names it.
        field: &'static str,
        /// Which rule.
        message: String,
    },
    /// It contradicts what is stored.
    #[error(transparent)]
    Conflict(Conflict),
    /// Our fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl AdminError {
    /// A member breaks a rule.
    pub fn invalid(field: &'static str, message: impl ToString) -> Self {
        Self::Invalid { field, message: message.to_string() }
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound,
            StoreError::Conflict(Conflict::NoSuchPolicy) => {
                Self::invalid("credential_policy_id", "no such credential policy")
            }
            StoreError::Conflict(Conflict::NoSuchIdentity) => {
                Self::invalid("identity_id", "no such identity")
            }
            StoreError::Conflict(Conflict::NoSuchFrom) => {
                Self::invalid("from_identity_id", "no such identity")
            }
            StoreError::Conflict(Conflict::NoSuchTo) => Self::invalid("to_identity_id", "no such identity"),
            StoreError::Conflict(conflict) => Self::Conflict(conflict),
            other => Self::Fault(Fault::Store(other)),
        }
    }
}
