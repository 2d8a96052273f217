//! Caddy, with the configuration of `docs/forward-auth.md`.

use std::process::Command;

use serde_json::json;
use zeroid_tests::{Answer, Client, Server, issue, register, revoke};

use super::{Program, Proxy, Upstream, documented, told};
use crate::prover::Prover;

const CADDY: Program = Program { names: &["caddy"], version: "version", package: "caddy" };

/// The name of the documented service; Caddy serves no other.
const HOST: (&str, &str) = ("host", "api.example");

/// What the documented configuration copies from the answer, and a client would like to say itself.
const IDENTITY: [&str; 7] = [
    "x-forwarded-user",
    "x-zeroid-identity-type",
    "x-zeroid-trust-level",
    "x-zeroid-account-id",
    "x-zeroid-project-id",
    "x-zeroid-external-id",
    "x-zeroid-act-sub",
];

fn start(zeroid: &str, service: &str) -> Option<Proxy> {
    Proxy::start(&CADDY, |program, folder, port| {
        std::fs::write(folder.join("Caddyfile"), config(port, zeroid, service)).unwrap();
        let mut command = Command::new(program);
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("Caddyfile"));
        // What it would keep for later runs.
        command.env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder).env("HOME", folder);
        command
    })
}

/// The documented site, on these addresses and without TLS.
fn config(port: u16, zeroid: &str, service: &str) -> String {
    let address = |base: &str| base.trim_start_matches("http://").to_owned();
    let site = documented(
        "caddy",
        &[
            ("api.example {", &format!("http://api.example:{port} {{\nbind 127.0.0.1")),
            ("127.0.0.1:9000", &address(service)),
            ("127.0.0.1:8899", &address(zeroid)),
        ],
    );
    format!("{{\nadmin off\nauto_https off\n}}\n{site}")
}

fn ask(service: &Client, headers: &[(&str, &str)]) -> Answer {
    let headers: Vec<_> = [HOST].iter().chain(headers).copied().collect();
    service.send("GET", "/orders", &headers, Vec::new())
}

#[test]
fn caddy_asks_before_it_passes_a_request_on() {
    let server = Server::start_with(&[("ZEROID_TRUSTED_PROXIES", "127.0.0.1")]);
    let client = server.client();
    let upstream = Upstream::start();
    let Some(caddy) = start(&server.base, &upstream.base) else { return };
    let service = Client::new(&caddy.base);
    let boss = register(&client, "boss", json!({"trust_level": "first_party"}));
    let forged = IDENTITY.map(|name| (name, "admin"));

    let nobody = ask(&service, &forged);
    assert_eq!(nobody.status, 401, "{nobody:?}");
    let challenge = nobody.header("www-authenticate");
    assert!(
        challenge.starts_with("Bearer realm=\"zeroid\", DPoP ") && !challenge.contains("error"),
        "{challenge}"
    );

    let weak = issue(&client, &boss.api_key, "read").token();
    let refused = ask(&service.bearer(&weak), &forged);
    assert_eq!(refused.status, 403, "{refused:?}");
    let challenge = refused.header("www-authenticate");
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.contains("scope=\"orders:read\""), "{challenge}");
    assert_eq!(upstream.requests(), 0, "nobody passed");

    let token = issue(&client, &boss.api_key, "orders:read").token();
    let headers: Vec<_> = [HOST].into_iter().chain(forged).collect();
    let passed = service.bearer(&token).send("POST", "/orders?a=b", &headers, "the body");
    assert_eq!(told(&passed, "x-forwarded-user"), boss.uri);
    assert_eq!(told(&passed, "x-zeroid-identity-type"), "agent");
    assert_eq!(told(&passed, "x-zeroid-external-id"), "boss");
    assert_eq!(told(&passed, "x-zeroid-trust-level"), "first_party");
    assert_eq!(
        (told(&passed, "x-zeroid-account-id"), told(&passed, "x-zeroid-project-id")),
        ("default", "default")
    );
    assert_eq!((told(&passed, "x-zeroid-act-sub"), told(&passed, "authorization")), ("", ""), "{passed:?}");
    assert!(passed.body.starts_with("post /orders?a=b ") && passed.body.ends_with("the body"), "{passed:?}");
    assert!(!passed.body.contains("admin"), "nobody's own headers pass: {passed:?}");

    revoke(&client, &token);
    let dead = ask(&service.bearer(&token), &[]);
    assert_eq!(dead.status, 401, "{dead:?}");
    assert!(dead.header("www-authenticate").contains("error=\"invalid_token\""), "{dead:?}");
    drop(server);
    assert_eq!(ask(&service.bearer(&token), &[]).status, 502, "no verdict is no permission");
    assert_eq!(upstream.requests(), 1);
}

#[test]
fn caddy_lets_a_bound_token_pass_with_its_proof() {
    let server = Server::start_with(&[("ZEROID_TRUSTED_PROXIES", "127.0.0.1")]);
    let (client, prover) = (server.client(), Prover::new());
    let upstream = Upstream::start();
    let Some(caddy) = start(&server.base, &upstream.base) else { return };
    let service = Client::new(&caddy.base);
    let boss = register(&client, "boss", json!({}));
    let token = prover.issue(&client, &boss.api_key, "orders:read").token();
    let authorization = format!("DPoP {token}");
    let send = |uri: &str, more: &[(&str, &str)]| {
        let proof = prover.sign(&crate::prover::claims_with("PUT", uri, &token));
        let mut headers = vec![HOST, ("authorization", authorization.as_str()), ("dpop", proof.as_str())];
        headers.extend(more);
        let answer = service.send("PUT", "/orders/7?a=b", &headers, "x");
        (answer, proof)
    };

    let (passed, proof) = send("http://api.example/orders/7", &[]);
    assert_eq!(told(&passed, "x-forwarded-user"), boss.uri);
    assert_eq!((told(&passed, "dpop"), told(&passed, "authorization")), ("", ""), "{passed:?}");

    let headers = [HOST, ("authorization", authorization.as_str()), ("dpop", proof.as_str())];
    let again = service.send("PUT", "/orders/7?a=b", &headers, "x");
    assert_eq!(again.status, 401, "{again:?}");
    assert!(again.header("www-authenticate").contains("error=\"invalid_dpop_proof\""), "{again:?}");
    // A proof for another request does not pass, whatever the client says this one is.
    let says = [("x-forwarded-uri", "/orders/8"), ("x-forwarded-host", "other.example")];
    for uri in
        ["http://api.example/orders/8", "http://other.example/orders/7", "http://other.example/orders/8"]
    {
        let (elsewhere, _) = send(uri, &says);
        assert_eq!(elsewhere.status, 401, "{uri}: {elsewhere:?}");
    }
    let unproven = ask(&service.bearer(&token), &[]);
    assert_eq!(unproven.status, 401, "{unproven:?}");
    assert_eq!(upstream.requests(), 1);
}
