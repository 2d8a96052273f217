//! Lists: filters, order, windows, totals.

use zeroid_identity_model::{IdentityType, Kind, Status, TrustLevel};
use zeroid_storage::{
    ApiKeyFilter, ApiKeyStateFilter, CredentialFilter, IdentityFilter, IdentityRecord, OwnerFilter, Page,
};
use zeroid_token_core::Reason;

use crate::Shared;
use crate::fixtures::{
    api_key, at, identity, identity_id, issued_child, issued_root, jti, key_id, ours, policy, policy_id,
    populated,
};

const ALL: Page = Page { limit: 100, offset: 0 };

async fn register(store: &Shared, number: u64, change: impl FnOnce(&mut IdentityRecord)) {
    let mut record = identity(&ours(), number, policy_id(1));
    change(&mut record);
    store.register(record, None).await.unwrap();
}

async fn numbers(store: &Shared, filter: &IdentityFilter, page: Page) -> (Vec<u64>, u64) {
    let found = store.identities(&ours(), filter, page).await.unwrap();
    let number = |record: &IdentityRecord| (1..100).find(|n| identity_id(*n) == record.identity.id).unwrap();
    (found.items.iter().map(number).collect(), found.total)
}

/// Every filter narrows, all of them together, newest first, in windows with the whole count.
pub async fn identities_are_filtered_and_paged(store: Shared) {
    store.create_policy(policy(&ours(), 1)).await.unwrap();
    register(&store, 1, |_| {}).await;
    register(&store, 2, |record| record.identity.status = Status::Suspended).await;
    register(&store, 3, |record| record.identity.status = Status::Discovered).await;
    register(&store, 4, |record| record.identity.trust_level = TrustLevel::Unverified).await;
    register(&store, 5, |record| record.identity.kind = Kind::new(IdentityType::Service, None).unwrap())
        .await;
    register(&store, 6, |record| {
        record.identity.owner = None;
        record.identity.labels = serde_json::json!({"team": "blue"});
    })
    .await;
    let with = |change: &dyn Fn(&mut IdentityFilter)| {
        let mut filter = IdentityFilter::default();
        change(&mut filter);
        filter
    };
    let check = async |filter: IdentityFilter, expected: &[u64]| {
        let found = numbers(&store, &filter, ALL).await;
        assert_eq!(found, (expected.to_vec(), expected.len() as u64), "{filter:?}");
    };
    check(IdentityFilter::default(), &[6, 5, 4, 2, 1]).await;
    check(with(&|f| f.statuses = vec![Status::Discovered, Status::Suspended]), &[3, 2]).await;
    check(with(&|f| f.trust_levels = vec![TrustLevel::Unverified]), &[4]).await;
    check(with(&|f| f.identity_types = vec![IdentityType::Service]), &[5]).await;
    check(with(&|f| f.is_active = Some(true)), &[6, 5, 4, 1]).await;
    check(with(&|f| f.is_active = Some(false)), &[2]).await;
    check(with(&|f| f.owner = Some(OwnerFilter::Nobody)), &[6]).await;
    check(with(&|f| f.owner = Some(OwnerFilter::Is("owner-1@acme.example".parse().unwrap()))), &[5, 1]).await;
    check(with(&|f| f.label = Some(("team".to_owned(), "blue".to_owned()))), &[6]).await;
    check(with(&|f| f.label = Some(("n\"asty".to_owned(), "va'lue".to_owned()))), &[5, 4, 2, 1]).await;
    check(with(&|f| f.label = Some(("count".to_owned(), "7".to_owned()))), &[]).await;
    let both = with(&|f| {
        f.is_active = Some(true);
        f.trust_levels = vec![TrustLevel::FirstParty];
        f.identity_types = vec![IdentityType::Agent];
    });
    check(both, &[6, 1]).await;
    let window = numbers(&store, &IdentityFilter::default(), Page { limit: 2, offset: 1 }).await;
    assert_eq!(window, (vec![5, 4], 5));
    assert_eq!(numbers(&store, &IdentityFilter::default(), Page { limit: 2, offset: 9 }).await, (vec![], 5));
}

/// `%`, `_` and `\` mean themselves; ASCII letters match without case; a whole id finds its identity.
pub async fn search_takes_wildcards_literally(store: Shared) {
    store.create_policy(policy(&ours(), 1)).await.unwrap();
    for (number, name) in [(1, "100% Agent"), (2, "1000 agents"), (3, "a_b"), (4, "axb"), (5, r"back\slash")]
    {
        register(&store, number, |record| name.clone_into(&mut record.identity.name)).await;
    }
    for (text, expected) in [
        ("100%", vec![1]),
        ("100", vec![2, 1]),
        ("a_b", vec![3]),
        (r"\", vec![5]),
        ("AGENT-4", vec![4]),
        ("nobody", vec![]),
        (&identity_id(2).to_string(), vec![2]),
    ] {
        let filter = IdentityFilter { search: Some(text.to_owned()), ..IdentityFilter::default() };
        assert_eq!(numbers(&store, &filter, ALL).await.0, expected, "{text}");
    }
}

/// Counts by kind, largest first; discovered ones apart.
pub async fn facets_count(store: Shared) {
    store.create_policy(policy(&ours(), 1)).await.unwrap();
    register(&store, 1, |_| {}).await;
    register(&store, 2, |record| record.identity.trust_level = TrustLevel::Unverified).await;
    register(&store, 3, |record| record.identity.owner = None).await;
    register(&store, 4, |record| record.identity.status = Status::Discovered).await;
    register(&store, 5, |record| {
        record.identity.status = Status::Deactivated;
        record.identity.owner = None;
    })
    .await;
    let facets = store.facets(&ours()).await.unwrap();
    let count = |name: &str, count| (name.to_owned(), count);
    assert_eq!(facets.identity_types, [count("agent", 4)]);
    assert_eq!(facets.trust_levels, [count("first_party", 3), count("unverified", 1)]);
    assert_eq!(facets.statuses, [count("active", 3), count("deactivated", 1)]);
    let owners =
        [count("dev@acme.example", 2), count("owner-0@acme.example", 1), count("owner-1@acme.example", 1)];
    assert_eq!(facets.created_by, owners);
    assert_eq!((facets.ownerless, facets.discovered), (1, 1));
    assert_eq!(store.facets(&crate::fixtures::theirs()).await.unwrap(), zeroid_storage::Facets::default());
}

/// Active, expired and revoked are three lists.
pub async fn keys_are_listed_by_state(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 2).await;
    let mut ended = api_key(&tenant, 3, identity_id(1));
    ended.expires_at = Some(at(5));
    store.create_api_key(ended).await.unwrap();
    let mut endless = api_key(&tenant, 4, identity_id(1));
    endless.expires_at = None;
    store.create_api_key(endless).await.unwrap();
    store.revoke_api_key(&tenant, key_id(2), &Reason::new("x"), at(1)).await.unwrap();
    for (state, identity, expected) in [
        (None, None, vec![4, 3, 2, 1]),
        (Some(ApiKeyStateFilter::Active), None, vec![4, 1]),
        (Some(ApiKeyStateFilter::Expired), None, vec![3]),
        (Some(ApiKeyStateFilter::Revoked), None, vec![2]),
        (None, Some(identity_id(1)), vec![4, 3, 1]),
    ] {
        let filter = ApiKeyFilter { identity, state };
        let found = store.api_keys(&tenant, &filter, ALL, at(5)).await.unwrap();
        let ids: Vec<_> = found.items.iter().map(|key| key.id).collect();
        assert_eq!(ids, expected.iter().map(|n| key_id(*n)).collect::<Vec<_>>(), "{filter:?}");
        assert_eq!(found.total, expected.len() as u64);
    }
}

/// By identity newest first; by mission by depth, then oldest first.
pub async fn credentials_are_listed_by_identity_and_by_mission(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 2).await;
    let root = issued_root(&store, &tenant, 1, 1).await;
    issued_root(&store, &tenant, 2, 1).await;
    issued_child(&store, &root, 3, 2).await.unwrap();
    issued_child(&store, &root, 4, 2).await.unwrap();
    let list = async |filter, page| {
        let found = store.credentials(&ours(), filter, page).await.unwrap();
        (found.items.iter().map(|view| view.record.jti()).collect::<Vec<_>>(), found.total)
    };
    assert_eq!(list(CredentialFilter::Identity(identity_id(1)), ALL).await, (vec![jti(2), jti(1)], 2));
    assert_eq!(list(CredentialFilter::Mission(jti(1)), ALL).await, (vec![jti(1), jti(3), jti(4)], 3));
    assert_eq!(
        list(CredentialFilter::Mission(jti(1)), Page { limit: 1, offset: 1 }).await,
        (vec![jti(3)], 3)
    );
    assert_eq!(
        list(CredentialFilter::Mission(jti(1)), Page { limit: 2, offset: 0 }).await,
        (vec![jti(1), jti(3)], 3)
    );
    assert_eq!(list(CredentialFilter::Mission(jti(1)), Page { limit: 5, offset: 3 }).await, (vec![], 3));
    assert_eq!(list(CredentialFilter::Mission(jti(3)), ALL).await, (vec![], 0), "it is no root");
    assert_eq!(list(CredentialFilter::Mission(jti(9)), ALL).await, (vec![], 0));
}

/// Newest first.
pub async fn policies_are_paged(store: Shared) {
    for number in 1..=3 {
        store.create_policy(policy(&ours(), number)).await.unwrap();
    }
    let found = store.policies(&ours(), Page { limit: 2, offset: 1 }).await.unwrap();
    let ids: Vec<_> = found.items.iter().map(|record| record.policy.id).collect();
    assert_eq!((ids, found.total), (vec![policy_id(2), policy_id(1)], 3));
}
