//! `/credential-policies/evaluate`: what would be decided.

use hyper::StatusCode;
use zeroid_core::{Hypothetical, TokenError};
use zeroid_token_core::ActorProof;
use zeroid_wire::{EvaluationView, RefusalView, evaluation_view, read_evaluation};

use crate::app::App;
use crate::auth::{Need, admin};
use crate::http::{Edge, Reply, Request};

/// `POST /credential-policies/evaluate`: the decision of a request nobody has made. Issues and uses up nothing.
pub(crate) async fn evaluate(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let body = read_evaluation(&request.body)?;
    let required = || Edge::problem(StatusCode::UNPROCESSABLE_ENTITY, "identity_id is required");
    let (identity, grant, parent) = (body.identity_id.ok_or_else(required)?, body.grant, body.parent_jti);
    let wanted = Hypothetical {
        identity,
        grant,
        parent,
        api_key: body.api_key_id,
        policy: body.policy_id,
        asked: body.asked,
    };
    let evaluation = app.engine.evaluate(&caller.tenant, wanted).await?;
    let outcome = match &evaluation.outcome {
        Ok(plan) => Ok(plan),
        Err(TokenError::Refused(refusal)) => Err(RefusalView::Rule(refusal)),
        Err(other) => Err(RefusalView::Proof(other.to_string())),
    };
    let api_key = match evaluation.proof {
        ActorProof::ApiKey(id) => Some(id),
        ActorProof::Assertion | ActorProof::Client(_) | ActorProof::Route(_) => None,
    };
    Ok(Reply::ok(&evaluation_view(&EvaluationView {
        at: evaluation.at,
        identity,
        grant,
        parent,
        api_key,
        policies: &evaluation.policies,
        outcome,
        left_out: &evaluation.left_out,
    })))
}
