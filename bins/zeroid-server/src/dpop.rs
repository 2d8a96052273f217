//! DPoP at the edge: which proof came with a request, and the nonce that goes back.

use hyper::header::{ACCESS_CONTROL_EXPOSE_HEADERS, HeaderName};
use hyper::{HeaderMap, StatusCode};
use zeroid_core::{PresentationRefused, ProvenRequest};
use zeroid_jose::ProofError;
use zeroid_token_core::{OAuthCode, ProvenKey};
use zeroid_wire::OAuthError;

use crate::app::App;
use crate::http::{Edge, Reply, Request, Scheme};

/// The header a proof comes in (RFC 9449 §4.1).
pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The header a nonce goes back in (RFC 9449 §8.1).
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The key proven by a request for a token; absent when no proof came.
pub(crate) fn proven_key(app: &App, request: &Request) -> Result<Option<ProvenKey>, Edge> {
    let Some(proof) = presented(&request.headers).map_err(refused)? else { return Ok(None) };
    let targets = app.targets(request.path());
    let proven = ProvenRequest { method: request.method.as_str(), targets: &targets, body: None };
    app.engine.check_proof(proof, &proven).map(Some).map_err(|error| refused(error.into()))
}

/// The proof that came with an access token under the scheme `DPoP`, which must not be without (RFC 9449 §7.1).
pub(crate) fn with_token(request: &Request) -> Result<&str, NoProof> {
    let missing = || NoProof {
        code: OAuthCode::InvalidDpopProof,
        why: "the scheme DPoP needs a DPoP header with a proof".to_owned(),
    };
    presented(&request.headers)?.ok_or_else(missing)
}

/// Why an access token was not accepted, under the scheme it came under.
pub(crate) fn refused_token(scheme: Scheme, refused: &PresentationRefused) -> Edge {
    Edge::challenge(scheme, StatusCode::UNAUTHORIZED, code_of(refused), refused.to_string())
}

/// RFC 6750 §3.1, RFC 9449 §7.1 and §9.
pub(crate) const fn code_of(refused: &PresentationRefused) -> &'static str {
    match refused {
        PresentationRefused::Bearer(_) | PresentationRefused::Unbound => "invalid_token",
        PresentationRefused::Proof(error) => error.oauth_code().as_str(),
        PresentationRefused::ProofUsed => OAuthCode::InvalidDpopProof.as_str(),
    }
}

/// Why a proof was not taken.
pub(crate) struct NoProof {
    pub(crate) code: OAuthCode,
    pub(crate) why: String,
}

impl NoProof {
    /// The refusal of a protected resource.
    pub(crate) fn challenge(self) -> Edge {
        Edge::DpopChallenge(StatusCode::UNAUTHORIZED, self.code.as_str(), self.why)
    }
}

impl From<ProofError> for NoProof {
    fn from(error: ProofError) -> Self {
        Self { code: error.oauth_code(), why: error.to_string() }
    }
}

/// The proof that came with a request, exactly one, if any did (RFC 9449 §4.3 (1)). An empty one is no proof, and no
/// wish for a token without one either.
pub(crate) fn presented(headers: &HeaderMap) -> Result<Option<&str>, NoProof> {
    let mut given = headers.get_all(DPOP).iter();
    let Some(first) = given.next() else { return Ok(None) };
    let malformed = |why: &str| NoProof { code: OAuthCode::InvalidDpopProof, why: why.to_owned() };
    if given.next().is_some() {
        return Err(malformed("more than one DPoP header came"));
    }
    first.to_str().map(Some).map_err(|_| malformed("the DPoP header is no text"))
}

fn refused(error: NoProof) -> Edge {
    Edge::OAuth(StatusCode::BAD_REQUEST, OAuthError::new(error.code, error.why))
}

/// The answer to a request that brought a proof, with the nonce for the next one where they are demanded
/// (RFC 9449 §8.2 and §9), which no cache may hand out again; pages of other origins may read it.
pub(crate) fn with_nonce(app: &App, reply: Reply) -> Reply {
    match app.engine.dpop_nonce() {
        Some(nonce) => reply
            .no_store()
            .with(DPOP_NONCE, &nonce)
            .with_static(ACCESS_CONTROL_EXPOSE_HEADERS, "dpop-nonce, www-authenticate"),
        None => reply,
    }
}
