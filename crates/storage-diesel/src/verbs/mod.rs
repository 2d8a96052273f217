//! The verbs, written once and compiled for each dialect: what one transaction does, whatever database runs it.
//!
//! The hot reads and the way a credential is stored are the dialect's own (`hot.rs`).

mod clients;
mod credentials;
mod delegation_routes;
mod identities;
mod issue;
pub(super) mod job;
mod others;
pub(super) mod queue;
mod spends;
mod tenants;
mod writing;

pub(super) use credentials::cut_off;
pub(super) use issue::{Issue, apart};
pub(super) use job::{Changes, Job, Ran};
pub(super) use queue::{Work, Writer, first_of, next_of};
pub(super) use spends::UseUp;
pub(super) use writing::{Batch, Writing};

use super::{Conn, Orders, Shared, ThisStore, is_unchanged, queries, savepoint};

/// What is done to the savepoint of one verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It begins.
    Begin,
    /// What the verb did is kept, if the transaction is.
    Keep,
    /// What the verb did is undone.
    Undo,
}
