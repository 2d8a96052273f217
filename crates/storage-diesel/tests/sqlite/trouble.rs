//! A failing database is our fault, says so, and changes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use zeroid_storage::{ActorLookup, CredentialStore, IdentityStore, ServerStore, Spend, StoreError};
use zeroid_storage_diesel::{OpenError, SqliteOptions, SqliteStore};

use crate::support::{Agent, Folder, Hold, LATER, NOW, connect, hash, identity, in_one_transaction, tenant};

#[test]
fn a_second_open_is_refused_and_names_the_file() {
    let folder = Folder::new();
    let store = folder.open();
    let refused = SqliteStore::open(SqliteOptions::new(folder.file())).unwrap_err();
    assert!(matches!(&refused, OpenError::InUse(path) if *path == folder.file()), "{refused}");
    assert!(refused.to_string().contains("zeroid.db is in use by another zeroid-server"), "{refused}");
    assert!(matches!(SqliteStore::migrate(&folder.file()), Err(OpenError::InUse(_))));
    store.close();
    folder.open().close();
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = Folder::new();
    std::fs::write(folder.file(), "This is no database, but a text that is long enough to be one.").unwrap();
    let below_a_file = SqliteOptions::new(folder.file().join("zeroid.db"));
    let refused = SqliteStore::open(below_a_file).unwrap_err();
    assert!(matches!(refused, OpenError::Io { .. }), "{refused}");
    let refused = SqliteStore::open(SqliteOptions::new(folder.file())).unwrap_err();
    assert!(refused.to_string().contains("file is not a database"), "{refused}");
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let folder = Folder::new();
    folder.open().close();
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000');";
    folder.connect().batch_execute(newer).unwrap();
    let refused = SqliteStore::open(SqliteOptions::new(folder.file())).unwrap_err();
    assert!(matches!(&refused, OpenError::Newer { migration, .. } if migration == "99990101000000"));
    assert!(matches!(SqliteStore::pending_migrations(&folder.file()), Err(OpenError::Newer { .. })));
}

#[test]
fn migrations_are_named_and_applied_once() {
    let folder = Folder::new();
    let pending = SqliteStore::pending_migrations(&folder.file()).unwrap();
    assert_eq!(
        pending,
        [
            "00000000000001_kernel",
            "00000000000002_ending",
            "00000000000003_lean",
            "00000000000004_packed",
            "00000000000005_clients",
            "00000000000006_delegation_routes"
        ]
    );
    assert!(!folder.file().exists(), "asking makes no file");
    assert_eq!(SqliteStore::migrate(&folder.file()).unwrap().len(), pending.len());
    assert!(SqliteStore::pending_migrations(&folder.file()).unwrap().is_empty());
    assert!(SqliteStore::migrate(&folder.file()).unwrap().is_empty());
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let _store = folder.open();
    for name in ["zeroid.db", "zeroid.db-wal"] {
        let metadata = std::fs::metadata(folder.file().with_file_name(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn one_bad_verb_of_a_transaction_fails_alone() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let again = identity(agent.tenant(), "billing", agent.record.policy_id);
    let fresh = identity(agent.tenant(), "other", agent.record.policy_id);
    let twice = agent.root(&store).await;
    let good = agent.root(&store).await;
    let jtis = [twice.record.jti(), good.record.jti()];
    let verbs = async {
        tokio::join!(
            biased;
            store.issue(twice.clone()),
            store.register(again, None),
            store.issue(twice.clone()),
            store.issue(good),
            store.register(fresh, None),
        )
    };
    let (once, again, twice, good, fresh) = in_one_transaction(&folder, &store, verbs).await;
    assert_eq!((once, good, fresh), (Ok(()), Ok(()), Ok(())));
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    assert!(matches!(twice, Err(StoreError::Unavailable(_))), "the same jti again: {twice:?}");
    for jti in jtis {
        assert!(store.credential_facts(jti).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn what_a_refused_verb_wrote_is_undone_within_the_transaction() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let spend = Spend { scope: "https://issuer.example".to_owned(), hash: hash(), forget_at: LATER };
    let mut dead = agent.root(&store).await;
    Arc::make_mut(&mut dead.record).expires_at = NOW;
    dead.spends = vec![spend.clone()];
    let mut alive = agent.root(&store).await;
    alive.spends = vec![spend];
    let verbs = async { tokio::join!(biased; store.issue(dead), store.issue(alive)) };
    let (dead, alive) = in_one_transaction(&folder, &store, verbs).await;
    assert!(matches!(dead, Err(StoreError::Dead(_))), "it had spent by then: {dead:?}");
    assert_eq!(alive, Ok(()));
}

#[tokio::test]
async fn when_the_database_undoes_a_transaction_nobody_is_told_that_it_happened() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    // What a full disk does, too: the whole transaction is gone in the middle of a verb.
    let full = "CREATE TRIGGER full BEFORE INSERT ON credentials WHEN NEW.digest = zeroblob(32)
                BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END;";
    folder.connect().batch_execute(full).unwrap();
    let mut bad = agent.root(&store).await;
    bad.digest.0 = [0; 32];
    let (before, after) = (agent.root(&store).await, agent.root(&store).await);
    let jtis = [before.record.jti(), bad.record.jti(), after.record.jti()];
    let again = identity(agent.tenant(), "billing", agent.record.policy_id);
    let verbs = async {
        tokio::join!(
            biased;
            store.issue(before.clone()),
            store.register(again, None),
            store.issue(bad.clone()),
            store.issue(after.clone()),
        )
    };
    let answers: (_, _, _, _) = in_one_transaction(&folder, &store, verbs).await;
    for answer in [answers.0, answers.1, answers.2, answers.3] {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    for jti in jtis {
        assert!(store.credential_facts(jti).await.unwrap().is_none());
    }
    assert!(matches!(store.issue(bad).await, Err(StoreError::Unavailable(_))), "alone, too");
    assert_eq!(store.issue(before).await, Ok(()), "and the writer goes on");
    assert_eq!(store.issue(after).await, Ok(()));
}

#[tokio::test]
async fn a_full_queue_answers_busy_at_once() {
    let folder = Folder::new();
    let options = SqliteOptions { queue: 2, ..SqliteOptions::new(folder.file()) };
    let store = SqliteStore::open(options).unwrap();
    let agent = Agent::of(&store, "prod", "billing").await;
    let mut roots = Vec::new();
    for _ in 0..4 {
        roots.push(agent.root(&store).await);
    }
    let (c, d, e) = (roots.pop().unwrap(), roots.pop().unwrap(), roots.pop().unwrap());
    let verbs = async {
        let one_too_many = async {
            let asked = Instant::now();
            (store.issue(e).await, asked.elapsed())
        };
        tokio::join!(biased; store.issue(c), store.issue(d), one_too_many)
    };
    let (c, d, (answer, took)) = in_one_transaction(&folder, &store, verbs).await;
    assert_eq!((c, d), (Ok(()), Ok(())));
    assert_eq!(answer, Err(StoreError::Busy));
    assert!(took < Duration::from_millis(50), "{took:?}");
    assert_eq!(store.issue(roots.pop().unwrap()).await, Ok(()));
}

#[tokio::test]
async fn a_locked_database_is_unavailable_and_is_used_again_when_free() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let root = agent.root(&store).await;
    let hold = Hold::writes_to(&folder);
    assert_eq!(
        store.issue(root.clone()).await,
        Err(StoreError::Unavailable("database is locked".to_owned()))
    );
    assert!(store.credential_facts(root.record.jti()).await.unwrap().is_none(), "reads go on");
    drop(hold);
    assert_eq!(store.issue(root).await, Ok(()));
    assert_eq!(store.ready().await, Ok(()));
}

#[cfg(unix)]
#[tokio::test]
async fn a_removed_file_acknowledges_nothing() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let root = agent.root(&store).await;
    std::fs::remove_file(folder.file()).unwrap();
    let answer = store.issue(root).await;
    assert!(matches!(&answer, Err(StoreError::Unavailable(why)) if why.contains("removed")), "{answer:?}");
    assert!(store.ready().await.is_err());
}

#[tokio::test]
async fn a_missing_table_is_unavailable_and_never_absent() {
    let folder = Folder::new();
    let store = folder.open();
    let unread = Agent::of(&store, "prod", "unread").await;
    let agent = Agent::of(&store, "prod", "billing").await;
    let root = agent.root(&store).await;
    store.issue(root.clone()).await.unwrap();
    connect(&folder.file())
        .batch_execute("PRAGMA foreign_keys = OFF; ALTER TABLE identities RENAME TO gone;")
        .unwrap();
    let facts = store.credential_facts(root.record.jti()).await;
    assert!(matches!(facts, Err(StoreError::Unavailable(_))), "{facts:?}");
    let facts = store.root_facts(&ActorLookup::ApiKey(unread.key.hash)).await;
    assert!(matches!(facts, Err(StoreError::Unavailable(_))), "{facts:?}");
}

#[tokio::test]
async fn an_unreadable_or_missing_row_is_corrupt_and_never_absent() {
    let folder = Folder::new();
    let store = folder.open();
    let unread = Agent::of(&store, "prod", "unread").await;
    let agent = Agent::of(&store, "prod", "billing").await;
    let root = agent.root(&store).await;
    store.issue(root.clone()).await.unwrap();
    let mut conn = connect(&folder.file());
    conn.batch_execute("UPDATE identities SET body = '{'").unwrap();
    let facts = store.credential_facts(root.record.jti()).await;
    assert!(matches!(facts, Err(StoreError::Corrupt(_))), "{facts:?}");
    conn.batch_execute("PRAGMA foreign_keys = OFF; DELETE FROM identities;").unwrap();
    let facts = store.credential_facts(root.record.jti()).await;
    assert!(matches!(facts, Err(StoreError::Corrupt(_))), "{facts:?}");
    let facts = store.root_facts(&ActorLookup::ApiKey(unread.key.hash)).await;
    assert!(matches!(facts, Err(StoreError::Corrupt(_))), "{facts:?}");
    assert_eq!(
        store.identity(&tenant("prod"), agent.id()).await,
        Ok(None),
        "asked for by its id, it is absent"
    );
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_store_usable() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let root = agent.root(&store).await;
    let hold = Hold::writes_to(&folder);
    let dropped = tokio::time::timeout(Duration::from_millis(50), store.issue(root.clone())).await;
    assert!(dropped.is_err());
    drop(hold);
    assert_eq!(store.issue(agent.root(&store).await).await, Ok(()));
    assert!(store.credential_facts(root.record.jti()).await.unwrap().is_some(), "it was on its way");
}
