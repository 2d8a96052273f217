//! The queries, written once and compiled for each dialect against its connection type.

pub(super) mod credentials;
pub(super) mod cut_offs;
pub(super) mod facts;
pub(super) mod identities;
pub(super) mod keys;
pub(super) mod policies;
pub(super) mod server;
pub(super) mod tenants;

use super::Conn;
use super::Dialect;
