//! Lineage: the ordered links from the root of authority to a credential.

use serde::{Deserialize, Serialize, Serializer};
use zeroid_identity_model::{
    ApiKeyId, ClientId, CredentialId, DelegationRouteId, FamilyId, IdentityId, Owner, SpiffeId, Tenant,
    Timestamp,
};

use crate::cut_off::CutOffKey;
use crate::key_id::KeyId;

/// Deepest delegation: the clients read sixteen levels of `act` and silently drop what is deeper.
pub const MAX_DEPTH: u8 = 16;

/// Most links of a lineage: sixteen hops, and room for narrowing one's own token in between.
pub const MAX_LINKS: usize = 32;

/// What came before what: drawn from the store's one sequence, never from a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Order(pub u64);

/// What a credential was issued against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "by", content = "id", rename_all = "snake_case")]
pub enum Source {
    /// An API key, presented in the same request.
    ApiKey(ApiKeyId),
    /// A client that authenticated in the same request.
    Client(ClientId),
    /// An assertion signed by the identity's registered key.
    Assertion,
    /// The subject token itself, narrowed by who presents it.
    Presented,
    /// Nothing its presenter showed: an operator's delegation route.
    Route(DelegationRouteId),
}

impl Source {
    /// What a cut-off names it by, if it can be cut off by itself.
    pub const fn cut_off_key(self) -> Option<CutOffKey> {
        match self {
            Self::ApiKey(id) => Some(CutOffKey::ApiKey(id)),
            Self::Client(id) => Some(CutOffKey::Client(id)),
            Self::Assertion | Self::Presented | Self::Route(_) => None,
        }
    }
}

/// One link of a lineage: one credential, and everything a cut-off can name about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The credential.
    pub jti: CredentialId,
    /// Whose it is.
    pub tenant: Tenant,
    /// The identity that presents it.
    pub identity: IdentityId,
    /// That identity's URI.
    pub subject: SpiffeId,
    /// Who answered for the identity when it was issued.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<Owner>,
    /// What it was issued against.
    pub source: Source,
    /// What was presented beside it and limits it as well: each of them can be cut off.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub beside: Vec<Source>,
    /// The family of refresh tokens it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub family: Option<FamilyId>,
    /// The key that signed it.
    pub kid: KeyId,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Its place in the store's sequence.
    pub order: Order,
}

impl Link {
    /// Everything a cut-off can name about this link.
    pub fn cut_off_keys(&self) -> impl Iterator<Item = CutOffKey> + '_ {
        [
            Some(CutOffKey::Credential(self.jti)),
            Some(CutOffKey::Identity(self.identity)),
            Some(CutOffKey::SigningKey(self.kid.clone())),
            Some(CutOffKey::Tenant),
            self.owner.clone().map(CutOffKey::Owner),
            self.family.map(CutOffKey::Family),
        ]
        .into_iter()
        .flatten()
        .chain(self.sources().filter_map(Source::cut_off_key))
    }

    /// What it was issued against, and what was presented beside it.
    pub fn sources(&self) -> impl Iterator<Item = Source> + '_ {
        std::iter::once(self.source).chain(self.beside.iter().copied())
    }
}

/// The links from the root of authority to a credential itself; 1 to 32, never changed once stored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<Link>")]
pub struct Lineage {
    ancestors: Vec<Link>, // root first
    own: Link,
}

impl Serialize for Lineage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.links())
    }
}

/// A lineage would have more links than the bound, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("lineage has {links} links, 1 to {MAX_LINKS} allowed")]
pub struct LineageTooLong {
    /// How many there were.
    pub links: usize,
}

impl Lineage {
    /// The lineage of a root credential.
    pub const fn root_of(own: Link) -> Self {
        Self { ancestors: Vec::new(), own }
    }

    /// This lineage with one more link at its end.
    ///
    /// # Errors
    /// [`LineageTooLong`] beyond 32 links.
    pub fn extended(&self, own: Link) -> Result<Self, LineageTooLong> {
        let links = self.len() + 1;
        if links > MAX_LINKS {
            return Err(LineageTooLong { links });
        }
        Ok(Self { ancestors: self.links().cloned().collect(), own })
    }

    /// The links, root first.
    pub fn links(&self) -> impl DoubleEndedIterator<Item = &Link> + Clone {
        self.ancestors.iter().chain(std::iter::once(&self.own))
    }

    /// The first link: the root of authority.
    pub fn root(&self) -> &Link {
        self.ancestors.first().unwrap_or(&self.own)
    }

    /// The last link: the credential itself.
    pub const fn own(&self) -> &Link {
        &self.own
    }

    /// The link before the last, absent at a root.
    pub fn parent(&self) -> Option<&Link> {
        self.ancestors.last()
    }

    /// How many links there are.
    #[allow(clippy::len_without_is_empty, reason = "a lineage is never empty")]
    pub fn len(&self) -> usize {
        self.ancestors.len() + 1
    }

    /// How often authority went from one identity to another. Narrowing one's own token is no hop.
    pub fn depth(&self) -> u8 {
        u8::try_from(self.actors().count() - 1).unwrap_or(u8::MAX)
    }

    /// The presenters, current one first: one entry a hop, and the root's presenter last.
    pub fn actors(&self) -> impl Iterator<Item = &Link> {
        let mut newer: Option<IdentityId> = None;
        self.links().rev().filter(move |link| {
            let hop = newer != Some(link.identity);
            newer = Some(link.identity);
            hop
        })
    }
}

impl TryFrom<Vec<Link>> for Lineage {
    type Error = LineageTooLong;

    fn try_from(mut links: Vec<Link>) -> Result<Self, LineageTooLong> {
        let count = links.len();
        match links.pop() {
            Some(own) if count <= MAX_LINKS => Ok(Self { ancestors: links, own }),
            _ => Err(LineageTooLong { links: count }),
        }
    }
}
