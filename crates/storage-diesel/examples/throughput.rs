//! How many credentials a second one file takes, each durable before it is answered, and what a read costs.
//!
//! `cargo run --release -p zeroid-storage-diesel --example throughput -- [seconds] [tasks] [folder] [only]`
#![allow(clippy::disallowed_methods, reason = "it measures time")]
#![allow(clippy::print_stdout, reason = "it reports")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "an example may stop")]

#[path = "../tests/sqlite/support.rs"]
#[allow(dead_code)]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use support::Agent;
use zeroid_identity_model::CredentialId;
use zeroid_storage::{ActorLookup, CredentialStore};
use zeroid_storage_diesel::{SqliteOptions, SqliteStore};

struct Run {
    store: SqliteStore,
    agents: Vec<Agent>,
    issued: Vec<CredentialId>,
    seconds: u64,
    tasks: usize,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| words.get(at).map_or(default, |word| word.parse().unwrap());
    let (seconds, tasks) = (number(0, 5), number(1, 64));
    let folder = words.get(2).map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(folder).unwrap();
    let store = SqliteStore::open(SqliteOptions::new(folder.path().join("zeroid.db"))).unwrap();
    let mut agents = Vec::new();
    for number in 0..100 {
        agents.push(Agent::of(&store, "prod", &format!("agent-{number}")).await);
    }
    let mut issued = Vec::new();
    for number in 0..2000 {
        let root = agents[number % agents.len()].root(&store).await;
        issued.push(root.record.jti());
        store.issue(root).await.unwrap();
    }
    let run = Arc::new(Run { store, agents, issued, seconds: u64::try_from(seconds).unwrap(), tasks });

    measure(&run, "issue", |run, number| async move {
        let agent = &run.agents[number % run.agents.len()];
        let root = agent.root(&run.store).await;
        run.store.issue(root).await.unwrap();
    })
    .await;
    measure(&run, "root_facts", |run, number| async move {
        run.agents[number % run.agents.len()].facts(&run.store).await;
        tokio::task::yield_now().await;
    })
    .await;
    measure(&run, "credential_facts", |run, number| async move {
        run.store.credential_facts(run.issued[number % run.issued.len()]).await.unwrap().unwrap();
    })
    .await;
    measure(&run, "credential_facts, each after a change of facts", |run, number| async move {
        if number % 50 == 0 {
            Agent::of(&run.store, "prod", &format!("late-{number}-{}", run.seconds)).await;
        }
        run.store.credential_facts(run.issued[number % run.issued.len()]).await.unwrap().unwrap();
    })
    .await;
    measure(&run, "exchange_facts and issue", |run, number| async move {
        let parent = run.issued[number % run.issued.len()];
        let agent = &run.agents[number % run.agents.len()];
        let facts = run.store.exchange_facts(parent, &ActorLookup::ApiKey(agent.key.hash)).await.unwrap();
        let subject = facts.subject.unwrap();
        let lineage = subject.record.lineage.extended(agent.link(facts.order)).unwrap();
        run.store.issue(support::issuance(lineage, agent.guards(), facts.epoch)).await.unwrap();
    })
    .await;
}

async fn measure<F>(run: &Arc<Run>, name: &str, verb: fn(Arc<Run>, usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    if std::env::args().nth(4).is_some_and(|only| !name.starts_with(&only)) {
        return;
    }
    static DONE: AtomicU64 = AtomicU64::new(0);
    DONE.store(0, Ordering::SeqCst);
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let end = started + Duration::from_secs(run.seconds);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..run.tasks {
        let run = Arc::clone(run);
        tasks.spawn(async move {
            let mut number = task * 7919;
            while Instant::now() < end {
                verb(Arc::clone(&run), number).await;
                DONE.fetch_add(1, Ordering::Relaxed);
                number += 1;
            }
        });
    }
    tasks.join_all().await;
    let done = DONE.load(Ordering::SeqCst);
    let (took, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    #[allow(clippy::cast_precision_loss)]
    let (rate, each) = (done as f64 / took, cpu * 1e6 / done as f64);
    println!("{name}: {rate:.0} a second, {each:.1} us of CPU each");
}

/// User and system time of this process; 10 ms a tick.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
    ticks / 100.0
}
