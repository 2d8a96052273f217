//! Replies.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, PRAGMA};
use hyper::{HeaderMap, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;
use zeroid_core::Fault;

/// What goes back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// Nothing but a status.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// A JSON body.
    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        Self::typed(status, "application/json", body)
    }

    /// A JSON body of a special type.
    pub(crate) fn typed(status: StatusCode, media: &'static str, body: &Value) -> Self {
        let mut reply = Self::empty(status);
        reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        reply.body = Bytes::from(body.to_string());
        reply
    }

    /// 200 with what is written as JSON without building it in memory first.
    pub(crate) fn written(body: &impl Serialize) -> Result<Self, Fault> {
        let mut bytes = Vec::with_capacity(1536);
        serde_json::to_writer(&mut bytes, body).map_err(|error| Fault::Json(error.to_string()))?;
        Ok(Self::text(bytes))
    }

    /// 200 with text that is JSON already.
    pub(crate) fn text(json: impl Into<Bytes>) -> Self {
        let mut reply = Self::empty(StatusCode::OK);
        reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        reply.body = json.into();
        reply
    }

    /// 200 with a JSON body.
    pub(crate) fn ok(body: &Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// Not to be kept by anyone. RFC 6749 §5.1 asks for both headers.
    pub(crate) fn no_store(self) -> Self {
        self.with_static(CACHE_CONTROL, "no-store").with_static(PRAGMA, "no-cache")
    }

    /// Good for five minutes, and recognisable later.
    pub(crate) fn cacheable(mut self, etag: HeaderValue) -> Self {
        self.headers.insert(ETAG, etag);
        self.with_static(CACHE_CONTROL, "public, max-age=300")
    }

    /// One more header, known when this was compiled.
    pub(crate) fn with_static(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    /// One more header; a value that is no header value is left out.
    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// As hyper sends it.
    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
