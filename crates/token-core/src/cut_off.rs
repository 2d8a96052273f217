//! Revocation as a cut-off: one row that covers links, never a walk over descendants.

use serde::{Deserialize, Serialize};
use zeroid_identity_model::{
    ApiKeyId, ClientId, CredentialId, FamilyId, IdentityId, Owner, Tenant, Timestamp,
};

use crate::key_id::KeyId;
use crate::lineage::{Lineage, Link, Order};

/// What a cut-off names. Everything but a signing key belongs to one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum CutOffKey {
    /// One credential and everything below it, for ever.
    Credential(CredentialId),
    /// Everything one of our signing keys ever signed, and everything below it, for ever.
    SigningKey(KeyId),
    /// What an identity held so far.
    Identity(IdentityId),
    /// What an owner's identities held so far.
    Owner(Owner),
    /// What an API key minted so far.
    ApiKey(ApiKeyId),
    /// What a client was issued so far.
    Client(ClientId),
    /// A family of refresh tokens.
    Family(FamilyId),
    /// The whole tenant, so far.
    Tenant,
}

impl CutOffKey {
    /// Whether a cut-off of this key has no bound: nothing under it ever lives again.
    pub const fn is_for_ever(&self) -> bool {
        matches!(self, Self::Credential(_) | Self::SigningKey(_))
    }
}

/// Why and by whom something was cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// A word or short text such as `manual_revocation`.
    pub text: String,
    /// Who asked for it; may be empty.
    pub by: String,
}

impl Reason {
    /// A reason without a person behind it.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), by: String::new() }
    }

    /// The same reason, asked for by `who`.
    #[must_use]
    pub fn by(self, who: impl Into<String>) -> Self {
        Self { by: who.into(), ..self }
    }
}

/// One durable row: it covers every link that names `key` and whose order is not above `up_to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOff {
    /// Whose it is; a signing key has no tenant.
    pub tenant: Option<Tenant>,
    /// What it names.
    pub key: CutOffKey,
    /// The last order it covers; absent when it covers all, past and future.
    pub up_to: Option<Order>,
    /// When it was made.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
}

impl CutOff {
    /// Whether this cut-off covers one link.
    pub fn covers(&self, link: &Link) -> bool {
        let tenant_agrees = match &self.key {
            CutOffKey::SigningKey(_) => true,
            _ => self.tenant.as_ref() == Some(&link.tenant),
        };
        tenant_agrees && self.up_to.is_none_or(|last| link.order <= last) && self.names(link)
    }

    /// Whether this cut-off covers any link of a lineage.
    pub fn covers_any(&self, lineage: &Lineage) -> bool {
        lineage.links().any(|link| self.covers(link))
    }

    fn names(&self, link: &Link) -> bool {
        use crate::lineage::Source;
        match &self.key {
            CutOffKey::Credential(jti) => link.jti == *jti,
            CutOffKey::SigningKey(kid) => link.kid == *kid,
            CutOffKey::Identity(id) => link.identity == *id,
            CutOffKey::Owner(owner) => link.owner.as_ref() == Some(owner),
            CutOffKey::ApiKey(id) => link.sources().any(|source| source == Source::ApiKey(*id)),
            CutOffKey::Client(id) => link.sources().any(|source| source == Source::Client(*id)),
            CutOffKey::Family(id) => link.family == Some(*id),
            CutOffKey::Tenant => true,
        }
    }
}
