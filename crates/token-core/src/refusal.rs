//! Why nothing was issued: exact inside, and one code outside.

use std::fmt;

use zeroid_identity_model::{MayNotAct, TrustLevel};

use crate::additional::AdditionalClaimsError;
use crate::ceiling::Side;
use crate::grant::GrantType;
use crate::lineage::LineageTooLong;
use crate::live::Dead;
use crate::policy::AttestationLevel;
use crate::scope::Scope;

/// The codes clients see (RFC 6749 §5.2, RFC 8707 §2, RFC 9449 §5 and §8, and the house's `policy_violation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OAuthCode {
    /// RFC 6749 §5.2.
    InvalidRequest,
    /// RFC 6749 §5.2.
    InvalidClient,
    /// RFC 6749 §5.2.
    InvalidGrant,
    /// RFC 6749 §5.2.
    UnauthorizedClient,
    /// RFC 6749 §5.2.
    UnsupportedGrantType,
    /// RFC 6749 §5.2.
    InvalidScope,
    /// RFC 8707 §2.
    InvalidTarget,
    /// RFC 9449 §5.
    InvalidDpopProof,
    /// RFC 9449 §8: a proof with a nonce of ours is wanted.
    UseDpopNonce,
    /// A credential policy refused.
    PolicyViolation,
}

impl OAuthCode {
    /// The value of `error`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::PolicyViolation => "policy_violation",
        }
    }
}

/// One scope that was asked for in vain, and which side refused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeRefused {
    /// The scope.
    pub scope: Scope,
    /// Who lacks it.
    pub side: Side,
}

impl fmt::Display for ScopeRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}", self.scope, self.side)
    }
}

/// Why a credential was not issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The presenter may not act now.
    #[error(transparent)]
    Presenter(#[from] MayNotAct),
    /// The key, or the subject token, leaves no whole second of life.
    #[error("credential_expired")]
    CredentialExpired,
    /// The subject token is not alive.
    #[error("subject token is not alive: {0}")]
    Subject(#[from] Dead),
    /// Presenter and subject token belong to different tenants.
    #[error("actor is not known in the tenant of the subject token")]
    ForeignActor,
    /// The delegation route leads from somebody else, or to somebody else.
    #[error("the delegation route does not lead from the presenter of the subject token to this actor")]
    OffRoute,
    /// The subject token names who may act on it, and the actor is not among them.
    #[error("actor is not among those named by may_act of the subject token")]
    NotNamedByMayAct,
    /// The subject token is bound to a key of which no proof came.
    #[error("subject token is bound to a key, and no proof of that key was presented")]
    SenderProofMissing,
    /// The chain would be deeper than a policy on it allows.
    #[error("delegation would be {depth} deep, at most {cap} allowed on this chain")]
    ChainTooDeep {
        /// How deep it would be.
        depth: u8,
        /// The cap of this chain.
        cap: u8,
    },
    /// The lineage would have too many links.
    #[error(transparent)]
    Lineage(#[from] LineageTooLong),
    /// An exchange that names no scope.
    #[error("scope is required: name what is to be delegated")]
    ScopeMissing,
    /// Nothing of what was asked for is left.
    #[error("nothing left of the requested scope: {}", listed(.0))]
    NothingLeft(Vec<ScopeRefused>),
    /// A resource outside what the subject token is bound to.
    #[error("resource `{0}` is outside what the subject token is bound to")]
    Target(String),
    /// A policy that is switched off.
    #[error("credential policy violation: policy is not active")]
    PolicyInactive,
    /// A policy whose time ran out.
    #[error("credential policy violation: policy has expired")]
    PolicyExpired,
    /// A grant the policy does not list.
    #[error("credential policy violation: grant type `{0}` is not allowed")]
    GrantNotAllowed(GrantType),
    /// A lifetime that was asked for and is longer than allowed.
    #[error("credential policy violation: lifetime of {asked} s asked for, at most {max} s allowed")]
    TtlAboveMaximum {
        /// What was asked for, in seconds.
        asked: u32,
        /// What is allowed, in seconds.
        max: u32,
    },
    /// Less trust than the policy demands.
    #[error("credential policy violation: trust level `{required}` is required")]
    TrustTooLow {
        /// What the policy demands.
        required: TrustLevel,
    },
    /// Less attestation than the policy demands.
    #[error("credential policy violation: attestation `{}` is required", .required.as_str())]
    NotAttested {
        /// What the policy demands.
        required: AttestationLevel,
    },
    /// A claim about the task would change, or name more tools.
    #[error(
        "`{0}` is inherited from the subject token; allowed_tools can be narrowed, and nothing else changed"
    )]
    TaskClaim(&'static str),
    /// An additional claim that is reserved or would change, or too many of them.
    #[error("additional_claims: {0}")]
    Additional(#[from] AdditionalClaimsError),
    /// The token would be larger than clients accept.
    #[error("token would be {bytes} bytes long, at most {max} allowed")]
    TokenTooLarge {
        /// How long it would be.
        bytes: usize,
        /// The bound.
        max: usize,
    },
}

impl Refusal {
    /// The code the client sees. No `_` arm: a new refusal must choose.
    pub const fn oauth_code(&self) -> OAuthCode {
        match self {
            Self::Presenter(_)
            | Self::CredentialExpired
            | Self::Subject(_)
            | Self::ForeignActor
            | Self::OffRoute
            | Self::NotNamedByMayAct => OAuthCode::InvalidGrant,
            Self::SenderProofMissing => OAuthCode::InvalidDpopProof,
            Self::ChainTooDeep { .. } | Self::ScopeMissing | Self::NothingLeft(_) => OAuthCode::InvalidScope,
            Self::Lineage(_) | Self::TaskClaim(_) | Self::Additional(_) | Self::TokenTooLarge { .. } => {
                OAuthCode::InvalidRequest
            }
            Self::Target(_) => OAuthCode::InvalidTarget,
            Self::PolicyInactive
            | Self::PolicyExpired
            | Self::GrantNotAllowed(_)
            | Self::TtlAboveMaximum { .. }
            | Self::TrustTooLow { .. }
            | Self::NotAttested { .. } => OAuthCode::PolicyViolation,
        }
    }
}

fn listed(refused: &[ScopeRefused]) -> String {
    const NAMED: usize = 8; // A description is one line; the rest is counted.
    let mut text: Vec<_> = refused.iter().take(NAMED).map(ToString::to_string).collect();
    if refused.len() > NAMED {
        text.push(format!("and {} more", refused.len() - NAMED));
    }
    text.join(", ")
}
