//! The ceiling of a presenter: the intersection of every list that limits it (house rule X13).

use std::fmt;

use crate::scope::{Scope, ScopeSet};

/// Which side of the intersection refused a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The subject token neither uses it nor may pass it on.
    Parent,
    /// The delegation route does not name it.
    Route,
    /// The identity's own list lacks it.
    Identity,
    /// The identity's policy lacks it.
    IdentityPolicy,
    /// The key's own list lacks it.
    Key,
    /// The key's policy lacks it.
    KeyPolicy,
    /// The client's own list lacks it.
    Client,
    /// The client's policy lacks it.
    ClientPolicy,
    /// It manages this server, and no list names it.
    Management,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parent => "not held by the subject token",
            Self::Route => "not in the scopes of the delegation route",
            Self::Identity => "not in the identity's allowed_scopes",
            Self::IdentityPolicy => "not in the identity's credential policy",
            Self::Key => "not in the key's scopes",
            Self::KeyPolicy => "not in the key's credential policy",
            Self::Client => "not in the client's scopes",
            Self::ClientPolicy => "not in the client's credential policy",
            Self::Management => "a management scope that no ceiling lists",
        })
    }
}

/// Every list that limits a presenter. An absent list is no limit; an empty one permits nothing.
#[derive(Clone, Debug, Default)]
pub struct Ceiling<'a> {
    lists: Vec<(Side, &'a ScopeSet)>,
}

impl<'a> Ceiling<'a> {
    /// Add a list, if there is one.
    #[must_use]
    pub fn limited_by(mut self, side: Side, list: Option<&'a ScopeSet>) -> Self {
        self.lists.extend(list.map(|list| (side, list)));
        self
    }

    /// Check one scope against every list. A management scope needs at least one list that names it (P3).
    ///
    /// # Errors
    /// The first [`Side`] that refuses it.
    pub fn admits(&self, scope: &Scope) -> Result<(), Side> {
        for (side, list) in &self.lists {
            if !list.contains(scope) {
                return Err(*side);
            }
        }
        if scope.is_management() && self.lists.is_empty() { Err(Side::Management) } else { Ok(()) }
    }

    /// What somebody who asks for nothing in particular gets: what the lists have in common, without
    /// management scopes. Nothing when there is no list: "no limit" is not a list.
    pub fn listed(&self) -> ScopeSet {
        let Some((_, first)) = self.lists.first() else { return ScopeSet::nothing() };
        first.filtered(|scope| !scope.is_management() && self.admits(scope).is_ok())
    }
}
