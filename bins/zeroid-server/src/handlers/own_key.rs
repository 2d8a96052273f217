//! `/agents/self/…`: what an agent does with its own identity.

use hyper::StatusCode;
use zeroid_core::{NewOwnKey, OwnKeyError};
use zeroid_jose::Secret;
use zeroid_wire::{Issue, read_own_key};

use super::agents::one;
use crate::app::App;
use crate::auth::{needed_token, presentation};
use crate::dpop;
use crate::http::{Edge, Reply, Request, Scheme};

/// `POST /agents/self/public-key`: the identity is the token's, and headers choose no tenant.
pub(crate) async fn set(app: &App, request: Request) -> Result<Reply, Edge> {
    let (scheme, token) = needed_token(&request.headers)?;
    let targets = app.targets(request.path());
    let presented = presentation(&request, scheme, token, &targets)?;
    let body = read_own_key(&request.body)?;
    let new = NewOwnKey {
        public_key_pem: body.public_key_pem,
        new_key_proof: Secret::new(body.new_key_proof),
        current_key_proof: body.current_key_proof.map(Secret::new),
    };
    match app.engine.set_own_key(&presented, new).await {
        Ok(record) => one(app, &record).await,
        Err(OwnKeyError::Presented(refused)) => Err(dpop::refused_token(scheme, &refused)),
        Err(other) => Err(other.into()),
    }
}

impl From<OwnKeyError> for Edge {
    fn from(error: OwnKeyError) -> Self {
        match error {
            OwnKeyError::Presented(refused) => dpop::refused_token(Scheme::Bearer, &refused),
            OwnKeyError::NotItsOwn => Self::problem(StatusCode::FORBIDDEN, error),
            OwnKeyError::Key(why) => {
                let issue = Issue::at("body.new_public_key_pem", why);
                Self::Problem(StatusCode::BAD_REQUEST, error.to_string(), vec![issue])
            }
            OwnKeyError::Proof { member, ref why } => {
                let issue = Issue::at(format!("body.{member}"), why);
                Self::Problem(StatusCode::FORBIDDEN, error.to_string(), vec![issue])
            }
            OwnKeyError::Fault(fault) => Self::Fault(fault),
        }
    }
}
