//! The ways a credential is asked for.

use std::fmt;
use std::str::FromStr;

use zeroid_identity_model::serde_as_text;

/// A grant type (RFC 6749 §4, RFC 7523 §2.1, RFC 8693 §2.1, CIBA §4, and the house's own `api_key`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GrantType {
    /// An API key of a registered identity.
    ApiKey,
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// OpenID CIBA Core §10.1.
    Ciba,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 7523 §2.1.
    JwtBearer,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 8693 §2.1.
    TokenExchange,
}

serde_as_text!(GrantType);

/// The text names no grant type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown grant type")]
pub struct UnknownGrantType;

const JWT_BEARER_URN: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE_URN: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

impl GrantType {
    /// Every grant type a policy can name.
    pub const ALL: &'static [Self] = &[
        Self::ApiKey,
        Self::AuthorizationCode,
        Self::Ciba,
        Self::ClientCredentials,
        Self::JwtBearer,
        Self::RefreshToken,
        Self::TokenExchange,
    ];

    /// The short name: in policies, records and the claim `grant_type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::AuthorizationCode => "authorization_code",
            Self::Ciba => "urn:openid:params:grant-type:ciba",
            Self::ClientCredentials => "client_credentials",
            Self::JwtBearer => "jwt_bearer",
            Self::RefreshToken => "refresh_token",
            Self::TokenExchange => "token_exchange",
        }
    }

    /// The value of the parameter `grant_type` at the token endpoint.
    pub const fn wire_name(self) -> &'static str {
        match self {
            Self::JwtBearer => JWT_BEARER_URN,
            Self::TokenExchange => TOKEN_EXCHANGE_URN,
            other => other.as_str(),
        }
    }

    /// The grant type the token endpoint knows by this value; short forms of URNs are not accepted there.
    pub fn from_wire(value: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|grant| grant.wire_name() == value)
    }
}

/// Accepts the short names and the URNs, as policies do.
impl FromStr for GrantType {
    type Err = UnknownGrantType;

    fn from_str(text: &str) -> Result<Self, UnknownGrantType> {
        let known =
            Self::ALL.iter().copied().find(|grant| grant.as_str() == text || grant.wire_name() == text);
        known.ok_or(UnknownGrantType)
    }
}

impl fmt::Display for GrantType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for GrantType {
    type Error = UnknownGrantType;
    fn try_from(text: String) -> Result<Self, UnknownGrantType> {
        text.parse()
    }
}

impl From<GrantType> for String {
    fn from(grant: GrantType) -> Self {
        grant.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_takes_only_wire_names() {
        for grant in GrantType::ALL {
            assert_eq!(GrantType::from_wire(grant.wire_name()), Some(*grant));
            assert_eq!(grant.as_str().parse(), Ok(*grant));
            assert_eq!(grant.wire_name().parse(), Ok(*grant));
        }
        assert_eq!(GrantType::from_wire("token_exchange"), None);
        assert_eq!(GrantType::from_wire("jwt_bearer"), None);
        assert_eq!(GrantType::from_wire(""), None);
    }
}
