//! What a request costs does not grow with what is stored, whatever was known when its statements were planned.

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroid_storage::{Spend, StoreError};
use zeroid_storage_conformance::Shared;
use zeroid_storage_conformance::fixtures::{
    api_key, at, by_key, hash, identity, identity_id, is_live, issuance, issued_child, issued_root, jti,
    key_id, link, ours, policy_id, populated, record,
};
use zeroid_storage_diesel::{PostgresOptions, PostgresStore};
use zeroid_test_postgres::sql;
use zeroid_token_core::{CutOffKey, Lineage, Reason};

fn open(url: &str) -> Shared {
    Arc::new(PostgresStore::open(&PostgresOptions::new(url)).unwrap())
}

/// Asked of tables that may have any number of rows beside.
async fn everything(store: &Shared, from: u64) {
    for number in from..from + 10 {
        let root = issued_root(store, &ours(), number, 1).await;
        let child = issued_child(store, &root, 1000 + number, 2).await.unwrap();
        assert!(is_live(store, child.jti()).await);
        let key = CutOffKey::Credential(root.jti());
        store.cut_off(&ours(), &key, &Reason::new("why"), at(20)).await.unwrap();
        assert!(!is_live(store, child.jti()).await);
        assert_eq!(spending(store, 2000 + number, number).await, Ok(()));
        assert_eq!(spending(store, 3000 + number, number).await, Err(StoreError::Spent));
        let key = api_key(&ours(), number, identity_id(number));
        store.register(identity(&ours(), number, policy_id(1)), Some(key)).await.unwrap();
        assert!(store.root_facts(&by_key(number)).await.unwrap().is_some());
        // Whoever asks has the uses written first.
        assert!(store.api_key(&ours(), key_id(1)).await.unwrap().is_some());
    }
}

async fn spending(store: &Shared, number: u64, what: u64) -> Result<(), StoreError> {
    let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
    let mut issuance = issuance(record(Lineage::root_of(link(&ours(), number, 1, facts.order))), facts.epoch);
    issuance.spends.push(Spend { scope: "test".to_owned(), hash: hash(what), forget_at: at(1000) });
    store.issue(issuance).await
}

/// Rows and pages that were read by anybody so far, of which index or table. Sessions that have ended tell what they read a moment
/// later.
fn read_so_far(url: &str) -> BTreeMap<String, i64> {
    let count = "SELECT 'rows of ' || indexrelname, idx_tup_read FROM pg_stat_user_indexes UNION ALL
                 SELECT 'rows of ' || relname, seq_tup_read FROM pg_stat_user_tables UNION ALL
                 SELECT 'pages of ' || indexrelname, idx_blks_read + idx_blks_hit FROM pg_statio_user_indexes UNION ALL
                 SELECT 'pages of ' || relname, heap_blks_read + heap_blks_hit FROM pg_statio_user_tables";
    let mut last = String::new();
    loop {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let said = sql(url, count).unwrap();
        if said == last {
            let row = |line: &str| {
                line.split_once('|').map(|(name, rows)| (name.to_owned(), rows.parse().unwrap()))
            };
            return said.lines().filter_map(row).collect();
        }
        last = said;
    }
}

/// Many rows that nobody asks for, more than all else here reads.
const MANY: i64 = 20_000;

fn grow(url: &str) {
    let bytes = "decode(md5(n::text), 'hex')";
    let of = format!("FROM (SELECT n FROM generate_series(1, {MANY}) n) many,");
    sql(url, &format!(
        "SET session_replication_role = 'replica';
         INSERT INTO cut_offs (tenant_id, cut_key, cut_at, body, epoch)
             SELECT tenant_id, {bytes}, 0, body, -n {of} (SELECT * FROM cut_offs LIMIT 1) one;
         INSERT INTO epochs SELECT -n FROM generate_series(1, {MANY}) n;
         INSERT INTO spent SELECT {bytes}, 'test', 0 FROM generate_series(1, {MANY}) n;
         INSERT INTO identities
             (id, tenant_id, external_id, spiffe_id, name, identity_type, status, trust_level, owner, created_by,
              labels, policy_id, version, expires_at, created_at, body)
             SELECT {bytes}, tenant_id, n::text, n::text, name, identity_type, status, trust_level, owner, created_by,
                    labels, policy_id, version, expires_at, created_at, body
             {of} (SELECT * FROM identities LIMIT 1) one;
         INSERT INTO credentials_default
             (jti, tenant_id, identity_id, mission_id, depth, issued_at, expires_at, digest, body)
             SELECT '\\x00000000'::bytea || substring({bytes}, 1, 12), tenant_id, identity_id, mission_id, depth,
                    issued_at, expires_at, digest, body
             {of} (SELECT * FROM credentials LIMIT 1) one;
         INSERT INTO api_keys
             (id, tenant_id, identity_id, hash, policy_id, is_revoked, expires_at, created_at, usage_count, body)
             SELECT {bytes}, tenant_id, identity_id, {bytes}, policy_id, is_revoked, expires_at, created_at, 0, body
             {of} (SELECT * FROM api_keys LIMIT 1) one"
    ))
    .unwrap();
}

/// A plan is kept as long as nothing is known to have changed, which is up to a minute in practice and forever here.
/// Below 25 and from 190 to 500 rows of a table the index of an order looks cheaper than one look-up for each key.
#[tokio::test]
async fn a_plan_that_was_made_while_there_was_little_serves_when_there_is_much() {
    for cut_before in [0, 1, 20, 198, 300] {
        let url = zeroid_test_postgres::fresh_database().expect("a PostgreSQL");
        let mut store = open(&url);
        populated(&store, &ours(), 1, 2).await;
        sql(&url, "ALTER TABLE cut_offs SET (autovacuum_enabled = false)").unwrap();
        for number in 1..=cut_before {
            issued_root(&store, &ours(), 5000 + number, 1).await;
            let key = CutOffKey::Credential(jti(5000 + number));
            store.cut_off(&ours(), &key, &Reason::new("why"), at(20)).await.unwrap();
        }
        // Either of tables nobody has looked at yet, or of tables of which all is known.
        if cut_before > 0 {
            sql(&url, "ANALYZE").unwrap();
            store = open(&url);
        }
        everything(&store, 100).await;
        grow(&url);
        let before = read_so_far(&url);
        everything(&store, 200).await;
        drop(store);
        for (of, read) in read_so_far(&url) {
            let read = read - before[&of];
            assert!(read < MANY / 2, "{read} {of} were read, planned with {cut_before} cut-offs");
        }
    }
}

/// A row that is changed leaves a version of itself until nobody's snapshot needs it: under a backup that takes an hour
/// whatever is changed at each request is slower with each of them.
#[tokio::test]
async fn what_is_hot_is_added_and_not_changed() {
    let began = std::time::Instant::now();
    let url = zeroid_test_postgres::fresh_database().expect("a PostgreSQL");
    let store = open(&url);
    populated(&store, &ours(), 1, 2).await;
    for number in 1..=100 {
        let root = issued_root(&store, &ours(), number, 1).await;
        let key = CutOffKey::Credential(root.jti());
        store.cut_off(&ours(), &key, &Reason::new("why"), at(20)).await.unwrap();
        assert_eq!(spending(&store, 1000 + number, number).await, Ok(()));
    }
    let key = store.api_key(&ours(), key_id(1)).await.unwrap().unwrap();
    assert_eq!(key.usage_count, 200, "whoever asks is told all of them");
    drop(store);
    read_so_far(&url);
    let changed = sql(&url, "SELECT sum(n_tup_upd) FROM pg_stat_user_tables").unwrap();
    // The uses of one key, once a second.
    let most = 5 + i64::try_from(began.elapsed().as_secs()).unwrap();
    assert!(changed.trim().parse::<i64>().unwrap() <= most, "{changed} rows were changed");
}
