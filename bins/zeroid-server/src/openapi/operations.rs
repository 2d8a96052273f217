//! What each operation of the route table takes and answers.
//!
//! An entry for each method of each route; a test of this module fails when one is missing or left over.

/// A parameter of a query string.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) about: &'static str,
}

/// What a parameter holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    RequiredText,
    /// Not empty, if it is there.
    Demand,
    /// A URI, not empty, if it is there.
    DemandedUri,
    DemandOf(&'static [&'static str]),
    Depth,
    Id,
    /// An integer of at least this.
    Number(u32),
    Words(&'static [&'static str]),
    /// Words separated by commas; the parameter may be repeated.
    List,
}

/// What a body is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Body {
    None,
    /// JSON of this schema.
    Json(&'static str),
    /// The same, which may be left out.
    Optional(&'static str),
    /// Parameters, as a form or as JSON.
    Parameters(&'static str),
}

/// A way from an answer to another operation (OpenAPI 3.1 §4.8.20): its pattern has one parameter, whose value is found
/// in the answer. Every operation of that pattern is meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) pattern: &'static str,
    /// A JSON pointer into the answer.
    pub(super) at: &'static str,
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) pattern: &'static str,
    pub(super) summary: &'static str,
    pub(super) query: &'static [Query],
    pub(super) body: Body,
    pub(super) status: u16,
    /// The schema of the answer; none when it has no body.
    pub(super) answer: Option<&'static str>,
    /// Another media type of the same answer, which is text.
    pub(super) or_text: Option<&'static str>,
    /// Statuses beyond those that follow from the route and the body.
    pub(super) also: &'static [u16],
    /// A document that is good for a while, and can be asked for by its mark.
    pub(super) cacheable: bool,
    /// What its answer leads to.
    pub(super) links: &'static [Link],
    /// Whether a bearer token is needed although the route is not administrative.
    pub(super) bearer: bool,
}

impl Operation {
    const fn new(method: &'static str, pattern: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            pattern,
            summary,
            query: &[],
            body: Body::None,
            status: 200,
            answer: None,
            or_text: None,
            also: &[],
            cacheable: false,
            links: &[],
            bearer: false,
        }
    }

    const fn query(self, query: &'static [Query]) -> Self {
        Self { query, ..self }
    }

    const fn body(self, body: Body) -> Self {
        Self { body, ..self }
    }

    const fn answers(self, status: u16, schema: &'static str) -> Self {
        Self { status, answer: Some(schema), ..self }
    }

    const fn or_text(self, media: &'static str) -> Self {
        Self { or_text: Some(media), ..self }
    }

    const fn answers_nothing(self, status: u16) -> Self {
        Self { status, answer: None, ..self }
    }

    const fn also(self, also: &'static [u16]) -> Self {
        Self { also, ..self }
    }

    const fn cacheable(self) -> Self {
        Self { cacheable: true, ..self }
    }

    const fn leads_to(self, links: &'static [Link]) -> Self {
        Self { links, ..self }
    }

    const fn bearer(self) -> Self {
        Self { bearer: true, ..self }
    }
}

const fn get(pattern: &'static str, summary: &'static str) -> Operation {
    Operation::new("GET", pattern, summary)
}

const fn post(pattern: &'static str, summary: &'static str) -> Operation {
    Operation::new("POST", pattern, summary)
}

const fn patch(pattern: &'static str, summary: &'static str) -> Operation {
    Operation::new("PATCH", pattern, summary)
}

const fn delete(pattern: &'static str, summary: &'static str) -> Operation {
    Operation::new("DELETE", pattern, summary)
}

const LIMIT: Query =
    Query { name: "limit", kind: Kind::Number(1), about: "How many; more than the most is lowered to it." };
const OFFSET: Query = Query { name: "offset", kind: Kind::Number(0), about: "How many to leave out first." };

const PAGE: &[Query] = &[LIMIT, OFFSET];

const IDENTITIES: &[Query] = &[
    LIMIT,
    OFFSET,
    Query { name: "identity_type", kind: Kind::List, about: "Of one of these types." },
    Query {
        name: "status",
        kind: Kind::List,
        about: "In one of these states; all but `discovered` when absent.",
    },
    Query { name: "trust_level", kind: Kind::List, about: "Of one of these levels of trust." },
    Query { name: "is_active", kind: Kind::Words(&["true", "false", "1", "0"]), about: "Active, or not." },
    Query { name: "owner_user_id", kind: Kind::Text, about: "Whose owner this is." },
    Query { name: "ownerless", kind: Kind::Words(&["true", "false"]), about: "Without an owner." },
    Query { name: "label", kind: Kind::Text, about: "With this label, `name:value`." },
    Query { name: "search", kind: Kind::Text, about: "Whose name, external id or id has this in it." },
];

const KEYS: &[Query] = &[
    LIMIT,
    OFFSET,
    Query { name: "page", kind: Kind::Number(0), about: "Which page, from 1." },
    Query { name: "state", kind: Kind::Words(&["active", "expired", "revoked"]), about: "In this state." },
    Query { name: "identity_id", kind: Kind::Id, about: "Of this identity." },
    Query { name: "application_id", kind: Kind::Id, about: "The same under an older name." },
];

const CREDENTIALS: &[Query] = &[
    LIMIT,
    OFFSET,
    Query { name: "identity_id", kind: Kind::Id, about: "Issued to this identity; this or `mission_id`." },
    Query { name: "mission_id", kind: Kind::Id, about: "Below this root; this or `identity_id`." },
];

const DEMANDS: &[Query] = &[
    Query { name: "scope", kind: Kind::Demand, about: "Scopes it must have, separated by spaces." },
    Query { name: "audience", kind: Kind::DemandedUri, about: "Whom it must be for; may be repeated." },
    Query {
        name: "trust_level",
        kind: Kind::DemandOf(&["unverified", "verified_third_party", "first_party"]),
        about: "How much whoever presents it must be trusted.",
    },
    Query { name: "max_depth", kind: Kind::Depth, about: "How often it may have been delegated." },
];

const URI: &[Query] = &[Query { name: "uri", kind: Kind::RequiredText, about: "The identity's URI." }];

const fn link(pattern: &'static str, at: &'static str) -> Link {
    Link { pattern, at }
}

const OF_AN_AGENT: &[Link] = &[
    link("/agents/registry/{id}", "/identity/id"),
    link("/agents/registry/{id}/activate", "/identity/id"),
    link("/agents/registry/{id}/deactivate", "/identity/id"),
    link("/agents/registry/{id}/rotate-key", "/identity/id"),
];

const OF_A_CLIENT: &[Link] =
    &[link("/oauth/clients/{id}", "/client/id"), link("/oauth/clients/{id}/rotate-secret", "/client/id")];

const OF_A_KEY: &[Link] = &[link("/api-keys/{id}", "/id"), link("/api-keys/{id}/revoke", "/id")];
const OF_KEYS: &[Link] = &[link("/api-keys/{id}", "/keys/0/id"), link("/api-keys/{id}/revoke", "/keys/0/id")];

const OF_A_TOKEN: &[Link] = &[
    link("/credentials/{id}", "/jti"),
    link("/credentials/{id}/revoke", "/jti"),
    link("/delegations/by-jti/{jti}", "/jti"),
];

/// Every operation.
pub(super) const OPERATIONS: &[Operation] = &[
    get("/health", "Whether the process answers").answers(200, "Health"),
    get("/ready", "Whether the store reads and writes").answers(200, "Ready"),
    get("/openapi.json", "This document").answers(200, "OpenApi").cacheable(),
    get("/.well-known/jwks.json", "The keys that verify tokens").answers(200, "JwkSet").cacheable(),
    get("/.well-known/oauth-authorization-server", "What this authorization server can do")
        .answers(200, "AuthorizationServer")
        .cacheable(),
    get("/.well-known/oauth-authorization-server/{*issuer}", "The same, of an issuer with this path")
        .answers(200, "AuthorizationServer")
        .cacheable(),
    get("/.well-known/openid-configuration", "The same, where clients of OpenID Connect look")
        .answers(200, "AuthorizationServer")
        .cacheable(),
    get("/.well-known/openid-configuration/{*issuer}", "The same, of an issuer with this path")
        .answers(200, "AuthorizationServer")
        .cacheable(),
    get("/.well-known/oauth-protected-resource", "Whose tokens the administrative routes take")
        .answers(200, "ProtectedResource")
        .cacheable(),
    get("/.well-known/oauth-protected-resource/{*issuer}", "The same, of an issuer with this path")
        .answers(200, "ProtectedResource")
        .cacheable(),
    get("/.well-known/spiffe-trust-bundle.json", "The keys of the trust domain")
        .answers(200, "TrustBundle")
        .cacheable(),
    post("/oauth2/token", "Issue a token, or exchange one")
        .body(Body::Parameters("TokenRequest"))
        .answers(200, "Token")
        .leads_to(OF_A_TOKEN)
        .also(&[401, 429]),
    post("/oauth2/token/introspect", "What a token says, if it is alive now")
        .body(Body::Parameters("PresentedToken"))
        .answers(200, "Introspection")
        .or_text("application/token-introspection+jwt")
        .also(&[401, 429]),
    post("/oauth2/token/revoke", "Give up a token and everything below it")
        .body(Body::Parameters("PresentedToken"))
        .answers(200, "TokenRevoked")
        .also(&[401, 429]),
    get(
        "/oauth2/token/verify",
        "Whether the request a proxy asks about may pass, and in the headers who makes it",
    )
    .query(DEMANDS)
    .answers(200, "Admitted")
    .also(&[429])
    .bearer(),
    post("/agents/self/public-key", "Set the key of the agent that presents the token")
        .body(Body::Json("OwnKey"))
        .answers(200, "Agent")
        .bearer(),
    post("/proof/generate", "Make a proof of the agent that presents the token, for one other party")
        .body(Body::Json("NewProof"))
        .answers(200, "ProofMade")
        .also(&[409, 429])
        .bearer(),
    post("/proof/verify", "Whose proof it is, told once")
        .body(Body::Json("ShownProof"))
        .answers(200, "ProofHeld")
        .also(&[401, 429]),
    post("/agents/register", "Register an agent and make its first key")
        .body(Body::Json("AgentRegistration"))
        .answers(201, "AgentWithKey")
        .leads_to(OF_AN_AGENT)
        .also(&[409]),
    get("/agents/registry", "The agents that match, newest first")
        .query(IDENTITIES)
        .answers(200, "AgentPage"),
    get("/agents/registry/facets", "How many agents there are of each kind").answers(200, "Facets"),
    get("/agents/registry/{id}", "One agent").answers(200, "Agent"),
    patch("/agents/registry/{id}", "Change an agent")
        .body(Body::Optional("IdentityPatch"))
        .answers(200, "Agent")
        .also(&[409]),
    delete("/agents/registry/{id}", "Stop an agent for good; its record stays")
        .answers(200, "Agent")
        .also(&[400]),
    post("/agents/registry/{id}/activate", "Let an agent act again").answers(200, "Agent").also(&[400]),
    post("/agents/registry/{id}/deactivate", "Stop an agent for good; its record stays")
        .answers(200, "Agent")
        .also(&[400]),
    post(
        "/agents/registry/{id}/rotate-key",
        "Replace an agent's keys by one new key, and cut off what they minted",
    )
    .answers(200, "AgentWithKey")
    .also(&[400]),
    post("/identities", "Register an identity without a key")
        .body(Body::Json("NewIdentity"))
        .answers(201, "Identity")
        .leads_to(&[link("/identities/{id}", "/id")])
        .also(&[409]),
    get("/identities", "The identities that match, newest first")
        .query(IDENTITIES)
        .answers(200, "IdentityPage"),
    get("/identities/schema", "The words of the registry").answers(200, "Vocabulary"),
    get("/identities/by-wimse", "The identity of a URI")
        .query(URI)
        .answers(200, "Identity")
        .also(&[400, 404]),
    get("/identities/{id}", "One identity").answers(200, "Identity"),
    patch("/identities/{id}", "Change an identity")
        .body(Body::Optional("IdentityPatch"))
        .answers(200, "Identity")
        .also(&[409]),
    delete("/identities/{id}", "Stop an identity for good; its record stays")
        .answers(200, "Identity")
        .also(&[400]),
    post("/api-keys", "Make an API key")
        .body(Body::Json("NewApiKey"))
        .answers(201, "ApiKeyMade")
        .leads_to(OF_A_KEY)
        .also(&[409]),
    get("/api-keys", "The keys that match, newest first")
        .query(KEYS)
        .answers(200, "ApiKeyPage")
        .leads_to(OF_KEYS),
    get("/api-keys/{id}", "One API key").answers(200, "ApiKey"),
    post("/api-keys/{id}/revoke", "Revoke a key, and cut off what it minted")
        .body(Body::Optional("Reason"))
        .answers(200, "Message"),
    post("/credential-policies", "Make a credential policy")
        .body(Body::Json("NewPolicy"))
        .answers(201, "Policy")
        .leads_to(&[link("/credential-policies/{id}", "/id")])
        .also(&[409]),
    get("/credential-policies", "The policies, newest first").query(PAGE).answers(200, "PolicyPage"),
    post("/credential-policies/evaluate", "What a request would be granted, or why not; nothing is issued")
        .body(Body::Json("EvaluationRequest"))
        .answers(200, "Evaluation"),
    get("/credential-policies/{id}", "One policy").answers(200, "Policy"),
    patch("/credential-policies/{id}", "Change a policy; holds from the next issuance")
        .body(Body::Optional("PolicyPatch"))
        .answers(200, "Policy")
        .also(&[409]),
    delete("/credential-policies/{id}", "Delete a policy nobody uses").answers_nothing(204).also(&[409]),
    post("/oauth/clients", "Register an OAuth client")
        .body(Body::Json("NewClient"))
        .answers(201, "ClientWithSecret")
        .leads_to(OF_A_CLIENT)
        .also(&[409]),
    get("/oauth/clients", "The clients, newest first").query(PAGE).answers(200, "ClientPage"),
    get("/oauth/clients/{id}", "One client").answers(200, "Client"),
    patch("/oauth/clients/{id}", "Change a client; what limits it holds from its next token")
        .body(Body::Optional("ClientPatch"))
        .answers(200, "Client")
        .also(&[409]),
    delete("/oauth/clients/{id}", "Delete a client, and cut off what it was issued")
        .answers(200, "ClientDeleted"),
    post("/oauth/clients/{id}/rotate-secret", "Replace a client's secret, and cut off what it was issued")
        .body(Body::Optional("Reason"))
        .answers(200, "ClientWithSecret")
        .also(&[409]),
    post("/delegation-routes", "Let one identity delegate to another without the other's proof")
        .body(Body::Json("NewDelegationRoute"))
        .answers(201, "DelegationRoute")
        .leads_to(&[link("/delegation-routes/{id}", "/id")])
        .also(&[409]),
    get("/delegation-routes", "The delegation routes, newest first")
        .query(PAGE)
        .answers(200, "DelegationRoutePage"),
    get("/delegation-routes/{id}", "One delegation route").answers(200, "DelegationRoute"),
    delete("/delegation-routes/{id}", "Delete a delegation route; what it made lives until its end")
        .answers_nothing(204),
    get("/credentials", "The credentials of an identity or of a mission")
        .query(CREDENTIALS)
        .answers(200, "CredentialPage")
        .also(&[400]),
    get("/credentials/{id}", "One credential").answers(200, "Credential"),
    post("/credentials/{id}/revoke", "Revoke a credential and everything below it")
        .body(Body::Optional("Reason"))
        .answers(200, "CredentialRevoked"),
    get("/delegations/by-jti/{jti}", "A whole chain, root first")
        .answers(200, "DelegationChain")
        .also(&[422]),
];
