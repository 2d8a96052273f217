//! HTTP: connections, limits, requests in, replies out.

mod accept;
mod body;
mod challenge;
mod edge;
mod reply;
mod serve;
mod service;

pub(crate) use accept::prefers;
pub(crate) use challenge::{Challenge, Scheme};
pub(crate) use edge::Edge;
pub(crate) use reply::Reply;
pub(crate) use serve::{Listening, serve};
pub(crate) use service::Service;

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::{HeaderMap, Method, Uri};

/// Longest path and query, in bytes.
pub(crate) const MAX_URL_BYTES: usize = 8 * 1024;

/// Largest body, in bytes: registrations with metadata fit, floods do not.
pub(crate) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// How long a request may take once it was read; then it is answered 503. A database that stands still tells nobody, and
/// callers must not wait for ever. Above the 5 s after which a lock or a statement is given up, so that the reason of
/// most trouble is known.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A request whose body was read within its bounds.
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Who sent it: a client, or the last proxy before us.
    pub(crate) peer: IpAddr,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) media: Media,
    /// The value in the path, of routes that have one.
    pub(crate) id: String,
}

/// What kind of body came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    None,
    Json,
    Form,
    Other,
}

impl Request {
    /// The path, as it was sent.
    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    /// What follows the question mark; empty when nothing does.
    pub(crate) fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// A header as text, empty when absent or not text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
