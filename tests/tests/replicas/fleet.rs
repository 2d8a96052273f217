//! Replicas that clients reach at random.

use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use zeroid_test_postgres::{Cluster, Durability};
use zeroid_tests::{Answer, Client, EXCHANGE, Server};

/// What every replica calls itself.
pub(crate) const ISSUER: &str = "https://id.example";

/// Replicas on a PostgreSQL of their own.
pub(crate) struct Fleet {
    pub(crate) cluster: Cluster,
    pub(crate) servers: RwLock<Vec<Option<Server>>>,
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
        Self { cluster, servers: RwLock::new(servers), next: AtomicUsize::new(0) }
    }

    /// A caller of the next replica that runs.
    pub(crate) fn client(&self) -> Client {
        let servers = self.servers.read().unwrap();
        let running: Vec<&Server> = servers.iter().flatten().collect();
        running[self.next.fetch_add(1, Ordering::Relaxed) % running.len()].client()
    }

    /// A caller of each replica.
    pub(crate) fn clients(&self) -> Vec<Client> {
        self.servers.read().unwrap().iter().flatten().map(Server::client).collect()
    }

    /// Ask any replica until one answers. While the database is away, the answer is a clean 503; a replica that was
    /// killed answers nothing.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        for _ in 0..3000 {
            match self.client().try_post(path, body) {
                Some(answer) if answer.status == 503 => {
                    assert_eq!(answer.json["error"], "temporarily_unavailable", "{answer:?}");
                    assert_eq!(answer.header("retry-after"), "1");
                }
                Some(answer) => return answer,
                None => {}
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{path} was not answered for half a minute");
    }

    pub(crate) fn issue(&self, api_key: &str) -> Answer {
        self.post("/oauth2/token", &json!({"grant_type": "api_key", "api_key": api_key, "scope": "read"}))
    }

    pub(crate) fn delegate(&self, subject: &str, api_key: &str) -> Answer {
        let body =
            json!({"grant_type": EXCHANGE, "subject_token": subject, "api_key": api_key, "scope": "read"});
        self.post("/oauth2/token", &body)
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
