//! Proofs of workloads: made for one party, shown once, and nobody's credential.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use zeroid_jose::{SigningKey, proof_hash};
use zeroid_test_postgres::{Cluster, Durability};
use zeroid_tests::{
    Agent, Answer, Client, EXCHANGE, Server, claims, delegate, introspect, is_active, issue, register, revoke,
};

const MAKE: &str = "/proof/generate";
const CHECK: &str = "/proof/verify";
const PARTY: &str = "https://orders.example";

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn check(client: &Client, proof: &str, audience: &str) -> Answer {
    client.post(CHECK, &json!({"proof_token": proof, "audience": audience}))
}

#[track_caller]
fn made(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text("/proof_token")
}

#[track_caller]
fn refused(answer: &Answer, status: u16, words: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(answer.text("/detail").contains(words), "{words}: {answer:?}");
}

/// The same request to every caller at once; gives how often it was answered 200.
fn won(callers: &[Client], path: &str, body: &Value, lost: u16) -> usize {
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let asked: Vec<_> = callers.iter().map(|caller| scope.spawn(|| caller.post(path, body))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| [200, lost].contains(&answer.status)), "{answers:?}");
    answers.iter().filter(|answer| answer.status == 200).count()
}

#[test]
fn a_proof_is_made_of_the_caller_for_one_party_and_holds_once() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "aide", json!({}));
    let bearer = client.bearer(&issue(&client, &agent.api_key, "").token());
    // Under the administrative prefix, as existing callers ask.
    let answer = bearer
        .post("/api/v1/proof/generate", &json!({"identity_id": agent.id, "audience": PARTY, "nonce": "n-1"}));
    assert_eq!(
        (answer.text("/token_type").as_str(), answer.json["expires_in"].as_i64()),
        ("WIMSE-Proof", Some(300))
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    let proof = made(&answer);
    let said = claims(&proof);
    assert_eq!(
        (&said["sub"], &said["aud"], &said["nonce"]),
        (&json!(agent.uri), &json!([PARTY]), &json!("n-1"))
    );
    assert_eq!((&said["iss"], &said["account_id"]), (&json!(server.base), &json!("default")));
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 300);

    refused(&check(&client, &proof, "https://other.example"), 401, "`aud`");
    let with = |nonce: &str| json!({"proof_token": proof, "audience": PARTY, "nonce": nonce});
    refused(&client.post(CHECK, &with("n-2")), 401, "`nonce`");
    let mut forged = proof.clone();
    let last = if forged.pop() == Some('A') { 'Q' } else { 'A' };
    forged.push(last);
    refused(&check(&client, &forged, PARTY), 401, "not valid");
    // None of that used it up.
    let held = client.post("/api/v1/proof/verify", &with("n-1"));
    assert_eq!((held.status, &held.json["valid"]), (200, &json!(true)), "{held:?}");
    assert_eq!((held.text("/subject"), held.text("/proof_type")), (agent.uri, "wimse_proof".to_owned()));
    refused(&check(&client, &proof, PARTY), 401, "used before");
}

#[test]
fn only_an_agents_own_root_token_makes_a_proof_and_only_of_itself() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({"allowed_scopes": ["read"]}));
    let aide = register(&client, "aide", json!({"allowed_scopes": ["read"]}));
    let root = issue(&client, &boss.api_key, "read").token();
    let child = delegate(&client, &root, &aide.api_key, "read").token();
    let body = json!({"audience": PARTY});
    refused(&client.bearer(&child).post(MAKE, &body), 403, "issued itself");
    for named in [aide.id.as_str(), "00000000-0000-7000-8000-000000000000", "nonsense"] {
        let body = json!({"audience": PARTY, "identity_id": named});
        refused(&client.bearer(&root).post(MAKE, &body), 403, "no other");
    }
    let without = client.post(MAKE, &body);
    assert_eq!(without.status, 401);
    assert!(without.header("www-authenticate").starts_with("Bearer "), "{without:?}");
    refused(&client.bearer(&root).post(MAKE, &json!({})), 422, "validation failed");
    // For a resource, not for us.
    let elsewhere =
        json!({"grant_type": "api_key", "api_key": boss.api_key, "resource": "https://api.example"});
    let elsewhere = client.post("/oauth2/token", &elsewhere).token();
    assert_eq!(client.bearer(&elsewhere).post(MAKE, &body).status, 401);
    revoke(&client, &root);
    assert_eq!(client.bearer(&root).post(MAKE, &body).status, 401, "revoked");
}

#[test]
fn a_proof_dies_with_the_token_it_was_made_with_and_with_its_agent() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "aide", json!({}));
    let make = |token: &str| made(&client.bearer(token).post(MAKE, &json!({"audience": PARTY})));
    let (one, two) = (issue(&client, &agent.api_key, "").token(), issue(&client, &agent.api_key, "").token());
    let (of_one, of_two) = (make(&one), make(&two));
    revoke(&client, &one);
    refused(&check(&client, &of_one, PARTY), 401, "no longer alive");
    assert_eq!(client.post(&format!("/agents/registry/{}/deactivate", agent.id), &json!({})).status, 200);
    refused(&check(&client, &of_two, PARTY), 401, "no longer alive");
}

#[test]
fn a_nonce_is_taken_once_for_each_party_of_each_tenant() {
    let server = Server::start();
    let client = server.client();
    let agent = |account: &str, name: &str| {
        let client = client.tenant(account, "p");
        let agent = register(&client, name, json!({}));
        server.client().bearer(&issue(&server.client(), &agent.api_key, "").token())
    };
    let (ours, also_ours, theirs) = (agent("ours", "one"), agent("ours", "two"), agent("theirs", "one"));
    let body = |audience: &str, nonce: &str| json!({"audience": audience, "nonce": nonce});
    made(&ours.post(MAKE, &body(PARTY, "n")));
    refused(&ours.post(MAKE, &body(PARTY, "n")), 409, "nonce");
    refused(&also_ours.post(MAKE, &body(PARTY, "n")), 409, "nonce");
    made(&ours.post(MAKE, &body("https://other.example", "n")));
    made(&theirs.post(MAKE, &body(PARTY, "n")));
    // Without one there is nothing to repeat.
    (0..3).for_each(|_| drop(made(&ours.post(MAKE, &json!({"audience": PARTY})))));
    assert_eq!(won(&[ours.clone(), also_ours, ours.clone(), ours], MAKE, &body(PARTY, "race"), 409), 1);
}

#[test]
fn a_proof_is_nobodys_credential() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "aide", json!({"allowed_scopes": ["read"]}));
    let token = issue(&client, &agent.api_key, "read").token();
    // For ourselves: the audience that would open the most.
    let proof = made(&client.bearer(&token).post(MAKE, &json!({"audience": server.base})));
    let bearer = client.bearer(&proof);
    assert!(!is_active(&client, &proof));
    assert_eq!(bearer.post(MAKE, &json!({"audience": PARTY})).status, 401, "it makes no other proof");
    assert_eq!(bearer.get("/agents/registry").status, 401);
    assert_eq!(bearer.get("/oauth2/token/verify").status, 401);
    let set = json!({"new_public_key_pem": "x", "new_key_proof": proof});
    assert_eq!(bearer.post("/agents/self/public-key", &set).status, 401);
    let jwt_bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    for body in [
        json!({"grant_type": EXCHANGE, "subject_token": proof, "api_key": agent.api_key, "scope": "read"}),
        json!({"grant_type": EXCHANGE, "subject_token": token, "actor_token": proof, "scope": "read"}),
        json!({"grant_type": jwt_bearer, "assertion": proof}),
    ] {
        let answer = client.post("/oauth2/token", &body);
        assert_eq!((answer.status, answer.text("/error").as_str()), (400, "invalid_grant"), "{answer:?}");
    }
    // And no credential is a proof.
    refused(&check(&client, &token, &server.base), 401, "`typ`");
    revoke(&client, &proof);
    assert!(is_active(&client, &token), "giving up a proof gives up no token");
    assert_eq!(check(&client, &proof, &server.base).status, 200, "nothing of that used it up");
}

/// An agent with a key of its own, and a token.
fn keyed(client: &Client, name: &str) -> (Agent, SigningKey, String) {
    let (key, _) = SigningKey::generate().unwrap();
    let agent = register(client, name, json!({"public_key_pem": key.public().to_pem()}));
    let token = issue(client, &agent.api_key, "").token();
    (agent, key, token)
}

/// A workload proof token; `edit` changes its claims.
fn wpt(key: &SigningKey, typ: &str, token: &str, jti: &str, edit: impl FnOnce(&mut Value)) -> String {
    let wth = proof_hash(token.as_bytes());
    let mut claims = json!({"aud": PARTY, "exp": now() + 60, "jti": jti, "wth": wth});
    edit(&mut claims);
    key.sign(typ, claims.to_string().as_bytes()).unwrap()
}

fn check_wpt(client: &Client, proof: &str, token: &str) -> Answer {
    client.post(CHECK, &json!({"proof_token": proof, "audience": PARTY, "access_token": token}))
}

type Edit<'a> = &'a dyn Fn(&mut Value);

#[test]
fn wimse_wpt_section_2_a_proof_by_the_agents_own_key() {
    let server = Server::start();
    let client = server.client();
    let (agent, key, token) = keyed(&client, "aide");
    let (_, other_key, other_token) = keyed(&client, "other");
    let broken: [(&str, Edit<'_>); 15] = [
        ("`aud`", &|claims| claims["aud"] = json!("https://other.example")),
        ("`aud`", &|claims| claims["aud"] = json!([PARTY, "https://other.example"])),
        ("`exp` is missing", &|claims| drop(claims.as_object_mut().unwrap().remove("exp"))),
        ("`exp` has passed", &|claims| claims["exp"] = json!(now() - 1)),
        ("300 s ahead", &|claims| claims["exp"] = json!(now() + 3600)),
        ("future", &|claims| claims["iat"] = json!(now() + 600)),
        ("`exp`", &|claims| claims["exp"] = json!("soon")),
        ("`wth` is missing", &|claims| drop(claims.as_object_mut().unwrap().remove("wth"))),
        ("`wth`", &|claims| claims["wth"] = json!(proof_hash(b"another"))),
        ("`wth`", &|claims| claims["wth"] = json!(7)),
        ("`ath`", &|claims| claims["ath"] = json!(proof_hash(b"another"))),
        ("`tth`", &|claims| claims["tth"] = json!(proof_hash(b"unseen"))),
        ("`oth`", &|claims| claims["oth"] = json!({"x": "y"})),
        ("`jti`", &|claims| claims["jti"] = json!("")),
        ("`jti`", &|claims| drop(claims.as_object_mut().unwrap().remove("jti"))),
    ];
    for (words, edit) in broken {
        refused(&check_wpt(&client, &wpt(&key, "wpt+jwt", &token, "one", edit), &token), 401, words);
    }
    for typ in ["JWT", "application/jwt", "wit+jwt", "WPT", "dpop+jwt", ""] {
        refused(&check_wpt(&client, &wpt(&key, typ, &token, "one", |_| {}), &token), 401, "`typ`");
    }
    refused(
        &check_wpt(&client, &wpt(&other_key, "wpt+jwt", &token, "one", |_| {}), &token),
        401,
        "signed by",
    );
    let good = wpt(&key, "wpt+jwt", &token, "one", |claims| claims["unknown"] = json!("ignored"));
    refused(&check(&client, &good, PARTY), 401, "access_token");
    refused(&check_wpt(&client, &good, &other_token), 401, "signed by");
    let held = check_wpt(&client, &good, &token);
    assert_eq!(
        (held.status, held.text("/subject"), held.text("/proof_type")),
        (200, agent.uri, "wpt".to_owned())
    );
    refused(&check_wpt(&client, &good, &token), 401, "used before");
    // The type in full; and `ath`, which the claim was called of an access token before, beside `wth` or alone.
    let hash = json!(proof_hash(token.as_bytes()));
    for (jti, typ, both) in
        [("in full", "application/wpt+jwt", true), ("both", "wpt+jwt", true), ("earlier", "wpt+jwt", false)]
    {
        let proof = wpt(&key, typ, &token, jti, |claims| {
            claims["ath"] = hash.clone();
            if !both {
                claims.as_object_mut().unwrap().remove("wth");
            }
        });
        assert_eq!(check_wpt(&client, &proof, &token).status, 200, "{jti}");
    }
    // Another agent may choose the same `jti`.
    let theirs = wpt(&other_key, "wpt+jwt", &other_token, "one", |_| {});
    assert_eq!(check_wpt(&client, &theirs, &other_token).status, 200);

    // The proof opens nothing itself, and dies with its token.
    let fresh = wpt(&key, "wpt+jwt", &token, "two", |claims| {
        claims["iss"] = json!(claims_sub(&client, &token));
        claims["sub"] = claims["iss"].clone();
        claims["aud"] = json!(server.base);
    });
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let answer = client.post("/oauth2/token", &json!({"grant_type": grant, "assertion": fresh}));
    assert_eq!(answer.text("/error"), "invalid_grant", "{answer:?}");
    let last = wpt(&key, "wpt+jwt", &token, "three", |_| {});
    revoke(&client, &token);
    refused(&check_wpt(&client, &last, &token), 401, "access token");
}

fn claims_sub(client: &Client, token: &str) -> String {
    introspect(client, token).text("/sub")
}

#[test]
fn a_workload_proof_of_a_delegate_is_signed_by_the_delegate() {
    let server = Server::start();
    let client = server.client();
    let (_, boss_key, root) = keyed(&client, "boss");
    let (key, _) = SigningKey::generate().unwrap();
    let pem = key.public().to_pem();
    let aide = register(&client, "aide", json!({"public_key_pem": pem, "allowed_scopes": ["read"]}));
    let boss = register(&client, "head", json!({"allowed_scopes": ["read"]}));
    let child =
        delegate(&client, &issue(&client, &boss.api_key, "read").token(), &aide.api_key, "read").token();
    refused(&check_wpt(&client, &wpt(&boss_key, "wpt+jwt", &child, "a", |_| {}), &child), 401, "signed by");
    assert_eq!(
        check_wpt(&client, &wpt(&key, "wpt+jwt", &child, "a", |_| {}), &child).text("/subject"),
        aide.uri
    );
    assert!(is_active(&client, &root) && is_active(&client, &child));
}

#[test]
fn a_bound_token_is_proven_by_the_key_it_is_bound_to() {
    let server = Server::start();
    let client = server.client();
    let (agent, key, _) = keyed(&client, "aide");
    let (other, _) = SigningKey::generate().unwrap();
    let dpop = |by: &SigningKey, path: &str, token: Option<&str>| {
        let jti = format!("{path}{:?}", SystemTime::now());
        let uri = format!("{}{path}", server.base);
        let mut claims = json!({"jti": jti, "htm": "POST", "htu": uri, "iat": now()});
        if let Some(token) = token {
            claims["ath"] = json!(proof_hash(token.as_bytes()));
        }
        by.sign_proof(claims.to_string().as_bytes()).unwrap()
    };
    let bound_to = |by: &SigningKey| {
        let proof = dpop(by, "/oauth2/token", None);
        let headers = [("content-type", "application/json"), ("dpop", proof.as_str())];
        let body = json!({"grant_type": "api_key", "api_key": agent.api_key}).to_string();
        client.send("POST", "/oauth2/token", &headers, body).token()
    };
    let (own, foreign) = (bound_to(&key), bound_to(&other));
    assert_eq!(check_wpt(&client, &wpt(&key, "wpt+jwt", &own, "a", |_| {}), &own).status, 200);
    let answer = check_wpt(&client, &wpt(&key, "wpt+jwt", &foreign, "b", |_| {}), &foreign);
    refused(&answer, 401, "bound to another key");
    // Nor does a bound token make a proof without one of its key.
    let body = json!({"audience": PARTY});
    assert_eq!(client.bearer(&own).post(MAKE, &body).status, 401);
    let (authorization, proof) = (format!("DPoP {own}"), dpop(&key, MAKE, Some(&own)));
    let headers =
        [("content-type", "application/json"), ("authorization", &*authorization), ("dpop", &*proof)];
    let answer = client.send("POST", MAKE, &headers, body.to_string());
    assert_eq!(check(&client, &made(&answer), PARTY).status, 200);
    assert_eq!(client.send("POST", MAKE, &headers, body.to_string()).status, 401, "that proof was used");
}

#[test]
fn of_many_checks_at_once_one_succeeds() {
    let server = Server::start();
    let client = server.client();
    let (agent, key, token) = keyed(&client, "aide");
    let bearer = client.bearer(&issue(&client, &agent.api_key, "").token());
    let callers: Vec<Client> = (0..6).map(|_| server.client()).collect();
    for round in 0..10 {
        let proof = made(&bearer.post(MAKE, &json!({"audience": PARTY})));
        assert_eq!(won(&callers, CHECK, &json!({"proof_token": proof, "audience": PARTY}), 401), 1);
        let proof = wpt(&key, "wpt+jwt", &token, &format!("r{round}"), |_| {});
        let body = json!({"proof_token": proof, "audience": PARTY, "access_token": token});
        assert_eq!(won(&callers, CHECK, &body, 401), 1, "round {round}");
    }
}

#[test]
fn of_two_processes_on_postgres_that_check_at_once_one_succeeds() {
    let cluster = Cluster::start(Durability::OfTheProcess).unwrap();
    let url = cluster.fresh_database().unwrap();
    let settings = [("ZEROID_ISSUER", "https://id.example"), ("ZEROID_DATABASE_URL", url.as_str())];
    let first = Server::start_with(&settings);
    let second = first.replica(&[]);
    let client = first.client();
    let (agent, key, token) = keyed(&client, "aide");
    let bearer = client.bearer(&issue(&client, &agent.api_key, "").token());
    let callers: Vec<Client> = [&first, &second, &first, &second].map(Server::client).into();
    for round in 0..20 {
        let proof = made(&bearer.post(MAKE, &json!({"audience": PARTY})));
        assert_eq!(
            won(&callers, CHECK, &json!({"proof_token": proof, "audience": PARTY}), 401),
            1,
            "{round}"
        );
        let proof = wpt(&key, "wpt+jwt", &token, &format!("r{round}"), |_| {});
        let body = json!({"proof_token": proof, "audience": PARTY, "access_token": token});
        assert_eq!(won(&callers, CHECK, &body, 401), 1, "round {round}");
    }
}
