//! Signing keys in a PKCS#11 module: made in it, used in it, and never seen outside.
//!
//! The module is loaded when the program runs; nothing of it is needed to build. Keys are found by a PKCS#11 URI
//! (RFC 7512) that names the token and the key.

mod error;
mod point;
mod reference;

mod signer;
mod token;

pub use error::Pkcs11Error;
pub use signer::{Pkcs11Options, Pkcs11Signer};
