//! Who answers for an identity.

use std::fmt;
use std::str::FromStr;

/// Longest owner, in bytes.
pub const MAX_OWNER_BYTES: usize = 255;

/// The person or team that answers for an identity, such as `dev@company.com`.
///
/// 1 to 255 bytes without blanks at either end and without control characters; the prefix `system:` is kept
/// for the server's own acts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(String);

crate::serde_as_text!(Owner);

/// Why a text is no owner.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerError {
    /// Nothing was given.
    #[error("must not be empty")]
    Empty,
    /// Longer than the bound.
    #[error("is {bytes} bytes long, at most {MAX_OWNER_BYTES} allowed")]
    TooLong {
        /// How long it was.
        bytes: usize,
    },
    /// Blanks at either end, or a control character.
    #[error("must not have blanks at either end or control characters")]
    BadCharacter,
    /// The prefix kept for the server.
    #[error("must not start with `system:`")]
    Reserved,
}

impl Owner {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Owner {
    type Err = OwnerError;

    fn from_str(text: &str) -> Result<Self, OwnerError> {
        if text.is_empty() {
            return Err(OwnerError::Empty);
        }
        if text.len() > MAX_OWNER_BYTES {
            return Err(OwnerError::TooLong { bytes: text.len() });
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(OwnerError::BadCharacter);
        }
        let reserved = text.get(..7).is_some_and(|head| head.eq_ignore_ascii_case("system:"));
        if reserved { Err(OwnerError::Reserved) } else { Ok(Self(text.to_owned())) }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Owner {
    type Error = OwnerError;
    fn try_from(text: String) -> Result<Self, OwnerError> {
        text.parse()
    }
}

impl From<Owner> for String {
    fn from(owner: Owner) -> Self {
        owner.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners() {
        let check = |input: &str, expected: Result<(), OwnerError>| {
            assert_eq!(input.parse::<Owner>().map(|_| ()), expected, "{input:?}");
        };
        check("dev@company.com", Ok(()));
        check("Team Ä", Ok(()));
        check("", Err(OwnerError::Empty));
        check(" a", Err(OwnerError::BadCharacter));
        check("a\n", Err(OwnerError::BadCharacter));
        check("a\u{0}b", Err(OwnerError::BadCharacter));
        check("SyStEm:sweep", Err(OwnerError::Reserved));
        check(&"x".repeat(256), Err(OwnerError::TooLong { bytes: 256 }));
    }
}
