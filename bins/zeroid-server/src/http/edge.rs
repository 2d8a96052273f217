//! Every way to say no, in the shape of the route: OAuth errors under `/oauth2`, problem documents elsewhere.

use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
use zeroid_core::{AdminError, Fault, TokenError};
use zeroid_identity_model::Status;
use zeroid_storage::Conflict;
use zeroid_token_core::OAuthCode;
use zeroid_wire::{BodyError, Issue, OAuthError, Problem, WireError};

use super::challenge::{Challenge, Scheme};
use super::reply::Reply;

/// Why a handler did not do what was asked.
#[derive(Debug)]
pub(crate) enum Edge {
    /// An OAuth error.
    OAuth(StatusCode, OAuthError),
    /// A problem document.
    Problem(StatusCode, String, Vec<Issue>),
    /// No acceptable credential: the challenge says what is wanted (RFC 6750 §3).
    Challenge(StatusCode, &'static str, String),
    /// The same under the scheme `DPoP` (RFC 9449 §7.1).
    DpopChallenge(StatusCode, &'static str, String),
    /// The caller asked too often.
    TooMany {
        /// What it was counted by.
        of: &'static str,
        /// When it may ask again.
        seconds: u64,
    },
    /// Our fault.
    Fault(Fault),
}

impl Edge {
    pub(crate) fn problem(status: StatusCode, detail: impl ToString) -> Self {
        Self::Problem(status, detail.to_string(), Vec::new())
    }

    /// A token that is not good, or not enough, under the scheme it came under.
    pub(crate) const fn challenge(
        scheme: Scheme,
        status: StatusCode,
        error: &'static str,
        description: String,
    ) -> Self {
        match scheme {
            Scheme::Bearer => Self::Challenge(status, error, description),
            Scheme::Dpop => Self::DpopChallenge(status, error, description),
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::problem(StatusCode::NOT_FOUND, "not found")
    }

    /// A query parameter that is not acceptable.
    pub(crate) fn query(name: &str, message: impl ToString) -> Self {
        let issue = Issue::at(format!("query.{name}"), message);
        Self::Problem(StatusCode::UNPROCESSABLE_ENTITY, "validation failed".to_owned(), vec![issue])
    }

    /// The answer, in the shape of the route; a fault is logged here, once.
    pub(crate) fn into_reply(self, oauth: bool, request_id: &str) -> Reply {
        match self {
            Self::OAuth(status, error) => oauth_reply(status, &error),
            Self::Problem(status, detail, issues) if !oauth => problem_reply(status, detail, issues),
            Self::Problem(status, detail, _) => {
                oauth_reply(status, &OAuthError { code: "invalid_request", description: detail })
            }
            Self::Challenge(status, error, description) => {
                challenge_reply(Scheme::Bearer, status, error, description)
            }
            Self::DpopChallenge(status, error, description) => {
                challenge_reply(Scheme::Dpop, status, error, description)
            }
            Self::TooMany { of, seconds } => {
                let seconds = seconds.max(1);
                let description = format!("too many requests of this {of}: wait {seconds} s");
                let status = StatusCode::TOO_MANY_REQUESTS;
                let reply = if oauth {
                    oauth_reply(status, &OAuthError { code: "rate_limited", description })
                } else {
                    problem_reply(status, description, Vec::new())
                };
                reply.with(RETRY_AFTER, &seconds.to_string())
            }
            Self::Fault(fault) => {
                tracing::error!(request_id, fault = %fault, "request failed through our fault");
                let passing = fault.is_passing();
                let status =
                    if passing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
                let detail = format!("the server could not complete the request; request id {request_id}");
                let reply = if oauth {
                    let code = if passing { "temporarily_unavailable" } else { "server_error" };
                    oauth_reply(status, &OAuthError { code, description: detail })
                } else {
                    problem_reply(status, detail, Vec::new())
                };
                if passing { reply.with(RETRY_AFTER, "1") } else { reply }
            }
        }
    }
}

fn oauth_reply(status: StatusCode, error: &OAuthError) -> Reply {
    Reply::json(status, &error.body()).no_store()
}

fn problem_reply(status: StatusCode, detail: String, issues: Vec<Issue>) -> Reply {
    let title = status.canonical_reason().unwrap_or("Error");
    let problem = Problem { status: status.as_u16(), title, detail, issues };
    Reply::typed(status, "application/problem+json", &zeroid_wire::problem(&problem))
}

fn challenge_reply(scheme: Scheme, status: StatusCode, error: &str, description: String) -> Reply {
    let reply = problem_reply(status, description.clone(), Vec::new());
    let challenge = Challenge::error(scheme, error, &description);
    // Another scheme gives no more scopes.
    let both = status == StatusCode::UNAUTHORIZED;
    if both { reply.challenged(&challenge) } else { reply.challenged_once(&challenge) }
}

impl From<WireError> for Edge {
    fn from(error: WireError) -> Self {
        let error = error.oauth();
        let of_client = error.code == OAuthCode::InvalidClient.as_str();
        Self::OAuth(if of_client { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST }, error)
    }
}

impl From<TokenError> for Edge {
    fn from(error: TokenError) -> Self {
        match (error.oauth_code(), error) {
            (_, TokenError::Fault(fault)) => Self::Fault(fault),
            (Some(OAuthCode::InvalidClient), error) => {
                Self::OAuth(StatusCode::UNAUTHORIZED, OAuthError::new(OAuthCode::InvalidClient, error))
            }
            (code, error) => {
                let code = code.unwrap_or(OAuthCode::InvalidRequest);
                Self::OAuth(StatusCode::BAD_REQUEST, OAuthError::new(code, error))
            }
        }
    }
}

impl From<Fault> for Edge {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<BodyError> for Edge {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Empty => Self::problem(StatusCode::BAD_REQUEST, "request body is required"),
            BodyError::NotJson(why) => {
                let issue = Issue::at("body", why);
                Self::Problem(StatusCode::BAD_REQUEST, "validation failed".to_owned(), vec![issue])
            }
            BodyError::Schema(issues) => {
                Self::Problem(StatusCode::UNPROCESSABLE_ENTITY, "validation failed".to_owned(), issues)
            }
            BodyError::Rule(issue) => Self::Problem(
                StatusCode::BAD_REQUEST,
                format!("{} {}", issue.location, issue.message),
                vec![issue],
            ),
        }
    }
}

impl From<AdminError> for Edge {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::NotFound => Self::not_found(),
            AdminError::Invalid { field, message } => {
                let issue = Issue::at(format!("body.{field}"), &message);
                Self::Problem(StatusCode::BAD_REQUEST, format!("{field} {message}"), vec![issue])
            }
            AdminError::Conflict(conflict) => {
                let mut issues = Vec::new();
                let mut detail = conflict.to_string();
                if let Conflict::ExternalId { id, status } = &conflict {
                    let mut issue = Issue::at("body.external_id", "is taken");
                    if *status == Status::Deactivated {
                        detail = format!(
                            "external_id belongs to the deactivated identity {id}; activate it instead"
                        );
                        issue.value = Some(id.to_string());
                    }
                    issues.push(issue);
                }
                if conflict == Conflict::ClientName {
                    issues.push(Issue::at("body.client_id", "is taken"));
                }
                Self::Problem(StatusCode::CONFLICT, detail, issues)
            }
            AdminError::Fault(fault) => Self::Fault(fault),
        }
    }
}
