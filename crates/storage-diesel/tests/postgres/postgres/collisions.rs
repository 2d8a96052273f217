//! Transactions that PostgreSQL gives up because of others are done again, within bounds.

use std::sync::Arc;

use zeroid_storage::IdentityChange;
use zeroid_storage_conformance::Shared;
use zeroid_storage_conformance::fixtures::{
    at, by_key, identity_id, issuance, link, ours, populated, record,
};
use zeroid_storage_diesel::{PostgresOptions, PostgresStore};
use zeroid_test_postgres::sql;
use zeroid_token_core::{CutOffKey, Lineage, Reason};

async fn fresh() -> (String, Shared) {
    let url = zeroid_test_postgres::fresh_database().expect("a PostgreSQL");
    let store: Shared = Arc::new(PostgresStore::open(&PostgresOptions::new(&url)).unwrap());
    populated(&store, &ours(), 1, 2).await;
    (url, store)
}

/// A table whose next inserts fail as those do that cannot be serialized. A sequence counts what is undone, too.
fn collide(url: &str, table: &str, times: u32) {
    sql(url, &format!(
        "CREATE SEQUENCE tries;
         CREATE FUNCTION collide() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF nextval('tries') <= {times} THEN
                 RAISE EXCEPTION 'could not serialize access due to concurrent update' USING ERRCODE = '40001';
             END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER collide BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION collide()"
    )).unwrap();
}

#[tokio::test]
async fn a_serialization_failure_is_tried_again_and_kept_once() {
    let (url, store) = fresh().await;
    collide(&url, "cut_offs", 2);
    let cut = store.cut_off(&ours(), &CutOffKey::Identity(identity_id(1)), &Reason::new("why"), at(1)).await;
    assert!(cut.is_ok(), "{cut:?}");
    assert_eq!(sql(&url, "SELECT count(*) FROM cut_offs").unwrap().trim(), "1");
    assert_eq!(sql(&url, "SELECT last_value FROM tries").unwrap().trim(), "3");
}

#[tokio::test]
async fn one_that_never_ends_is_given_up_and_nothing_is_kept() {
    let (url, store) = fresh().await;
    collide(&url, "cut_offs", 1000);
    let cut = store.cut_off(&ours(), &CutOffKey::Identity(identity_id(1)), &Reason::new("why"), at(1)).await;
    assert!(cut.unwrap_err().to_string().contains("could not serialize access"));
    assert_eq!(sql(&url, "SELECT last_value FROM tries").unwrap().trim(), "4");
    assert_eq!(sql(&url, "SELECT count(*) FROM cut_offs").unwrap().trim(), "0");
}

#[tokio::test]
async fn an_issuance_that_collides_is_decided_again() {
    let (url, store) = fresh().await;
    collide(&url, "credentials", 2);
    let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
    let issuance = issuance(record(Lineage::root_of(link(&ours(), 1, 1, facts.order))), facts.epoch);
    // Once together with others and once alone: then its caller reads the facts again.
    assert_eq!(store.issue(issuance.clone()).await, Err(zeroid_storage::StoreError::Stale));
    assert_eq!(store.issue(issuance).await, Ok(()));
    assert_eq!(sql(&url, "SELECT count(*) FROM credentials").unwrap().trim(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_tried_again() {
    let (url, store) = fresh().await;
    let before = store.identity(&ours(), identity_id(1)).await.unwrap().unwrap();
    let mut after = before.clone();
    after.identity.description = "changed".to_owned();
    after.version += 1;
    let change = IdentityChange {
        record: after,
        cut_off: None,
        revoke_keys: Some(Reason::new("why")),
        new_key: None,
        asked_with: None,
        now: at(1),
    };
    // The other one has the identity and wants its keys; the store has the keys and wants the identity.
    let other = {
        let url = url.clone();
        std::thread::spawn(move || {
            sql(
                &url,
                "BEGIN; SET deadlock_timeout = '30s'; UPDATE identities SET version = version;
                       SELECT pg_sleep(0.4);
                       UPDATE api_keys SET usage_count = usage_count; COMMIT",
            )
        })
    };
    std::thread::sleep(std::time::Duration::from_millis(150));
    let changed = store.change_identity(change).await;
    other.join().unwrap().unwrap();
    assert_eq!(changed, Ok(()));
    let found = "SELECT sum(deadlocks) FROM pg_stat_database WHERE datname = current_database()";
    let mut counted = String::new();
    for _ in 0..100 {
        counted = sql(&url, found).unwrap().trim().to_owned();
        if counted != "0" {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_ne!(counted, "0", "there was none");
    let stored = store.identity(&ours(), identity_id(1)).await.unwrap().unwrap();
    assert_eq!((stored.identity.description.as_str(), stored.version), ("changed", 2));
}
