//! Another server takes over from one that died.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use zeroid_test_postgres::{Cluster, Durability};
use zeroid_tests::{Client, Server, is_active, issue, register};

/// What was acknowledged, whichever server was behind it.
#[derive(Default)]
struct Acknowledged {
    live: Vec<String>,
    revoked: Vec<String>,
}

#[test]
fn a_promoted_standby_is_found_and_knows_all_that_was_acknowledged() {
    let first = Cluster::start(Durability::OfTheProcess).expect("a PostgreSQL");
    let database = first.fresh_database().unwrap();
    let second = first.standby().expect("a standby");
    // The standby first: what takes no writes is passed over.
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", second.port(), first.port());
    let url = database.replace(&format!("127.0.0.1:{}", first.port()), &hosts);
    let url = format!("{url}?target_session_attrs=read-write");
    let server = Server::start_with(&[("ZEROID_DATABASE_URL", &url)]);
    let key = register(&server.client(), "boss", json!({})).api_key;

    let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Acknowledged::default())));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (client, key) = (server.client(), key.clone());
            let (stop, told) = (Arc::clone(&stop), Arc::clone(&told));
            std::thread::spawn(move || load(&client, &key, &stop, &told))
        })
        .collect();
    std::thread::sleep(Duration::from_millis(700));
    first.crash();
    let before = told.lock().unwrap().live.len();
    second.promote().expect("it takes over");
    let took_over = Instant::now();
    while told.lock().unwrap().live.len() < before + 20 {
        assert!(took_over.elapsed() < Duration::from_secs(15), "it does not go on: {}", server.printed());
        std::thread::sleep(Duration::from_millis(20));
    }
    stop.store(true, Ordering::SeqCst);
    workers.into_iter().for_each(|worker| worker.join().unwrap());

    let (client, told) = (server.client(), told.lock().unwrap());
    assert!(before > 20 && !told.revoked.is_empty(), "{before}");
    for token in &told.live {
        assert!(is_active(&client, token), "an acknowledged token is gone");
    }
    for token in &told.revoked {
        assert!(!is_active(&client, token), "an acknowledged cut-off is gone");
    }
    assert_eq!(client.get("/ready").status, 200);
}

fn load(client: &Client, key: &str, stop: &AtomicBool, told: &Mutex<Acknowledged>) {
    let mut count = 0;
    while !stop.load(Ordering::SeqCst) {
        count += 1;
        let issued = issue(client, key, "read");
        if issued.status != 200 {
            assert_eq!((issued.status, issued.header("retry-after")), (503, "1"), "{issued:?}");
            std::thread::sleep(Duration::from_millis(20));
            continue;
        }
        if count % 3 > 0 {
            told.lock().unwrap().live.push(issued.token());
            continue;
        }
        let answer = client.post("/oauth2/token/revoke", &json!({"token": issued.token()}));
        match answer.status {
            200 => told.lock().unwrap().revoked.push(issued.token()),
            503 => assert_eq!(answer.header("retry-after"), "1"),
            _ => panic!("{answer:?}"),
        }
    }
}
