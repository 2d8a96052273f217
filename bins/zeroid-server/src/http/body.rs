//! Bodies, read within their bounds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, StatusCode};

use super::edge::Edge;
use super::{MAX_BODY_BYTES, Media};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of a body that is too large is still read, and thrown away: a client that is busy sending would see its
/// connection break instead of the answer.
const MAX_DRAINED_BYTES: usize = 8 * MAX_BODY_BYTES;

/// Read the whole body, unless it is too large or too slow.
pub(super) async fn read(mut body: Incoming) -> Result<Bytes, Edge> {
    let too_large = || {
        Edge::problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {MAX_BODY_BYTES} bytes"),
        )
    };
    let drained = u64::try_from(MAX_DRAINED_BYTES).unwrap_or(u64::MAX);
    if body.size_hint().lower() > drained {
        return Err(too_large());
    }
    let reading = async {
        let (mut bytes, mut total) = (BytesMut::new(), 0_usize);
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|_| Edge::problem(StatusCode::BAD_REQUEST, "the body did not arrive whole"))?;
            let Ok(data) = frame.into_data() else { continue };
            total += data.len();
            if total > MAX_DRAINED_BYTES {
                return Err(too_large());
            }
            // What comes in one piece is taken as it is.
            if total == data.len() && total <= MAX_BODY_BYTES && body.is_end_stream() {
                return Ok(data);
            }
            if total <= MAX_BODY_BYTES {
                bytes.extend_from_slice(&data);
            }
        }
        if total > MAX_BODY_BYTES { Err(too_large()) } else { Ok(bytes.freeze()) }
    };
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(read) => read,
        Err(_) => Err(Edge::problem(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive")),
    }
}

/// What the body claims to be; parameters do not count, letter case neither.
pub(super) fn media(headers: &HeaderMap) -> Media {
    let Some(given) = headers.get(CONTENT_TYPE) else { return Media::None };
    let essence = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Media::Json
    } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Media::Form
    } else {
        Media::Other
    }
}
