//! Rate limits: who is counted as one caller, what is refused, and that a refusal costs nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use zeroid_jose::SigningKey;
use zeroid_tests::{Answer, Client, EXCHANGE, Server, command, introspect, issue, register, run_python};

const JSON: (&str, &str) = ("content-type", "application/json");

#[track_caller]
fn too_many(answer: &Answer, of: &str) {
    assert_eq!((answer.status, answer.text("/error").as_str()), (429, "rate_limited"), "{answer:?}");
    assert!(answer.text("/error_description").contains(of), "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=1000).contains(&seconds), "{answer:?}");
}

/// Ask again until it is too often: machines that are slow need more than a burst.
#[track_caller]
fn until_refused(of: &str, mut ask: impl FnMut() -> Answer) -> Answer {
    let refused = (0..200).map(|_| ask()).find(|answer| answer.status == 429);
    assert!(refused.is_some(), "200 requests were no more than one a second");
    let refused = refused.unwrap();
    too_many(&refused, of);
    refused
}

#[track_caller]
fn counted(answer: &Answer) {
    assert_ne!(answer.status, 429, "{answer:?}");
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn an_address_is_counted_at_each_of_the_four_endpoints() {
    let server = Server::start_with(&[("ZEROID_RATE_LIMIT_ADDRESS", "1/3")]);
    let client = server.client();
    let calls: [(&str, &str); 4] = [
        ("POST", "/oauth2/token"),
        ("POST", "/oauth2/token/introspect"),
        ("POST", "/oauth2/token/revoke"),
        ("GET", "/oauth2/token/verify"),
    ];
    for (method, path) in calls {
        let body = if method == "GET" { "" } else { "{}" };
        let ask = || client.send(method, path, &[JSON], body);
        (0..3).for_each(|_| counted(&ask()));
        until_refused("address", ask);
    }
    assert_eq!(client.get("/health").status, 200);
    assert_eq!(client.get("/.well-known/jwks.json").status, 200);
}

#[test]
fn a_refusal_uses_nothing_up_and_the_rate_lets_in_again() {
    let server = Server::start_with(&[("ZEROID_RATE_LIMIT_CREDENTIAL", "1/1")]);
    let client = server.client();
    let (key, _) = SigningKey::generate().unwrap();
    let agent = register(&client, "keyed", json!({"public_key_pem": key.public().to_pem()}));
    let ask = |at: usize| {
        let claims = json!({
            "iss": agent.uri, "sub": agent.uri, "aud": server.base, "jti": at.to_string(), "exp": now() + 120,
        });
        let assertion = key.sign("JWT", claims.to_string().as_bytes()).unwrap();
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        client.post("/oauth2/token", &json!({"grant_type": grant, "assertion": assertion}))
    };
    let mut at = 0;
    let refused = until_refused("credential", || {
        at += 1;
        ask(at)
    });
    std::thread::sleep(std::time::Duration::from_secs(refused.header("retry-after").parse().unwrap()));
    assert_eq!(ask(at).status, 200, "the assertion was not used up by the refusal");
}

#[test]
fn each_credential_has_a_share_of_its_own() {
    let server = Server::start_with(&[("ZEROID_RATE_LIMIT_CREDENTIAL", "1/2")]);
    let client = server.client();
    let (one, two) = (register(&client, "one", json!({})), register(&client, "two", json!({})));
    let ask = |key: &str| issue(&client, key, "");
    let token = ask(&one.api_key).token();
    until_refused("credential", || ask(&one.api_key));
    counted(&ask(&two.api_key));
    // The actor's key counts, not the subject's token.
    let exchange =
        json!({"grant_type": EXCHANGE, "subject_token": token, "api_key": two.api_key, "scope": "a"});
    counted(&client.post("/oauth2/token", &exchange));
    until_refused("credential", || client.post("/oauth2/token", &exchange));
    // Introspection without a client counts the address alone.
    (0..5).for_each(|_| counted(&introspect(&client, &token)));
    // An access token, where it is what is presented.
    let bearer = client.bearer(&token);
    assert_eq!(bearer.get("/oauth2/token/verify").status, 200);
    until_refused("credential", || bearer.get("/oauth2/token/verify"));

    let made = client.post("/oauth/clients", &json!({"client_id": "rs", "name": "rs", "confidential": true}));
    let secret = made.text("/client_secret");
    let look = |secret: &str| {
        let basic = format!("Basic {}", STANDARD.encode(format!("rs:{secret}")));
        let body = json!({"token": token}).to_string();
        client.send("POST", "/oauth2/token/introspect", &[JSON, ("authorization", &basic)], body)
    };
    // Who guesses uses up no share of who knows.
    (0..10).for_each(|at| assert_eq!(look(&format!("guess{at}")).status, 401));
    assert_eq!(look(&secret).status, 200);
    until_refused("credential", || look(&secret));
}

#[test]
fn a_name_that_anybody_may_say_counts_with_the_address_that_says_it() {
    let settings = [("ZEROID_RATE_LIMIT_CREDENTIAL", "1/1"), ("ZEROID_TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::start_with(&settings);
    let client = server.client();
    let from = |address: &str| {
        let body = json!({"token": "x", "client_id": "victim"}).to_string();
        client.send("POST", "/oauth2/token/introspect", &[JSON, ("x-forwarded-for", address)], body)
    };
    assert_eq!(from("198.51.100.1").status, 401);
    until_refused("credential", || from("198.51.100.1"));
    assert_eq!(from("198.51.100.2").status, 401, "another address is not kept out");
}

#[test]
fn only_a_trusted_proxy_says_whose_address_counts() {
    let ask = |client: &Client, told: &str| {
        client.send("POST", "/oauth2/token", &[JSON, ("x-forwarded-for", told)], "{}")
    };
    let limit = ("ZEROID_RATE_LIMIT_ADDRESS", "1/2");
    let open = Server::start_with(&[limit]);
    let client = open.client();
    let answers: Vec<Answer> = (1..6).map(|at| ask(&client, &format!("198.51.100.{at}"))).collect();
    assert!(
        answers.iter().any(|answer| answer.status == 429),
        "a stranger's header changes nothing: {answers:?}"
    );

    let behind = Server::start_with(&[limit, ("ZEROID_TRUSTED_PROXIES", "127.0.0.1")]);
    let client = behind.client();
    for at in 1..6 {
        counted(&ask(&client, &format!("198.51.100.{at}")));
    }
    // What the client wrote itself comes first, and counts for nothing.
    let mut told = (1..200).map(|at| format!("192.0.2.{at}, 203.0.113.7"));
    until_refused("address", || ask(&client, &told.next().unwrap()));
    // A network of IPv6 is one caller.
    let mut told = (1..200).map(|at| format!("2001:db8::{at}:1"));
    until_refused("address", || ask(&client, &told.next().unwrap()));
    counted(&ask(&client, "2001:db8:0:1::1"));
}

#[test]
fn production_has_limits_and_dev_has_none() {
    let many = |server: &Server| {
        let client = server.client();
        (0..1200).map(|_| issue(&client, "zid_sk_guessed", "").status).filter(|status| *status == 429).count()
    };
    assert_eq!(many(&Server::start()), 0);
    let production = [
        ("ZEROID_ISSUER", "https://id.example"),
        ("ZEROID_WIMSE_DOMAIN", "id.example"),
        ("ZEROID_RATE_LIMIT_CREDENTIAL", "20/1000"),
    ];
    let data = Arc::new(tempfile::tempdir().unwrap());
    assert!(command(data.path(), &production).arg("init").status().unwrap().success());
    assert!(many(&Server::serve(Arc::clone(&data), &production)) > 0);
    let shown = command(data.path(), &production[..2]).arg("check-config").output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("rate_limit_address = 1000/5000\nrate_limit_credential = 200/1000\n"), "{shown}");
}

#[test]
fn a_guessed_secret_is_in_no_log() {
    let server =
        Server::start_with(&[("ZEROID_RATE_LIMIT_CREDENTIAL", "1/1"), ("ZEROID_LOG_LEVEL", "debug")]);
    let client = server.client();
    let refused = until_refused("credential", || issue(&client, "zid_sk_very_secret_guess", ""));
    assert!(!refused.body.contains("very_secret"));
    assert!(!server.printed_until(&refused).contains("very_secret"));
}

#[test]
fn the_sdk_comes_again_and_says_so_when_it_gives_up() {
    run_python(&Server::start_with(&[("ZEROID_RATE_LIMIT_CREDENTIAL", "1/1")]), "rate_limits.py");
}
