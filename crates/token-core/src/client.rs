//! What an OAuth client calls itself, and how it authenticates.

use std::fmt;
use std::str::FromStr;

use zeroid_identity_model::serde_as_text;

/// Longest `client_id`, in bytes.
pub const MAX_CLIENT_NAME_BYTES: usize = 255;

/// The `client_id` of an OAuth client (RFC 6749 §2.2), unique over all tenants: 1 to 255 printable ASCII characters.
///
/// A registered one is no URI of the schemes `spiffe` and `https`: those stand in the claim `client_id` for workloads
/// and for clients that publish their own metadata, and nobody may be taken for either.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientName(String);

serde_as_text!(ClientName);

/// Why a text is no `client_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientNameError {
    /// Empty, too long, or other characters.
    #[error("must be 1 to {MAX_CLIENT_NAME_BYTES} printable ASCII characters")]
    Text,
    /// A URI that stands for somebody else.
    #[error("must not be a URI of the schemes `spiffe` and `https`")]
    Reserved,
}

impl ClientName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientName {
    type Err = ClientNameError;

    fn from_str(text: &str) -> Result<Self, ClientNameError> {
        let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !printable || text.is_empty() || text.len() > MAX_CLIENT_NAME_BYTES {
            return Err(ClientNameError::Text);
        }
        let scheme = text.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
        let reserved = ["spiffe", "https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        if reserved { Err(ClientNameError::Reserved) } else { Ok(Self(text.to_owned())) }
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a client authenticates (`token_endpoint_auth_method`, RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientAuthMethod {
    /// Not at all: it is public, and its `client_id` alone proves nothing.
    None,
    /// Its secret in the header `Authorization` (RFC 6749 §2.3.1).
    ClientSecretBasic,
    /// Its secret in the body (RFC 6749 §2.3.1).
    ClientSecretPost,
    /// An assertion signed by a key of its own (RFC 7523 §2.2).
    PrivateKeyJwt,
}

serde_as_text!(ClientAuthMethod);

/// The word names no method we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be none, client_secret_basic, client_secret_post or private_key_jwt")]
pub struct UnknownAuthMethod;

impl ClientAuthMethod {
    /// Every method.
    pub const ALL: &'static [Self] =
        &[Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt, Self::None];

    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Whether a secret is what it proves.
    pub const fn is_by_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

impl FromStr for ClientAuthMethod {
    type Err = UnknownAuthMethod;

    fn from_str(word: &str) -> Result<Self, UnknownAuthMethod> {
        Self::ALL.iter().copied().find(|method| method.as_str() == word).ok_or(UnknownAuthMethod)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn client_names() {
        for good in ["a", "web-app", "a b:c%2B+&=", "urn:example:app", &"x".repeat(255)] {
            assert_eq!(good.parse::<ClientName>().unwrap().as_str(), good);
        }
        for bad in ["", "é", "a\tb", "a\u{7f}", "a\0", &"x".repeat(256)] {
            assert_eq!(bad.parse::<ClientName>(), Err(ClientNameError::Text), "{bad:?}");
        }
        for taken in
            ["spiffe://id.example/a/b/agent/c", "SPIFFE:x", "https://app.example/client.json", "http:"]
        {
            assert_eq!(taken.parse::<ClientName>(), Err(ClientNameError::Reserved), "{taken}");
        }
    }

    #[test]
    fn every_method_has_its_word() {
        for method in ClientAuthMethod::ALL {
            assert_eq!(method.as_str().parse(), Ok(*method));
        }
        assert!("tls_client_auth".parse::<ClientAuthMethod>().is_err());
    }
}
