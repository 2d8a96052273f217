//! The laws of delegation through the engine and the real stores: what is stored after random sequences of every grant,
//! with cut-offs, changes of standing and the passing of time among them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod driver;
mod parties;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use driver::{Driver, Held};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use zeroid_storage::{MemoryStore, Store};
use zeroid_storage_diesel::{PostgresOptions, PostgresStore, SqliteOptions, SqliteStore};
use zeroid_token_core::strategies::{WorldPlan, plans};

/// How many steps a sequence has.
const STEPS: std::ops::Range<usize> = 10..40;

/// Run a plan on a store, and hold what is stored then against the laws.
fn check(store: Arc<dyn Store>, plan: &WorldPlan) -> Driver {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut driver = Driver::new(store, plan).await;
        for step in &plan.steps {
            driver.apply(step).await;
        }
        for held in &driver.held {
            let stored = driver.stored(held).await;
            assert_eq!(stored, *held.issued.record, "what is stored is what was answered");
            law_1(&driver, held);
            law_2(&driver, held);
            law_3(&driver, held);
        }
        law_4(&driver).await;
        driver.stores_nothing_else().await;
        driver
    })
}

/// Authority never grows.
fn law_1(driver: &Driver, held: &Held) {
    let record = &held.issued.record;
    if let Some(parent) = driver.parent(held) {
        let above = parent.issued.record.held();
        assert!(record.held().is_subset(&above), "{} of {above}", record.held());
    }
    if let Some(asked) = held.asked.scopes.as_ref().filter(|asked| !asked.is_empty()) {
        assert!(record.usable.is_subset(asked), "{} of {asked} asked", record.usable);
    }
    for list in &held.lists {
        assert!(record.usable.is_subset(list), "{} of {list}", record.usable);
    }
    for list in &held.delegable {
        assert!(record.delegable.is_subset(list), "{} of {list} to pass on", record.delegable);
    }
}

/// Lifetime and depth are capped.
fn law_2(driver: &Driver, held: &Held) {
    let record = &held.issued.record;
    let lived = record.expires_at.unix_seconds() - record.issued_at().unix_seconds();
    assert!(lived <= held.longest, "{lived} s of {}", held.longest);
    assert!(held.ends.is_none_or(|end| record.expires_at <= end), "it outlives its identity or key");
    assert!(
        record.delegation_depth() <= record.max_delegation_depth
            && record.max_delegation_depth <= held.deepest
    );
    match driver.parent(held) {
        None => assert_eq!(record.delegation_depth(), 0),
        Some(parent) => {
            let above = &parent.issued.record;
            let hop = u8::from(parent.party != held.party);
            assert_eq!(record.delegation_depth(), above.delegation_depth() + hop);
            assert!(
                record.expires_at <= above.expires_at
                    && record.max_delegation_depth <= above.max_delegation_depth
            );
        }
    }
}

/// Restrictions are inherited.
fn law_3(driver: &Driver, held: &Held) {
    let record = &held.issued.record;
    let proven = held.asked.proven_key.as_ref().map(|key| &key.thumbprint);
    let Some(parent) = driver.parent(held) else {
        assert_eq!(record.confirmation.as_ref(), proven);
        return;
    };
    let above = &parent.issued.record;
    if above.confirmation.is_some() {
        let kept = record.confirmation == above.confirmation && proven == record.confirmation.as_ref();
        let own = Some(&driver.thumbprints[held.party]);
        let key = record.confirmation.as_ref();
        assert!(
            kept || (held.by_own_key && key.is_some() && (key == proven || key == own)),
            "sender binding was lost"
        );
    }
    if above.audience.is_binding() {
        let values = above.audience.values();
        assert!(record.audience.is_binding(), "resource binding was lost");
        assert!(record.audience.values().iter().all(|value| values.contains(value)));
    }
    if let Some(named) = &above.may_act {
        let still = record.may_act.as_ref().expect("may_act was lost");
        assert!(still.iter().all(|id| named.contains(id)), "may_act is wider");
        assert!(
            parent.party == held.party || named.contains(&driver.uris[held.party]),
            "not named by may_act"
        );
    }
}

/// Nothing lives under a dead link.
async fn law_4(driver: &Driver) {
    let mut alive = Vec::new();
    for held in &driver.held {
        let lives = driver.is_active(held).await;
        let above = held.parent.is_none_or(|parent: usize| alive[parent]);
        assert!(!lives || above, "a live token under a dead one");
        assert!(!lives || !held.cut, "a live token that was cut off");
        alive.push(lives);
    }
}

fn sqlite() -> (tempfile::TempDir, Arc<dyn Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(SqliteOptions::new(folder.path().join("zeroid.db"))).unwrap();
    (folder, Arc::new(store))
}

fn postgres() -> Arc<dyn Store> {
    let url = zeroid_test_postgres::fresh_database().expect("a PostgreSQL");
    Arc::new(PostgresStore::open(&PostgresOptions::new(url)).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_in_memory(plan in plans(STEPS)) {
        check(Arc::new(MemoryStore::new()), &plan);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_on_sqlite(plan in plans(STEPS)) {
        let (_folder, store) = sqlite();
        check(store, &plan);
    }

    #[test]
    fn the_laws_hold_on_postgres(plan in plans(STEPS)) {
        check(postgres(), &plan);
    }
}

#[test]
fn the_sequences_use_every_grant_and_reach_deep_chains() {
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..60 {
        let plan = plans(STEPS).new_tree(&mut runner).unwrap().current();
        let driver = check(Arc::new(MemoryStore::new()), &plan);
        for held in &driver.held {
            let record = &held.issued.record;
            *seen.entry(format!("{} {:?}", record.grant_type, held.proof)).or_default() += 1;
            *seen.entry(format!("depth {}", record.delegation_depth())).or_default() += 1;
            *seen.entry(format!("cut {}", held.cut)).or_default() += 1;
        }
    }
    let roots =
        ["api_key ApiKey", "api_key KeyAndClient", "client_credentials Client", "jwt_bearer Assertion"];
    let proofs = ["ApiKey", "KeyAndClient", "Client", "Assertion", "AssertionAndClient"];
    let exchanges = proofs.map(|proof| format!("token_exchange {proof}"));
    let others = ["depth 2", "cut true"].map(str::to_owned);
    for wanted in roots.map(str::to_owned).iter().chain(&exchanges).chain(&others) {
        assert!(seen.get(wanted).is_some_and(|count| *count >= 5), "{wanted} in {seen:?}");
    }
}
