//! Names of keys: key ids and thumbprints. Nothing here holds a key.

use std::fmt;
use std::str::FromStr;

use zeroid_identity_model::serde_as_text;

/// Longest key id, in bytes.
pub(crate) const MAX_KEY_ID_BYTES: usize = 128;

/// The `kid` of a signing key (RFC 7515 §4.1.4): 1 to 128 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(String);

/// The text is no key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key id must be 1 to {MAX_KEY_ID_BYTES} visible ASCII characters")]
pub struct KeyIdError;

/// The SHA-256 thumbprint of a public key (RFC 7638), 43 base64url characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint(String);

/// The text is no SHA-256 thumbprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("thumbprint must be 43 base64url characters")]
pub struct ThumbprintError;

macro_rules! text {
    ($name:ident, $error:ident, $check:expr) => {
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, $error> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err($error) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        serde_as_text!($name);
    };
}

text!(KeyId, KeyIdError, |text| {
    (1..=MAX_KEY_ID_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
});
text!(Thumbprint, ThumbprintError, |text| {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_and_thumbprints() {
        assert!("zeroid-key-1".parse::<KeyId>().is_ok());
        assert!("".parse::<KeyId>().is_err());
        assert!("a b".parse::<KeyId>().is_err());
        assert!("x".repeat(129).parse::<KeyId>().is_err());
        assert!("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs".parse::<Thumbprint>().is_ok());
        assert!("NzbLsXh8uDCcd+6MNwXF4W/7noWXFZAfHkxZsRGC9Xs".parse::<Thumbprint>().is_err());
    }
}
