//! What an operator says of a client.

use serde_json::Value;
use zeroid_identity_model::IdentityId;

use crate::grant::GrantType;

/// What can be said of a client when it is made and when it is changed; absent members have their defaults, or stay.
#[derive(Clone, Debug, Default)]
pub struct ClientTerms {
    /// What it is for.
    pub description: Option<String>,
    /// The identity it acts for; bound once, and for good (house rule E5).
    pub identity: Option<IdentityId>,
    /// The grants it may use: `client_credentials` by default, `authorization_code` of a public one.
    pub grant_types: Option<Vec<GrantType>>,
    /// Where a person may be sent back to.
    pub redirect_uris: Option<Vec<String>>,
    /// Lifetime of its access tokens in seconds; 0 is the deployment's.
    pub access_token_ttl_seconds: Option<u32>,
    /// Lifetime of its refresh tokens in seconds; 0 is the deployment's.
    pub refresh_token_ttl_seconds: Option<u32>,
    /// Its public keys, a JWK Set.
    pub jwks: Option<Value>,
    /// Where they are fetched instead; takes the place of `jwks`, and the other way round (RFC 7591 §2).
    pub jwks_uri: Option<String>,
    /// What it is, as a resource server: each an absolute URI without fragment. An empty list says nothing.
    pub resources: Option<Vec<String>>,
    /// Whether it asks for tokens with a DPoP proof alone (RFC 9449 §5.2); not so by default.
    pub dpop_bound_access_tokens: Option<bool>,
    /// RFC 7591 §2.
    pub software_id: Option<String>,
    /// RFC 7591 §2.
    pub software_version: Option<String>,
    /// RFC 7591 §2.
    pub contacts: Option<Vec<String>>,
    /// Opaque to us.
    pub metadata: Option<Value>,
}
