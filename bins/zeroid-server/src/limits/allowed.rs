//! What a deployment allows.

use std::num::NonZeroU32;
use std::str::FromStr;

use crate::settings::{SettingsError, Values};

/// So many requests a second, and so many at once after a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub(super) a_second: u32,
    pub(super) burst: u32,
}

/// Why a text is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be off, or requests a second and at once, such as 50/200, of 1 to {MAX} each")]
pub struct LimitError;

/// Most of either number: a second has so many microseconds.
const MAX: u32 = 1_000_000;

/// What a deployment allows; absent is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// For each address, at each endpoint.
    pub by_address: Option<Limit>,
    /// For each credential, at each endpoint.
    pub by_credential: Option<Limit>,
}

impl RateLimits {
    /// What `serve` allows unless told otherwise. A fleet behind one address goes on; a loop that forgot to wait, or
    /// somebody who guesses, does not.
    pub const PRODUCTION: Self = Self {
        by_address: Some(Limit { a_second: 1000, burst: 5000 }),
        by_credential: Some(Limit { a_second: 200, burst: 1000 }),
    };

    /// Understand the values.
    pub(crate) fn of(values: &Values, dev: bool) -> Result<Self, SettingsError> {
        let usual = if dev { Self::default() } else { Self::PRODUCTION };
        let limit = |key: &str, usual| match values.take(key) {
            Some(text) => Limit::read(text).map_err(|error| SettingsError::new(format!("{key} {error}"))),
            None => Ok(usual),
        };
        Ok(Self {
            by_address: limit("rate_limit_address", usual.by_address)?,
            by_credential: limit("rate_limit_credential", usual.by_credential)?,
        })
    }

    /// What `check-config` shows of them.
    pub(crate) fn shown(&self, mut line: impl FnMut(&str, &str)) {
        line("rate_limit_address", &Limit::shown(self.by_address));
        line("rate_limit_credential", &Limit::shown(self.by_credential));
    }
}

impl Limit {
    pub(super) fn nanoseconds_each(self) -> u64 {
        1_000_000_000 / u64::from(self.a_second.max(1))
    }

    /// As a setting says it.
    fn shown(limit: Option<Self>) -> String {
        limit.map_or_else(|| "off".to_owned(), |limit| format!("{}/{}", limit.a_second, limit.burst))
    }

    /// Read a setting: `off`, or a limit.
    fn read(text: &str) -> Result<Option<Self>, LimitError> {
        if text == "off" { Ok(None) } else { text.parse().map(Some) }
    }
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let number = |text: &str| {
            let number: NonZeroU32 = text.trim().parse().map_err(|_| LimitError)?;
            Some(number.get()).filter(|number| *number <= MAX).ok_or(LimitError)
        };
        let (a_second, burst) = text.split_once('/').unwrap_or((text, text));
        Ok(Self { a_second: number(a_second)?, burst: number(burst)? })
    }
}
