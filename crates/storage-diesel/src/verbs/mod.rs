//! The verbs, written once and compiled for each dialect: what one transaction does, whatever database runs it.
//!
//! The hot reads and the way a credential is stored are the dialect's own (`hot.rs`).

mod credentials;
mod identities;
mod job;
mod others;
mod writing;

pub(super) use credentials::issue_one;
pub(super) use job::{Job, Ran, Verb};
pub(super) use writing::{Batch, Writing};

use super::{Conn, Orders, Shared, ThisStore, queries};
