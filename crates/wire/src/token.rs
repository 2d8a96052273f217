//! Requests to the OAuth endpoints, from parameters to the domain.

use zeroid_identity_model::SpiffeId;
use zeroid_token_core::limits::{MAX_AUDIENCES, MAX_MAY_ACT};
use zeroid_token_core::{AdditionalClaims, Asked, Audience, GrantType, ScopeSet, TaskClaims, TokenTyp};

use crate::oauth::WireError;
use crate::params::{Params, ParamsError};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// What every grant may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommonGrant {
    /// Scopes and audiences.
    pub asked: Asked,
    /// Which kind of token; the deployment's default when absent.
    pub typ: Option<TokenTyp>,
}

/// A token exchange (RFC 8693 §2.1). Holds secrets, so it cannot be printed.
pub struct ExchangeRequest {
    /// The token that is delegated from.
    pub subject_token: String,
    /// The actor's own assertion.
    pub actor_token: Option<String>,
    /// The actor's own API key.
    pub api_key: Option<String>,
    /// What is asked for.
    pub grant: CommonGrant,
}

/// The tenant a request names, where that says nothing new and must only be no contradiction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedTenant {
    /// `account_id`.
    pub account: Option<String>,
    /// `project_id`.
    pub project: Option<String>,
}

/// A request to the token endpoint. Holds secrets, so it cannot be printed.
pub enum TokenRequest {
    /// The grant `api_key`.
    ApiKey {
        /// The key.
        api_key: String,
        /// What is asked for.
        grant: CommonGrant,
    },
    /// The grant `client_credentials` (RFC 6749 §4.4); the credentials are read apart.
    ClientCredentials {
        /// The tenant it names.
        tenant: NamedTenant,
        /// What is asked for.
        grant: CommonGrant,
    },
    /// The grant `urn:ietf:params:oauth:grant-type:jwt-bearer` (RFC 7523 §2.1).
    JwtBearer {
        /// The assertion.
        assertion: String,
        /// What is asked for.
        grant: CommonGrant,
    },
    /// The grant `urn:ietf:params:oauth:grant-type:token-exchange`.
    Exchange(ExchangeRequest),
}

impl TokenRequest {
    /// What is asked for, whatever the grant.
    pub const fn asked_mut(&mut self) -> &mut Asked {
        match self {
            Self::ApiKey { grant, .. }
            | Self::ClientCredentials { grant, .. }
            | Self::JwtBearer { grant, .. } => &mut grant.asked,
            Self::Exchange(exchange) => &mut exchange.grant.asked,
        }
    }
}

/// A token presented for introspection or revocation. Cannot be printed.
pub struct PresentedToken(pub String);

/// Understand a request to the token endpoint.
///
/// # Errors
/// [`WireError`].
pub fn read_token_request(params: &Params<'_>) -> Result<TokenRequest, WireError> {
    let grant_type = params.required("grant_type")?;
    let grant_type = GrantType::from_wire(grant_type).ok_or(WireError::UnknownGrant)?;
    match grant_type {
        GrantType::ApiKey => {
            let api_key = params.required("api_key")?.to_owned();
            Ok(TokenRequest::ApiKey { api_key, grant: common(params)? })
        }
        GrantType::ClientCredentials => {
            Ok(TokenRequest::ClientCredentials { tenant: named_tenant(params)?, grant: common(params)? })
        }
        GrantType::JwtBearer => {
            let assertion = assertion(params)?;
            Ok(TokenRequest::JwtBearer { assertion, grant: common(params)? })
        }
        GrantType::TokenExchange => {
            check_type(params, "subject_token_type", &[ACCESS_TOKEN, JWT])?;
            check_type(params, "actor_token_type", &[JWT])?;
            let actor_token = params.one("actor_token")?.map(str::to_owned);
            if actor_token.is_none() && params.one("actor_token_type")?.is_some() {
                return Err(bad("actor_token_type", "needs `actor_token` beside it"));
            }
            Ok(TokenRequest::Exchange(ExchangeRequest {
                subject_token: params.required("subject_token")?.to_owned(),
                actor_token,
                api_key: params.one("api_key")?.map(str::to_owned),
                grant: common(params)?,
            }))
        }
        GrantType::AuthorizationCode | GrantType::Ciba | GrantType::RefreshToken => {
            Err(WireError::UnknownGrant)
        }
    }
}

/// Understand a request to introspect or to revoke a token (RFC 7662 §2.1, RFC 7009 §2.1).
///
/// # Errors
/// [`WireError`].
pub fn read_presented_token(params: &Params<'_>) -> Result<PresentedToken, WireError> {
    params.one("token_type_hint")?;
    Ok(PresentedToken(params.required("token")?.to_owned()))
}

/// RFC 7523 §2.1; older clients call it `subject` (house rule X8).
fn assertion(params: &Params<'_>) -> Result<String, WireError> {
    let alias = params.one("subject")?;
    let assertion = match (params.one("assertion")?, alias) {
        (Some(assertion), Some(alias)) if assertion != alias => {
            return Err(bad("subject", "is the older name of `assertion`, and says something else"));
        }
        (Some(assertion), _) | (None, Some(assertion)) => assertion,
        (None, None) => return Err(ParamsError::Missing("assertion").into()),
    };
    Ok(assertion.to_owned())
}

fn common(params: &Params<'_>) -> Result<CommonGrant, WireError> {
    let scopes = params.one("scope")?;
    let scopes = scopes.map(|text| text.parse::<ScopeSet>()).transpose();
    let scopes =
        scopes.map_err(|error| WireError::Scope(error.to_string()))?.filter(|scopes| !scopes.is_empty());
    let mut wanted = params.several("resource")?;
    wanted.extend(params.several("audience")?);
    if wanted.len() > MAX_AUDIENCES {
        return Err(WireError::Target(format!("more than {MAX_AUDIENCES} resources")));
    }
    let audience = match wanted.is_empty() {
        true => None,
        false => Some(Audience::asked_for(wanted).map_err(|error| WireError::Target(error.to_string()))?),
    };
    check_type(params, "requested_token_type", &[ACCESS_TOKEN, JWT])?;
    let typ = params.one("requested_token_type")?;
    let typ = typ.map(|wanted| if wanted == JWT { TokenTyp::JwtSvid } else { TokenTyp::AccessToken });
    let task = task(params)?;
    let may_act = may_act(params)?;
    let additional = additional(params)?;
    Ok(CommonGrant { asked: Asked { scopes, audience, task, additional, may_act, ..Asked::default() }, typ })
}

/// The only workloads that may act on the token (house rule X14): an array in JSON, repeated in a form.
fn may_act(params: &Params<'_>) -> Result<Option<Vec<SpiffeId>>, WireError> {
    let Some(named) = params.list("may_act")? else { return Ok(None) };
    if named.is_empty() || named.len() > MAX_MAY_ACT {
        return Err(bad("may_act", &format!("must name 1 to {MAX_MAY_ACT} workloads")));
    }
    let named: Result<Vec<SpiffeId>, _> = named.iter().map(|uri| uri.parse()).collect();
    named.map(Some).map_err(|_| bad("may_act", "must be SPIFFE IDs"))
}

/// What the token is for (house rule C11).
fn task(params: &Params<'_>) -> Result<TaskClaims, WireError> {
    let one = |name| params.one(name).map(|text| text.map(str::to_owned));
    let task = TaskClaims {
        session_id: one("session_id")?,
        task_id: one("task_id")?,
        task_type: one("task_type")?,
        allowed_tools: params.list("allowed_tools")?,
        workspace: one("workspace")?,
        environment: one("environment")?,
    };
    match task.check() {
        Ok(()) => Ok(task),
        Err((name, error)) => Err(bad(name, &error.to_string())),
    }
}

/// What else is to be told (house rule C11): an object, in a form the text of one. Whose names they are is judged when
/// it is known who asks.
fn additional(params: &Params<'_>) -> Result<AdditionalClaims, WireError> {
    let name = "additional_claims";
    let Some(claims) = params.object(name)? else { return Ok(AdditionalClaims::default()) };
    AdditionalClaims::asked_for(claims.into_owned())
        .map_err(|error| bad(name, &format!("is not acceptable: {error}")))
}

/// RFC 8693 §3: a type that is given must be one that is taken; one that is left out has its default.
fn check_type(params: &Params<'_>, name: &'static str, taken: &[&str]) -> Result<(), WireError> {
    match params.one(name)? {
        Some(given) if !taken.contains(&given) => Err(bad(name, &format!("must be {}", taken.join(" or ")))),
        _ => Ok(()),
    }
}

/// The tenant a client names beside its credentials; the words that mean none are left out (house rule E4a).
fn named_tenant(params: &Params<'_>) -> Result<NamedTenant, WireError> {
    let named = |name| params.one(name).map(|text| text.map(str::to_owned));
    let (account, project) = (named("account_id")?, named("project_id")?);
    let is_default = |text: &Option<String>| text.as_deref() == Some("default");
    if is_default(&account) && is_default(&project) {
        return Ok(NamedTenant::default());
    }
    Ok(NamedTenant { account, project })
}

fn bad(name: &'static str, why: &str) -> WireError {
    ParamsError::Bad { name, why: why.to_owned() }.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn check(form: &str, expected: Result<(), &str>) {
        let params = Params::from_form(form.as_bytes()).unwrap();
        let read = read_token_request(&params);
        match (read, expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(code)) => assert_eq!(error.oauth().code, code, "{form}"),
            (Ok(_), Err(code)) => panic!("{form} should be {code}"),
            (Err(error), Ok(())) => panic!("{form}: {error}"),
        }
    }

    #[test]
    fn an_empty_list_of_tools_is_not_an_absent_one() {
        let tools = |more: &str| {
            let body = format!(r#"{{"grant_type":"api_key","api_key":"k"{more}}}"#);
            let mut read = read_token_request(&Params::from_json(body.as_bytes()).unwrap()).unwrap();
            read.asked_mut().task.allowed_tools.clone()
        };
        assert_eq!(tools(""), None);
        assert_eq!(tools(r#","allowed_tools":null"#), None);
        assert_eq!(tools(r#","allowed_tools":[]"#), Some(Vec::new()));
        assert_eq!(tools(r#","allowed_tools":["a"]"#), Some(vec!["a".to_owned()]));
    }

    #[test]
    fn token_requests() {
        const X: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange";
        check("grant_type=api_key&api_key=k", Ok(()));
        check("grant_type=api_key&api_key=k&scope=a+b&unknown=1&account_id=default", Ok(()));
        check("", Err("invalid_request"));
        check("grant_type=", Err("invalid_request"));
        check("grant_type=api_key", Err("invalid_request"));
        check("grant_type=api_key&api_key=k&api_key=k", Err("invalid_request"));
        check("grant_type=token_exchange", Err("unsupported_grant_type"));
        check("grant_type=password", Err("unsupported_grant_type"));
        check("grant_type=client_credentials&client_id=a&client_secret=b", Ok(()));
        check("grant_type=client_credentials&account_id=a&account_id=a", Err("invalid_request"));
        const J: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
        check(&format!("{J}&assertion=a"), Ok(()));
        check(&format!("{J}&subject=a"), Ok(()));
        check(&format!("{J}&assertion=a&subject=a"), Ok(()));
        check(&format!("{J}&assertion=a&subject=b"), Err("invalid_request"));
        check(&format!("{J}&assertion="), Err("invalid_request"));
        check("grant_type=jwt_bearer&assertion=a", Err("unsupported_grant_type"));
        check("grant_type=api_key&api_key=k&scope=a%09b", Err("invalid_scope"));
        check("grant_type=api_key&api_key=k&task_id=t&allowed_tools=a&allowed_tools=b", Ok(()));
        check("grant_type=api_key&api_key=k&task_id=t&task_id=t", Err("invalid_request"));
        check("grant_type=api_key&api_key=k&task_id=a%0Ab", Err("invalid_request"));
        check(&format!("grant_type=api_key&api_key=k&workspace={}", "w".repeat(257)), Err("invalid_request"));
        let additional = |json: &str| format!("grant_type=api_key&api_key=k&additional_claims={json}");
        check(&additional("%7B%22a%22%3A1%7D"), Ok(()));
        check(&additional(""), Ok(()));
        // Whose name it is, is judged when it is known who asks.
        check(&additional("%7B%22sub%22%3A1%7D"), Ok(()));
        check(&additional("%7B%22a%22%3A1%2C%22a%22%3A1%7D"), Err("invalid_request"));
        check(&additional("%7B%22%22%3A1%7D"), Err("invalid_request"));
        check(&additional("a"), Err("invalid_request"));
        check(&additional("%7B%7D&additional_claims=%7B%7D"), Err("invalid_request"));
        check("grant_type=api_key&api_key=k&resource=nowhere", Err("invalid_target"));
        check("grant_type=api_key&api_key=k&resource=https%3A%2F%2Fa&audience=https%3A%2F%2Fb", Ok(()));
        check(&format!("{X}&subject_token=t&actor_token=a"), Ok(()));
        check(&format!("{X}&actor_token=a"), Err("invalid_request"));
        check(&format!("{X}&subject_token=t&subject_token_type=saml"), Err("invalid_request"));
        check(&format!("{X}&subject_token=t&actor_token_type={JWT}"), Err("invalid_request"));
        check(
            &format!("{X}&subject_token=t&actor_token=a&actor_token_type={ACCESS_TOKEN}"),
            Err("invalid_request"),
        );
        check(&format!("{X}&subject_token=t&api_key=a&requested_token_type={JWT}"), Ok(()));
    }
}
