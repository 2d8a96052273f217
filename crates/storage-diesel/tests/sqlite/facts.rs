//! Facts are never stale, and verbs that share a transaction see each other.

use std::sync::Arc;

use diesel::RunQueryDsl;
use zeroid_identity_model::Status;
use zeroid_storage::{
    ApiKeyStore, CredentialStore, IdentityChange, IdentityStore, Issuance, SecretHash, ServerStore,
    SigningKeyRecord, SigningKeyStore, Spend, StoreError,
};
use zeroid_token_core::{CutOffKey, Dead, Reason, live};

use crate::schema::Number;
use crate::support::{Agent, Folder, LATER, NOW, hash, in_one_transaction, issuance, kid, tenant};

fn manual() -> Reason {
    Reason::new("manual_revocation").by("dev")
}

#[tokio::test]
async fn an_issuance_decided_before_a_cut_off_is_dead() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let root = agent.root(&store).await;
    store.issue(root.clone()).await.unwrap();
    let child = agent.child(&store, &root.record).await;
    let key = CutOffKey::Credential(root.record.jti());
    let cut = store.cut_off(agent.tenant(), &key, &manual(), NOW).await.unwrap();
    let refused = store.issue(child.clone()).await;
    assert_eq!(refused, Err(StoreError::Dead(Box::new(Dead::CutOff(Box::new(cut))))));
    assert!(store.credential_facts(child.record.jti()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_cut_off_and_an_issuance_of_one_transaction_see_each_other() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let root = agent.root(&store).await;
    store.issue(root.clone()).await.unwrap();
    let child = agent.child(&store, &root.record).await;
    let (key, reason) = (CutOffKey::Credential(root.record.jti()), manual());
    let verbs = async {
        tokio::join!(
            biased;
            store.cut_off(agent.tenant(), &key, &reason, NOW),
            store.issue(child.clone()),
        )
    };
    let (cut, issued) = in_one_transaction(&folder, &store, verbs).await;
    // Credentials are stored first: the cut-off has the higher order, and covers it.
    issued.unwrap();
    let facts = store.credential_facts(child.record.jti()).await.unwrap().unwrap();
    let dead = live(&facts.record, &facts.live, NOW).unwrap_err();
    assert_eq!(dead, Dead::CutOff(Box::new(cut.unwrap())));
}

#[tokio::test]
async fn what_was_remembered_is_forgotten_when_a_call_that_changed_it_returns() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let root = agent.root(&store).await;
    store.issue(root.clone()).await.unwrap();
    for round in 0..20 {
        let before = store.credential_facts(root.record.jti()).await.unwrap().unwrap();
        assert_eq!(before.live.cut_offs.len(), round);
        let key = CutOffKey::Identity(agent.id());
        store.cut_off(agent.tenant(), &key, &manual(), NOW).await.unwrap();
        let after = store.credential_facts(root.record.jti()).await.unwrap().unwrap();
        assert!(live(&after.record, &after.live, NOW).is_err());
    }
    assert!(agent.facts(&store).await.actor.key.as_ref().unwrap().0.revoked.is_none());
    store.revoke_api_key(agent.tenant(), agent.key.id, &manual(), NOW).await.unwrap();
    let facts = agent.facts(&store).await;
    assert!(facts.actor.key.as_ref().unwrap().0.revoked.is_some());
    let mut suspended = agent.record.clone();
    (suspended.identity.status, suspended.version) = (Status::Suspended, 2);
    let change = IdentityChange {
        record: suspended,
        cut_off: None,
        revoke_keys: None,
        new_key: None,
        asked_with: None,
        now: NOW,
    };
    store.change_identity(change).await.unwrap();
    let facts = store.credential_facts(root.record.jti()).await.unwrap().unwrap();
    assert_eq!(facts.live.standings[0].status, Status::Suspended);
    assert_eq!(facts.presenter.version, 2);
}

#[tokio::test]
async fn a_guard_that_no_longer_holds_is_stale() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let root = agent.root(&store).await;
    store.revoke_api_key(agent.tenant(), agent.key.id, &manual(), NOW).await.unwrap();
    assert_eq!(store.issue(root).await, Err(StoreError::Stale));
}

#[tokio::test]
async fn a_change_elsewhere_does_not_make_an_issuance_stale() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let root = agent.root(&store).await;
    Agent::of(&store, "prod", "other").await;
    assert_eq!(store.issue(root).await, Ok(()));
}

#[tokio::test]
async fn a_key_cut_for_ever_signs_nothing_more() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let key = SigningKeyRecord {
        kid: kid("key-1"),
        algorithm: "ES256".to_owned(),
        state: "active".to_owned(),
        created_at: NOW,
        activated_at: Some(NOW),
        retiring_at: None,
        retired_at: None,
        public_jwk: "{}".to_owned(),
        reference: None,
        wrapped: vec![1, 2, 3],
    };
    let keys = store.first_signing_keys(vec![key]).await.unwrap();
    store.issue(agent.root(&store).await).await.unwrap();
    store.change_signing_keys(&keys, Vec::new(), &[(kid("key-1"), manual())], NOW).await.unwrap();
    // The facts are current; that the signer still holds the key is what they do not tell.
    let refused = store.issue(agent.root(&store).await).await;
    assert!(matches!(refused, Err(StoreError::Dead(_))), "{refused:?}");
}

#[tokio::test]
async fn what_has_ended_is_not_stored() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let mut root = agent.root(&store).await;
    Arc::make_mut(&mut root.record).expires_at = root.now;
    assert_eq!(store.issue(root).await, Err(StoreError::Dead(Box::new(Dead::Expired))));
}

#[tokio::test]
async fn a_lineage_does_not_leave_its_tenant() {
    let folder = Folder::new();
    let store = folder.open();
    let (ours, theirs) =
        (Agent::of(&store, "ours", "billing").await, Agent::of(&store, "theirs", "billing").await);
    let root = theirs.root(&store).await;
    store.issue(root.clone()).await.unwrap();
    let facts = ours.facts(&store).await;
    let lineage = root.record.lineage.extended(ours.link(facts.order)).unwrap();
    let refused = store.issue(issuance(lineage, ours.guards(), facts.epoch)).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uses_of_a_key_are_counted_whatever_transaction_they_share() {
    let folder = Folder::new();
    let store = std::sync::Arc::new(folder.open());
    let agent = Agent::of(&store, "prod", "billing").await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let (store, agent) = (std::sync::Arc::clone(&store), agent.clone());
        tasks.spawn(async move {
            let mut root = agent.root(&store).await;
            root.now = if number == 50 { LATER } else { NOW };
            store.issue(root).await
        });
    }
    while let Some(issued) = tasks.join_next().await {
        assert_eq!(issued.unwrap(), Ok(()));
    }
    let key = store.api_key(agent.tenant(), agent.key.id).await.unwrap().unwrap();
    assert_eq!((key.usage_count, key.last_used_at), (100, Some(LATER)));
}

#[tokio::test]
async fn uses_of_keys_reach_the_file_though_nobody_asks_for_them() {
    let folder = Folder::new();
    let store = folder.open();
    for name in ["billing", "mail"] {
        let agent = Agent::of(&store, "prod", name).await;
        for _ in 0..3 {
            store.issue(agent.root(&store).await).await.unwrap();
        }
    }
    let mut file = folder.connect();
    let began = std::time::Instant::now();
    loop {
        let counted = "SELECT count(*) AS number FROM api_keys WHERE usage_count = 3";
        let counted: Number = diesel::sql_query(counted).get_result(&mut file).unwrap();
        if counted.number == 2 {
            return;
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{} of 2", counted.number);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn something_is_spent_only_by_an_issuance_that_happens() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let spend = Spend { scope: "https://issuer.example".to_owned(), hash: hash(), forget_at: LATER };
    let mut dead = agent.root(&store).await;
    Arc::make_mut(&mut dead.record).expires_at = NOW;
    dead.spends = vec![spend.clone()];
    assert!(matches!(store.issue(dead).await, Err(StoreError::Dead(_))));
    let mut first = agent.root(&store).await;
    first.spends = vec![spend.clone()];
    let mut second = agent.root(&store).await;
    second.spends = vec![spend];
    assert_eq!(store.issue(first).await, Ok(()));
    assert_eq!(store.issue(second).await, Err(StoreError::Spent));
    assert_eq!(store.sweep(NOW, NOW).await.unwrap().forgotten, 0);
    assert_eq!(store.sweep(LATER, NOW).await.unwrap().forgotten, 1);
}

#[tokio::test]
async fn of_those_written_together_that_spend_the_same_the_first_wins() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let spend = |name: u8| Spend {
        scope: "https://issuer.example".to_owned(),
        hash: SecretHash([name; 32]),
        forget_at: LATER,
    };
    let mut issuances = Vec::new();
    for spends in [vec![spend(1)], vec![spend(1)], vec![], vec![spend(2), spend(1)], vec![spend(2)]] {
        issuances.push(Issuance { spends, ..agent.root(&store).await });
    }
    let jtis: Vec<_> = issuances.iter().map(|issuance| issuance.record.jti()).collect();
    let [first, second, plain, both, last] = <[Issuance; 5]>::try_from(issuances).unwrap();
    let verbs = async {
        tokio::join!(biased; store.issue(first), store.issue(second), store.issue(plain), store.issue(both), store.issue(last))
    };
    let (first, second, plain, both, last) = in_one_transaction(&folder, &store, verbs).await;
    assert_eq!((first, second, plain), (Ok(()), Err(StoreError::Spent), Ok(())));
    assert_eq!((both, last), (Err(StoreError::Spent), Ok(())), "what was refused used nothing up");
    for (jti, is_stored) in jtis.into_iter().zip([true, false, true, false, true]) {
        assert_eq!(store.credential_facts(jti).await.unwrap().is_some(), is_stored);
    }
}

#[tokio::test]
async fn reading_an_unknown_tenant_makes_no_tenant() {
    use diesel::prelude::*;
    let folder = Folder::new();
    let store = folder.open();
    assert!(store.facets(&tenant("nobody")).await.unwrap().statuses.is_empty());
    let count: i64 = diesel::dsl::sql::<diesel::sql_types::BigInt>("SELECT count(*) FROM tenants")
        .get_result(&mut folder.connect())
        .unwrap();
    assert_eq!(count, 0);
}
