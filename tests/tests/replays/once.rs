//! The things that are good once, and requests that bring them.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use zeroid_jose::SigningKey;
use zeroid_tests::{Answer, Client, EXCHANGE, issue, register};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const BY_JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What two callers ask with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One assertion of an agent, for a root.
    Assertion,
    /// One assertion of an agent, as the actor.
    ActorToken,
    /// One assertion of an agent, for a root by the one and as the actor by the other.
    AssertionEitherWay,
    /// One assertion without `jti`, under two signatures.
    Unnamed,
    /// One assertion of a client.
    ClientAssertion,
    /// One DPoP proof.
    Proof,
    /// One DPoP proof, beside two assertions that are good.
    ProofBesideAssertions,
}

pub(crate) const KINDS: [Kind; 7] = [
    Kind::Assertion,
    Kind::ActorToken,
    Kind::AssertionEitherWay,
    Kind::Unnamed,
    Kind::ClientAssertion,
    Kind::Proof,
    Kind::ProofBesideAssertions,
];

/// An agent with a key, which is its client's, too.
pub(crate) struct Signer {
    key: SigningKey,
    id: String,
    uri: String,
    api_key: String,
    root: String,
    issuer: String,
}

/// A request, and how it is refused when what it brings was used before.
pub(crate) struct Request {
    pub(crate) body: Value,
    pub(crate) proof: Option<String>,
    refusal: (u16, &'static str),
}

impl Signer {
    pub(crate) fn register(client: &Client, issuer: &str) -> Self {
        let (key, _) = SigningKey::generate().unwrap();
        let agent = register(client, "agent", json!({"public_key_pem": key.public().to_pem()}));
        let made = client.post(
            "/oauth/clients",
            &json!({
                "client_id": "agent", "name": "agent", "confidential": true, "identity_id": agent.id,
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks": {"keys": [key.public().jwk(key.kid().as_str(), "sig")]},
            }),
        );
        assert_eq!(made.status, 201, "{made:?}");
        let boss = register(client, "boss", json!({}));
        let root = issue(client, &boss.api_key, "read").token();
        let (id, uri, api_key) = (agent.id, agent.uri, agent.api_key);
        Self { key, id, uri, api_key, root, issuer: issuer.to_owned() }
    }

    /// The requests of both callers.
    pub(crate) fn requests(&self, kind: Kind, round: usize) -> [Request; 2] {
        let (name, agent) = (format!("{round}"), self.uri.as_str());
        let grant = (400, "invalid_grant");
        let root =
            |assertion: &str| json!({"grant_type": JWT_BEARER, "assertion": assertion, "scope": "read"});
        let actor = |assertion: &str| json!({"grant_type": EXCHANGE, "subject_token": self.root, "actor_token": assertion, "scope": "read"});
        let plain = |body: Value| Request { body, proof: None, refusal: grant };
        match kind {
            Kind::Assertion => {
                let one = self.assertion(agent, Some(&name));
                [plain(root(&one)), plain(root(&one))]
            }
            Kind::ActorToken => {
                let one = self.assertion(agent, Some(&name));
                [plain(actor(&one)), plain(actor(&one))]
            }
            Kind::AssertionEitherWay => {
                let one = self.assertion(agent, Some(&name));
                [plain(root(&one)), plain(actor(&one))]
            }
            Kind::Unnamed => {
                // An ECDSA signature can be made anew: what is used up is what it is over.
                let claims = self.claims(agent, None, round);
                let [one, other] =
                    [0, 1].map(|_| self.key.sign("JWT", claims.to_string().as_bytes()).unwrap());
                assert_ne!(one, other);
                [plain(root(&one)), plain(root(&other))]
            }
            Kind::ClientAssertion => {
                let one = self.assertion("agent", Some(&name));
                let body = json!({
                    "grant_type": "client_credentials", "client_assertion_type": BY_JWT, "client_assertion": one,
                });
                let client = (401, "invalid_client");
                [0, 1].map(|_| Request { body: body.clone(), proof: None, refusal: client })
            }
            Kind::Proof => {
                let (proof, by_key) = (self.proof(&name), (400, "invalid_dpop_proof"));
                let body = json!({"grant_type": "api_key", "api_key": self.api_key, "scope": "read"});
                [0, 1].map(|_| Request { body: body.clone(), proof: Some(proof.clone()), refusal: by_key })
            }
            Kind::ProofBesideAssertions => {
                let proof = self.proof(&name);
                let own = |at: &str| root(&self.assertion(agent, Some(&format!("{name}-{at}"))));
                ["a", "b"].map(|at| Request { body: own(at), proof: Some(proof.clone()), refusal: grant })
            }
        }
    }

    fn assertion(&self, signer: &str, jti: Option<&str>) -> String {
        self.key.sign("JWT", self.claims(signer, jti, 0).to_string().as_bytes()).unwrap()
    }

    fn claims(&self, signer: &str, jti: Option<&str>, round: usize) -> Value {
        let now = now();
        let mut claims =
            json!({"iss": signer, "sub": signer, "aud": self.issuer, "iat": now, "exp": now + 60});
        match jti {
            Some(jti) => claims["jti"] = json!(jti),
            None => claims["round"] = json!(round),
        }
        claims
    }

    fn proof(&self, jti: &str) -> String {
        let uri = format!("{}/oauth2/token", self.issuer);
        let claims = json!({"jti": jti, "htm": "POST", "htu": uri, "iat": now()});
        self.key.sign_proof(claims.to_string().as_bytes()).unwrap()
    }

    /// As many credentials of the agent are stored as rounds were won, and no more.
    #[track_caller]
    pub(crate) fn has_issued(&self, client: &Client, rounds: usize) {
        let listed = client.get(&format!("/credentials?identity_id={}", self.id));
        assert_eq!(listed.json["total"], rounds, "{listed:?}");
    }
}

impl Request {
    #[track_caller]
    pub(crate) fn is_refused_as_used(&self, answer: &Answer, round: usize) {
        let told = (answer.status, answer.text("/error"));
        assert_eq!(told, (self.refusal.0, self.refusal.1.to_owned()), "round {round}: {answer:?}");
        assert!(answer.text("/error_description").contains("`jti`"), "round {round}: {answer:?}");
    }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}
