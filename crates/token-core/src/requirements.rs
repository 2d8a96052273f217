//! What a resource demands of whoever presents a credential, beyond its being alive.

use zeroid_identity_model::TrustLevel;

use crate::audience::Audience;
use crate::record::CredentialRecord;
use crate::scope::ScopeSet;

/// What a resource demands of a credential. The default demands nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// Scopes, all of which it must have.
    pub scopes: ScopeSet,
    /// Audiences, all of which it must be for; absent when any will do.
    pub audience: Option<Audience>,
    /// How much its presenter must be trusted.
    pub trust_level: Option<TrustLevel>,
    /// How often authority may have been handed on.
    pub max_depth: Option<u8>,
}

/// The first demand a credential does not meet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// It is for somebody else.
    #[error("the access token is not for the audience `{0}`")]
    Audience(String),
    /// It lacks these scopes.
    #[error("the access token lacks the scope `{0}`")]
    Scopes(ScopeSet),
    /// Its presenter is trusted less.
    #[error("the trust level `{required}` is required")]
    Trust {
        /// What is demanded.
        required: TrustLevel,
    },
    /// Authority was handed on more often.
    #[error("the access token was delegated {depth} times, at most {max} allowed")]
    Depth {
        /// How often.
        depth: u8,
        /// What is allowed.
        max: u8,
    },
}

impl Requirements {
    /// Judge a credential that is alive; `trust` is what its presenter has now.
    ///
    /// # Errors
    /// [`Unmet`]: the first demand it does not meet. Whether it is for this resource at all comes first.
    pub fn check(&self, record: &CredentialRecord, trust: TrustLevel) -> Result<(), Unmet> {
        if let Some(other) = self.audience.as_ref().and_then(|wanted| record.audience.first_unnamed(wanted)) {
            return Err(Unmet::Audience(other.to_owned()));
        }
        let missing = self.scopes.difference(&record.usable);
        if !missing.is_empty() {
            return Err(Unmet::Scopes(missing));
        }
        if let Some(required) = self.trust_level.filter(|required| trust < *required) {
            return Err(Unmet::Trust { required });
        }
        let depth = record.delegation_depth();
        match self.max_depth {
            Some(max) if depth > max => Err(Unmet::Depth { depth, max }),
            _ => Ok(()),
        }
    }
}
