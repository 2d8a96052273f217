//! Metadata documents: what an endpoint can do and nothing else.

use serde_json::{Value, json};
use zeroid_identity_model::{IdentityType, Status, SubType, TrustLevel};
use zeroid_token_core::{ClientAuthMethod, GrantType, Profile};

/// What the authorization server's metadata depends on.
#[derive(Clone, Copy, Debug)]
pub struct Metadata<'a> {
    /// The issuer URL.
    pub issuer: &'a str,
    /// How chains are told.
    pub profile: Profile,
    /// The algorithms of DPoP proofs (RFC 9449 §5.1).
    pub dpop_algorithms: &'a [&'a str],
    /// What introspection answers are signed by, where a client asks for that (RFC 9701 §7).
    pub answers_signed_by: &'a str,
    /// Whether introspection and revocation are for clients that prove who they are alone.
    pub looking_needs_a_client: bool,
}

/// The grants the token endpoint takes.
const GRANTS: [GrantType; 4] =
    [GrantType::ApiKey, GrantType::ClientCredentials, GrantType::JwtBearer, GrantType::TokenExchange];

/// The algorithms of assertions that clients sign: one for each kind of key (RFC 8414 §2).
const ALGORITHMS: [&str; 3] = ["ES256", "RS256", "EdDSA"];

/// The document of `/.well-known/oauth-authorization-server` (RFC 8414 §2).
pub fn authorization_server(metadata: &Metadata<'_>) -> Value {
    let issuer = metadata.issuer;
    let methods: Vec<_> = ClientAuthMethod::ALL.iter().map(|method| method.as_str()).collect();
    let proven = |is_open: bool| {
        let kept = methods.iter().filter(move |method| is_open || **method != "none");
        kept.copied().collect::<Vec<_>>()
    };
    let looking = proven(!metadata.looking_needs_a_client);
    json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}/oauth2/token"),
        "introspection_endpoint": format!("{issuer}/oauth2/token/introspect"),
        "revocation_endpoint": format!("{issuer}/oauth2/token/revoke"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "grant_types_supported": GRANTS.map(GrantType::wire_name),
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "introspection_endpoint_auth_methods_supported": looking,
        "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "introspection_signing_alg_values_supported": [metadata.answers_signed_by],
        "revocation_endpoint_auth_methods_supported": looking,
        "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
        "dpop_signing_alg_values_supported": metadata.dpop_algorithms,
        "zeroid_token_profile": metadata.profile.as_str(),
    })
}

/// The vocabularies of the registry.
pub fn identity_schema() -> Value {
    let entry = |word: &str| json!({"value": word, "label": label(word)});
    let types = IdentityType::ALL.iter().map(|kind| {
        let subs: Vec<_> =
            SubType::ALL.iter().filter(|sub| kind.has(**sub)).map(|sub| entry(sub.as_str())).collect();
        json!({"value": kind.as_str(), "label": label(kind.as_str()), "sub_types": subs})
    });
    json!({
        "identity_types": types.collect::<Vec<_>>(),
        "trust_levels": TrustLevel::ALL.iter().rev().map(|level| entry(level.as_str())).collect::<Vec<_>>(),
        "statuses": Status::ALL.iter().map(|status| entry(status.as_str())).collect::<Vec<_>>(),
        "origins": [entry("native")],
    })
}

/// `tool_agent` as `Tool agent`.
fn label(word: &str) -> String {
    let spaced = word.replace('_', " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
