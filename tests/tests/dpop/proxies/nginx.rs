//! nginx, with the configuration of `docs/forward-auth.md`.

use std::process::Command;

use serde_json::json;
use zeroid_tests::{Client, Server, issue, register, revoke};

use super::{Program, Proxy, Upstream, documented, told};
use crate::prover::Prover;

const NGINX: Program =
    Program { names: &["nginx", "/usr/sbin/nginx"], version: "-v", package: "nginx-light" };

fn start(zeroid: &str, service: &str) -> Option<Proxy> {
    Proxy::start(&NGINX, |program, folder, port| {
        std::fs::write(folder.join("nginx.conf"), config(port, zeroid, service)).unwrap();
        let mut command = Command::new(program);
        command.arg("-p").arg(folder).args(["-c", "nginx.conf", "-e", "error.log"]);
        command
    })
}

/// The documented server, on these addresses and without TLS.
fn config(port: u16, zeroid: &str, service: &str) -> String {
    let server = documented(
        "nginx",
        &[
            ("listen 443 ssl;", &format!("listen 127.0.0.1:{port};")),
            ("http://127.0.0.1:9000", service),
            ("http://127.0.0.1:8899", zeroid),
        ],
    );
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths: String = paths.iter().map(|name| format!("{name}_temp_path {name};\n")).collect();
    format!(
        "daemon off;\npid nginx.pid;\nworker_processes 1;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{server}}}\n"
    )
}

#[test]
fn nginx_asks_before_it_passes_a_request_on() {
    let server = Server::start_with(&[("ZEROID_TRUSTED_PROXIES", "127.0.0.1")]);
    let client = server.client();
    let upstream = Upstream::start();
    let Some(nginx) = start(&server.base, &upstream.base) else { return };
    let service = Client::new(&nginx.base);
    let boss = register(&client, "boss", json!({"trust_level": "first_party"}));

    let nobody = service.get("/orders");
    assert_eq!(nobody.status, 401, "{nobody:?}");
    let challenge = nobody.header("www-authenticate");
    assert!(
        challenge.starts_with("Bearer realm=\"zeroid\", DPoP ") && !challenge.contains("error"),
        "{challenge}"
    );

    let weak = issue(&client, &boss.api_key, "read").token();
    let refused = service.bearer(&weak).get("/orders");
    assert_eq!(refused.status, 403, "{refused:?}");
    let challenge = refused.header("www-authenticate");
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.contains("scope=\"orders:read\""), "{challenge}");
    assert_eq!(upstream.requests(), 0, "nobody passed");

    let token = issue(&client, &boss.api_key, "orders:read").token();
    let forged = [
        ("x-forwarded-user", "admin"),
        ("x-zeroid-act-sub", "admin"),
        ("x-zeroid-trust-level", "admin"),
        ("x-zeroid-external-id", "admin"),
    ];
    let passed = service.bearer(&token).send("POST", "/orders?a=b", &forged, "the body");
    assert_eq!(told(&passed, "x-forwarded-user"), boss.uri);
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
    let dead = service.bearer(&token).get("/orders");
    assert_eq!(dead.status, 401, "{dead:?}");
    assert!(dead.header("www-authenticate").contains("error=\"invalid_token\""), "{dead:?}");
    drop(server);
    assert_eq!(service.bearer(&token).get("/orders").status, 500, "no verdict is no permission");
    assert_eq!(upstream.requests(), 1);
}

#[test]
fn nginx_lets_a_bound_token_pass_with_its_proof() {
    let nonces = ("ZEROID_DPOP_NONCE_REQUIRED", "true");
    let server = Server::start_with(&[("ZEROID_TRUSTED_PROXIES", "127.0.0.1"), nonces]);
    let (client, prover) = (server.client(), Prover::new());
    let upstream = Upstream::start();
    let Some(nginx) = start(&server.base, &upstream.base) else { return };
    let service = Client::new(&nginx.base);
    let boss = register(&client, "boss", json!({}));
    let asked = prover.issue(&client, &boss.api_key, "orders:read");
    let mut claims = crate::prover::claims("POST", &format!("{}/oauth2/token", client.base));
    claims["nonce"] = json!(asked.header("dpop-nonce"));
    let body = crate::prover::by_key(&boss.api_key, "orders:read");
    let token = crate::prover::ask(&client, &body, &prover.sign(&claims)).token();

    let send = |uri: &str, nonce: &str, host: &str| {
        let mut claims = crate::prover::claims_with("PUT", uri, &token);
        claims["nonce"] = json!(nonce);
        let (authorization, proof) = (format!("DPoP {token}"), prover.sign(&claims));
        let headers = [("authorization", authorization.as_str()), ("dpop", proof.as_str()), ("host", host)];
        (service.send("PUT", "/orders/7?a=b", &headers, "x"), proof)
    };
    let (uri, host) = ("http://api.example/orders/7", "api.example");
    let (asked, _) = send(uri, "", host);
    assert_eq!(asked.status, 401, "{asked:?}");
    assert!(asked.header("www-authenticate").contains("error=\"use_dpop_nonce\""), "{asked:?}");
    let nonce = asked.header("dpop-nonce").to_owned();
    let (passed, proof) = send(uri, &nonce, host);
    assert_eq!((told(&passed, "x-forwarded-user"), told(&passed, "dpop")), (boss.uri.as_str(), ""));
    assert!(!passed.header("dpop-nonce").is_empty(), "the nonce for the next proof: {passed:?}");

    let authorization = format!("DPoP {token}");
    let headers = [("authorization", authorization.as_str()), ("dpop", proof.as_str()), ("host", host)];
    let again = service.send("PUT", "/orders/7?a=b", &headers, "x");
    assert_eq!(again.status, 401, "{again:?}");
    assert!(again.header("www-authenticate").contains("error=\"invalid_dpop_proof\""), "{again:?}");
    // A proof for another service does not pass here, whatever name the request calls this one by.
    let (elsewhere, _) = send("http://other.example/orders/7", &nonce, "other.example");
    assert_eq!(elsewhere.status, 401, "{elsewhere:?}");
    let (elsewhere, _) = send("http://api.example/orders/8", &nonce, host);
    assert_eq!(elsewhere.status, 401, "{elsewhere:?}");
    assert_eq!(upstream.requests(), 1);
}
