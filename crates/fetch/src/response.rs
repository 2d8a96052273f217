//! An answer, read within its bounds.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use hyper::{HeaderMap, Response, StatusCode};

use crate::error::FetchError;

/// What is wanted of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// The media types that are taken, in lower case and without parameters.
    pub media_types: &'a [&'a str],
    /// The most bytes.
    pub max_bytes: usize,
}

/// What was fetched.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The bytes, at most as many as were wanted.
    pub body: Bytes,
    /// How long the other side says it is good for.
    pub freshness: Freshness,
}

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { body, freshness } = self;
        f.debug_struct("Fetched").field("bytes", &body.len()).field("freshness", freshness).finish()
    }
}

/// How long an answer is good for, by its `Cache-Control` (RFC 9111 §5.2.2). A caller has bounds of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// It does not say.
    #[default]
    Unsaid,
    /// So many seconds.
    Seconds(u32),
    /// It is not to be used again: `no-store` or `no-cache`.
    Once,
}

impl Freshness {
    fn of(headers: &HeaderMap) -> Self {
        let mut freshness = Self::Unsaid;
        let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
        for directive in values.flat_map(|value| value.split(',')).map(str::trim) {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
                return Self::Once;
            }
            if name.eq_ignore_ascii_case("max-age") {
                let digits = argument.trim_matches('"');
                let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                // What is no number is stale at once (RFC 9111 §4.2.1), and of two the shorter one holds.
                let seconds = if plain { digits.parse().unwrap_or(u32::MAX) } else { 0 };
                freshness = match freshness {
                    Self::Seconds(said) => Self::Seconds(said.min(seconds)),
                    _ => Self::Seconds(seconds),
                };
            }
        }
        freshness
    }
}

/// Judge the head, then read the body, and give up at the first byte too many.
pub(crate) async fn read(response: Response<Incoming>, want: Want<'_>) -> Result<Fetched, FetchError> {
    let status = response.status();
    if status.is_redirection() {
        return Err(FetchError::Redirect);
    }
    if status != StatusCode::OK {
        return Err(FetchError::Status(status.as_u16()));
    }
    check_head(response.headers(), want)?;
    let freshness = Freshness::of(response.headers());
    let mut body = response.into_body();
    let too_large = || FetchError::TooLarge(want.max_bytes);
    let said = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if said > want.max_bytes {
        return Err(too_large());
    }
    let mut bytes = BytesMut::with_capacity(said);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| FetchError::Protocol)?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > want.max_bytes - bytes.len() {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Fetched { body: bytes.freeze(), freshness })
}

fn check_head(headers: &HeaderMap, want: Want<'_>) -> Result<(), FetchError> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let given = types.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    let wanted = want.media_types.iter().any(|media| media.eq_ignore_ascii_case(essence));
    if !wanted || types.next().is_some() {
        return Err(FetchError::MediaType);
    }
    let coded = |value: &hyper::header::HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().any(coded) { Err(FetchError::Encoded) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(values: &[&str], expected: Freshness) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CACHE_CONTROL, value.parse().unwrap());
        }
        assert_eq!(Freshness::of(&headers), expected, "{values:?}");
    }

    #[test]
    fn freshness_is_what_cache_control_says() {
        check(&[], Freshness::Unsaid);
        check(&["public"], Freshness::Unsaid);
        check(&["public, max-age=300"], Freshness::Seconds(300));
        check(&["Max-Age=\"300\""], Freshness::Seconds(300));
        check(&["max-age=300", "max-age=20"], Freshness::Seconds(20));
        check(&["max-age=99999999999999"], Freshness::Seconds(u32::MAX));
        check(&["max-age=-1"], Freshness::Seconds(0));
        check(&["max-age"], Freshness::Seconds(0));
        check(&["max-age=300, No-Store"], Freshness::Once);
        check(&["no-cache"], Freshness::Once);
    }
}
