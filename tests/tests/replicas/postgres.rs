//! Consistency, single use, outages and clocks.

use std::sync::Arc;

use serde_json::json;
use zeroid_jose::SigningKey;
use zeroid_tests::{Client, EXCHANGE, introspect, is_active, issue, register, revoke};

use crate::fleet::{Fleet, ISSUER};

#[test]
fn an_assertion_is_used_once_whoever_is_asked() {
    let fleet = Arc::new(Fleet::of(&[&[], &[], &[]]));
    let client = fleet.client();
    let (key, _) = SigningKey::generate().unwrap();
    let boss = register(&client, "boss", json!({}));
    let aide = register(&client, "aide", json!({"public_key_pem": key.public().to_pem()}));
    let root = fleet.issue(&boss.api_key).token();
    for round in 0..40 {
        let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({"iss": aide.uri, "sub": aide.uri, "aud": ISSUER, "jti": format!("once-{round}"),
            "iat": at, "exp": at + 60});
        let proof = key.sign("JWT", claims.to_string().as_bytes()).unwrap();
        let body =
            json!({"grant_type": EXCHANGE, "subject_token": root, "actor_token": proof, "scope": "read"});
        let asked: Vec<_> = fleet
            .clients()
            .into_iter()
            .chain(fleet.clients())
            .map(|client| {
                let body = body.clone();
                std::thread::spawn(move || client.post("/oauth2/token", &body))
            })
            .collect();
        let answers: Vec<_> = asked.into_iter().map(|asked| asked.join().unwrap()).collect();
        let won = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(won, 1, "round {round}: {answers:?}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!((answer.status, answer.text("/error")), (400, "invalid_grant".to_owned()));
        }
    }
}

#[test]
fn a_client_is_what_any_replica_last_made_of_it() {
    let fleet = Fleet::of(&[&[], &[], &[]]);
    let client = fleet.client();
    let agent = register(&client, "job", json!({}));
    let body = json!({"client_id": "job", "name": "job", "confidential": true, "identity_id": agent.id});
    let made = client.post("/oauth/clients", &body);
    let (path, mut secret) =
        (format!("/oauth/clients/{}", made.text("/client/id")), made.text("/client_secret"));
    let ask = |client: &Client, secret: &str, scope: &str| {
        client.post(
            "/oauth2/token",
            &json!({"grant_type": "client_credentials", "client_id": "job", "client_secret": secret, "scope": scope}),
        )
    };
    for round in 0..20 {
        // Every replica remembers it, and what it got is seen by all.
        let tokens: Vec<_> = fleet.clients().iter().map(|one| ask(one, &secret, "read").token()).collect();
        let narrowed = fleet.client().patch(&path, &json!({"scopes": [format!("s{round}")]}));
        assert_eq!(narrowed.status, 200, "{narrowed:?}");
        for one in fleet.clients() {
            assert_eq!(ask(&one, &secret, "read").status, 400, "round {round}");
            assert_eq!(ask(&one, &secret, &format!("s{round}")).status, 200, "round {round}");
            assert!(tokens.iter().all(|token| is_active(&one, token)), "round {round}");
        }
        let lifted = fleet.client().patch(&path, &json!({"scopes_restricted": false}));
        assert_eq!(lifted.status, 200, "{lifted:?}");
        let rotated = fleet.client().post(&format!("{path}/rotate-secret"), &json!({}));
        for one in fleet.clients() {
            assert_eq!(ask(&one, &secret, "read").status, 401, "round {round}");
            assert!(tokens.iter().all(|token| !is_active(&one, token)), "round {round}");
        }
        secret = rotated.text("/client_secret");
    }
}

#[test]
fn a_database_that_is_away_is_answered_503_and_nothing_is_lost() {
    let fleet = Fleet::of(&[&[]]);
    let client = fleet.client();
    let boss = register(&client, "boss", json!({}));
    let root = issue(&client, &boss.api_key, "read").token();
    fleet.cluster.crash();
    for answer in [
        issue(&client, &boss.api_key, "read"),
        introspect(&client, &root),
        client.bearer(&root).get("/oauth2/token/verify"),
        client.post("/oauth2/token/revoke", &json!({"token": root})),
        client.get("/ready"),
        client.get("/agents/registry"),
        client.post(
            "/agents/register",
            &json!({"name": "late", "external_id": "late", "created_by": "me@x.example"}),
        ),
    ] {
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{answer:?}");
    }
    assert_eq!(client.get("/health").status, 200, "the process itself is well");
    assert_eq!(client.get("/.well-known/jwks.json").status, 200, "verifiers go on");
    fleet.cluster.resume().unwrap();
    assert!(fleet.is_active(&root), "a revocation that was not acknowledged did not happen");
    revoke(&client, &root);
    assert!(!is_active(&client, &root));
    assert_eq!(client.get("/ready").status, 200);
    assert_eq!(client.get("/agents/registry?search=late").json["total"], 0);
}

#[test]
fn a_database_that_takes_no_writes_acknowledges_nothing() {
    let fleet = Fleet::of(&[&[]]);
    let client = fleet.client();
    let boss = register(&client, "boss", json!({}));
    let root = issue(&client, &boss.api_key, "read").token();
    let url = fleet.cluster.url();
    let database = fleet
        .cluster
        .sql(&format!("{url}/postgres"), "SELECT datname FROM pg_database WHERE datname LIKE 'test%'");
    let database = database.unwrap().trim().to_owned();
    let set = |value: &str| {
        let text = format!(
            "ALTER DATABASE {database} SET default_transaction_read_only = {value}; \
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        );
        fleet.cluster.sql(&format!("{url}/postgres"), &text).unwrap();
    };
    set("on");
    for answer in [
        issue(&client, &boss.api_key, "read"),
        client.post("/oauth2/token/revoke", &json!({"token": root})),
        client.get("/ready"),
    ] {
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    set("off");
    assert!(fleet.is_active(&root), "it was not revoked");
    fleet.revoke(&root);
    assert!(!fleet.is_active(&root));
}

#[test]
fn a_replica_whose_clock_is_off_goes_by_the_databases() {
    let library = format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
    if !std::path::Path::new(&library).exists() {
        assert!(std::env::var_os("CI").is_none(), "{library} is not installed, which CI may not do without");
        println!("skipped: {library} is not installed (Debian: faketime)");
        return;
    }
    let off = |by: &'static str| {
        [("LD_PRELOAD", library.as_str()), ("FAKETIME", by), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")]
    };
    let (ahead, behind, far) = (off("+20s"), off("-20s"), off("+90s"));
    let fleet = Fleet::of(&[&[], &ahead, &behind, &far]);
    let servers = fleet.servers.read().unwrap();
    let [ahead, behind, far, right] = servers.as_slice() else { panic!("four replicas") };
    let client_of = |server: &Option<zeroid_tests::Server>| server.as_ref().unwrap().client();
    let (ahead, behind, far, right) = (client_of(ahead), client_of(behind), client_of(far), client_of(right));
    let boss = register(&right, "boss", json!({}));
    for issuer in [&ahead, &behind] {
        let token = issue(issuer, &boss.api_key, "read").token();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let told = introspect(&right, &token);
        let iat = told.json["iat"].as_u64().unwrap_or_else(|| panic!("{told:?}"));
        assert!(iat.abs_diff(now) <= 2, "stamped {iat} at {now}");
        // Everybody agrees on when it ends.
        for client in [&ahead, &behind, &right] {
            assert!(is_active(client, &token));
        }
        revoke(&behind, &token);
        for client in [&ahead, &behind, &right] {
            assert!(!is_active(client, &token));
        }
    }
    assert_eq!(far.get("/ready").status, 503, "too far off to serve");
    assert_eq!(ahead.get("/ready").status, 200);
}
