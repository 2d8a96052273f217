//! Answers of the OAuth endpoints.

use serde_json::{Map, Value, json};
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
    #[error("grant type is not supported; supported are `api_key` and token exchange")]
    UnknownGrant,
    /// A scope breaks the grammar or its bounds.
    #[error("{0}")]
    Scope(String),
    /// A resource breaks the rules.
    #[error("{0}")]
    Target(String),
    /// Client credentials were presented, and no client can have them.
    #[error("client authentication failed")]
    Client,
}

impl WireError {
    /// The body the client sees.
    pub fn oauth(&self) -> OAuthError {
        let code = match self {
            Self::Params(_) => OAuthCode::InvalidRequest,
            Self::UnknownGrant => OAuthCode::UnsupportedGrantType,
            Self::Scope(_) => OAuthCode::InvalidScope,
            Self::Target(_) => OAuthCode::InvalidTarget,
            Self::Client => OAuthCode::InvalidClient,
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

/// The body of a successful token response (RFC 6749 §5.1, RFC 8693 §2.2.1). `issued_token_type` stands in every
/// answer to an exchange, and wherever what was issued is no plain access token (house rule C7).
pub fn token_response(answer: &TokenAnswer<'_>) -> Value {
    let claims = answer.claims;
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    put("access_token", answer.access_token.into());
    put("token_type", if claims.cnf.is_some() { "DPoP" } else { "Bearer" }.into());
    put("expires_in", answer.expires_in.into());
    if !claims.scope.is_empty() {
        put("scope", claims.scope.clone().into());
    }
    put("jti", claims.jti.to_string().into());
    put("iat", claims.iat.into());
    if answer.exchanged || answer.typ == TokenTyp::JwtSvid {
        let issued = match answer.typ {
            TokenTyp::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            TokenTyp::JwtSvid => "urn:ietf:params:oauth:token-type:jwt",
        };
        put("issued_token_type", issued.into());
    }
    if let Some(external_id) = answer.external_id {
        put("account_id", claims.account_id.clone().into());
        put("project_id", claims.project_id.clone().into());
        put("external_id", external_id.into());
    }
    if let Some(user_id) = answer.user_id.filter(|user_id| !user_id.is_empty()) {
        put("user_id", user_id.into());
    }
    Value::Object(body)
}

/// The body about a live token (RFC 7662 §2.2): everything the token says, and what the registry adds.
///
/// # Errors
/// When the claims cannot be written as JSON, which would be our fault.
pub fn introspection(
    claims: &Claims,
    labels: &Value,
    token_type: &str,
    principal_sub: &str,
) -> Result<Value, serde_json::Error> {
    let mut body = serde_json::to_value(claims)?;
    if let Some(members) = body.as_object_mut() {
        members.insert("active".to_owned(), true.into());
        members.insert("token_type".to_owned(), token_type.into());
        members.insert("scope".to_owned(), claims.scope.clone().into());
        members.insert("scopes".to_owned(), json!(claims.scopes));
        members.insert("principal_type".to_owned(), "workload".into());
        members.insert("principal_sub".to_owned(), principal_sub.into());
        members.insert("principal_iss".to_owned(), claims.iss.clone().into());
        if labels.as_object().is_some_and(|labels| !labels.is_empty()) {
            members.insert("labels".to_owned(), labels.clone());
        }
    }
    Ok(body)
}

/// The body about anything else: nothing more is said (RFC 7662 §2.2).
pub fn introspection_inactive() -> Value {
    json!({"active": false})
}
