//! What a credential may be: scopes, policies, lineage, cut-offs, the one issuance decision, claims.
//!
//! Everything here is a function of facts. This crate knows no keys, no storage, no HTTP, no async, no
//! clock and no randomness: it takes `now` and bytes.

mod client;
mod client_terms;
mod grant;
mod identity_terms;
mod key_id;
mod scope;
mod strict_json;
mod verified;

mod cut_off;
mod lineage;
mod live;
mod proven_key;
mod record;

mod additional;
mod audience;
mod ceiling;
mod claims;
mod decide;
mod delegation_route;
mod facts;
mod policy;
mod policy_terms;
mod refusal;
mod requirements;
mod reserved;
mod task;

#[cfg(feature = "proptest")]
pub mod strategies;

pub use additional::{AdditionalClaims, AdditionalClaimsError};
pub use audience::{Audience, AudienceError};
pub use ceiling::{Ceiling, Side};
pub use claims::{Act, Claims, Confirmation, MayActEntry};
pub use client::{ClientAuthMethod, ClientName, ClientNameError, UnknownAuthMethod};
pub use client_terms::ClientTerms;
pub use cut_off::{CutOff, CutOffKey, Reason};
pub use decide::{Plan, decide};
pub use delegation_route::{DelegationRoute, DelegationRouteError, NoRoute};
pub use facts::{
    ActorProof, Asked, ClientCaps, Facts, IssuerRules, KeyCaps, NewCredential, Presenter, Profile, Route,
    TokenTyp,
};
pub use grant::GrantType;
pub use identity_terms::IdentityPatch;
pub use key_id::{KeyId, KeyIdError, Thumbprint, ThumbprintError};
pub use lineage::{Lineage, LineageTooLong, Link, Order, Source};
pub use live::{Dead, Live, LiveFacts, Standing, live};
pub use policy::{AttestationLevel, Policy, PolicyError};
pub use policy_terms::{NewPolicy, PolicyPatch};
pub use proven_key::ProvenKey;
pub use record::{CredentialRecord, DecidedBy};
pub use refusal::{OAuthCode, Refusal, ScopeRefused};
pub use requirements::{Requirements, Unmet};
pub use reserved::is_reserved;
pub use scope::{Scope, ScopeError, ScopeSet};
pub use strict_json::{MAX_JSON_DEPTH, StrictJsonError, parse_json_object_strict};
pub use task::{TaskClaimError, TaskClaims};
pub use verified::{Unverified, Verified};

/// The bounds of this crate's values.
pub mod limits {
    pub use crate::additional::{
        MAX_ADDITIONAL_BYTES, MAX_ADDITIONAL_CLAIMS, MAX_ADDITIONAL_DEPTH, MAX_ADDITIONAL_NAME_BYTES,
    };
    pub use crate::audience::{MAX_AUDIENCES, MAX_RESOURCE_BYTES};
    pub use crate::client::MAX_CLIENT_NAME_BYTES;
    pub use crate::delegation_route::MAX_ROUTE_TTL_SECONDS;
    pub use crate::facts::MAX_MAY_ACT;
    pub use crate::lineage::{MAX_DEPTH, MAX_LINKS};
    pub use crate::policy::{MAX_LABEL_NAME_BYTES, MAX_POLICY_NAME_BYTES, MAX_TOKEN_LABELS, MAX_TTL_SECONDS};
    pub use crate::scope::{MAX_SCOPE_BYTES, MAX_SCOPE_TEXT_BYTES, MAX_SCOPES};
    pub use crate::task::{MAX_TASK_BYTES, MAX_TOOLS};
}

/// The law that CONTRIBUTING shows compiles.
#[cfg(all(doctest, feature = "proptest"))]
#[doc = include_str!("../../../CONTRIBUTING.md")]
struct Contributing;
