//! Batches that are one statement, and cut-offs that outdate nothing but what they touch.

use std::sync::Arc;

use zeroid_storage::{Spend, StoreError};
use zeroid_storage_conformance::Shared;
use zeroid_storage_conformance::fixtures::{
    at, by_key, hash, identity_id, is_live, issuance, issued_child, issued_root, jti, judged_child, key_id,
    link, ours, populated, record, theirs,
};
use zeroid_storage_diesel::{PostgresOptions, PostgresStore};
use zeroid_test_postgres::sql;
use zeroid_token_core::{CutOff, CutOffKey, Lineage, Reason};

fn open(url: &str) -> Shared {
    Arc::new(PostgresStore::open(&PostgresOptions::new(url)).unwrap())
}

async fn fresh() -> (String, Shared) {
    let url = zeroid_test_postgres::fresh_database().expect("a PostgreSQL");
    let store = open(&url);
    populated(&store, &ours(), 1, 2).await;
    (url, store)
}

async fn cut(store: &Shared, number: u64) -> Result<CutOff, StoreError> {
    let key = CutOffKey::Credential(jti(number));
    store.cut_off(&ours(), &key, &Reason::new("why"), at(i64::try_from(number).unwrap())).await
}

fn epoch(url: &str) -> u64 {
    sql(url, "SELECT max(epoch) FROM epochs").unwrap().trim().parse().unwrap()
}

fn count(url: &str, table: &str) -> String {
    sql(url, &format!("SELECT count(*) FROM {table}")).unwrap().trim().to_owned()
}

/// What nobody is told of: what is judged again finds it, and what is not judged again does not.
fn suspend_in_secret(url: &str, number: u64) {
    let id = identity_id(number);
    let id: String = id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    sql(url, &format!("UPDATE identities SET status = 'suspended', body = replace(body, '\"active\"', '\"suspended\"') WHERE id = '\\x{id}'")).unwrap();
}

#[tokio::test]
async fn cut_offs_that_wait_share_a_transaction_and_each_has_its_own_outcome() {
    let (url, store) = fresh().await;
    populated(&store, &theirs(), 11, 11).await;
    for number in 1..=40 {
        issued_root(&store, &ours(), number, 1).await;
    }
    issued_root(&store, &theirs(), 50, 11).await;
    let first = cut(&store, 1).await.unwrap();
    let before = epoch(&url);
    // The lock is held by somebody else, so that they wait together.
    let held = hold(&url, "SELECT 1", 0.7);
    let asked: Vec<u64> = (1..=40).chain(2..=40).chain([50, 60]).collect();
    let tasks: Vec<_> = asked
        .iter()
        .map(|number| {
            let (store, number) = (Arc::clone(&store), *number);
            tokio::spawn(async move { cut(&store, number).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    held.join().unwrap();
    for (number, outcome) in asked.iter().zip(&outcomes) {
        match number {
            50 | 60 => assert_eq!(*outcome, Err(StoreError::NotFound), "{number}"),
            1 => assert_eq!(*outcome, Ok(first.clone())),
            _ => assert_eq!(outcome.as_ref().unwrap().key, CutOffKey::Credential(jti(*number))),
        }
    }
    assert_eq!(count(&url, "cut_offs"), "40");
    assert!(epoch(&url) <= before + 2, "{before} and then {}", epoch(&url));
    for number in 1..=40 {
        assert!(!is_live(&store, jti(number)).await);
    }
    assert!(is_live(&store, jti(50)).await);
    // Nothing added is nothing changed.
    let before = epoch(&url);
    assert_eq!(cut(&store, 1).await, Ok(first));
    assert_eq!(cut(&store, 60).await, Err(StoreError::NotFound));
    assert_eq!(epoch(&url), before);
}

#[tokio::test]
async fn what_is_good_once_shares_a_transaction_and_is_used_up_once() {
    let (url, store) = fresh().await;
    let of = |number| Spend { scope: "test".to_owned(), hash: hash(number), forget_at: at(100) };
    store.spend_once(of(0)).await.unwrap();
    let held = hold(&url, "SELECT 1", 0.7);
    let mut tasks = Vec::new();
    for number in (0..=40).chain(0..=40) {
        let (store, spend) = (Arc::clone(&store), of(number));
        tasks.push((vec![number], tokio::spawn(async move { store.spend_once(spend).await })));
    }
    // Credentials that are bought with some of the same things, one with two of them.
    for (number, bought) in
        [(41, vec![1]), (42, vec![50]), (43, vec![50]), (44, vec![51, 2]), (45, vec![0, 52])]
    {
        let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
        let mut issuance =
            issuance(record(Lineage::root_of(link(&ours(), number, 1, facts.order))), facts.epoch);
        issuance.spends = bought.iter().map(|number| of(*number)).collect();
        let store = Arc::clone(&store);
        tasks.push((bought, tokio::spawn(async move { store.issue(issuance).await })));
    }
    let mut used = Vec::new();
    for (what, task) in tasks {
        match task.await.unwrap() {
            Ok(()) => used.extend(what),
            refused => assert_eq!(refused, Err(StoreError::Spent), "{what:?}"),
        }
    }
    held.join().unwrap();
    used.sort_unstable();
    // The one with 51 may have come too late for 2; the one with 0 came too late.
    used.retain(|number| *number != 51);
    assert_eq!(used, (1..=40).chain([50]).collect::<Vec<u64>>());
    let refused = "SELECT count(*) FROM spent WHERE encode(hash, 'hex') LIKE '%34'";
    assert_eq!(sql(&url, refused).unwrap().trim(), "0", "52 is still good");
}

#[tokio::test]
async fn what_cannot_be_written_fails_alone() {
    let (url, store) = fresh().await;
    for number in 1..=4 {
        issued_root(&store, &ours(), number, 1).await;
    }
    sql(
        &url,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF encode(NEW.cut_key, 'hex') LIKE '%02' THEN RAISE EXCEPTION 'not this one'; END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON cut_offs FOR EACH ROW EXECUTE FUNCTION refuse();
         CREATE FUNCTION refuse_credential() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF encode(NEW.jti, 'hex') LIKE '%06' THEN RAISE EXCEPTION 'not this one'; END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON credentials FOR EACH ROW EXECUTE FUNCTION refuse_credential()",
    )
    .unwrap();
    let mut issuances = Vec::new();
    for number in 5..=8 {
        let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
        let record = record(Lineage::root_of(link(&ours(), number, 1, facts.order)));
        issuances.push(issuance(record, facts.epoch));
    }
    let used = count(&url, "credentials");
    let held = hold(&url, "SELECT 1", 0.7);
    let cuts: Vec<_> = (1..=4)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { cut(&store, number).await.map(drop) })
        })
        .collect();
    let issues: Vec<_> = issuances
        .into_iter()
        .map(|issuance| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.issue(issuance).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in cuts.into_iter().chain(issues) {
        outcomes.push(task.await.unwrap().is_ok());
    }
    held.join().unwrap();
    assert_eq!(outcomes, [true, false, true, true, true, false, true, true]);
    assert_eq!(count(&url, "cut_offs"), "3");
    assert_eq!((used.as_str(), count(&url, "credentials").as_str()), ("4", "7"));
    let key = store.api_key(&ours(), key_id(1)).await.unwrap().unwrap();
    assert_eq!(key.usage_count, 7, "each use once");
    assert!(is_live(&store, jti(2)).await && !is_live(&store, jti(4)).await);
}

/// Hold the lock of all transactions for some seconds, and do something under it.
fn hold(url: &str, doing: &str, seconds: f64) -> std::thread::JoinHandle<()> {
    let script = format!(
        "BEGIN; SELECT pg_advisory_xact_lock({}); {doing}; SELECT pg_sleep({seconds}); COMMIT",
        0x7a69_645f_6f72_6472_i64
    );
    let url = url.to_owned();
    let held = std::thread::spawn(move || drop(sql(&url, &script).unwrap()));
    std::thread::sleep(std::time::Duration::from_millis(250));
    held
}

#[tokio::test]
async fn the_epoch_is_read_when_the_lock_is_held_and_no_earlier() {
    let (url, store) = fresh().await;
    issued_root(&store, &ours(), 1, 1).await;
    let child = judged_child(&store, &issued_root(&store, &ours(), 2, 1).await, 3, 1).await.unwrap();
    // What is not committed when the statement begins, and is when it has the lock.
    let doing =
        "INSERT INTO epochs SELECT max(epoch) + 1 FROM epochs; UPDATE identities SET status = 'suspended'";
    let held = hold(&url, doing, 0.7);
    let issued = store.issue(child).await;
    held.join().unwrap();
    assert!(matches!(issued, Err(StoreError::Dead(_))), "{issued:?}");
    assert_eq!(count(&url, "credentials"), "2");
}

#[tokio::test]
async fn a_cut_off_outdates_what_is_below_it_and_nothing_else() {
    let (url, store) = fresh().await;
    let other = open(&url);
    let root = issued_root(&store, &ours(), 1, 1).await;
    let child = issued_child(&store, &root, 2, 1).await.unwrap();
    let grandchild = issued_child(&store, &child, 3, 2).await.unwrap();
    for number in 10..=30 {
        issued_root(&store, &ours(), number, 2).await;
    }
    let (mine, theirs) =
        (judged_child(&store, &child, 40, 1).await, judged_child(&store, &root, 41, 2).await);
    for number in [1, 2, 3, 10] {
        assert!(is_live(&store, jti(number)).await);
    }
    suspend_in_secret(&url, 2);
    // Another replica cuts off others, some epochs in a row: nothing is read again here.
    for number in 11..=19 {
        cut(&other, number).await.unwrap();
    }
    assert!(is_live(&store, jti(10)).await, "the facts of others are still those remembered");
    assert!(is_live(&store, grandchild.jti()).await);
    for number in 20..=29 {
        cut(&other, number).await.unwrap();
    }
    cut(&other, 2).await.unwrap();
    cut(&other, 30).await.unwrap();
    // Whoever was several epochs behind sees at once what touches it.
    assert!(is_live(&store, root.jti()).await && is_live(&store, jti(10)).await);
    assert!(!is_live(&store, child.jti()).await && !is_live(&store, grandchild.jti()).await);
    // What was judged before is stored as it was judged, unless its lineage was touched.
    assert_eq!(store.issue(theirs.unwrap()).await, Ok(()));
    assert!(matches!(store.issue(mine.unwrap()).await, Err(StoreError::Dead(_))));
    // Any other change outdates everything.
    sql(&url, "INSERT INTO epochs SELECT max(epoch) + 1 FROM epochs").unwrap();
    assert!(!is_live(&store, jti(10)).await);
}

#[tokio::test]
async fn an_epoch_that_did_more_than_cut_off_credentials_outdates_everything() {
    let (url, store) = fresh().await;
    let judged = judged_child(&store, &issued_root(&store, &ours(), 1, 1).await, 2, 2).await.unwrap();
    issued_root(&store, &ours(), 3, 1).await;
    issued_root(&store, &ours(), 4, 2).await;
    assert!(is_live(&store, jti(4)).await);
    // Both in one batch: what cannot be written together goes with the other verbs.
    let held = hold(&url, "SELECT 1", 0.7);
    sql(&url, "CREATE SEQUENCE tries; CREATE FUNCTION once() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF nextval('tries') = 1 THEN RAISE EXCEPTION 'once'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER once BEFORE INSERT ON cut_offs FOR EACH ROW WHEN (NEW.epoch > 0) EXECUTE FUNCTION once()").unwrap();
    let cut_one = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { cut(&store, 3).await })
    };
    let suspend = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let key = CutOffKey::Identity(identity_id(2));
            store.cut_off(&ours(), &key, &Reason::new("all of it"), at(5)).await
        })
    };
    cut_one.await.unwrap().unwrap();
    suspend.await.unwrap().unwrap();
    held.join().unwrap();
    assert!(
        !is_live(&store, jti(4)).await && !is_live(&store, jti(3)).await && is_live(&store, jti(1)).await
    );
    assert!(matches!(store.issue(judged).await, Err(StoreError::Dead(_))), "its order is covered");
}

#[tokio::test]
async fn what_the_lock_came_too_late_for_does_not_happen() {
    let (url, store) = fresh().await;
    issued_root(&store, &ours(), 1, 1).await;
    let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
    let second = issuance(record(Lineage::root_of(link(&ours(), 2, 1, facts.order))), facts.epoch);
    // Each wait is within its bound. The cut-off waits for the writer first, which waits for the lock, and then for the
    // lock itself, which another has by then: more than eight seconds.
    let first_hold = hold(&url, "SELECT 1", 4.3);
    let issued = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.issue(second).await })
    };
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let late = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { cut(&store, 1).await })
    };
    let spent = {
        let store = Arc::clone(&store);
        let spend = Spend { scope: "test".to_owned(), hash: hash(1), forget_at: at(100) };
        tokio::spawn(async move { store.spend_once(spend).await })
    };
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let second_hold = hold(&url, "SELECT 1", 4.3);
    assert_eq!(issued.await.unwrap(), Ok(()));
    let late = late.await.unwrap();
    assert!(late.as_ref().is_err_and(|why| why.to_string().contains("took too long")), "{late:?}");
    let spent = spent.await.unwrap();
    assert!(spent.as_ref().is_err_and(|why| why.to_string().contains("took too long")), "{spent:?}");
    first_hold.join().unwrap();
    second_hold.join().unwrap();
    assert_eq!((count(&url, "cut_offs").as_str(), count(&url, "spent").as_str()), ("0", "0"));
    assert!(is_live(&store, jti(1)).await);
    assert!(cut(&store, 1).await.is_ok());
}
