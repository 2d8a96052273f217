//! The queries, written once and compiled for each dialect against its connection type.
//!
//! A row that is unique by its key is read with `get_result`, not `first`: SQLite plans a query again whenever the
//! value of a bound limit is set, which costs as much as the query.

pub(super) mod clients;
pub(super) mod credentials;
pub(super) mod cut_offs;
pub(super) mod delegation_routes;
pub(super) mod facts;
pub(super) mod identities;
pub(super) mod keys;
pub(super) mod policies;
pub(super) mod server;
pub(super) mod tenants;

use super::Conn;
use super::Dialect;
