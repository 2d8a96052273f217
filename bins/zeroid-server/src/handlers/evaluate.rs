//! `/credential-policies/evaluate`: what would be decided.

use hyper::StatusCode;
use zeroid_core::{ExchangeProof, Hypothetical, TokenError};
use zeroid_token_core::OAuthCode;
use zeroid_wire::{EvaluationView, ProofWord, RefusalView, evaluation_view, read_evaluation};

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
        client: body.client,
        proof: body.proof.map(|word| match word {
            ProofWord::Assertion => ExchangeProof::Assertion,
            ProofWord::ApiKey => ExchangeProof::ApiKey,
            ProofWord::Client => ExchangeProof::Client,
            ProofWord::Route => ExchangeProof::Route,
        }),
        policy: body.policy_id,
        asked: body.asked,
    };
    let evaluation = app.engine.evaluate(&caller.tenant, wanted).await?;
    let outcome = match &evaluation.outcome {
        Ok(plan) => Ok(plan),
        Err(TokenError::Refused(refusal)) => Err(RefusalView::Rule(refusal)),
        Err(other) => {
            let code = other.oauth_code().unwrap_or(OAuthCode::InvalidRequest);
            Err(RefusalView::Proof { code, why: other.to_string() })
        }
    };
    let proof = match evaluation.proof.by {
        ExchangeProof::Assertion => ProofWord::Assertion,
        ExchangeProof::ApiKey => ProofWord::ApiKey,
        ExchangeProof::Client => ProofWord::Client,
        ExchangeProof::Route => ProofWord::Route,
    };
    Ok(Reply::ok(&evaluation_view(&EvaluationView {
        at: evaluation.at,
        identity,
        grant,
        parent,
        proof,
        api_key: evaluation.proof.api_key,
        client: evaluation.proof.client.as_ref(),
        route: evaluation.proof.route,
        policies: &evaluation.policies,
        outcome,
        left_out: &evaluation.left_out,
    })))
}
