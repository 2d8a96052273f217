//! What was acknowledged is there, after a restart and after `kill -9`.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroid_identity_model::{ApiKeyId, CredentialId, IdentityId};
use zeroid_storage::{ApiKeyStore, CredentialStore, IdentityStore, PolicyStore, ServerStore};
use zeroid_storage_diesel::{SqliteOptions, SqliteStore};
use zeroid_token_core::{CutOffKey, Reason};

use crate::support::{Agent, Folder, NOW, api_key, tenant};

/// Tells this binary, started again by a test, which database to load until it is killed.
const CHILD: &str = "ZEROID_TEST_LOADED_DATABASE";

#[tokio::test]
async fn a_restart_keeps_everything_and_never_repeats_an_order() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let root = agent.root(&store).await;
    store.issue(root.clone()).await.unwrap();
    let key = CutOffKey::Credential(root.record.jti());
    let cut = store.cut_off(agent.tenant(), &key, &Reason::new("why"), NOW).await.unwrap();
    store.fact_or_insert("name", b"value").await.unwrap();
    let last = agent.facts(&store).await.order;
    store.close();

    let store = folder.open();
    assert_eq!(store.identity(agent.tenant(), agent.id()).await.unwrap(), Some(agent.record.clone()));
    let kept = store.api_key(agent.tenant(), agent.key.id).await.unwrap().unwrap();
    assert_eq!((kept.hash, kept.usage_count), (agent.key.hash, 1));
    let view = store.credential(agent.tenant(), root.record.jti()).await.unwrap().unwrap();
    assert_eq!((&view.record, view.revoked_by), (&*root.record, Some(cut)));
    assert_eq!(
        store.policy(agent.tenant(), agent.record.policy_id).await.unwrap().unwrap().policy.version,
        1
    );
    assert_eq!(store.fact("name").await.unwrap(), Some(b"value".to_vec()));
    assert!(agent.facts(&store).await.order > last);
}

#[tokio::test]
async fn orders_rise_beyond_every_reserved_block() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let mut last = agent.facts(&store).await.order;
    for number in 0..25_000 {
        let order = agent.facts(&store).await.order;
        assert!(order > last);
        last = order;
        if number % 5000 == 0 {
            let key = CutOffKey::Identity(agent.id());
            let cut = store.cut_off(agent.tenant(), &key, &Reason::new("why"), NOW).await.unwrap();
            assert!(cut.up_to.unwrap() > last, "a cut-off comes after everything drawn before");
        }
    }
    drop(store);
    assert!(agent.facts(&folder.open()).await.order > last);
}

#[test]
fn everything_waiting_is_written_before_the_store_closes() {
    let folder = Folder::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let issued = runtime.block_on(async {
        let store = Arc::new(folder.open());
        let agent = Agent::of(&store, "prod", "billing").await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..500 {
            let (store, agent) = (Arc::clone(&store), agent.clone());
            tasks.spawn(async move {
                let root = agent.root(&store).await;
                let jti = root.record.jti();
                store.issue(root).await.map(|()| jti)
            });
        }
        drop(store);
        tasks.join_all().await
    });
    let wal = folder.file().with_file_name("zeroid.db-wal");
    assert!(!wal.exists(), "everything is in the one file");
    runtime.block_on(async {
        let store = folder.open();
        for jti in issued {
            assert!(store.credential_facts(jti.unwrap()).await.unwrap().is_some());
        }
    });
}

/// Not a test by itself: the process that is killed.
#[test]
fn load_until_killed() {
    let Some(file) = std::env::var_os(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(load(Path::new(&file)));
}

async fn load(file: &Path) {
    let store = Arc::new(SqliteStore::open(SqliteOptions::new(file)).unwrap());
    let agent = Agent::of(&store, "prod", &format!("agent-{}", std::process::id())).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..32 {
        let (store, agent) = (Arc::clone(&store), agent.clone());
        tasks.spawn(async move {
            for round in 0_u64.. {
                if number == 0 && round % 10 == 0 {
                    let key = api_key(&agent.record);
                    store.create_api_key(key.clone()).await.unwrap();
                    acknowledge("key", key.id.as_bytes(), 0);
                }
                let root = agent.root(&store).await;
                let jti = root.record.jti();
                let order = root.record.lineage.own().order.0;
                store.issue(root).await.unwrap();
                acknowledge("issue", jti.as_bytes(), order);
                if round % 7 == 0 {
                    let cut = CutOffKey::Credential(jti);
                    store.cut_off(agent.tenant(), &cut, &Reason::new("why"), NOW).await.unwrap();
                    acknowledge("cut", jti.as_bytes(), 0);
                }
            }
        });
    }
    acknowledge("agent", agent.id().as_bytes(), 0);
    tasks.join_all().await;
}

fn acknowledge(what: &str, id: &[u8; 16], order: u64) {
    let line = format!("\nacknowledged {what} {} {order}\n", u128::from_be_bytes(*id));
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).unwrap();
}

#[tokio::test]
async fn a_killed_process_has_lost_nothing_it_acknowledged() {
    let folder = Folder::new();
    let mut total = 0;
    let mut highest = 0;
    for _ in 0..5 {
        let lines = killed_under_load(&folder.file(), Duration::from_millis(400));
        let store = folder.open();
        let mut orders = HashSet::new();
        for line in &lines {
            let words: Vec<&str> = line.split(' ').collect();
            let [_, what, id, order] = words[..] else { panic!("{line}") };
            let id = id.parse::<u128>().unwrap().to_be_bytes();
            let of = tenant("prod");
            match what {
                "agent" => assert!(store.identity(&of, IdentityId::from_bytes(id)).await.unwrap().is_some()),
                "key" => assert!(store.api_key(&of, ApiKeyId::from_bytes(id)).await.unwrap().is_some()),
                "issue" => {
                    let order: u64 = order.parse().unwrap();
                    assert!(order > highest, "an order of an earlier run was drawn again");
                    assert!(orders.insert(order), "an order was drawn twice");
                    let facts = store.credential_facts(CredentialId::from_bytes(id)).await.unwrap();
                    assert!(facts.is_some(), "{line}");
                }
                "cut" => {
                    let facts = store.credential_facts(CredentialId::from_bytes(id)).await.unwrap();
                    assert_eq!(facts.unwrap().live.cut_offs.len(), 1, "{line}");
                }
                other => panic!("{other}"),
            }
        }
        total += lines.len();
        highest = orders.into_iter().max().unwrap_or(highest);
    }
    assert!(total > 500, "only {total} acknowledged: that was no load");
}

/// The complete lines that a process wrote before it was killed.
fn killed_under_load(file: &Path, after: Duration) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "durability::load_until_killed", "--nocapture"])
        .env(CHILD, file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (mut lines, mut line, mut since) = (Vec::new(), String::new(), None::<Instant>);
    while out.read_line(&mut line).unwrap() > 0 {
        let complete = line.strip_suffix('\n');
        if let Some(whole) = complete.filter(|whole| whole.starts_with("acknowledged ")) {
            lines.push(whole.to_owned());
            if since.get_or_insert_with(Instant::now).elapsed() >= after {
                child.kill().unwrap(); // SIGKILL; what it had written by then is still read
            }
        }
        line.clear();
    }
    child.wait().unwrap();
    lines
}
