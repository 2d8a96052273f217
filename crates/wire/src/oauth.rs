//! Answers of the OAuth endpoints.

use serde::Serialize;
use serde_json::{Value, json};
use zeroid_identity_model::CredentialId;
use zeroid_token_core::{Claims, OAuthCode, TokenTyp};

use crate::params::ParamsError;

/// An error body (RFC 6749 §5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// The value of `error`.
    pub code: &'static str,
    /// The value of `error_description`.
    pub description: String,
}

impl OAuthError {
    /// The error of a code.
    pub fn new(code: OAuthCode, description: impl ToString) -> Self {
        Self { code: code.as_str(), description: description.to_string() }
    }

    /// The body.
    pub fn body(&self) -> Value {
        json!({"error": self.code, "error_description": ascii(&self.description)})
    }
}

/// RFC 6749 §5.2 allows `%x20-21 / %x23-5B / %x5D-7E` in a description.
fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' => '\'',
            '\\' => '/',
            ' '..='~' => c,
            _ => '?',
        })
        .collect()
}

/// Why a request was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Its parameters are not acceptable.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// The grant type is unknown.
    #[error("grant type is not supported; supported are those of the metadata document")]
    UnknownGrant,
    /// A scope breaks the grammar or its bounds.
    #[error("{0}")]
    Scope(String),
    /// A resource breaks the rules.
    #[error("{0}")]
    Target(String),
    /// Client credentials were presented that no client can have.
    #[error("client authentication failed")]
    Client,
    /// More than one way of client authentication (RFC 6749 §2.3).
    #[error("more than one method of client authentication: use one")]
    TwoMethods,
    /// The same, and an assertion is one of them (RFC 7521 §4.2.1).
    #[error("more than one method of client authentication: use the assertion alone")]
    AssertionAndMore,
    /// An assertion of a type that authenticates no client here (RFC 6749 §5.2).
    #[error("client_assertion_type: must be {0}")]
    AssertionType(&'static str),
    /// A header `Authorization` that is malformed, or stands twice.
    #[error("the Authorization header is not one pair of client_id and secret, each encoded as in a form")]
    Authorization,
}

impl WireError {
    /// The body the client sees.
    pub fn oauth(&self) -> OAuthError {
        let code = match self {
            Self::Params(_) | Self::TwoMethods | Self::Authorization => OAuthCode::InvalidRequest,
            Self::UnknownGrant => OAuthCode::UnsupportedGrantType,
            Self::Scope(_) => OAuthCode::InvalidScope,
            Self::Target(_) => OAuthCode::InvalidTarget,
            Self::Client | Self::AssertionAndMore | Self::AssertionType(_) => OAuthCode::InvalidClient,
        };
        OAuthError::new(code, self)
    }
}

/// What a token response is made of.
#[derive(Clone, Copy, Debug)]
pub struct TokenAnswer<'a> {
    /// The token.
    pub access_token: &'a str,
    /// Its kind.
    pub typ: TokenTyp,
    /// What it says.
    pub claims: &'a Claims,
    /// Its lifetime, in seconds.
    pub expires_in: i64,
    /// The creator of the API key it was issued against; only there, and only when known.
    pub user_id: Option<&'a str>,
    /// The presenter's external id; only for an API key.
    pub external_id: Option<&'a str>,
    /// Whether it came from an exchange.
    pub exchanged: bool,
}

/// The body of a successful token response but for the token (RFC 6749 §5.1, RFC 8693 §2.2.1).
#[derive(Serialize)]
struct TokenBody<'a> {
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    jti: CredentialId,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
}

/// The body of a successful token response, as JSON. `issued_token_type` stands in every answer to an exchange, and
/// wherever what was issued is no plain access token (house rule C7).
///
/// # Errors
/// When it cannot be written as JSON, which would be our fault.
pub fn token_response(answer: &TokenAnswer<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let claims = answer.claims;
    let issued_token_type =
        (answer.exchanged || answer.typ == TokenTyp::JwtSvid).then_some(match answer.typ {
            TokenTyp::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            TokenTyp::JwtSvid => "urn:ietf:params:oauth:token-type:jwt",
        });
    let rest = TokenBody {
        token_type: if claims.cnf.is_some() { "DPoP" } else { "Bearer" },
        expires_in: answer.expires_in,
        scope: &claims.scope,
        jti: claims.jti,
        iat: claims.iat,
        issued_token_type,
        account_id: answer.external_id.map(|_| claims.account_id.as_str()),
        project_id: answer.external_id.map(|_| claims.project_id.as_str()),
        external_id: answer.external_id,
        user_id: answer.user_id.filter(|user_id| !user_id.is_empty()),
    };
    let mut body = Vec::with_capacity(answer.access_token.len() + 512);
    body.extend_from_slice(b"{\"access_token\":");
    write_token(&mut body, answer.access_token)?;
    body.push(b',');
    let members = body.len();
    serde_json::to_writer(&mut body, &rest)?;
    body.remove(members);
    Ok(body)
}

/// A compact JWS has no character that JSON would escape (RFC 7515 §7.1), so it is not looked through one by one.
fn write_token(body: &mut Vec<u8>, token: &str) -> Result<(), serde_json::Error> {
    let escaped =
        token.bytes().fold(false, |found, byte| found | (byte < b' ') | (byte == b'"') | (byte == b'\\'));
    if escaped {
        return serde_json::to_writer(body, token);
    }
    body.push(b'"');
    body.extend_from_slice(token.as_bytes());
    body.push(b'"');
    Ok(())
}

/// The body about a live token (RFC 7662 §2.2): everything the token says, and what the registry adds.
#[derive(Debug, Serialize)]
pub struct IntrospectionBody<'a> {
    active: bool,
    #[serde(flatten)]
    claims: &'a Claims,
    token_type: &'a str,
    // What a token leaves out when it is empty, an answer says.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<[&'static str; 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_type: Option<&'static str>,
    principal_sub: &'a str,
    principal_iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<&'a Value>,
}

/// The body about a live token.
pub fn introspection<'a>(
    claims: &'a Claims,
    labels: &'a Value,
    token_type: &'a str,
    principal_sub: &'a str,
) -> IntrospectionBody<'a> {
    IntrospectionBody {
        active: true,
        claims,
        token_type,
        scope: claims.scope.is_empty().then_some(""),
        scopes: claims.scopes.is_empty().then_some([]),
        principal_type: claims.principal_type.is_none().then_some("workload"),
        principal_sub,
        principal_iss: &claims.iss,
        labels: Some(labels).filter(|labels| labels.as_object().is_some_and(|labels| !labels.is_empty())),
    }
}

/// What a signed answer says (RFC 9701 §5). It has no `sub` and no `exp`, so that nobody takes it for an access token.
#[derive(Debug, Serialize)]
pub struct SignedIntrospectionBody<'a, B> {
    /// Who answers.
    pub iss: &'a str,
    /// Who asked, and proved it.
    pub aud: &'a str,
    /// When it was answered, in seconds.
    pub iat: i64,
    /// The answer, as it would be without a signature.
    pub token_introspection: B,
}

/// What is said of a token that is not alive, as a value; [`INTROSPECTION_INACTIVE`] as text.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct InactiveBody {
    active: bool,
}

/// The body about anything else: nothing more is said (RFC 7662 §2.2).
pub const INTROSPECTION_INACTIVE: &str = r#"{"active":false}"#;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn no_caller_sets_a_member_of_an_introspection_answer() {
        let id = "01890000-0000-7000-8000-000000000001";
        let mut claims = json!({
            "iss": "i", "sub": "s", "aud": ["i"], "iat": 1, "exp": 2, "jti": id, "client_id": "c", "account_id": "a",
            "project_id": "p", "grant_type": "api_key", "mission_id": id, "identity_id": id, "external_id": "e",
            "identity_type": "agent", "trust_level": "unverified", "status": "active", "delegation_depth": 0,
            "max_delegation_depth": 5, "department": "billing",
        });
        let labels = json!({"team": "red"});
        for scope in ["", "read"] {
            claims["scope"] = json!(scope);
            let read: Claims = serde_json::from_value(claims.clone()).unwrap();
            let body = serde_json::to_value(introspection(&read, &labels, "Bearer", "s")).unwrap();
            let members = body.as_object().unwrap();
            assert_eq!(members.get("department"), Some(&json!("billing")));
            assert_eq!(members.get("labels"), Some(&labels));
            let ours = |name: &str| zeroid_token_core::is_reserved(name) || name == "department";
            assert!(members.keys().all(|name| ours(name)), "{members:?}");
        }
        let signed = SignedIntrospectionBody { iss: "", aud: "", iat: 0, token_introspection: () };
        let signed = serde_json::to_value(signed).unwrap();
        assert!(signed.as_object().unwrap().keys().all(|name| zeroid_token_core::is_reserved(name)));
    }

    #[track_caller]
    fn check(token: &str) {
        let mut written = b"{\"access_token\":".to_vec();
        write_token(&mut written, token).unwrap();
        written.push(b'}');
        let read: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(read, json!({"access_token": token}));
    }

    #[test]
    fn a_token_is_written_as_it_is_whatever_is_in_it() {
        check("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwcyJ9.c2ln-_");
        check("");
        for byte in 0..=127_u8 {
            check(&format!("a{}b", char::from(byte)));
        }
        check("ä\u{2028}");
    }
}
