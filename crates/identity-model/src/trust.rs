//! How much confidence the platform has in an identity.

use crate::vocabulary;

vocabulary!(
    /// Confidence in an identity, in ascending order; an input to policy, not authorization in itself.
    TrustLevel, "trust level", {
        /// Nobody vouched for it.
        Unverified = "unverified",
        /// A third party vouched for it.
        VerifiedThirdParty = "verified_third_party",
        /// The organisation itself runs it.
        FirstParty = "first_party",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_ascends() {
        assert!(TrustLevel::Unverified < TrustLevel::VerifiedThirdParty);
        assert!(TrustLevel::VerifiedThirdParty < TrustLevel::FirstParty);
        assert!("trusted".parse::<TrustLevel>().is_err());
    }
}
