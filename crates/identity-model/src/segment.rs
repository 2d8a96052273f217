//! Path segments of a SPIFFE ID: account, project and external ids, and the tenant made of the first two.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest account, project or external id, in bytes. It keeps a whole SPIFFE ID below its 2048 bytes.
pub const MAX_SEGMENT_BYTES: usize = 255;

/// Why a text is no path segment. Source: SPIFFE-ID §2.2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// Nothing was given.
    #[error("must not be empty")]
    Empty,
    /// Longer than the bound.
    #[error("is {bytes} bytes long, at most {MAX_SEGMENT_BYTES} allowed")]
    TooLong {
        /// How long it was.
        bytes: usize,
    },
    /// A byte outside `[A-Za-z0-9._-]`.
    #[error("may contain only letters, digits, `.`, `_` and `-`")]
    BadByte,
    /// `.` or `..`, which path-normalising readers rewrite.
    #[error("must not be `.` or `..`")]
    DotSegment,
}

/// Check one path segment: `[A-Za-z0-9._-]`, neither empty nor a dot segment.
pub(crate) fn check(text: &str) -> Result<(), SegmentError> {
    if text.is_empty() {
        return Err(SegmentError::Empty);
    }
    if text == "." || text == ".." {
        return Err(SegmentError::DotSegment);
    }
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
        Ok(())
    } else {
        Err(SegmentError::BadByte)
    }
}

macro_rules! segment {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 1 to 255 bytes of `[A-Za-z0-9._-]`, not `.` or `..`: it becomes a segment of the SPIFFE ID.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = SegmentError;
            fn from_str(text: &str) -> Result<Self, SegmentError> {
                if text.len() > MAX_SEGMENT_BYTES {
                    return Err(SegmentError::TooLong { bytes: text.len() });
                }
                check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = SegmentError;
            fn try_from(text: String) -> Result<Self, SegmentError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        $crate::serde_as_text!($name);
    };
}

segment!(
    /// The account half of a tenant.
    AccountId
);
segment!(
    /// The project half of a tenant.
    ProjectId
);
segment!(
    /// The caller's own stable name of an identity, unique in its tenant for ever.
    ExternalId
);

/// Whose data it is: an account and one of its projects. Nothing is ever shared between two tenants.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tenant {
    /// The account.
    pub account: AccountId,
    /// The project within the account.
    pub project: ProjectId,
}

impl Tenant {
    /// The tenant of these two ids.
    ///
    /// # Errors
    /// [`SegmentError`] when either is no path segment.
    pub fn new(account: &str, project: &str) -> Result<Self, SegmentError> {
        Ok(Self { account: account.parse()?, project: project.parse()? })
    }

    /// The name that unconfigured clients send; headers that carry it choose nothing.
    pub fn is_default_name(&self) -> bool {
        self.account.as_str() == "default" && self.project.as_str() == "default"
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.project)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check_external(input: &str, expected: Result<&str, SegmentError>) {
        assert_eq!(
            input.parse::<ExternalId>().map(|id| id.to_string()),
            expected.map(str::to_owned),
            "{input:?}"
        );
    }

    #[test]
    fn segments() {
        check_external("a", Ok("a"));
        check_external("A.b_c-9", Ok("A.b_c-9"));
        check_external("...", Ok("..."));
        check_external("", Err(SegmentError::Empty));
        check_external(".", Err(SegmentError::DotSegment));
        check_external("..", Err(SegmentError::DotSegment));
        check_external("a/b", Err(SegmentError::BadByte));
        check_external("a%2f", Err(SegmentError::BadByte));
        check_external("ä", Err(SegmentError::BadByte));
        check_external(&"x".repeat(255), Ok(&"x".repeat(255)));
        check_external(&"x".repeat(256), Err(SegmentError::TooLong { bytes: 256 }));
    }

    #[test]
    fn every_byte_is_judged_by_the_alphabet() {
        for byte in 0..=127_u8 {
            let text = format!("a{}b", char::from(byte));
            let allowed = byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            assert_eq!(text.parse::<AccountId>().is_ok(), allowed, "{byte:#x}");
        }
    }
}
