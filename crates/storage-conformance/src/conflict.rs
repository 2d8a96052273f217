//! Two claims on one thing: exactly one holds, and the other changes nothing.

use std::sync::Arc;

use zeroid_identity_model::Status;
use zeroid_storage::{AskedWith, Conflict, IdentityChange, SecretHash, Spend, StoreError};
use zeroid_token_core::{CutOffKey, Lineage, Reason};

use crate::Shared;
use crate::fixtures::{
    api_key, at, by_key, identity, identity_id, issuance, issued_root, jti, key_id, link, ours, policy,
    policy_id, populated, record,
};

/// Whatever its status, an identity keeps its external id.
pub async fn an_external_id_is_given_once(store: Shared) {
    let tenant = ours();
    store.create_policy(policy(&tenant, 1)).await.unwrap();
    let mut first = identity(&tenant, 1, policy_id(1));
    first.identity.status = Status::Deactivated;
    store.register(first, None).await.unwrap();
    let mut second = identity(&tenant, 1, policy_id(1));
    second.identity.id = identity_id(2);
    let key = api_key(&tenant, 2, identity_id(2));
    let taken = Conflict::ExternalId { id: identity_id(1), status: Status::Deactivated };
    assert_eq!(store.register(second, Some(key)).await, Err(taken.into()));
    assert!(store.identity(&tenant, identity_id(2)).await.unwrap().is_none());
    assert!(store.api_key(&tenant, key_id(2)).await.unwrap().is_none());
}

/// Within a tenant.
pub async fn a_policy_name_is_given_once(store: Shared) {
    let tenant = ours();
    store.create_policy(policy(&tenant, 1)).await.unwrap();
    let mut second = policy(&tenant, 2);
    second.policy.name = policy(&tenant, 1).policy.name;
    assert_eq!(store.create_policy(second.clone()).await, Err(Conflict::PolicyName.into()));
    store.create_policy(policy(&tenant, 2)).await.unwrap();
    second.policy.version = 2;
    assert_eq!(store.change_policy(second).await, Err(Conflict::PolicyName.into()));
    let mut theirs = policy(&crate::fixtures::theirs(), 3);
    theirs.policy.name = policy(&tenant, 1).policy.name;
    store.create_policy(theirs).await.unwrap();
}

/// The second issuance that spends it stores nothing.
pub async fn something_single_use_is_used_once(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    let spend = |scope: &str| Spend { scope: scope.to_owned(), hash: SecretHash([5; 32]), forget_at: at(60) };
    let attempt = |number, scope: &str| {
        let (store, tenant, spend) = (store.clone(), tenant.clone(), spend(scope));
        async move {
            let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
            let fresh = record(Lineage::root_of(link(&tenant, number, 1, facts.order)));
            store
                .issue(zeroid_storage::Issuance { spends: vec![spend], ..issuance(fresh, facts.epoch) })
                .await
        }
    };
    assert_eq!(attempt(1, "a").await, Ok(()));
    assert_eq!(attempt(2, "a").await, Err(StoreError::Spent));
    assert!(store.credential_facts(jti(2)).await.unwrap().is_none());
    assert_eq!(attempt(3, "b").await, Ok(()), "another signer's may be called the same");
}

/// By itself, by an issuance afterwards, and the other way round; until it is forgotten, and not longer.
pub async fn what_is_spent_with_nothing_issued_is_spent(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    let spend = |number: u8| Spend {
        scope: "a".to_owned(),
        hash: SecretHash([number; 32]),
        forget_at: at(i64::from(number)),
    };
    let issued = |number: u64, spends: Vec<Spend>| {
        let (store, tenant) = (store.clone(), tenant.clone());
        async move {
            let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
            let fresh = record(Lineage::root_of(link(&tenant, number, 1, facts.order)));
            store.issue(zeroid_storage::Issuance { spends, ..issuance(fresh, facts.epoch) }).await
        }
    };
    assert_eq!(store.spend_once(spend(20)).await, Ok(()));
    assert_eq!(store.spend_once(spend(20)).await, Err(StoreError::Spent));
    let other = Spend { scope: "b".to_owned(), ..spend(20) };
    assert_eq!(store.spend_once(other).await, Ok(()), "another's may be called the same");
    assert_eq!(issued(1, vec![spend(20)]).await, Err(StoreError::Spent));
    assert_eq!(issued(2, vec![spend(30), spend(20)]).await, Err(StoreError::Spent));
    assert!(store.credential_facts(jti(2)).await.unwrap().is_none());
    assert_eq!(issued(3, vec![spend(30), spend(40)]).await, Ok(()), "what was refused used nothing up");
    for used in [spend(30), spend(40)] {
        assert_eq!(store.spend_once(used).await, Err(StoreError::Spent));
    }
    store.sweep(at(30), at(0)).await.unwrap();
    assert_eq!(store.spend_once(spend(30)).await, Ok(()));
    assert_eq!(store.spend_once(spend(40)).await, Err(StoreError::Spent));
}

/// The one who read first wins; the other reads again.
pub async fn of_two_changes_of_one_version_one_wins(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    let change = |name: &str| {
        let mut record = identity(&tenant, 1, policy_id(1));
        record.version = 2;
        name.clone_into(&mut record.identity.name);
        IdentityChange {
            record,
            cut_off: None,
            revoke_keys: None,
            new_key: None,
            asked_with: None,
            now: at(1),
        }
    };
    assert_eq!(store.change_identity(change("first")).await, Ok(()));
    assert_eq!(store.change_identity(change("second")).await, Err(StoreError::Stale));
    assert_eq!(store.identity(&tenant, identity_id(1)).await.unwrap().unwrap().identity.name, "first");
}

/// Whoever changes itself asks with a live credential, and uses its proofs up in the same write, or changes nothing.
pub async fn what_an_identity_asks_with_is_alive_and_used_once(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    let credential = Arc::new(issued_root(&store, &tenant, 1, 1).await);
    let spend = |number| Spend { scope: "a".to_owned(), hash: SecretHash([number; 32]), forget_at: at(60) };
    let change = |version, spends: &[u8]| {
        let mut record = identity(&tenant, 1, policy_id(1));
        record.version = version;
        record.identity.name = format!("version {version}");
        let spends = spends.iter().map(|number| spend(*number)).collect();
        let asked_with = Some(AskedWith { credential: Arc::clone(&credential), spends });
        IdentityChange { record, cut_off: None, revoke_keys: None, new_key: None, asked_with, now: at(1) }
    };
    assert_eq!(store.change_identity(change(2, &[1, 2])).await, Ok(()));
    for spends in [&[1][..], &[2], &[3, 2], &[4, 4]] {
        assert_eq!(store.change_identity(change(3, spends)).await, Err(StoreError::Spent), "{spends:?}");
    }
    assert_eq!(store.change_identity(change(2, &[3])).await, Err(StoreError::Stale));
    // What was refused used nothing up.
    assert_eq!(store.change_identity(change(3, &[3, 4])).await, Ok(()));
    let key = CutOffKey::Credential(jti(1));
    store.cut_off(&tenant, &key, &Reason::new("leaked"), at(2)).await.unwrap();
    assert!(matches!(store.change_identity(change(4, &[5])).await, Err(StoreError::Dead(_))));
    assert_eq!(store.identity(&tenant, identity_id(1)).await.unwrap().unwrap().identity.name, "version 3");
}

/// A stale or dead issuance gives back what it would have spent.
pub async fn a_refused_issuance_uses_nothing_up(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    let spend = Spend { scope: "a".to_owned(), hash: SecretHash([5; 32]), forget_at: at(60) };
    let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
    let mut fresh = record(Lineage::root_of(link(&tenant, 1, 1, facts.order)));
    fresh.expires_at = at(1);
    let dead =
        zeroid_storage::Issuance { spends: vec![spend.clone()], ..issuance(fresh.clone(), facts.epoch) };
    assert!(matches!(store.issue(dead).await, Err(StoreError::Dead(_))));
    fresh.expires_at = at(100);
    let good = zeroid_storage::Issuance { spends: vec![spend], ..issuance(fresh, facts.epoch) };
    assert_eq!(store.issue(good).await, Ok(()));
}

/// References are checked within the tenant.
pub async fn what_does_not_exist_cannot_be_referred_to(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    let orphan = api_key(&tenant, 5, identity_id(9));
    assert_eq!(store.create_api_key(orphan).await, Err(Conflict::NoSuchIdentity.into()));
    let mut key = api_key(&tenant, 5, identity_id(1));
    key.policy_id = Some(policy_id(9));
    assert_eq!(store.create_api_key(key).await, Err(Conflict::NoSuchPolicy.into()));
    assert_eq!(
        store.register(identity(&tenant, 9, policy_id(9)), None).await,
        Err(Conflict::NoSuchPolicy.into())
    );
    let mut record = identity(&tenant, 1, policy_id(9));
    record.version = 2;
    let change = IdentityChange {
        record,
        cut_off: None,
        revoke_keys: None,
        new_key: None,
        asked_with: None,
        now: at(1),
    };
    assert_eq!(store.change_identity(change).await, Err(Conflict::NoSuchPolicy.into()));
    let mut nobody = identity(&tenant, 8, policy_id(1));
    nobody.version = 2;
    let change = IdentityChange {
        record: nobody,
        cut_off: None,
        revoke_keys: None,
        new_key: None,
        asked_with: None,
        now: at(1),
    };
    assert_eq!(store.change_identity(change).await, Err(StoreError::NotFound));
}
