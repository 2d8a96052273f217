//! What lists are narrowed by.

use zeroid_identity_model::{CredentialId, IdentityId, IdentityType, Owner, Status, TrustLevel};

/// A window of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Most items wanted.
    pub limit: u32,
    /// Items left out before the first.
    pub offset: u64,
}

/// A window of a list, and how many match in all.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<T> {
    /// The items in the window.
    pub items: Vec<T>,
    /// How many match the filter.
    pub total: u64,
}

/// Which owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerFilter {
    /// This one.
    Is(Owner),
    /// None.
    Nobody,
}

/// Which identities. All members must match; an empty list or an absent member matches all.
///
/// Without `statuses`, discovered identities are left out. Order: newest first, then by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityFilter {
    /// Any of these types.
    pub identity_types: Vec<IdentityType>,
    /// Any of these statuses.
    pub statuses: Vec<Status>,
    /// Any of these trust levels.
    pub trust_levels: Vec<TrustLevel>,
    /// `true`: active; `false`: anything else.
    pub is_active: Option<bool>,
    /// Its owner.
    pub owner: Option<OwnerFilter>,
    /// A label: the top-level member of `labels` with this name has this string value.
    pub label: Option<(String, String)>,
    /// Name or external id contains this (ASCII letters without case, `%` and `_` literal), or the id is this.
    pub search: Option<String>,
}

/// Which state of API keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiKeyStateFilter {
    /// Not revoked, not past its end.
    Active,
    /// Not revoked, past its end.
    Expired,
    /// Revoked.
    Revoked,
}

/// Which API keys. Order: newest first, then by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeyFilter {
    /// Those of this identity.
    pub identity: Option<IdentityId>,
    /// Those in this state.
    pub state: Option<ApiKeyStateFilter>,
}

/// Which credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialFilter {
    /// Those an identity presents, newest first.
    Identity(IdentityId),
    /// Those below one root, the root included: by depth, then oldest first.
    Mission(CredentialId),
}

/// How many identities there are of each kind, discovered ones apart; each list by count, largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facets {
    /// By type.
    pub identity_types: Vec<(String, u64)>,
    /// By trust level.
    pub trust_levels: Vec<(String, u64)>,
    /// By status.
    pub statuses: Vec<(String, u64)>,
    /// By owner, or by creator where there is none.
    pub created_by: Vec<(String, u64)>,
    /// Without owner, deactivated and expired ones apart.
    pub ownerless: u64,
    /// Discovered.
    pub discovered: u64,
}
