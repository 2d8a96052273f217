//! An agent's own key at the edge: what is asked for, and in which shape it is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]

use serde_json::json;
use zeroid_jose::{PublicKey, SigningKey};
use zeroid_tests::{Answer, Client, Server, issue, register};

const PATH: &str = "/agents/self/public-key";

struct Agent {
    uri: String,
    id: String,
    token: String,
    issuer: String,
}

fn agent(server: &Server, client: &Client) -> Agent {
    let agent = register(client, "aide", json!({}));
    let token = issue(client, &agent.api_key, "").text("/access_token");
    Agent { uri: agent.uri, id: agent.id, token, issuer: server.base.clone() }
}

fn proof(agent: &Agent, signer: &SigningKey, jti: &str, lets_in: Option<&PublicKey>) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let aud = format!("{}{PATH}", agent.issuer);
    let mut claims = json!({"sub": agent.uri, "aud": aud, "jti": jti, "iat": now, "exp": now + 60});
    if let Some(key) = lets_in {
        claims["nkt"] = json!(key.spki_sha256());
    }
    signer.sign("JWT", claims.to_string().as_bytes()).unwrap()
}

fn key() -> SigningKey {
    SigningKey::generate().unwrap().0
}

#[test]
fn an_agent_enrols_and_replaces_its_key() {
    let server = Server::start();
    let client = server.client();
    let agent = agent(&server, &client);
    let bearer = client.bearer(&agent.token);
    let (first, second) = (key(), key());
    let set = |body: serde_json::Value| bearer.post(PATH, &body);
    let refused = |answer: Answer, status: u16, location: &str| {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.text("/errors/0/location"), location, "{answer:?}");
    };

    refused(set(json!({})), 422, "body.new_public_key_pem");
    let pem = first.public().to_pem();
    let used = proof(&agent, &first, "1", None);
    refused(set(json!({"new_public_key_pem": "x", "new_key_proof": used})), 400, "body.new_public_key_pem");
    let other = second.public().to_pem();
    refused(set(json!({"new_public_key_pem": other, "new_key_proof": used})), 403, "body.new_key_proof");
    let enrolled = set(json!({"new_public_key_pem": pem, "new_key_proof": used}));
    assert_eq!((enrolled.status, enrolled.text("/id")), (200, agent.id.clone()), "{enrolled:?}");

    let body = json!({"new_public_key_pem": other, "new_key_proof": proof(&agent, &second, "2", None)});
    refused(set(body.clone()), 403, "body.current_key_proof");
    let mut agreed = body;
    agreed["current_key_proof"] = json!(proof(&agent, &first, "3", Some(second.public())));
    assert_eq!(set(agreed.clone()).status, 200);
    // Replayed as a whole: the key that agreed is no longer the current one.
    assert_eq!(set(agreed).status, 403);
    // Back to the first key by its spent proof.
    let agreement = proof(&agent, &second, "4", Some(first.public()));
    let replayed = json!({"new_public_key_pem": pem, "new_key_proof": used, "current_key_proof": agreement});
    refused(set(replayed), 403, "body.new_key_proof");
}

#[test]
fn the_route_needs_a_token_whatever_the_mode_and_is_not_under_the_prefix() {
    let server = Server::start();
    let client = server.client();
    let without = client.post(PATH, &json!({"new_public_key_pem": "x", "new_key_proof": "x"}));
    assert_eq!(without.status, 401);
    let challenge = without.header("www-authenticate");
    assert!(challenge.starts_with("Bearer ") && !challenge.contains("error"), "RFC 6750 §3.1: {challenge}");
    let forged = client.bearer("a.b.c").post(PATH, &json!({"new_public_key_pem": "x", "new_key_proof": "x"}));
    assert_eq!(forged.status, 401);
    assert!(forged.header("www-authenticate").contains("invalid_token"), "{forged:?}");
    assert_eq!(client.post(&format!("/api/v1{PATH}"), &json!({})).status, 404);
}
