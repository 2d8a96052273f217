//! Many callers at once, and callers that go away.

use std::collections::HashSet;

use zeroid_storage::{Conflict, Page, SecretHash, Spend, StoreError};
use zeroid_token_core::{CutOffKey, Lineage, Reason};

use crate::Shared;
use crate::fixtures::{
    at, by_key, identity, identity_id, is_live, issuance, issued_child, issued_root, jti, link, ours, policy,
    policy_id, populated, record, signing_key,
};

/// None is lost, none blocks another.
pub async fn many_registrations_at_once_all_stand(store: Shared) {
    let tenant = ours();
    store.create_policy(policy(&tenant, 1)).await.unwrap();
    let tasks: Vec<_> = (1..=60)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.register(identity(&ours(), number, policy_id(1)), None).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let found = store.identities(&tenant, &Default::default(), Page { limit: 1, offset: 0 }).await.unwrap();
    assert_eq!(found.total, 60);
}

/// However many ask for it.
pub async fn of_many_claims_on_one_name_one_wins(store: Shared) {
    store.create_policy(policy(&ours(), 1)).await.unwrap();
    let tasks: Vec<_> = (1..=20)
        .map(|number| {
            let store = store.clone();
            let mut record = identity(&ours(), 1, policy_id(1));
            record.identity.id = identity_id(number);
            tokio::spawn(async move { store.register(record, None).await })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => won += 1,
            Err(error) => {
                assert!(matches!(error, StoreError::Conflict(Conflict::ExternalId { .. })), "{error:?}")
            }
        }
    }
    assert_eq!(won, 1);
}

/// However many present it.
pub async fn of_many_claims_on_one_spend_one_wins(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    let tasks: Vec<_> = (1..=20)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
                let fresh = record(Lineage::root_of(link(&ours(), number, 1, facts.order)));
                let spend = Spend { scope: "a".to_owned(), hash: SecretHash([5; 32]), forget_at: at(60) };
                store
                    .issue(zeroid_storage::Issuance { spends: vec![spend], ..issuance(fresh, facts.epoch) })
                    .await
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(
        outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(StoreError::Spent))),
        "{outcomes:?}"
    );
}

/// Whether something is issued for it or not.
pub async fn of_many_that_spend_and_issue_one_wins(store: Shared) {
    populated(&store, &ours(), 1, 1).await;
    let spend = |round: u8| Spend { scope: "a".to_owned(), hash: SecretHash([round; 32]), forget_at: at(60) };
    for round in 0..10_u8 {
        let tasks: Vec<_> = (1..=10)
            .map(|number| {
                let (store, spend) = (store.clone(), spend(round));
                tokio::spawn(async move {
                    if number % 2 == 0 {
                        return store.spend_once(spend).await;
                    }
                    let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
                    let number = 100 * u64::from(round) + number;
                    let fresh = record(Lineage::root_of(link(&ours(), number, 1, facts.order)));
                    store
                        .issue(zeroid_storage::Issuance {
                            spends: vec![spend],
                            ..issuance(fresh, facts.epoch)
                        })
                        .await
                })
            })
            .collect();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "round {round}");
        assert!(
            outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(StoreError::Spent))),
            "{outcomes:?}"
        );
    }
}

/// Drawn by many at once, each number is drawn once.
pub async fn orders_never_repeat(store: Shared) {
    populated(&store, &ours(), 1, 1).await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut drawn = Vec::new();
                for _ in 0..100 {
                    drawn.push(store.root_facts(&by_key(1)).await.unwrap().unwrap().order);
                }
                drawn
            })
        })
        .collect();
    let mut seen = HashSet::new();
    for task in tasks {
        let drawn = task.await.unwrap();
        assert!(drawn.is_sorted(), "one caller's numbers rise");
        assert!(drawn.into_iter().all(|order| seen.insert(order)), "a number was drawn twice");
    }
}

/// Either the issuance is refused, or its child is dead once the cut-off is acknowledged.
pub async fn an_issuance_that_races_a_cut_off_leaves_nothing_alive(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 2).await;
    for round in 0..100 {
        let root = issued_root(&store, &tenant, 1000 + round, 1).await;
        let child = {
            let (store, root) = (store.clone(), root.clone());
            tokio::spawn(async move { issued_child(&store, &root, 2000 + round, 2).await })
        };
        let cut = {
            let store = store.clone();
            let key = if round % 2 == 0 {
                CutOffKey::Credential(root.jti())
            } else {
                CutOffKey::Identity(identity_id(1))
            };
            tokio::spawn(async move { store.cut_off(&ours(), &key, &Reason::new("race"), at(11)).await })
        };
        let (child, cut) = (child.await.unwrap(), cut.await.unwrap());
        cut.unwrap();
        match child {
            Ok(child) => assert!(!is_live(&store, child.jti()).await, "round {round}"),
            Err(error) => assert!(matches!(error, StoreError::Dead(_) | StoreError::Stale), "{error:?}"),
        }
    }
}

/// A caller that goes away half-way leaves either all of its verb or nothing.
pub async fn a_dropped_call_leaves_the_store_usable(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    for number in 100..140 {
        let store = store.clone();
        let task = tokio::spawn(async move {
            issued_root(&store, &ours(), number, 1).await;
        });
        if number % 3 == 0 {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _ = task.await;
    }
    for number in 100..140 {
        let stored = store.credential_facts(jti(number)).await.unwrap();
        assert!(stored.is_none_or(|facts| facts.record.jti() == jti(number)));
    }
    issued_root(&store, &tenant, 1, 1).await;
    assert!(is_live(&store, jti(1)).await);
}

/// Whoever comes second gets the first one's keys.
pub async fn two_first_starts_agree_on_the_keys(store: Shared) {
    let tasks: Vec<_> = (1..=8)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.first_signing_keys(vec![signing_key(number)]).await.unwrap() })
        })
        .collect();
    let mut told = Vec::new();
    for task in tasks {
        told.push(task.await.unwrap());
    }
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:?}");
}
