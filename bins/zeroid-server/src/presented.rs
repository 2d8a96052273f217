//! The access token that came with a request, and how it came.

use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, StatusCode};

use crate::http::{Edge, Scheme};

/// What the `Authorization` header of a request says. Holds secrets, so it cannot be printed.
#[derive(Clone, Copy)]
pub(crate) enum Authorization<'r> {
    /// There is none.
    Absent,
    /// An access token, or an operator key.
    Token(Scheme, &'r str),
    /// Something else, or more than one.
    Malformed,
}

impl<'r> Authorization<'r> {
    /// Read it (RFC 6750 §2.1, RFC 9449 §7.1): one header, one scheme, one token.
    pub(crate) fn of(headers: &'r HeaderMap) -> Self {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = given.next() else { return Self::Absent };
        let Some((scheme, token)) = value.to_str().ok().and_then(|text| text.split_once(' ')) else {
            return Self::Malformed;
        };
        let token = token.trim();
        if token.is_empty() || token.contains(' ') || given.next().is_some() {
            return Self::Malformed;
        }
        if scheme.eq_ignore_ascii_case("bearer") {
            Self::Token(Scheme::Bearer, token)
        } else if scheme.eq_ignore_ascii_case("dpop") {
            Self::Token(Scheme::Dpop, token)
        } else {
            Self::Malformed
        }
    }

    /// The token, where nothing but one is taken.
    pub(crate) fn token(self) -> Result<Option<(Scheme, &'r str)>, Edge> {
        match self {
            Self::Absent => Ok(None),
            Self::Token(scheme, token) => Ok(Some((scheme, token))),
            Self::Malformed => {
                let why = "the Authorization header is not one bearer or DPoP token".to_owned();
                Err(Edge::Challenge(StatusCode::UNAUTHORIZED, "invalid_request", why))
            }
        }
    }
}
