//! Our own protected resources: the administrative routes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use zeroid_jose::sha256;
use zeroid_tests::{Answer, Client, Server, issue, register, revoke};

use crate::prover::{Prover, claims_with, now};

const REGISTRY: &str = "/agents/registry";

/// A server with a management token that is bound to a key.
struct Bound {
    server: Server,
    client: Client,
    prover: Prover,
    token: String,
}

impl Bound {
    fn start(settings: &[(&str, &str)]) -> Self {
        let server = Server::start_with(settings);
        let (client, prover) = (server.client(), Prover::new());
        let token = prover.issue(&client, &server.management_key, "nhi:manage").token();
        Self { server, client, prover, token }
    }

    fn proof(&self, method: &str, path: &str) -> String {
        self.prover.proof_with(method, &format!("{}{path}", self.client.base), &self.token)
    }

    fn get(&self, path: &str, proof: &str) -> Answer {
        get(&self.client, path, &format!("DPoP {}", self.token), &[proof])
    }

    /// A GET of the registry, with a proof that has one claim changed.
    fn with(&self, name: &str, value: Value) -> Answer {
        let mut claims = claims_with("GET", &format!("{}{REGISTRY}", self.client.base), &self.token);
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value;
        }
        self.get(REGISTRY, &self.prover.sign(&claims))
    }
}

fn get(client: &Client, path: &str, authorization: &str, proofs: &[&str]) -> Answer {
    let mut headers = vec![("authorization", authorization)];
    headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
    client.send("GET", path, &headers, "")
}

#[track_caller]
fn challenged(answer: &Answer, error: &str) {
    assert_eq!(answer.status, 401, "{answer:?}");
    let all = answer.header("www-authenticate");
    assert!(all.starts_with("DPoP ") && all.contains("algs=\"ES256 "), "{all}");
    assert!(all.contains(&format!("error=\"{error}\"")), "{all}");
    assert!(all.ends_with(", Bearer realm=\"zeroid\""), "{all}");
}

#[test]
fn rfc9449_section_7_1_a_bound_token_comes_with_a_proof() {
    let bound = Bound::start(&[]);
    assert_eq!(bound.get(REGISTRY, &bound.proof("GET", REGISTRY)).status, 200);
    let query = format!("{REGISTRY}?limit=1");
    assert_eq!(bound.get(&query, &bound.proof("GET", REGISTRY)).status, 200, "`htu` has no query");
    let prefixed = format!("/api/v1{REGISTRY}");
    assert_eq!(bound.get(&prefixed, &bound.proof("GET", &prefixed)).status, 200);
    let authorization = format!("dpop {}", bound.token);
    let proof = bound.proof("GET", REGISTRY);
    assert_eq!(get(&bound.client, REGISTRY, &authorization, &[&proof]).status, 200, "schemes have no case");
    // By loopback under its other name, which is an address of a development server.
    let port = bound.client.base.rsplit_once(':').unwrap().1;
    let local = bound.prover.proof_with("GET", &format!("http://localhost:{port}{REGISTRY}"), &bound.token);
    assert_eq!(bound.get(REGISTRY, &local).status, 200);
}

#[test]
fn rfc9449_section_7_1_a_proof_for_anything_else_opens_nothing() {
    let bound = Bound::start(&[]);
    for (name, value) in [
        ("htm", json!("POST")),
        ("htu", json!(format!("{}/api-keys", bound.client.base))),
        ("iat", json!(now() - 70)),
        ("iat", json!(now() + 20)),
        ("ath", Value::Null),
        ("ath", json!(URL_SAFE_NO_PAD.encode(sha256(b"another")))),
        ("jti", Value::Null),
    ] {
        let answer = bound.with(name, value.clone());
        challenged(&answer, "invalid_dpop_proof");
        assert!(answer.text("/detail").contains(name), "{name} {value}: {answer:?}");
    }
    challenged(&get(&bound.client, REGISTRY, &format!("DPoP {}", bound.token), &[]), "invalid_dpop_proof");
    let (one, other) = (bound.proof("GET", REGISTRY), bound.proof("GET", REGISTRY));
    let two = get(&bound.client, REGISTRY, &format!("DPoP {}", bound.token), &[&one, &other]);
    challenged(&two, "invalid_dpop_proof");
    let thief = Prover::new();
    let uri = format!("{}{REGISTRY}", bound.client.base);
    challenged(&bound.get(REGISTRY, &thief.proof_with("GET", &uri, &bound.token)), "invalid_dpop_proof");
    assert_eq!(bound.get(REGISTRY, &one).status, 200, "what was refused used nothing up");
}

#[test]
fn rfc9449_section_11_1_a_proof_opens_once() {
    let bound = Bound::start(&[]);
    let proof = bound.proof("GET", REGISTRY);
    let first = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8).map(|_| scope.spawn(|| bound.get(REGISTRY, &proof).status)).collect();
        let statuses: Vec<_> = asked.into_iter().map(|asked| asked.join().unwrap()).collect();
        assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
        statuses.iter().filter(|status| **status == 200).count()
    });
    assert_eq!(first, 1);
    challenged(&bound.get(REGISTRY, &proof), "invalid_dpop_proof");
    // It is remembered by what is on disk.
    let again = Bound { server: bound.server.crash_and_restart(), ..bound };
    challenged(&again.get(REGISTRY, &proof), "invalid_dpop_proof");
}

#[test]
fn rfc9449_section_7_2_no_token_passes_under_the_other_scheme() {
    let bound = Bound::start(&[]);
    let refused = bound.client.bearer(&bound.token).get(REGISTRY);
    assert_eq!(refused.status, 401, "{refused:?}");
    let (bearer, dpop) = refused.header("www-authenticate").split_once(", DPoP ").unwrap();
    assert!(bearer.starts_with("Bearer ") && bearer.contains("error=\"invalid_token\""), "{bearer}");
    assert!(!dpop.contains("error"), "{dpop}");
    // Not even with a proof beside it.
    let proof = bound.proof("GET", REGISTRY);
    assert_eq!(get(&bound.client, REGISTRY, &format!("Bearer {}", bound.token), &[&proof]).status, 401);
    let plain = issue(&bound.client, &bound.server.management_key, "nhi:manage").token();
    let proof = bound.prover.proof_with("GET", &format!("{}{REGISTRY}", bound.client.base), &plain);
    challenged(&get(&bound.client, REGISTRY, &format!("DPoP {plain}"), &[&proof]), "invalid_token");
    assert_eq!(bound.client.bearer(&plain).get(REGISTRY).status, 200);
    // An operator key is no token.
    let proof = bound.prover.proof_with("GET", &format!("{}{REGISTRY}", bound.client.base), "zid_op_x");
    challenged(&get(&bound.client, REGISTRY, "DPoP zid_op_x", &[&proof]), "invalid_token");
}

#[test]
fn a_bound_token_is_judged_as_any_other() {
    let bound = Bound::start(&[]);
    let boss = register(&bound.client, "boss", json!({}));
    let weak = bound.prover.issue(&bound.client, &boss.api_key, "read").token();
    let proof = bound.prover.proof_with("GET", &format!("{}{REGISTRY}", bound.client.base), &weak);
    let answer = get(&bound.client, REGISTRY, &format!("DPoP {weak}"), &[&proof]);
    assert_eq!(answer.status, 403, "{answer:?}");
    let challenge = answer.header("www-authenticate");
    assert!(challenge.starts_with("DPoP ") && challenge.contains("insufficient_scope"), "{challenge}");
    revoke(&bound.client, &bound.token);
    challenged(&bound.get(REGISTRY, &bound.proof("GET", REGISTRY)), "invalid_token");
}

#[test]
fn a_proof_that_names_a_body_is_for_no_other() {
    let bound = Bound::start(&[]);
    let path = "/agents/register";
    let post = |said: &Value, sent: &Value| {
        let mut claims = claims_with("POST", &format!("{}{path}", bound.client.base), &bound.token);
        claims["bh"] = json!(URL_SAFE_NO_PAD.encode(sha256(said.to_string().as_bytes())));
        let (authorization, proof) = (format!("DPoP {}", bound.token), bound.prover.sign(&claims));
        let headers = [
            ("content-type", "application/json"),
            ("authorization", authorization.as_str()),
            ("dpop", proof.as_str()),
        ];
        bound.client.send("POST", path, &headers, sent.to_string())
    };
    let good = json!({"name": "a", "external_id": "a", "created_by": "me@x.example"});
    let bad = json!({"name": "b", "external_id": "b", "created_by": "evil@x.example"});
    challenged(&post(&good, &bad), "invalid_dpop_proof");
    assert_eq!(post(&good, &good).status, 201);
}

#[test]
fn rfc9449_section_9_a_nonce_where_it_is_demanded() {
    let server = Server::start_with(&[("ZEROID_DPOP_NONCE_REQUIRED", "true")]);
    let (client, prover) = (server.client(), Prover::new());
    let nonce = prover.issue(&client, &server.management_key, "x").header("dpop-nonce").to_owned();
    let uri = format!("{}/oauth2/token", client.base);
    let mut claims = crate::prover::claims("POST", &uri);
    claims["nonce"] = json!(nonce);
    let body = crate::prover::by_key(&server.management_key, "nhi:manage");
    let token = crate::prover::ask(&client, &body, &prover.sign(&claims)).token();
    let bound = Bound { server, client, prover, token };
    let asked = bound.get(REGISTRY, &bound.proof("GET", REGISTRY));
    challenged(&asked, "use_dpop_nonce");
    let opened = bound.with("nonce", json!(asked.header("dpop-nonce")));
    assert_eq!(opened.status, 200);
    // §8.2: what has a nonce in it is kept by no cache, whatever else it says.
    let key_set = bound.client.send("GET", "/.well-known/jwks.json", &[("dpop", "x")], "");
    for answer in [&asked, &opened, &key_set] {
        assert!(!answer.header("dpop-nonce").is_empty(), "{answer:?}");
        assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
    }
}
