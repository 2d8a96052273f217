//! What a deployment settles.

use zeroid_identity_model::TrustDomain;
use zeroid_token_core::limits::MAX_TTL_SECONDS;
use zeroid_token_core::{IssuerRules, Profile, TokenTyp};

/// Lifetime of a credential when nothing shorter applies: long enough for a task, short enough to forget.
pub const DEFAULT_TTL_SECONDS: u32 = 3600;

/// Lifetime of a delegated credential when nothing shorter applies: one step of a task.
pub const DELEGATED_TTL_SECONDS: u32 = 300;

/// How long an ended credential is kept unless told otherwise, in days: as long as somebody may ask what an agent did.
pub const CREDENTIAL_RETENTION_DAYS: u32 = 30;

/// Who may introspect and revoke tokens (house rule E3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inspection {
    /// Whoever presents a token may read it and give it up. Client credentials that are presented must hold.
    #[default]
    Possession,
    /// Only clients that prove who they are, and only tokens of their own tenant.
    Required,
}

impl Inspection {
    /// The word used in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Possession => "possession",
            Self::Required => "required",
        }
    }
}

/// What a deployment settles for every credential.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer, the profile and the lifetimes.
    pub rules: IssuerRules,
    /// The host of every SPIFFE ID we give.
    pub trust_domain: TrustDomain,
    /// The kind of token issued unless another is asked for.
    pub token_typ: TokenTyp,
    /// Check the signature of our own tokens although the recorded digest would do.
    pub always_verify_signatures: bool,
    /// Who may introspect and revoke tokens.
    pub inspection: Inspection,
    /// How many days a credential is kept after its end; at least one.
    pub credential_retention_days: u32,
    /// Take a DPoP proof only with a nonce of ours (RFC 9449 §8): one that was made ahead of time is then good for
    /// minutes, whatever its maker's clock said.
    pub dpop_nonce_required: bool,
}

impl Settings {
    /// The defaults for an issuer and a trust domain.
    pub fn new(issuer: impl Into<String>, trust_domain: TrustDomain) -> Self {
        Self {
            rules: IssuerRules {
                issuer: issuer.into(),
                profile: Profile::default(),
                default_ttl_seconds: DEFAULT_TTL_SECONDS,
                delegated_ttl_seconds: DELEGATED_TTL_SECONDS,
                max_ttl_seconds: MAX_TTL_SECONDS,
            },
            trust_domain,
            token_typ: TokenTyp::default(),
            always_verify_signatures: false,
            inspection: Inspection::default(),
            credential_retention_days: CREDENTIAL_RETENTION_DAYS,
            dpop_nonce_required: false,
        }
    }
}
