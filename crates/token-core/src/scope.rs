//! Scopes and sets of scopes (RFC 6749 §3.3).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use zeroid_identity_model::serde_as_text;

/// Longest scope token, in bytes.
pub const MAX_SCOPE_BYTES: usize = 256;

/// Most scopes in one set: a token that lists them all must fit 8 KiB.
pub const MAX_SCOPES: usize = 128;

/// Longest space-delimited scope text, in bytes.
pub const MAX_SCOPE_TEXT_BYTES: usize = 4096;

/// One scope token such as `read:logs`: opaque, compared byte for byte.
///
/// 1 to 256 bytes of `%x21 / %x23-5B / %x5D-7E`. Source: RFC 6749 §3.3.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Arc<str>);

serde_as_text!(Scope);

/// A set of scopes. An empty set means nothing, never everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "Vec<Scope>")]
pub struct ScopeSet(Arc<[Scope]>); // sorted, each once

impl Serialize for ScopeSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter())
    }
}

/// Why a text is no scope or no set of scopes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// A scope token is empty.
    #[error("scope must not be empty")]
    Empty,
    /// A scope token is longer than its bound.
    #[error("a scope is {bytes} bytes long, at most {MAX_SCOPE_BYTES} allowed")]
    TooLong {
        /// How long it was.
        bytes: usize,
    },
    /// A byte outside the grammar of RFC 6749 §3.3.
    #[error("a scope may contain only printable ASCII characters without space, `\"` and `\\`")]
    BadByte,
    /// More scopes than the bound.
    #[error("more than {MAX_SCOPES} scopes")]
    TooMany,
    /// The whole text is longer than its bound.
    #[error("scope text is {bytes} bytes long, at most {MAX_SCOPE_TEXT_BYTES} allowed")]
    TextTooLong {
        /// How long it was.
        bytes: usize,
    },
}

impl Scope {
    /// The scope that opens every administrative route.
    pub const NHI_MANAGE: &'static str = "nhi:manage";
    /// The scope that opens the routes about issued credentials.
    pub const CREDENTIALS_MANAGE: &'static str = "credentials:manage";
    /// The scope that lets its holder register OAuth clients.
    pub const CLIENT_REGISTER: &'static str = "client:register";

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it manages this server itself. Such a scope is granted only where a ceiling lists it (house
    /// rule P3).
    pub fn is_management(&self) -> bool {
        matches!(self.as_str(), Self::NHI_MANAGE | Self::CREDENTIALS_MANAGE | Self::CLIENT_REGISTER)
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.is_empty() {
            return Err(ScopeError::Empty);
        }
        if text.len() > MAX_SCOPE_BYTES {
            return Err(ScopeError::TooLong { bytes: text.len() });
        }
        let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if text.bytes().all(allowed) { Ok(Self(text.into())) } else { Err(ScopeError::BadByte) }
    }
}

impl ScopeSet {
    /// The set with no scope: nothing.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// The set of these scopes.
    ///
    /// # Errors
    /// [`ScopeError::TooMany`].
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Result<Self, ScopeError> {
        let mut scopes: Vec<Scope> = scopes.into_iter().collect();
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.len() > MAX_SCOPES { Err(ScopeError::TooMany) } else { Ok(Self(scopes.into())) }
    }

    /// Whether it holds the scope.
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.binary_search(scope).is_ok()
    }

    /// Whether it holds a scope of this text.
    pub fn contains_text(&self, scope: &str) -> bool {
        self.iter().any(|held| held.as_str() == scope)
    }

    /// Whether everything in it is in `other` too.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.iter().all(|scope| other.contains(scope))
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.filtered(|scope| other.contains(scope))
    }

    /// What is in either. May exceed [`MAX_SCOPES`]: it is used to compare, not to grant.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut scopes: Vec<Scope> = self.iter().chain(other.iter()).cloned().collect();
        scopes.sort_unstable();
        scopes.dedup();
        Self(scopes.into())
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.filtered(|scope| !other.contains(scope))
    }

    /// What `keep` says yes to.
    #[must_use]
    pub fn filtered(&self, mut keep: impl FnMut(&Scope) -> bool) -> Self {
        let kept: Vec<Scope> = self.iter().filter(|scope| keep(scope)).cloned().collect();
        // What loses nothing is the same set, and no copy of it.
        if kept.len() == self.len() { self.clone() } else { Self(kept.into()) }
    }

    /// The scopes in byte order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> + Clone {
        self.0.iter()
    }

    /// How many scopes it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Space-delimited, as in the parameter `scope`. Repeated, leading and trailing spaces are tolerated.
impl FromStr for ScopeSet {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.len() > MAX_SCOPE_TEXT_BYTES {
            return Err(ScopeError::TextTooLong { bytes: text.len() });
        }
        let scopes: Result<Vec<Scope>, _> =
            text.split(' ').filter(|part| !part.is_empty()).map(str::parse).collect();
        Self::of(scopes?)
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Scope {
    type Error = ScopeError;
    fn try_from(text: String) -> Result<Self, ScopeError> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.as_str().to_owned()
    }
}

impl TryFrom<Vec<Scope>> for ScopeSet {
    type Error = ScopeError;
    fn try_from(scopes: Vec<Scope>) -> Result<Self, ScopeError> {
        Self::of(scopes)
    }
}

impl From<ScopeSet> for Vec<Scope> {
    fn from(set: ScopeSet) -> Self {
        set.0.to_vec()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &str, expected: Result<&str, ScopeError>) {
        assert_eq!(
            input.parse::<ScopeSet>().map(|set| set.to_string()),
            expected.map(str::to_owned),
            "{input:?}"
        );
    }

    #[test]
    fn rfc6749_section_3_3() {
        check("read:logs", Ok("read:logs"));
        check("b a b", Ok("a b"));
        check("  a   b ", Ok("a b"));
        check("", Ok(""));
        check("a\tb", Err(ScopeError::BadByte));
        check("a\nb", Err(ScopeError::BadByte));
        check("a\"b", Err(ScopeError::BadByte));
        check("a\\b", Err(ScopeError::BadByte));
        check("ä", Err(ScopeError::BadByte));
        check(&"x".repeat(257), Err(ScopeError::TooLong { bytes: 257 }));
        check(&"x ".repeat(2049), Err(ScopeError::TextTooLong { bytes: 4098 }));
        let many: Vec<_> = (0..129).map(|n| n.to_string()).collect();
        check(&many.join(" "), Err(ScopeError::TooMany));
    }

    #[test]
    fn every_byte_is_judged_by_the_grammar() {
        for byte in 0..=127_u8 {
            let text = format!("a{}b", char::from(byte));
            let allowed = byte == 0x21 || (0x23..=0x5b).contains(&byte) || (0x5d..=0x7e).contains(&byte);
            assert_eq!(text.parse::<Scope>().is_ok(), allowed, "{byte:#x}");
        }
    }

    proptest! {
        #[test]
        fn writing_and_reading_agree(text in "([!#-\\[\\]-~]{1,6} ?){0,6}") {
            let set: ScopeSet = text.parse().unwrap();
            prop_assert_eq!(set.to_string().parse::<ScopeSet>().unwrap(), set.clone());
            let json = serde_json::to_string(&set).unwrap();
            prop_assert_eq!(serde_json::from_str::<ScopeSet>(&json).unwrap(), set);
        }
    }
}
