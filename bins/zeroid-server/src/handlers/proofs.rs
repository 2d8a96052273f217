//! `/proof/…`: what an agent shows once to another party, and what that party asks about it.

use hyper::StatusCode;
use serde_json::json;
use zeroid_core::{NewProof, ProofNotGood, ProofNotMade, ShownProof};
use zeroid_wire::{read_new_proof, read_shown_proof};

use crate::app::App;
use crate::auth::{needed_token, presentation};
use crate::dpop;
use crate::http::{Edge, Reply, Request};
use crate::limits;

/// `POST /proof/generate`: a proof of whoever presents the token, and headers choose no tenant.
pub(crate) async fn generate(app: &App, request: Request) -> Result<Reply, Edge> {
    limits::by_address(app, &request)?;
    let (scheme, token) = needed_token(&request.headers)?;
    limits::by_token(app, &request, token)?;
    let targets = app.targets(request.path());
    let presented = presentation(&request, scheme, token, &targets)?;
    let body = read_new_proof(&request.body)?;
    let new = NewProof { identity_id: body.identity_id, audience: body.audience, nonce: body.nonce };
    let made = app.engine.make_proof(&presented, &new).await.map_err(|error| match error {
        ProofNotMade::Presented(refused) => dpop::refused_token(scheme, &refused),
        ProofNotMade::NotItsOwn | ProofNotMade::NotItself => Edge::problem(StatusCode::FORBIDDEN, error),
        ProofNotMade::NonceUsed => Edge::problem(StatusCode::CONFLICT, error),
        ProofNotMade::Fault(fault) => Edge::Fault(fault),
    })?;
    let answer =
        json!({"proof_token": made.token, "token_type": "WIMSE-Proof", "expires_in": made.expires_in});
    Ok(Reply::ok(&answer).no_store())
}

/// `POST /proof/verify`: whose proof it is, told once, to whoever was shown it.
pub(crate) async fn verify(app: &App, request: Request) -> Result<Reply, Edge> {
    limits::by_address(app, &request)?;
    let body = read_shown_proof(&request.body)?;
    let shown = ShownProof {
        proof: &body.proof,
        audience: &body.audience,
        nonce: body.nonce.as_deref(),
        access_token: body.access_token.as_deref(),
    };
    let proven = app.engine.check_workload_proof(&shown).await.map_err(|error| match error {
        ProofNotGood::Refused(_) => Edge::problem(StatusCode::UNAUTHORIZED, error),
        ProofNotGood::Fault(fault) => Edge::Fault(fault),
    })?;
    let answer = json!({
        "valid": true,
        "subject": proven.subject,
        "account_id": proven.tenant.account,
        "project_id": proven.tenant.project,
        "proof_type": if proven.by_own_key { "wpt" } else { "wimse_proof" },
    });
    Ok(Reply::ok(&answer).no_store())
}
