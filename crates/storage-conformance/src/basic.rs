//! What is stored reads back.

use zeroid_identity_model::Status;
use zeroid_storage::{ActorLookup, Conflict, CredentialFilter, Page, SecretHash, Spend, StoreError};
use zeroid_token_core::{CredentialRecord, Lineage, ScopeSet};

use crate::Shared;
use crate::fixtures::{
    api_key, at, by_key, hash, identity, identity_id, is_live, issuance, issued_child, issued_root, jti,
    judged_child, key_id, link, ours, policy, policy_id, populated, record, signing_key,
};

/// Every member, be it unicode, JSON, absent or empty, comes back as it was.
pub async fn what_is_registered_reads_back_exactly(store: Shared) {
    let tenant = ours();
    store.create_policy(policy(&tenant, 1)).await.unwrap();
    for (number, list) in [(1, None), (2, Some(ScopeSet::nothing())), (3, Some("a b".parse().unwrap()))] {
        let mut record = identity(&tenant, number, policy_id(1));
        record.allowed_scopes = list;
        record.identity.expires_at = record.identity.expires_at.filter(|_| number != 2);
        record.identity.owner = record.identity.owner.filter(|_| number != 3);
        let mut key = api_key(&tenant, number, identity_id(number));
        key.policy_id = (number == 2).then(|| policy_id(1));
        key.scopes = record.allowed_scopes.clone();
        store.register(record.clone(), Some(key.clone())).await.unwrap();
        assert_eq!(store.identity(&tenant, identity_id(number)).await.unwrap(), Some(record.clone()));
        let by_uri = store.identity_by_spiffe_id(&tenant, &record.identity.spiffe_id).await.unwrap();
        assert_eq!(by_uri, Some(record.clone()));
        assert_eq!(store.api_key(&tenant, key_id(number)).await.unwrap(), Some(key.clone()));
        let by_uri = ActorLookup::Spiffe(record.identity.spiffe_id.clone());
        let facts = store.root_facts(&by_uri).await.unwrap().unwrap();
        assert_eq!((&*facts.actor.identity, facts.actor.key.is_none()), (&record, true));
        let facts = store.root_facts(&by_key(number)).await.unwrap().unwrap();
        assert_eq!(*facts.actor.identity, record);
        assert_eq!(*facts.actor.policy, policy(&tenant, 1).policy);
        let (found, own) = facts.actor.key.clone().unwrap();
        assert_eq!((found, own.is_some()), (key, number == 2));
    }
    let prefixes = store.newest_key_prefixes(&tenant, &[identity_id(1), identity_id(9)]).await.unwrap();
    assert_eq!(prefixes, [(identity_id(1), "zid_sk_000000001".to_owned())]);
}

/// A registration that fails leaves neither half.
pub async fn an_identity_and_its_key_are_stored_together_or_not_at_all(store: Shared) {
    let tenant = ours();
    store.create_policy(policy(&tenant, 1)).await.unwrap();
    let mut key = api_key(&tenant, 1, identity_id(1));
    key.policy_id = Some(policy_id(77));
    let refused = store.register(identity(&tenant, 1, policy_id(1)), Some(key)).await;
    assert_eq!(refused, Err(Conflict::NoSuchPolicy.into()));
    assert_eq!(store.identity(&tenant, identity_id(1)).await.unwrap(), None);
    assert!(store.root_facts(&by_key(1)).await.unwrap().is_none());
}

/// A policy lives through its versions.
pub async fn policies_are_made_changed_and_deleted(store: Shared) {
    let tenant = ours();
    let mut record = policy(&tenant, 1);
    store.create_policy(record.clone()).await.unwrap();
    assert_eq!(store.policy(&tenant, policy_id(1)).await.unwrap(), Some(record.clone()));
    record.policy.version = 2;
    record.policy.allowed_scopes = None;
    record.policy.is_active = false;
    store.change_policy(record.clone()).await.unwrap();
    assert_eq!(store.policy(&tenant, policy_id(1)).await.unwrap(), Some(record.clone()));
    assert_eq!(store.change_policy(record).await, Err(StoreError::Stale));

    store.register(identity(&tenant, 1, policy_id(1)), None).await.unwrap();
    let in_use = Conflict::PolicyInUse { identities: 1, keys: 0, clients: 0 };
    assert_eq!(store.delete_policy(&tenant, policy_id(1)).await, Err(in_use.into()));
    store.create_policy(policy(&tenant, 2)).await.unwrap();
    let mut key = api_key(&tenant, 1, identity_id(1));
    key.policy_id = Some(policy_id(2));
    store.create_api_key(key).await.unwrap();
    let in_use = Conflict::PolicyInUse { identities: 0, keys: 1, clients: 0 };
    assert_eq!(store.delete_policy(&tenant, policy_id(2)).await, Err(in_use.into()));
    let reason = zeroid_token_core::Reason::new("done");
    store.revoke_api_key(&tenant, key_id(1), &reason, at(1)).await.unwrap();
    store.delete_policy(&tenant, policy_id(2)).await.unwrap();
    assert_eq!(store.delete_policy(&tenant, policy_id(2)).await, Err(StoreError::NotFound));
    assert!(store.api_key(&tenant, key_id(1)).await.unwrap().unwrap().policy_id.is_none());
}

/// The first call makes it, every later one finds it, and it is not deleted.
pub async fn a_tenant_has_one_default_policy(store: Shared) {
    let tenant = ours();
    let fresh = |number| {
        let mut record = policy(&tenant, number);
        record.is_default = true;
        record
    };
    let first = store.default_policy(fresh(1)).await.unwrap();
    assert_eq!(first.policy.id, policy_id(1));
    assert_eq!(store.default_policy(fresh(2)).await.unwrap(), first);
    let kept = store.delete_policy(&tenant, policy_id(1)).await;
    assert!(matches!(kept, Err(StoreError::Conflict(Conflict::PolicyInUse { .. }))));
}

/// One read gives the record, its digest, the standing of its chain and its presenter.
pub async fn a_credential_reads_back_with_what_its_life_is_judged_by(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 2).await;
    let root = issued_root(&store, &tenant, 1, 1).await;
    let child = issued_child(&store, &root, 2, 2).await.unwrap();
    let facts = store.credential_facts(jti(2)).await.unwrap().unwrap();
    assert_eq!(*facts.record, child);
    assert_eq!(facts.digest.0, [jti(2).as_bytes()[15]; 32]);
    assert_eq!(facts.presenter.identity.id, identity_id(2));
    let mut standing: Vec<_> = facts.live.standings.iter().map(|standing| standing.identity).collect();
    standing.sort();
    assert_eq!(standing, [identity_id(1), identity_id(2)]);
    let exchange = store.exchange_facts(jti(2), &ActorLookup::ApiKey(hash(1))).await.unwrap();
    assert_eq!(*exchange.subject.unwrap().record, child);
    assert_eq!(exchange.principal.unwrap().identity.id, identity_id(1));
    assert_eq!(exchange.actor.unwrap().identity.identity.id, identity_id(1));
    let uri = identity(&tenant, 2, policy_id(1)).identity.spiffe_id;
    let by_uri = store.exchange_facts(jti(1), &ActorLookup::Spiffe(uri)).await.unwrap();
    let actor = by_uri.actor.unwrap();
    assert_eq!((actor.identity.identity.id, actor.key.is_none()), (identity_id(2), true));
    assert_eq!(store.deepest_delegation(&tenant, identity_id(2)).await.unwrap(), 1);
    assert_eq!(store.deepest_delegation(&tenant, identity_id(1)).await.unwrap(), 0);
}

/// The use of a key is counted with the issuance.
pub async fn a_use_of_a_key_is_counted(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    for number in 1..=3 {
        issued_root(&store, &tenant, number, 1).await;
    }
    let key = store.api_key(&tenant, key_id(1)).await.unwrap().unwrap();
    assert_eq!((key.usage_count, key.last_used_at), (3, Some(at(10))));
}

/// Signing keys come back oldest first, and are replaced only by who has seen them.
pub async fn signing_keys_are_kept_in_order(store: Shared) {
    assert_eq!(store.signing_keys().await.unwrap(), []);
    let first = vec![signing_key(2), signing_key(1)];
    let stored = store.first_signing_keys(first).await.unwrap();
    assert_eq!(stored, [signing_key(1), signing_key(2)]);
    assert_eq!(store.first_signing_keys(vec![signing_key(9)]).await.unwrap(), stored);
    let next = vec![signing_key(2), signing_key(3)];
    assert_eq!(store.change_signing_keys(&next, Vec::new(), &[], at(1)).await, Err(StoreError::Stale));
    store.change_signing_keys(&stored, next.clone(), &[], at(1)).await.unwrap();
    assert_eq!(store.signing_keys().await.unwrap(), next);
}

/// The first value stays.
pub async fn server_facts_are_written_once(store: Shared) {
    assert_eq!(store.fact("a").await.unwrap(), None);
    assert_eq!(store.fact_or_insert("a", &[0, 255]).await.unwrap(), [0, 255]);
    assert_eq!(store.fact_or_insert("a", b"other").await.unwrap(), [0, 255]);
    assert_eq!(store.fact("a").await.unwrap(), Some(vec![0, 255]));
    store.ready().await.unwrap();
}

/// Identities whose time ran out are marked, used-up things forgotten, and nothing else touched.
pub async fn a_sweep_expires_and_forgets(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 2).await;
    let mut ending = identity(&tenant, 3, policy_id(1));
    ending.identity.expires_at = Some(at(5));
    store.register(ending, None).await.unwrap();
    let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
    let mut issuance = issuance(record(Lineage::root_of(link(&tenant, 1, 1, facts.order))), facts.epoch);
    issuance.spends = vec![
        Spend { scope: "a".to_owned(), hash: SecretHash([1; 32]), forget_at: at(5) },
        Spend { scope: "a".to_owned(), hash: SecretHash([2; 32]), forget_at: at(6) },
    ];
    store.issue(issuance).await.unwrap();
    let swept = store.sweep(at(5), at(0)).await.unwrap();
    assert_eq!((swept.expired_identities, swept.forgotten), (1, 1));
    let expired = store.identity(&tenant, identity_id(3)).await.unwrap().unwrap();
    assert_eq!((expired.identity.status, expired.version), (Status::Expired, 2));
    assert_eq!(
        store.identity(&tenant, identity_id(1)).await.unwrap().unwrap().identity.status,
        Status::Active
    );
    assert_eq!(store.sweep(at(5), at(0)).await.unwrap(), zeroid_storage::Swept::default());
}

/// A credential that ended before the given moment is forgotten, roots and children alike; one that ended then, or has
/// not, is kept with its whole chain, and may be delegated on.
pub async fn what_ended_long_ago_is_forgotten_and_what_lives_is_whole(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 2).await;
    let (early, late) = (at(100).floor_to_second(), at(9_000).floor_to_second());
    let root = |number, expires_at| {
        let (store, tenant) = (&store, &tenant);
        async move {
            let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
            let lineage = Lineage::root_of(link(tenant, number, 1, facts.order));
            let record = CredentialRecord { expires_at, ..record(lineage) };
            store.issue(issuance(record.clone(), facts.epoch)).await.unwrap();
            record
        }
    };
    let child = |parent: CredentialRecord, number, expires_at| {
        let store = &store;
        async move {
            let mut issuance = judged_child(store, &parent, number, 2).await.unwrap();
            std::sync::Arc::make_mut(&mut issuance.record).expires_at = expires_at;
            store.issue(issuance).await.unwrap();
        }
    };
    let lasting = root(1, late).await;
    child(lasting.clone(), 2, early).await;
    child(lasting.clone(), 3, late).await;
    let ended = root(4, early).await;
    child(ended, 5, early).await;
    assert_eq!(store.sweep(at(200), early).await.unwrap(), zeroid_storage::Swept::default());
    assert!(store.chain(&tenant, jti(5)).await.unwrap().is_some());
    let swept = store.sweep(at(200), early.plus_seconds(1)).await.unwrap();
    assert_eq!(swept.forgotten_credentials, 3);
    for number in [2, 4, 5] {
        assert!(store.credential_facts(jti(number)).await.unwrap().is_none_or(|facts| {
            // Whoever remembers it knows that it has ended.
            facts.record.expires_at == early
        }));
        assert!(store.credential(&tenant, jti(number)).await.unwrap().is_none());
        assert!(store.chain(&tenant, jti(number)).await.unwrap().is_none());
    }
    assert_eq!(store.chain(&tenant, jti(3)).await.unwrap().unwrap().credentials.len(), 2);
    assert!(is_live(&store, jti(1)).await && is_live(&store, jti(3)).await);
    child(lasting, 6, late).await;
    assert!(is_live(&store, jti(6)).await);
    let page = Page { limit: 9, offset: 0 };
    let listed = store.credentials(&tenant, CredentialFilter::Identity(identity_id(2)), page).await.unwrap();
    assert_eq!(listed.total, 2);
}

/// What is not there is absent, never an error.
pub async fn facts_of_unknown_things_are_absent(store: Shared) {
    let tenant = ours();
    assert!(store.root_facts(&by_key(1)).await.unwrap().is_none());
    assert!(store.credential_facts(jti(1)).await.unwrap().is_none());
    let exchange = store.exchange_facts(jti(1), &ActorLookup::ApiKey(hash(1))).await.unwrap();
    assert!(exchange.subject.is_none() && exchange.actor.is_none() && exchange.principal.is_none());
    assert!(store.identity(&tenant, identity_id(1)).await.unwrap().is_none());
    assert!(store.chain(&tenant, jti(1)).await.unwrap().is_none());
    assert_eq!(store.policies(&tenant, Page { limit: 5, offset: 0 }).await.unwrap().total, 0);
}
