//! From hyper's request to a handler and back.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW,
    CONTENT_LENGTH, HeaderName, ORIGIN,
};
use hyper::{Method, Response, StatusCode};
use zeroid_core::Fault;
use zeroid_storage::StoreError;

use super::edge::Edge;
use super::reply::Reply;
use super::{ANSWER_WITHIN, MAX_URL_BYTES, Media, Request, body};
use zeroid_wire::OAuthError;

use crate::app::App;
use crate::auth::guard_dev;
use crate::dpop;
use crate::router::{Found, Router, Surface};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID_BYTES: usize = 128;

/// The service of every connection.
#[derive(Clone)]
pub(crate) struct Service {
    app: Arc<App>,
    router: Arc<Router>,
    peer: IpAddr,
}

impl Service {
    pub(crate) fn new(app: Arc<App>, router: Router) -> Self {
        Self { app, router: Arc::new(router), peer: Ipv6Addr::UNSPECIFIED.into() }
    }

    /// The service of a connection from this address.
    pub(crate) fn facing(&self, peer: IpAddr) -> Self {
        Self { peer, ..self.clone() }
    }

    async fn answer(&self, request: hyper::Request<Incoming>) -> Response<Full<Bytes>> {
        let began = Instant::now();
        let method = request.method().clone();
        let request_id = adopted_id(&request).unwrap_or_else(|| self.app.request_id());
        let found = self.router.find(request.uri().path());
        let route = found.as_ref().map_or("(none)", |found| found.route.pattern);
        let oauth = request.uri().path().starts_with("/oauth2/");
        let mut reply = match without_panic(pin!(self.dispatch(request, found, &request_id))).await {
            Some(Ok(reply)) => reply,
            Some(Err(edge)) => edge.into_reply(oauth, &request_id),
            None => {
                tracing::error!(request_id, "a handler panicked");
                let detail = format!("internal error; request id {request_id}");
                let edge = if oauth {
                    let error = OAuthError { code: "server_error", description: detail };
                    Edge::OAuth(StatusCode::INTERNAL_SERVER_ERROR, error)
                } else {
                    Edge::problem(StatusCode::INTERNAL_SERVER_ERROR, detail)
                };
                edge.into_reply(oauth, &request_id)
            }
        };
        if method == Method::HEAD {
            reply = without_body(reply);
        }
        // Forward-auth speaks for the resource behind the proxy, which is another one.
        if !oauth {
            reply = reply.told_where(&self.app.resource_metadata);
        }
        reply = reply.with(REQUEST_ID, &request_id);
        let (status, micros) = (reply.status.as_u16(), began.elapsed().as_micros());
        if status < 400 {
            tracing::debug!(request_id, %method, route, status, micros, "request");
        } else {
            tracing::info!(request_id, %method, route, status, micros, "request");
        }
        reply.into_response()
    }

    async fn dispatch(
        &self,
        request: hyper::Request<Incoming>,
        found: Option<Found<'_>>,
        request_id: &str,
    ) -> Result<Reply, Edge> {
        let (parts, incoming) = request.into_parts();
        let url = parts.uri.path_and_query().map_or(0, |text| text.as_str().len());
        if url > MAX_URL_BYTES {
            return Err(Edge::problem(
                StatusCode::URI_TOO_LONG,
                format!("the URL is longer than {MAX_URL_BYTES} bytes"),
            ));
        }
        let Found { route, id } = found.ok_or_else(Edge::not_found)?;
        guard_dev(&self.app, &parts, route.surface)?;
        let cors = route.surface == Surface::Open;
        if parts.method == Method::OPTIONS && cors {
            return Ok(preflight(&route.allow()));
        }
        let oauth = parts.uri.path().starts_with("/oauth2/");
        let Some(handler) = route.handler(&parts.method) else {
            let reply = Edge::problem(StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method");
            return Ok(reply.into_reply(oauth, request_id).with(ALLOW, &route.allow()));
        };
        let media = body::media(&parts.headers);
        let bytes = body::read(incoming).await?;
        check_media(media, &bytes, route.surface)?;
        let cross_origin = parts.headers.contains_key(ORIGIN);
        let proof_came = parts.headers.contains_key(dpop::DPOP);
        let request = Request {
            method: parts.method,
            peer: self.peer,
            uri: parts.uri,
            headers: parts.headers,
            body: bytes,
            media,
            id,
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, handler(Arc::clone(&self.app), request)).await;
        let reply = match answer.unwrap_or_else(|_| Err(Edge::Fault(too_slow()))) {
            Ok(reply) => reply,
            Err(edge) => edge.into_reply(oauth, request_id),
        };
        let reply = if proof_came { dpop::with_nonce(&self.app, reply) } else { reply };
        Ok(if cors && cross_origin { reply.with(ACCESS_CONTROL_ALLOW_ORIGIN, "*") } else { reply })
    }
}

impl hyper::service::Service<hyper::Request<Incoming>> for Service {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}

fn too_slow() -> Fault {
    let seconds = ANSWER_WITHIN.as_secs();
    Fault::from(StoreError::Unavailable(format!("the store did not answer within {seconds} s")))
}

/// The outcome of some work, or nothing when it panics: the connection and its other requests go on.
async fn without_panic<T>(mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// A body needs a type we take; without a body the type does not matter.
fn check_media(media: Media, body: &Bytes, surface: Surface) -> Result<(), Edge> {
    let taken = match media {
        Media::Json => true,
        Media::Form => surface == Surface::Open || surface == Surface::OAuth,
        Media::None | Media::Other => body.is_empty(),
    };
    if taken || (media == Media::Form && body.is_empty()) {
        return Ok(());
    }
    let wanted = match surface {
        Surface::Open | Surface::OAuth => "application/json or application/x-www-form-urlencoded",
        Surface::Admin | Surface::Plain | Surface::Prefixed => "application/json",
    };
    Err(Edge::problem(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!("the body's Content-Type must be {wanted}"),
    ))
}

/// The caller's own request id, if it is one: up to 128 visible ASCII characters.
fn adopted_id(request: &hyper::Request<Incoming>) -> Option<String> {
    let given = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let fits = (1..=MAX_REQUEST_ID_BYTES).contains(&given.len())
        && given.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| given.to_owned())
}

fn without_body(reply: Reply) -> Reply {
    let length = reply.body.len().to_string();
    let mut reply = reply.with(CONTENT_LENGTH, &length);
    reply.body = Bytes::new();
    reply
}

fn preflight(methods: &str) -> Reply {
    Reply::empty(StatusCode::NO_CONTENT)
        .with(ACCESS_CONTROL_ALLOW_ORIGIN, "*")
        .with(ACCESS_CONTROL_ALLOW_METHODS, methods)
        .with(ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, dpop, x-request-id")
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        assert_eq!(without_panic(pin!(async { 7 })).await, Some(7));
        assert_eq!(without_panic(pin!(async { panic!("a bug") })).await, None::<u8>);
    }
}
