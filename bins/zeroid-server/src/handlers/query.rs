//! Query strings of lists.

use std::str::FromStr;

use zeroid_storage::Page;
use zeroid_wire::Params;

use crate::http::{Edge, Request};

/// Items of a list when nobody says how many.
pub(crate) const DEFAULT_LIMIT: u32 = 20;

/// Most items of a list.
pub(crate) const MAX_LIMIT: u32 = 100;

/// The parameters of a query string, each possibly repeated.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(request: &Request) -> Result<Self, Edge> {
        let pairs = Params::pairs(request.query().as_bytes());
        let pairs = pairs.map_err(|_| Edge::query("", "the query string is not UTF-8 percent-encoding"))?;
        // No text of ours has one, and a database may not take it for one.
        if let Some((name, _)) =
            pairs.iter().find(|(name, value)| name.contains('\0') || value.contains('\0'))
        {
            return Err(Edge::query(&name.replace('\0', "?"), "must not contain NUL"));
        }
        Ok(Self(pairs.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()))
    }

    /// The first value of a parameter.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(given, value)| given == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// A parameter that must parse.
    pub(crate) fn parsed<T: FromStr<Err: ToString>>(&self, name: &str) -> Result<Option<T>, Edge> {
        self.one(name).map(|text| text.parse().map_err(|error: T::Err| Edge::query(name, error))).transpose()
    }

    /// Every value of a parameter that may be repeated and separated by commas.
    pub(crate) fn several<T: FromStr<Err: ToString>>(&self, name: &str) -> Result<Vec<T>, Edge> {
        let given = self.0.iter().filter(|(given, _)| given == name).flat_map(|(_, value)| value.split(','));
        given
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| text.parse().map_err(|error: T::Err| Edge::query(name, error)))
            .collect()
    }

    /// The window: a limit above the most is lowered to it, one below 1 is refused (house rule E14).
    pub(crate) fn page(&self, default: u32, most: u32) -> Result<Page, Edge> {
        let limit = match self.parsed::<i64>("limit")? {
            None => default,
            Some(limit) if limit < 1 => return Err(Edge::query("limit", "must be at least 1")),
            Some(limit) => u32::try_from(limit).unwrap_or(most).min(most),
        };
        let offset = self.parsed::<i64>("offset")?.unwrap_or(0);
        let offset = u64::try_from(offset).map_err(|_| Edge::query("offset", "must not be negative"))?;
        Ok(Page { limit, offset })
    }
}
