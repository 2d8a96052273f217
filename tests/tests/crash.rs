//! `kill -9` at any instant loses nothing that was acknowledged.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use zeroid_tests::{Client, Server, is_active, issue, register};

/// What the server acknowledged before it was killed.
#[derive(Default)]
struct Acknowledged {
    live: Vec<String>,
    revoked: Vec<String>,
    agents: Vec<(String, String)>,
}

#[test]
fn kill_9_during_load_twenty_times_loses_nothing_acknowledged() {
    let mut server = Server::start();
    let boss = register(&server.client(), "boss", json!({}));
    let mut revoked_ever: Vec<String> = Vec::new();
    for round in 0..20 {
        let acknowledged = Arc::new(Mutex::new(Acknowledged::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let (client, key) = (server.client(), boss.api_key.clone());
                let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
                std::thread::spawn(move || {
                    load(&client, &key, &format!("{round}-{worker}"), &acknowledged, &stop)
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(60 + 17 * round));
        zeroid_test_postgres::signal("KILL", &[server.pid()]).unwrap();
        stop.store(true, Ordering::SeqCst);
        for worker in workers {
            worker.join().unwrap();
        }
        server = server.crash_and_restart();
        let client = server.client();
        let told = acknowledged.lock().unwrap();
        assert!(!told.live.is_empty(), "round {round} acknowledged nothing");
        for token in &told.live {
            assert!(is_active(&client, token), "round {round}: an acknowledged token is gone");
        }
        revoked_ever.extend(told.revoked.iter().cloned());
        for token in &revoked_ever {
            assert!(!is_active(&client, token), "round {round}: an acknowledged cut-off is gone");
        }
        for (id, key) in &told.agents {
            assert_eq!(
                client.get(&format!("/agents/registry/{id}")).status,
                200,
                "an acknowledged agent is gone"
            );
            assert_eq!(issue(&client, key, "x").status, 200, "an acknowledged key is gone");
        }
    }
}

/// Issue, revoke and register until the server is gone, remembering only what was answered.
fn load(client: &Client, key: &str, name: &str, acknowledged: &Mutex<Acknowledged>, stop: &AtomicBool) {
    let mut count = 0;
    while !stop.load(Ordering::SeqCst) {
        count += 1;
        let body = json!({"grant_type": "api_key", "api_key": key, "scope": "x"});
        let Some(answer) = client.try_post("/oauth2/token", &body) else { return };
        assert_eq!(answer.status, 200, "{answer:?}");
        let token = answer.token();
        if count % 3 == 0 {
            let Some(answer) = client.try_post("/oauth2/token/revoke", &json!({"token": token})) else {
                return;
            };
            assert_eq!(answer.status, 200, "{answer:?}");
            acknowledged.lock().unwrap().revoked.push(token);
        } else {
            acknowledged.lock().unwrap().live.push(token);
        }
        if count % 10 == 0 {
            let id = format!("agent-{name}-{count}");
            let body = json!({"name": id, "external_id": id, "created_by": "dev@company.com"});
            let Some(answer) = client.try_post("/agents/register", &body) else { return };
            assert_eq!(answer.status, 201, "{answer:?}");
            acknowledged.lock().unwrap().agents.push((answer.text("/identity/id"), answer.text("/api_key")));
        }
    }
}

#[test]
fn sigterm_drains_and_exits_with_0() {
    let server = Server::start();
    let boss = register(&server.client(), "boss", json!({}));
    assert_eq!(issue(&server.client(), &boss.api_key, "x").status, 200);
    assert_eq!(server.terminate(), Some(0));
}
