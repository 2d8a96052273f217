//! What an issuance is decided by.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroid_identity_model::{ApiKeyId, ClientId, CredentialId, Identity, SpiffeId, Timestamp};

use crate::additional::AdditionalClaims;
use crate::audience::Audience;
use crate::ceiling::{Ceiling, Side};
use crate::delegation_route::DelegationRoute;
use crate::grant::GrantType;
use crate::key_id::{KeyId, Thumbprint};
use crate::lineage::{Order, Source};
use crate::live::Live;
use crate::policy::{AttestationLevel, Policy};
use crate::proven_key::ProvenKey;
use crate::scope::ScopeSet;
use crate::task::TaskClaims;

/// Most workloads `may_act` can name.
pub const MAX_MAY_ACT: usize = 16;

/// How a chain is told in claims. One issuer tells it one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// `sub` presents; `act` delegated to it.
    #[default]
    Zeroid,
    /// `sub` is the principal at the root; `act` is the current actor (RFC 8693 §4.1).
    Rfc8693,
}

impl Profile {
    /// The word used in settings and metadata.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zeroid => "zeroid",
            Self::Rfc8693 => "rfc8693",
        }
    }
}

/// Which kind of token is issued: the header `typ`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenTyp {
    /// `at+jwt` (RFC 9068 §2.1).
    #[default]
    AccessToken,
    /// `JWT`: the same credential as a JWT-SVID (JWT-SVID §2).
    JwtSvid,
}

impl TokenTyp {
    /// The value of the header `typ`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::JwtSvid => "JWT",
        }
    }
}

/// What one deployment rules for every credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerRules {
    /// The issuer URL, without a slash at its end.
    pub issuer: String,
    /// How chains are told.
    pub profile: Profile,
    /// Lifetime when nothing shorter applies, in seconds.
    pub default_ttl_seconds: u32,
    /// Lifetime of delegated credentials when nothing shorter applies, in seconds.
    pub delegated_ttl_seconds: u32,
    /// Longest lifetime of all, in seconds.
    pub max_ttl_seconds: u32,
}

/// An API key used in the request, as far as it limits what comes of it.
#[derive(Clone, Debug)]
pub struct KeyCaps<'a> {
    /// The key.
    pub id: ApiKeyId,
    /// Its own list; absent when it has none.
    pub scopes: Option<&'a ScopeSet>,
    /// Its own policy, when it differs from the identity's.
    pub policy: Option<&'a Policy>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A client that authenticated in the request, as far as it limits what comes of it.
#[derive(Clone, Debug)]
pub struct ClientCaps<'a> {
    /// The client.
    pub id: ClientId,
    /// What it calls itself: the claim `client_id`.
    pub name: &'a str,
    /// Its own list; absent when it has none.
    pub scopes: Option<&'a ScopeSet>,
    /// Its own policy, when it differs from the identity's.
    pub policy: Option<&'a Policy>,
    /// Lifetime of what it is issued when nothing shorter applies, in seconds; the deployment's when absent.
    pub ttl_seconds: Option<u32>,
}

/// Who will present the credential: the identity, and everything that limits it.
#[derive(Clone, Debug)]
pub struct Presenter<'a> {
    /// The identity.
    pub identity: &'a Identity,
    /// Its own list of scopes; absent when it has none.
    pub allowed_scopes: Option<&'a ScopeSet>,
    /// The policy that governs it.
    pub policy: &'a Policy,
    /// The key used in this request, if one was.
    pub key: Option<KeyCaps<'a>>,
    /// The client that authenticated in this request, if one did.
    pub client: Option<ClientCaps<'a>>,
    /// The strongest attestation of it that was verified.
    pub attestation: Option<AttestationLevel>,
    /// The thumbprint of its registered public key.
    pub registered_key: Option<Thumbprint>,
}

impl<'a> Presenter<'a> {
    /// Everything that limits its scopes (house rule X13).
    pub fn ceiling(&self) -> Ceiling<'a> {
        let (key, client) = (self.key.as_ref(), self.client.as_ref());
        Ceiling::default()
            .limited_by(Side::Identity, self.allowed_scopes)
            .limited_by(Side::IdentityPolicy, self.policy.allowed_scopes.as_ref())
            .limited_by(Side::Key, key.and_then(|key| key.scopes))
            .limited_by(Side::KeyPolicy, key.and_then(|key| key.policy?.allowed_scopes.as_ref()))
            .limited_by(Side::Client, client.and_then(|client| client.scopes))
            .limited_by(Side::ClientPolicy, client.and_then(|client| client.policy?.allowed_scopes.as_ref()))
    }

    /// The policies that govern it: its own, and those of the key and the client used.
    pub fn policies(&self) -> impl Iterator<Item = &'a Policy> + '_ {
        std::iter::once(self.policy).chain(self.policies_used())
    }

    /// What its policies, its key and its client let it pass on without using it.
    pub fn delegable(&self) -> ScopeSet {
        let lists = [
            self.key.as_ref().and_then(|key| key.scopes),
            self.client.as_ref().and_then(|client| client.scopes),
        ];
        self.policy.delegable_scopes.filtered(|scope| {
            lists.iter().flatten().all(|list| list.contains(scope))
                && self.policies_used().all(|policy| policy.delegable_scopes.contains(scope))
        })
    }

    /// Its labels that stand in the token: those which every policy that governs it lists (house rule C11). They are
    /// told to whoever sees the token, so one policy that says nothing of them keeps them out.
    pub fn token_labels(&self) -> Option<Map<String, Value>> {
        let listed = |name: &String| self.policies_used().all(|policy| policy.token_labels.contains(name));
        let names = self.policy.token_labels.iter().filter(|name| listed(name));
        let told = names.filter_map(|name| Some((name.clone(), self.identity.labels.get(name)?.clone())));
        let told: Map<String, Value> = told.collect();
        Some(told).filter(|told| !told.is_empty())
    }

    /// What it used in the request, each of which a cut-off can name.
    pub fn used(&self) -> impl Iterator<Item = Source> + '_ {
        let key = self.key.as_ref().map(|key| Source::ApiKey(key.id));
        key.into_iter().chain(self.client.as_ref().map(|client| Source::Client(client.id)))
    }

    fn policies_used(&self) -> impl Iterator<Item = &'a Policy> + '_ {
        let key = self.key.as_ref().and_then(|key| key.policy);
        key.into_iter().chain(self.client.as_ref().and_then(|client| client.policy))
    }
}

/// How the actor of an exchange proved who it is (house rule X1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorProof<'a> {
    /// A self-signed assertion.
    Assertion,
    /// Client authentication of a client bound to it.
    Client(ClientId),
    /// Its API key, in the same request.
    ApiKey(ApiKeyId),
    /// Not at all: an operator's route stands in for a proof, and limits what comes of it.
    Route(&'a DelegationRoute),
}

impl<'a> ActorProof<'a> {
    /// What the new link records of it.
    pub const fn source(self) -> Source {
        match self {
            Self::Assertion => Source::Assertion,
            Self::Client(id) => Source::Client(id),
            Self::ApiKey(id) => Source::ApiKey(id),
            Self::Route(route) => Source::Route(route.id),
        }
    }

    /// The route that stands in for a proof, if one does.
    pub const fn route(self) -> Option<&'a DelegationRoute> {
        match self {
            Self::Route(route) => Some(route),
            Self::Assertion | Self::Client(_) | Self::ApiKey(_) => None,
        }
    }
}

/// Where the authority comes from. What the credential says decides the route, never which parameters came.
#[derive(Clone, Copy, Debug)]
pub enum Route<'a> {
    /// From the presenter's own registration.
    Root {
        /// How it was asked for.
        grant: GrantType,
        /// What it is issued against.
        source: Source,
    },
    /// From another credential.
    Exchange {
        /// The subject token's record, judged alive.
        parent: Live<'a>,
        /// How the actor proved who it is.
        proof: ActorProof<'a>,
    },
}

/// What the request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Scopes, if any were named.
    pub scopes: Option<ScopeSet>,
    /// Resources, if any were named.
    pub audience: Option<Audience>,
    /// A lifetime in seconds, if one was named.
    pub ttl_seconds: Option<u32>,
    /// The only workloads that may act on it, if any were named.
    pub may_act: Option<Vec<SpiffeId>>,
    /// What it is for.
    pub task: TaskClaims,
    /// What else is to be told of it.
    pub additional: AdditionalClaims,
    /// The key of which the request carried a valid proof (RFC 9449 §4.3).
    pub proven_key: Option<ProvenKey>,
}

/// What only the outside can give a new credential: its name, its key, its place in the sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCredential {
    /// Its id: a UUIDv7 of the moment of issue.
    pub jti: CredentialId,
    /// The key that will sign it.
    pub kid: KeyId,
    /// Its place in the store's sequence, drawn together with these facts.
    pub order: Order,
}

/// Everything one issuance is decided by.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// What the deployment rules.
    pub rules: &'a IssuerRules,
    /// Who will present the credential.
    pub presenter: Presenter<'a>,
    /// The identity at the root of the chain; the presenter itself at a root.
    pub principal: &'a Identity,
    /// Where the authority comes from.
    pub route: Route<'a>,
    /// What was asked for.
    pub asked: &'a Asked,
    /// What the outside gives.
    pub new: NewCredential,
}
