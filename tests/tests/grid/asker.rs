//! One agent that can ask by every grant, and what limits it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use zeroid_jose::SigningKey;
use zeroid_tests::{Agent, Answer, Client, EXCHANGE, Server, policy, register};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The grants that are served; exchange once for each proof of the actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    ApiKey,
    ClientCredentials,
    JwtBearer,
    ByKey,
    ByAssertion,
    ByClient,
}

/// All of them.
pub(crate) const GRANTS: [Grant; 6] = [
    Grant::ApiKey,
    Grant::ClientCredentials,
    Grant::JwtBearer,
    Grant::ByKey,
    Grant::ByAssertion,
    Grant::ByClient,
];

impl Grant {
    /// Those that exchange a token.
    pub(crate) fn exchanges() -> impl Iterator<Item = Self> {
        GRANTS.into_iter().filter(|grant| grant.is_exchange())
    }

    pub(crate) fn is_exchange(self) -> bool {
        matches!(self, Self::ByKey | Self::ByAssertion | Self::ByClient)
    }

    pub(crate) fn uses_key(self) -> bool {
        matches!(self, Self::ApiKey | Self::ByKey)
    }

    pub(crate) fn uses_client(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::ByClient)
    }

    /// What a credential policy calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::ClientCredentials => "client_credentials",
            Self::JwtBearer => "jwt_bearer",
            Self::ByKey | Self::ByAssertion | Self::ByClient => "token_exchange",
        }
    }
}

/// What limits an agent: members of its registration, of its key and of its client. A policy is given as the body that
/// makes it.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) identity: Value,
    pub(crate) key: Value,
    pub(crate) client: Value,
    pub(crate) policies: [Option<Value>; 3],
}

impl Default for Limits {
    fn default() -> Self {
        Self { identity: json!({}), key: json!({}), client: json!({}), policies: [const { None }; 3] }
    }
}

/// A policy that limits nothing here.
fn wide(name: &str) -> Value {
    json!({"name": name, "max_ttl_seconds": 172_800, "max_delegation_depth": 16, "allowed_grant_types": ALL})
}

/// What policies call the grants.
pub(crate) const ALL: [&str; 4] = ["api_key", "client_credentials", "jwt_bearer", "token_exchange"];

/// Where a policy is attached.
pub(crate) const IDENTITY: usize = 0;
pub(crate) const KEY: usize = 1;
pub(crate) const CLIENT: usize = 2;

/// A server and the agent whose tokens are exchanged.
pub(crate) struct Grid {
    _server: Server,
    pub(crate) client: Client,
    pub(crate) boss: Agent,
}

/// An agent with a key, a private key and a client.
pub(crate) struct Asker {
    pub(crate) id: String,
    pub(crate) uri: String,
    pub(crate) api_key: String,
    pub(crate) key_path: String,
    pub(crate) client_path: String,
    pub(crate) prover: Prover,
    client_id: String,
    secret: String,
}

impl Grid {
    pub(crate) fn new(settings: &[(&str, &str)]) -> Self {
        let server = Server::start_with(settings);
        let client = server.client();
        let wide = policy(&client, &wide("of-the-boss"));
        let boss = register(&client, "boss", json!({"credential_policy_id": wide}));
        Self { _server: server, client, boss }
    }

    /// A new agent under these limits.
    pub(crate) fn asker(&self, limits: &Limits) -> Asker {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("asker-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut bodies = [limits.identity.clone(), limits.key.clone(), limits.client.clone()];
        // A key's policy stays within its identity's, which is wide where it is not what is tried.
        let wide =
            json!({"max_ttl_seconds": 172_800, "max_delegation_depth": 16, "allowed_grant_types": ALL});
        let policies = [limits.policies[IDENTITY].clone().or(Some(wide)), limits.policies[KEY].clone()];
        let policies = policies.into_iter().chain([limits.policies[CLIENT].clone()]);
        for (at, (body, wanted)) in bodies.iter_mut().zip(policies).enumerate() {
            if let Some(mut wanted) = wanted {
                wanted["name"] = json!(format!("{name}-{at}"));
                body["credential_policy_id"] = json!(policy(&self.client, &wanted));
            }
        }
        let [mut identity, mut key, mut client] = bodies;
        let prover = Prover::new();
        identity["public_key_pem"] = json!(prover.0.public().to_pem());
        let agent = register(&self.client, &name, identity);
        key["name"] = json!(name);
        key["identity_id"] = json!(agent.id);
        let key = self.client.post("/api-keys", &key);
        assert_eq!(key.status, 201, "{key:?}");
        let grants = json!(["client_credentials", EXCHANGE]);
        for (member, value) in [
            ("client_id", json!(name)),
            ("name", json!(name)),
            ("confidential", json!(true)),
            ("identity_id", json!(agent.id)),
            ("grant_types", grants),
        ] {
            client[member] = value;
        }
        let client = self.client.post("/oauth/clients", &client);
        assert_eq!(client.status, 201, "{client:?}");
        Asker {
            id: agent.id,
            uri: agent.uri,
            api_key: key.text("/key"),
            key_path: format!("/api-keys/{}", key.text("/id")),
            client_path: format!("/oauth/clients/{}", client.text("/client/id")),
            prover,
            client_id: name,
            secret: client.text("/client_secret"),
        }
    }

    /// A root of the boss's; `more` is asked for with it.
    pub(crate) fn root(&self, more: Value) -> String {
        self.bound_root(more, None)
    }

    /// A root of the boss's, bound to a key when there is one.
    pub(crate) fn bound_root(&self, more: Value, prover: Option<&Prover>) -> String {
        let body = json!({"grant_type": "api_key", "api_key": self.boss.api_key, "scope": "read write"});
        self.send(body, more, prover).token()
    }

    /// Ask for `read write` by a grant, exchanging a root of the boss's where the grant exchanges one.
    pub(crate) fn ask(&self, grant: Grant, asker: &Asker, more: Value) -> Answer {
        let subject = if grant.is_exchange() { self.root(json!({})) } else { String::new() };
        self.ask_for(grant, asker, &subject, more, None)
    }

    /// Ask for `read write` by a grant.
    pub(crate) fn ask_for(
        &self,
        grant: Grant,
        asker: &Asker,
        subject: &str,
        more: Value,
        prover: Option<&Prover>,
    ) -> Answer {
        let mut body = json!({"scope": "read write"});
        let set = |body: &mut Value, name: &str, value: &str| body[name] = json!(value);
        if grant.is_exchange() {
            set(&mut body, "grant_type", EXCHANGE);
            set(&mut body, "subject_token", subject);
        }
        match grant {
            Grant::ApiKey | Grant::ByKey => set(&mut body, "api_key", &asker.api_key),
            Grant::JwtBearer => set(&mut body, "assertion", &asker.assertion(&self.client)),
            Grant::ByAssertion => set(&mut body, "actor_token", &asker.assertion(&self.client)),
            Grant::ClientCredentials | Grant::ByClient => {
                set(&mut body, "client_id", &asker.client_id);
                set(&mut body, "client_secret", &asker.secret);
            }
        }
        match grant {
            Grant::ApiKey => set(&mut body, "grant_type", "api_key"),
            Grant::ClientCredentials => set(&mut body, "grant_type", "client_credentials"),
            Grant::JwtBearer => set(&mut body, "grant_type", JWT_BEARER),
            Grant::ByKey | Grant::ByAssertion | Grant::ByClient => {}
        }
        self.send(body, more, prover)
    }

    fn send(&self, mut body: Value, more: Value, prover: Option<&Prover>) -> Answer {
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let proof = prover.map(|prover| prover.proof(&self.client));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(proof.as_deref().map(|proof| ("dpop", proof)));
        self.client.send("POST", "/oauth2/token", &headers, body.to_string())
    }
}

impl Asker {
    fn assertion(&self, client: &Client) -> String {
        let (now, jti) = (now(), fresh());
        let claims = json!({
            "iss": self.uri, "sub": self.uri, "aud": client.base, "jti": jti, "iat": now, "exp": now + 60,
        });
        self.prover.0.sign("JWT", claims.to_string().as_bytes()).unwrap()
    }
}

/// A key that signs DPoP proofs.
pub(crate) struct Prover(SigningKey);

impl Prover {
    pub(crate) fn new() -> Self {
        Self(SigningKey::generate().unwrap().0)
    }

    pub(crate) fn thumbprint(&self) -> String {
        self.0.public().thumbprint().to_string()
    }

    fn proof(&self, client: &Client) -> String {
        let uri = format!("{}/oauth2/token", client.base);
        let claims = json!({"jti": fresh(), "htm": "POST", "htu": uri, "iat": now()});
        self.0.sign_proof(claims.to_string().as_bytes()).unwrap()
    }
}

pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn fresh() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", now(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Nothing was issued, and this is why.
#[track_caller]
pub(crate) fn refused(answer: &Answer, code: &str, cell: &str) {
    assert!(answer.json.get("access_token").is_none(), "{cell}: {answer:?}");
    let status = if code == "invalid_client" { 401 } else { 400 };
    assert_eq!((answer.status, answer.text("/error").as_str()), (status, code), "{cell}: {answer:?}");
}
