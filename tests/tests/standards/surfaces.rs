//! The places where an object signed by somebody else is taken, and what they say to a wrong one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use zeroid_jose::SigningKey;
use zeroid_tests::{Agent, Answer, Client, EXCHANGE, Server, issue, register};

use crate::trap::Trap;

const BY_JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Where a self-signed object is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// `assertion` of the grant jwt-bearer.
    Assertion,
    /// `actor_token` of an exchange.
    ActorToken,
    /// `client_assertion`.
    ClientAssertion,
    /// The header `DPoP`.
    Proof,
}

pub(crate) const SURFACES: [Surface; 4] =
    [Surface::Assertion, Surface::ActorToken, Surface::ClientAssertion, Surface::Proof];

/// A server, an agent with a key, a client with the same key, and a place nobody should be led to.
pub(crate) struct World {
    _server: Server,
    pub(crate) client: Client,
    pub(crate) trap: Trap,
    pub(crate) key: SigningKey,
    pub(crate) agent: Agent,
    pub(crate) root: String,
    pub(crate) manager: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let trap = Trap::set();
        // Whatever is fetched from there would get through: what is refused is refused before anything is fetched.
        let server = Server::start_with(&[("ZEROID_FETCH_ALLOW", trap.address.as_str())]);
        let client = server.client();
        let (key, _) = SigningKey::generate().unwrap();
        let agent = register(&client, "agent", json!({"public_key_pem": key.public().to_pem()}));
        let made = client.post(
            "/oauth/clients",
            &json!({
                "client_id": "agent", "name": "agent", "confidential": true, "identity_id": agent.id,
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks": {"keys": [key.public().jwk(key.kid().as_str(), "sig")]},
            }),
        );
        assert_eq!(made.status, 201, "{made:?}");
        let boss = register(&client, "boss", json!({}));
        let root = issue(&client, &boss.api_key, "read").token();
        let manager = issue(&client, &server.management_key, "nhi:manage").token();
        Self { client, trap, key, agent, root, manager, _server: server }
    }

    /// The header an honest object has there.
    pub(crate) fn header(&self, surface: Surface) -> Value {
        let mut header = json!({"alg": "ES256", "typ": "JWT", "kid": self.key.kid().as_str()});
        if surface == Surface::Proof {
            let mut jwk = self.key.public().jwk("", "");
            (jwk.kid, jwk.alg, jwk.usage) = (None, None, None);
            header = json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk});
        }
        header
    }

    /// Fresh claims as an honest object has them there.
    pub(crate) fn claims(&self, surface: Surface) -> Value {
        let (now, jti) = (now(), fresh());
        let signer = match surface {
            Surface::ClientAssertion => "agent",
            Surface::Assertion | Surface::ActorToken => self.agent.uri.as_str(),
            Surface::Proof => {
                let htu = format!("{}/oauth2/token", self.client.base);
                return json!({"jti": jti, "htm": "POST", "htu": htu, "iat": now});
            }
        };
        json!({"iss": signer, "sub": signer, "aud": self.client.base, "jti": jti, "iat": now, "exp": now + 60})
    }

    /// Present an object there.
    pub(crate) fn present(&self, surface: Surface, object: &str) -> Answer {
        let body = match surface {
            Surface::Assertion => json!({"grant_type": JWT_BEARER, "assertion": object}),
            Surface::ActorToken => {
                json!({"grant_type": EXCHANGE, "subject_token": self.root, "actor_token": object, "scope": "read"})
            }
            Surface::ClientAssertion => json!({
                "grant_type": "client_credentials", "client_assertion_type": BY_JWT, "client_assertion": object,
            }),
            Surface::Proof => {
                // What cannot stand in a header at all is refused before anybody reads it.
                let Ok(proof) = ureq::http::HeaderValue::from_bytes(object.as_bytes()) else {
                    return self.client.send("POST", "/oauth2/token", &[JSON, ("dpop", "x")], self.by_key());
                };
                let Ok(proof) = proof.to_str() else {
                    return self.client.send("POST", "/oauth2/token", &[JSON, ("dpop", "x")], self.by_key());
                };
                return self.client.send("POST", "/oauth2/token", &[JSON, ("dpop", proof)], self.by_key());
            }
        };
        self.client.post("/oauth2/token", &body)
    }

    fn by_key(&self) -> String {
        json!({"grant_type": "api_key", "api_key": self.agent.api_key, "scope": "read"}).to_string()
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// It was refused as such an object is, and nothing was issued.
#[track_caller]
pub(crate) fn refused(surface: Surface, answer: &Answer, name: &str) {
    let expected = match surface {
        Surface::Assertion | Surface::ActorToken => (400, "invalid_grant"),
        Surface::ClientAssertion => (401, "invalid_client"),
        Surface::Proof => (400, "invalid_dpop_proof"),
    };
    assert!(answer.json.get("access_token").is_none(), "{name}: {answer:?}");
    assert_eq!((answer.status, answer.text("/error").as_str()), expected, "{surface:?}, {name}: {answer:?}");
}

pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// A name that was never used.
pub(crate) fn fresh() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", now(), NUMBER.fetch_add(1, Ordering::Relaxed))
}
