//! Law 4 at its smallest: which links one cut-off covers.
#![allow(clippy::unwrap_used)]

use proptest::option;
use proptest::prelude::*;
use zeroid_identity_model::{
    ApiKeyId, ClientId, CredentialId, DelegationRouteId, FamilyId, IdentityId, Tenant, Timestamp,
};
use zeroid_token_core::{CutOff, CutOffKey, Link, Order, Reason, Source};

/// A link out of a handful, with everything a cut-off can name.
fn links() -> impl Strategy<Value = Link> {
    let source = prop_oneof![
        (0..2_u8).prop_map(|n| Source::ApiKey(ApiKeyId::from_bytes([n; 16]))),
        (0..2_u8).prop_map(|n| Source::Client(ClientId::from_bytes([n; 16]))),
        Just(Source::Assertion),
        Just(Source::Presented),
        any::<[u8; 16]>().prop_map(|id| Source::Route(DelegationRouteId::from_bytes(id))),
    ];
    let beside = proptest::collection::vec(source.clone(), 0..3);
    let names = (0..2_u8, 0..2_u8, 0..2_u8, 0..2_u8, option::of(0..2_u8), option::of(0..2_u8));
    (names, (source, beside), 0..4_u64).prop_map(
        |((jti, tenant, identity, kid, owner, family), (source, beside), order)| Link {
            jti: CredentialId::from_bytes([jti; 16]),
            tenant: Tenant::new("acme", &format!("p{tenant}")).unwrap(),
            identity: IdentityId::from_bytes([identity; 16]),
            subject: format!("spiffe://id.example/acme/p{tenant}/agent/a{identity}").parse().unwrap(),
            owner: owner.map(|n| format!("owner-{n}").parse().unwrap()),
            source,
            beside,
            family: family.map(|n| FamilyId::from_bytes([n; 16])),
            kid: format!("key-{kid}").parse().unwrap(),
            issued_at: Timestamp::from_unix_seconds(1_790_000_000),
            order: Order(order),
        },
    )
}

proptest! {
    // Two links seldom have a name in common; a case costs microseconds.
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    /// Those of its tenant (a signing key has none), whatever kind of key it names.
    #[test]
    fn a_cut_off_covers_the_links_that_list_its_key_up_to_its_order(
        named in links(),
        other in links(),
        last in option::of(0..4_u64),
    ) {
        let keys: Vec<CutOffKey> = named.cut_off_keys().collect();
        let by_secret = named.sources().filter(|it| matches!(it, Source::ApiKey(_) | Source::Client(_))).count();
        let optional = usize::from(named.owner.is_some()) + usize::from(named.family.is_some());
        prop_assert_eq!(keys.len(), 4 + optional + by_secret);
        for key in keys {
            prop_assert_eq!(
                key.is_for_ever(),
                matches!(key, CutOffKey::Credential(_) | CutOffKey::SigningKey(_))
            );
            let anywhere = matches!(key, CutOffKey::SigningKey(_));
            let tenant = (!anywhere).then(|| named.tenant.clone());
            let lists_it = other.cut_off_keys().any(|listed| listed == key);
            let ours = anywhere || other.tenant == named.tenant;
            let in_time = last.is_none_or(|last| other.order.0 <= last);
            let reason = Reason::new("cut");
            let cut = CutOff { tenant, key, up_to: last.map(Order), at: named.issued_at, reason };
            prop_assert_eq!(cut.covers(&other), ours && lists_it && in_time, "{:?}", cut);
        }
    }
}
