//! Several processes: what one has used up, none takes.

use serde_json::json;
use zeroid_test_postgres::{Cluster, Durability};
use zeroid_tests::{Answer, Client, Server, register};

use crate::prover::{Prover, ask, by_key, claims, no_proof, refused};

const ISSUER: &str = "https://id.example";

/// Two replicas on one PostgreSQL, with more settings.
fn replicas(cluster: &Cluster, more: &[(&str, &str)]) -> [Server; 2] {
    let url = cluster.fresh_database().unwrap();
    let common = [("ZEROID_ISSUER", ISSUER), ("ZEROID_DATABASE_URL", url.as_str())];
    let settings: Vec<_> = common.into_iter().chain(more.iter().copied()).collect();
    let first = Server::start_with(&settings);
    let second = first.replica(&[]);
    [first, second]
}

/// The same request to every caller at once.
fn at_once(callers: &[Client], send: impl Fn(&Client) -> Answer + Sync) -> Vec<Answer> {
    std::thread::scope(|scope| {
        let asked: Vec<_> = callers.iter().map(|caller| scope.spawn(|| send(caller))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    })
}

#[test]
fn rfc9449_section_11_1_of_many_uses_of_a_proof_over_replicas_one_succeeds() {
    let cluster = Cluster::start(Durability::OfTheProcess).expect("a PostgreSQL");
    let servers = replicas(&cluster, &[]);
    let callers: Vec<_> = servers.iter().chain(&servers).map(Server::client).collect();
    let (boss, prover) = (register(&callers[0], "boss", json!({})), Prover::new());
    let body = by_key(&boss.api_key, "read");
    for round in 0..30 {
        let proof = prover.proof("POST", &format!("{ISSUER}/oauth2/token"));
        let answers = at_once(&callers, |caller| ask(caller, &body, &proof));
        let won = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(won, 1, "round {round}: {answers:?}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(refused(answer), no_proof(), "round {round}");
        }
    }
}

#[test]
fn rfc9449_section_11_1_a_proof_opens_once_over_replicas() {
    let cluster = Cluster::start(Durability::OfTheProcess).expect("a PostgreSQL");
    let servers = replicas(&cluster, &[]);
    let callers: Vec<_> = servers.iter().chain(&servers).map(Server::client).collect();
    let prover = Prover::new();
    let body = by_key(&servers[0].management_key, "nhi:manage");
    let token = ask(&callers[1], &body, &prover.proof("POST", &format!("{ISSUER}/oauth2/token"))).token();
    for round in 0..30 {
        let proof = prover.proof_with("GET", &format!("{ISSUER}/agents/registry"), &token);
        let authorization = format!("DPoP {token}");
        let headers = [("authorization", authorization.as_str()), ("dpop", proof.as_str())];
        let answers = at_once(&callers, |caller| caller.send("GET", "/agents/registry", &headers, ""));
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "round {round}: {answers:?}");
        assert!(statuses.iter().all(|status| [200, 401].contains(status)), "round {round}: {answers:?}");
    }
}

#[test]
fn rfc9449_section_8_every_replica_takes_the_nonce_of_another() {
    let cluster = Cluster::start(Durability::OfTheProcess).expect("a PostgreSQL");
    let [first, second] = replicas(&cluster, &[("ZEROID_DPOP_NONCE_REQUIRED", "true")]);
    let (boss, prover) = (register(&first.client(), "boss", json!({})), Prover::new());
    let body = by_key(&boss.api_key, "read");
    let mut said = claims("POST", &format!("{ISSUER}/oauth2/token"));
    let asked = ask(&first.client(), &body, &prover.sign(&said));
    said["nonce"] = json!(asked.header("dpop-nonce"));
    assert_eq!(ask(&second.client(), &body, &prover.sign(&said)).status, 200);
}
