//! What the engine keeps, in atomic verbs of the domain, and an in-memory reference that keeps it.
//!
//! Every method is one transaction: it happens whole or not at all, and an answer means it is durable. The
//! traits know no SQL, no HTTP and no policy. `zeroid-storage-conformance` holds every backend to them.

mod clients;
mod delegation_routes;
mod error;
mod filters;
mod memory;
mod records;
mod traits;

pub use clients::{ClientChange, ClientRecord, ClientStore};
pub use delegation_routes::{DelegationRouteRecord, DelegationRouteStore, MAX_ROUTES_FROM_ONE, RoutesFrom};
pub use error::{Conflict, StoreError};
pub use filters::{
    ApiKeyFilter, ApiKeyStateFilter, CredentialFilter, Facets, IdentityFilter, Listed, OwnerFilter, Page,
};
pub use memory::MemoryStore;
pub use records::{
    ActorFacts, ActorLookup, ApiKeyRecord, AskedWith, ChainFacts, CredentialDigest, CredentialFacts,
    CredentialView, Environment, Epoch, ExchangeFacts, Guard, IdentityChange, IdentityRecord, Issuance,
    PolicyRecord, Revoked, RootFacts, SecretHash, SigningKeyRecord, Spend, Swept,
};
pub use traits::{
    ApiKeyStore, CredentialStore, IdentityStore, PolicyStore, ServerStore, SigningKeyStore, SpendStore, Store,
};
