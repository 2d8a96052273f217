//! Who an agent is: SPIFFE ids, tenants, identity kinds, trust levels, lifecycle, timestamps.
//!
//! A value that exists is valid: every type here parses once, at the door, and serde goes through the
//! same door. This crate knows no tokens, no time of day and no I/O.

mod ids;
mod segment;
mod spiffe;
mod text;
mod timestamp;

mod identity;
mod kind;
mod owner;
mod status;
mod trust;

#[cfg(feature = "proptest")]
pub mod strategies;

pub use identity::{Expired, Identity, MayNotAct, TextField, TextTooLong};
pub use ids::{ApiKeyId, ClientId, CredentialId, DelegationRouteId, FamilyId, IdError, IdentityId, PolicyId};
pub use kind::{IdentityType, Kind, KindError, SubType};
pub use owner::{Owner, OwnerError};
pub use segment::{AccountId, ExternalId, ProjectId, SegmentError, Tenant};
pub use spiffe::{SpiffeId, SpiffeIdError, TrustDomain, TrustDomainError, WorkloadPath};
pub use status::{Status, TransitionRefused};
pub use text::deserialize_text;
pub use timestamp::{Timestamp, TimestampError};
pub use trust::TrustLevel;

/// The bounds of this crate's values.
pub mod limits {
    pub use crate::identity::MAX_TEXT_BYTES;
    pub use crate::owner::MAX_OWNER_BYTES;
    pub use crate::segment::MAX_SEGMENT_BYTES;
    pub use crate::spiffe::{MAX_BYTES as MAX_SPIFFE_ID_BYTES, MAX_TRUST_DOMAIN_BYTES};
}

/// The word given is none of those a vocabulary knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {vocabulary}, expected one of: {expected}")]
pub struct UnknownWord {
    /// What kind of word was wanted, such as `trust level`.
    pub vocabulary: &'static str,
    /// The words that would have been understood, separated by commas.
    pub expected: &'static str,
}

/// A closed vocabulary: an enum, its words on the wire, parsing and serde through the same words.
macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every member, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word used on the wire and in storage.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownWord;
            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::UnknownWord { vocabulary: $what, expected: concat!($($word, " "),+).trim_ascii_end() }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::UnknownWord;
            fn try_from(word: String) -> Result<Self, Self::Error> { word.parse() }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self { value.as_str().to_owned() }
        }

        $crate::serde_as_text!($name);
    };
}
pub(crate) use vocabulary;
