//! Handlers: bytes to wire, wire to domain, domain to wire.

pub(crate) mod agents;
pub(crate) mod api_keys;
pub(crate) mod clients;
pub(crate) mod credentials;
pub(crate) mod delegation_routes;
pub(crate) mod evaluate;
pub(crate) mod health;
pub(crate) mod identities;
pub(crate) mod introspect;
pub(crate) mod metadata;
pub(crate) mod own_key;
pub(crate) mod policies;
pub(crate) mod proofs;
pub(crate) mod token;
pub(crate) mod verify;

mod query;
