//! Metadata of this server as a protected resource (RFC 9728).

use serde_json::{Value, json};
use zeroid_token_core::Scope;

/// The document of `/.well-known/oauth-protected-resource` (RFC 9728 §2): how the administrative routes are called, and
/// who issues the tokens they take.
///
/// A token takes the place of a cookie, so it comes in the header `Authorization` alone; one that is bound to a key comes
/// with a proof (RFC 9449 §7), and no caller has to use one.
pub fn protected_resource(issuer: &str, dpop_algorithms: &[&str]) -> Value {
    json!({
        "resource": issuer,
        "resource_name": "ZeroID",
        "authorization_servers": [issuer],
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "scopes_supported": [Scope::NHI_MANAGE, Scope::CREDENTIALS_MANAGE],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": dpop_algorithms,
        "dpop_bound_access_tokens_required": false,
    })
}
