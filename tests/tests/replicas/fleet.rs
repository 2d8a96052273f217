//! Replicas that clients reach at random.

use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use zeroid_test_postgres::{Cluster, Durability};
use zeroid_tests::{Answer, Client, Server};

/// What every replica calls itself.
pub(crate) const ISSUER: &str = "https://id.example";

/// Replicas on a PostgreSQL of their own.
pub(crate) struct Fleet {
    pub(crate) cluster: Cluster,
    pub(crate) url: String,
    pub(crate) servers: RwLock<Vec<Option<Server>>>,
    callers: Vec<Client>,
    next: AtomicUsize,
}

impl Fleet {
    /// So many replicas, each with more settings of its own.
    pub(crate) fn of(settings: &[&[(&str, &str)]]) -> Self {
        let cluster = Cluster::start(Durability::OfTheProcess).expect("a PostgreSQL");
        let url = cluster.fresh_database().unwrap();
        let common = [("ZEROID_ISSUER", ISSUER), ("ZEROID_DATABASE_URL", url.as_str())];
        let first: Vec<_> = common.into_iter().chain(settings[0].iter().copied()).collect();
        let first = Server::start_with(&first);
        let mut servers = vec![];
        for more in &settings[1..] {
            // What a later setting says wins.
            servers.push(Some(first.replica(more)));
        }
        servers.push(Some(first));
        let callers = servers.iter().flatten().map(Server::client).collect();
        Self { cluster, url, servers: RwLock::new(servers), callers, next: AtomicUsize::new(0) }
    }

    /// A caller of any replica, be it running or not.
    pub(crate) fn client(&self) -> Client {
        // Neither in turn nor by chance: a multiplier visits them all without a pattern that rounds could share.
        let number = self.next.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.callers[(number >> 33) % self.callers.len()].clone()
    }

    /// A caller of each replica; each keeps its address when it is started again.
    pub(crate) fn clients(&self) -> Vec<Client> {
        self.callers.clone()
    }

    /// Kill a replica as a crash would, and start it again.
    pub(crate) fn crash_a_replica(&self, number: usize) {
        let victim = self.servers.write().unwrap()[number].take().unwrap();
        let restarted = victim.crash_and_restart();
        self.servers.write().unwrap()[number] = Some(restarted);
    }

    /// Ask any replica once. While the database is away, the answer is a clean 503; a replica that was killed answers
    /// nothing.
    pub(crate) fn try_post(&self, path: &str, body: &Value) -> Option<Answer> {
        let answer = self.client().try_post(path, body)?;
        if answer.status >= 500 {
            check_unavailable(&answer);
            std::thread::sleep(Duration::from_millis(10));
            return None;
        }
        Some(answer)
    }

    /// Ask any replica until one answers.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        let found = (0..3000).find_map(|_| {
            let answer = self.try_post(path, body);
            if answer.is_none() {
                std::thread::sleep(Duration::from_millis(10));
            }
            answer
        });
        found.unwrap_or_else(|| panic!("{path} was not answered for half a minute"))
    }

    pub(crate) fn issue(&self, api_key: &str) -> Answer {
        self.post("/oauth2/token", &json!({"grant_type": "api_key", "api_key": api_key, "scope": "read"}))
    }

    pub(crate) fn revoke(&self, token: &str) {
        let answer = self.post("/oauth2/token/revoke", &json!({"token": token}));
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub(crate) fn is_active(&self, token: &str) -> bool {
        let answer = self.post("/oauth2/token/introspect", &json!({"token": token}));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["active"].as_bool().unwrap()
    }
}

/// What every answer is while the database is away: 503, with its reason in the shape of the route, and when to ask
/// again.
pub(crate) fn check_unavailable(answer: &Answer) {
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{answer:?}");
    match answer.header("content-type") {
        "application/problem+json" => assert_eq!(answer.json["status"], 503, "{answer:?}"),
        _ => assert_eq!(answer.json["error"], "temporarily_unavailable", "{answer:?}"),
    }
    assert!(answer.body.contains(answer.header("x-request-id")), "{answer:?}");
}
