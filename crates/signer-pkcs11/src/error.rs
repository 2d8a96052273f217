//! Why a module did not do what was asked.

use std::path::PathBuf;

use cryptoki::error::{Error, RvError};
use zeroid_jose::SignerError;

/// Why a module did not do what was asked; no PIN is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Pkcs11Error {
    /// The file is no PKCS#11 module that loads here.
    #[error("the PKCS#11 module {} does not load: {why}", path.display())]
    Module {
        /// Its path.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// No token has this label.
    #[error("the PKCS#11 module has no token `{0}`")]
    NoToken(String),
    /// Two tokens have it.
    #[error("the PKCS#11 module has more than one token `{0}`")]
    TwoTokens(String),
    /// The PIN is not the token's.
    #[error("the PIN of the token `{0}` is wrong; after a few more attempts the token locks it")]
    WrongPin(String),
    /// The PIN was tried too often.
    #[error("the PIN of the token `{0}` is locked")]
    LockedPin(String),
    /// The key is not in the token.
    #[error("the token has no key `{0}`")]
    NoKey(String),
    /// The module made something else than it was asked for.
    #[error("the PKCS#11 module made a key that {0}")]
    OddKey(&'static str),
    /// The module refused a call.
    #[error("the PKCS#11 module refused a call: {0}")]
    Refused(String),
}

impl From<Error> for Pkcs11Error {
    fn from(error: Error) -> Self {
        Self::Refused(match error {
            // The words of the library are a paragraph; the name of the code says as much.
            Error::Pkcs11(code, function) => format!("{function:?} gave {code:?}"),
            other => one_line(&other.to_string()),
        })
    }
}

impl From<Pkcs11Error> for SignerError {
    fn from(error: Pkcs11Error) -> Self {
        Self::new(error)
    }
}

/// Whether this is the refusal of a PIN.
pub(crate) fn about_pin(error: Error, label: &str) -> Pkcs11Error {
    match error {
        Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _) => {
            Pkcs11Error::WrongPin(label.to_owned())
        }
        Error::Pkcs11(RvError::PinLocked, _) => Pkcs11Error::LockedPin(label.to_owned()),
        other => other.into(),
    }
}

pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
