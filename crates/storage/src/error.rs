//! Why a verb did not happen.

use zeroid_identity_model::{IdentityId, Status};
use zeroid_token_core::Dead;

use crate::delegation_routes::MAX_ROUTES_FROM_ONE;

/// Why a verb did not happen. Nothing was changed.
///
/// The first group is about what was asked; the last three are our fault and say nothing about the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Unknown in this tenant, or another tenant's: the two are never told apart.
    #[error("not found")]
    NotFound,
    /// It would contradict what is stored.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A fact changed since it was read; read again and decide again.
    #[error("a fact changed since it was read")]
    Stale,
    /// Something single-use was used before.
    #[error("already used")]
    Spent,
    /// The credential would be dead on arrival.
    #[error("the chain is not alive: {0}")]
    Dead(Box<Dead>),
    /// Too much is waiting; try again later.
    #[error("the store has too much waiting")]
    Busy,
    /// The store cannot be reached or did not accept the write; try again later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A stored row does not read back as what was written.
    #[error("a stored row is unreadable: {0}")]
    Corrupt(String),
}

/// What is stored already and stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Another identity of the tenant has this external id, whatever its status.
    #[error("an identity with this external_id exists ({status})")]
    ExternalId {
        /// Which.
        id: IdentityId,
        /// Its status.
        status: Status,
    },
    /// Another policy of the tenant has this name.
    #[error("a credential policy with this name exists")]
    PolicyName,
    /// Identities, keys or clients use the policy, or it is the tenant's default.
    #[error(
        "the credential policy is in use by {identities} identities, {keys} API keys and {clients} clients"
    )]
    PolicyInUse {
        /// How many identities.
        identities: u64,
        /// How many keys.
        keys: u64,
        /// How many clients.
        clients: u64,
    },
    /// A client of this `client_id` exists, in this tenant or another.
    #[error("a client with this client_id exists")]
    ClientName,
    /// The policy it refers to does not exist in the tenant.
    #[error("the credential policy does not exist")]
    NoSuchPolicy,
    /// The identity it refers to does not exist in the tenant.
    #[error("the identity does not exist")]
    NoSuchIdentity,
    /// The identity a delegation route begins at does not exist in the tenant.
    #[error("the identity of from_identity_id does not exist")]
    NoSuchFrom,
    /// The identity a delegation route leads to does not exist in the tenant.
    #[error("the identity of to_identity_id does not exist")]
    NoSuchTo,
    /// As many delegation routes begin at the identity as can.
    #[error("at most {MAX_ROUTES_FROM_ONE} delegation routes begin at one identity")]
    TooManyRoutes,
}
