//! What a resource demands, judged over every credential some steps lead to.
#![cfg(feature = "proptest")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;
use zeroid_identity_model::TrustLevel;
use zeroid_token_core::strategies::{World, plans, scope_sets};
use zeroid_token_core::{Audience, Requirements, Unmet};

fn audience(value: &str) -> Option<Audience> {
    Some(Audience::asked_for(vec![value.to_owned()]).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_admitted_has_all_that_is_demanded(plan in plans(1..20), scopes in scope_sets(), max in 0..4_u8) {
        let world = World::after(&plan);
        for issued in &world.issued {
            let record = &issued.record;
            let demanded = Requirements { scopes: scopes.clone(), max_depth: Some(max), ..Requirements::default() };
            match demanded.check(record, TrustLevel::Unverified) {
                Ok(()) => {
                    prop_assert!(scopes.is_subset(&record.usable));
                    prop_assert!(record.delegation_depth() <= max);
                }
                Err(Unmet::Scopes(missing)) => {
                    prop_assert_eq!(missing.union(&record.usable.intersection(&scopes)), scopes.clone());
                    prop_assert!(missing.intersection(&record.usable).is_empty(), "only what is missing is named");
                }
                Err(unmet) => prop_assert_eq!(unmet, Unmet::Depth { depth: record.delegation_depth(), max }),
            }
            prop_assert_eq!(Requirements::default().check(record, TrustLevel::Unverified), Ok(()));
        }
    }

    #[test]
    fn a_credential_is_for_the_audiences_it_names_and_no_other(plan in plans(1..20)) {
        let world = World::after(&plan);
        for record in world.issued.iter().map(|issued| &issued.record) {
            let check = |audience| Requirements { audience, ..Requirements::default() }.check(record, TrustLevel::FirstParty);
            for named in record.audience.values() {
                prop_assert_eq!(check(audience(named)), Ok(()));
            }
            let other = "https://elsewhere.example/";
            prop_assert_eq!(check(audience(other)), Err(Unmet::Audience(other.to_owned())));
        }
    }

    #[test]
    fn less_trust_is_not_enough(plan in plans(1..5), has in 0..3_usize, wants in 0..3_usize) {
        let world = World::after(&plan);
        for record in world.issued.iter().map(|issued| &issued.record) {
            let required = TrustLevel::ALL[wants];
            let demanded = Requirements { trust_level: Some(required), ..Requirements::default() };
            let trust = TrustLevel::ALL[has];
            let expected = if trust >= required { Ok(()) } else { Err(Unmet::Trust { required }) };
            prop_assert_eq!(demanded.check(record, trust), expected);
        }
    }
}
