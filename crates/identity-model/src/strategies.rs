//! Generators of valid values, for property tests of this workspace and of embedders.

use proptest::prelude::*;

use crate::{IdentityType, Kind, SubType, Tenant, Timestamp, TrustLevel};

/// Any tenant out of a handful, so that collisions happen.
pub fn tenants() -> impl Strategy<Value = Tenant> {
    ("[ab]", "[xy]").prop_filter_map("segments are valid", |(a, p)| Tenant::new(&a, &p).ok())
}

/// Any trust level.
pub fn trust_levels() -> impl Strategy<Value = TrustLevel> {
    proptest::sample::select(TrustLevel::ALL)
}

/// Any valid pair of type and sub-type.
pub fn kinds() -> impl Strategy<Value = Kind> {
    let sub = proptest::option::of(proptest::sample::select(SubType::ALL));
    (proptest::sample::select(IdentityType::ALL), sub)
        .prop_filter_map("the type has the sub-type", |(kind, sub)| Kind::new(kind, sub).ok())
}

/// Moments within ten years from the start of 2026, with microseconds.
pub fn moments() -> impl Strategy<Value = Timestamp> {
    (1_767_225_600_000_000_i64..2_082_758_400_000_000).prop_map(Timestamp::from_micros)
}
