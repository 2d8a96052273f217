//! `GET /oauth2/token/verify`: whether a request may pass the proxy that asks, and who makes it.

use std::str::FromStr;

use hyper::StatusCode;
use hyper::header::HeaderName;
use serde_json::json;
use zeroid_core::{ActiveToken, NotAdmitted, Presentation, ProvenRequest};
use zeroid_token_core::{Audience, OAuthCode, Requirements, ScopeSet, Unmet};
use zeroid_wire::{OAuthError, Params};

use crate::app::App;
use crate::dpop::{self, NoProof};
use crate::http::{Challenge, Edge, Reply, Request, Scheme};
use crate::limits;
use crate::presented::Authorization;
use crate::proxies::Forwarded;

/// `GET /oauth2/token/verify`: 200 with who it is, 401 or 403 with what is wanted instead (RFC 6750 §3, RFC 9449 §7.1),
/// which every proxy takes for a no; a fault is 503 or 500, which none takes for a verdict.
pub(crate) async fn verify(app: &App, request: Request) -> Result<Reply, Edge> {
    limits::by_address(app, &request)?;
    let (scheme, token) = match Authorization::of(&request.headers) {
        Authorization::Token(scheme, token) => (scheme, token),
        Authorization::Absent => {
            let bare = Challenge::bare(Scheme::Bearer);
            return Ok(refusal("missing_token", "an access token is required").challenged(&bare));
        }
        Authorization::Malformed => {
            let why = "the Authorization header is not one bearer or DPoP token";
            let challenge = Challenge::error(Scheme::Bearer, "invalid_request", why);
            return Ok(refusal("invalid_authorization_header", why).challenged(&challenge));
        }
    };
    limits::by_token(app, &request, token)?;
    let demanded = demanded(&request)?;
    let forwarded;
    let presented = match scheme {
        Scheme::Bearer => Presentation::Bearer(token),
        Scheme::Dpop => {
            let found = dpop::with_token(&request);
            let proof = match found.and_then(|proof| Ok((proof, forwarded_by(app, &request)?))) {
                Ok((proof, told)) => {
                    forwarded = told;
                    proof
                }
                Err(NoProof { code, why }) => return Ok(unaccepted(scheme, code.as_str(), &why)),
            };
            let (method, targets) = (forwarded.method, std::slice::from_ref(&forwarded.target));
            // The body of the request is not here: it goes to whom the proxy passes it on to.
            Presentation::Dpop { token, proof, request: ProvenRequest { method, targets, body: None } }
        }
    };
    Ok(match app.engine.admit(&presented, &demanded).await? {
        Ok(active) => admitted(&active),
        Err(NotAdmitted::Presented(why)) => unaccepted(scheme, dpop::code_of(&why), &why.to_string()),
        Err(NotAdmitted::Unmet(unmet)) => unmet_by(scheme, &unmet),
    })
}

/// What the proxy demands, in the query string. A demand that is misspelt or empty would let everybody pass, so that
/// nothing is ignored.
fn demanded(request: &Request) -> Result<Requirements, Edge> {
    let bad =
        |why: String| Edge::OAuth(StatusCode::BAD_REQUEST, OAuthError::new(OAuthCode::InvalidRequest, why));
    let pairs = Params::pairs(request.query().as_bytes());
    let pairs = pairs.map_err(|_| bad("the query string is not UTF-8 percent-encoding".to_owned()))?;
    let mut demanded = Requirements::default();
    let mut audiences = Vec::new();
    for (name, value) in pairs {
        let wrong = |why: &dyn ToString| bad(format!("parameter `{name}`: {}", why.to_string()));
        if value.trim().is_empty() {
            return Err(wrong(&"must not be empty"));
        }
        match &*name {
            "scope" => {
                let scopes = ScopeSet::from_str(&value).map_err(|error| wrong(&error))?;
                demanded.scopes = demanded.scopes.union(&scopes);
            }
            "audience" => audiences.push(value.into_owned()),
            "trust_level" if demanded.trust_level.is_none() => {
                demanded.trust_level = Some(value.parse().map_err(|error| wrong(&error))?);
            }
            "max_depth" if demanded.max_depth.is_none() => {
                demanded.max_depth = Some(value.parse().map_err(|error| wrong(&error))?);
            }
            "trust_level" | "max_depth" => return Err(wrong(&"occurs more than once")),
            _ => return Err(wrong(&"is not known; known are scope, audience, trust_level and max_depth")),
        }
    }
    if !audiences.is_empty() {
        demanded.audience = Some(Audience::asked_for(audiences).map_err(|error| bad(error.to_string()))?);
    }
    Ok(demanded)
}

/// The request the proxy asks about, which the proof must be for.
fn forwarded_by<'r>(app: &App, request: &'r Request) -> Result<Forwarded<'r>, NoProof> {
    let why = "nobody trusted says which request the DPoP proof is for (see the setting trusted_proxies)";
    let untold = || NoProof { code: OAuthCode::InvalidDpopProof, why: why.to_owned() };
    Forwarded::of(request, &app.trusted_proxies).ok_or_else(untold)
}

/// Who it is, in the headers the proxy passes on. One that has nothing to say is empty, so that a proxy that copies them
/// passes no inbound one on instead.
fn admitted(active: &ActiveToken) -> Reply {
    let claims = &active.claims;
    let acts_for = claims.act.as_ref().map_or("", |act| act.sub.as_str());
    let told = [
        ("x-forwarded-user", claims.sub.as_str()),
        ("x-zeroid-identity-type", claims.identity_type.as_str()),
        ("x-zeroid-trust-level", claims.trust_level.as_str()),
        ("x-zeroid-account-id", &claims.account_id),
        ("x-zeroid-project-id", &claims.project_id),
        ("x-zeroid-external-id", &claims.external_id),
        ("x-zeroid-act-sub", acts_for),
    ];
    let reply = Reply::ok(&json!({"active": true})).no_store();
    told.into_iter().fold(reply, |reply, (name, value)| reply.with(HeaderName::from_static(name), value))
}

/// 401: another token, or the same one as it must come, may pass.
fn unaccepted(scheme: Scheme, code: &'static str, why: &str) -> Reply {
    refusal(code, why).challenged(&Challenge::error(scheme, code, why))
}

/// A good token that is not enough: 403, but a token for somebody else is none at all here (RFC 6750 §3.1).
fn unmet_by(scheme: Scheme, unmet: &Unmet) -> Reply {
    let why = unmet.to_string();
    if let Unmet::Audience(_) = unmet {
        return unaccepted(scheme, "invalid_token", &why);
    }
    let scope = match unmet {
        Unmet::Scopes(missing) => missing.to_string(),
        Unmet::Audience(_) | Unmet::Trust { .. } | Unmet::Depth { .. } => String::new(),
    };
    let code = "insufficient_scope";
    let challenge = Challenge { scope: &scope, ..Challenge::error(scheme, code, &why) };
    with_status(StatusCode::FORBIDDEN, code, &why).challenged_once(&challenge)
}

fn refusal(code: &'static str, why: &str) -> Reply {
    with_status(StatusCode::UNAUTHORIZED, code, why)
}

fn with_status(status: StatusCode, code: &'static str, why: &str) -> Reply {
    Reply::json(status, &OAuthError { code, description: why.to_owned() }.body()).no_store()
}
