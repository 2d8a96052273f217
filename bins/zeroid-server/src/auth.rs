//! Who makes an administrative call, and for which tenant.

use hyper::header::{HOST, ORIGIN};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};
use zeroid_core::{Presentation, ProvenRequest};
use zeroid_identity_model::{Owner, Tenant};
use zeroid_jose::TargetUri;
use zeroid_token_core::Scope;

use crate::app::App;
use crate::dpop::{self, NoProof};
use crate::http::{Edge, Request, Scheme};
use crate::presented::Authorization;
use crate::router::Surface;

/// Which management scope a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// `nhi:manage`.
    Registry,
    /// `nhi:manage` or `credentials:manage`.
    Credentials,
}

/// A caller that may administer a tenant.
#[derive(Debug)]
pub(crate) struct Admin {
    /// The tenant, as the credential says; as the headers say for callers that may act in any.
    pub(crate) tenant: Tenant,
    /// Who creates what is created, unless the body says so.
    creator: Option<Owner>,
    /// The caller's label, for records of who did what.
    label: String,
}

impl Admin {
    /// Who creates something: the body, else what the credential or the header says.
    pub(crate) fn creator(&self, body: Option<Owner>) -> Option<Owner> {
        body.or_else(|| self.creator.clone())
    }

    /// Who did it, for the record; may be empty.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }
}

/// Authenticate an administrative call (house rule E2).
pub(crate) async fn admin(app: &App, request: &Request, need: Need) -> Result<Admin, Edge> {
    let headers = tenant_header(&request.headers)?;
    let user = user_header(request);
    let Some((scheme, token)) = Authorization::of(&request.headers).token()? else {
        return if app.dev { any_tenant(headers, user) } else { Err(no_token()) };
    };
    if scheme == Scheme::Bearer && app.engine.is_operator_key(token) {
        return any_tenant(headers, user);
    }
    let targets = app.targets(request.path());
    let presented = presentation(request, scheme, token, &targets)?;
    let caller = app.engine.authenticate_caller(&presented).await?;
    let caller = caller.map_err(|refused| dpop::refused_token(scheme, &refused))?;
    let manages = |scope| caller.scopes.contains_text(scope);
    let allowed = match need {
        Need::Registry => manages(Scope::NHI_MANAGE),
        Need::Credentials => manages(Scope::NHI_MANAGE) || manages(Scope::CREDENTIALS_MANAGE),
    };
    if !allowed {
        let wanted = match need {
            Need::Registry => "the scope nhi:manage is required",
            Need::Credentials => "the scope nhi:manage or credentials:manage is required",
        };
        return Err(Edge::challenge(scheme, StatusCode::FORBIDDEN, "insufficient_scope", wanted.to_owned()));
    }
    if headers.is_some_and(|named| named != caller.tenant && !named.is_default_name()) {
        return Err(Edge::problem(
            StatusCode::FORBIDDEN,
            "the credential belongs to another tenant than the headers name",
        ));
    }
    let creator: Option<Owner> = caller.created_by.parse().ok();
    let label = creator.as_ref().map_or_else(|| caller.subject.to_string(), ToString::to_string);
    Ok(Admin { tenant: caller.tenant, creator, label })
}

fn any_tenant(headers: Option<Tenant>, user: Option<Owner>) -> Result<Admin, Edge> {
    let tenant = match headers {
        Some(tenant) => tenant,
        None => Tenant::new("default", "default")
            .map_err(|error| Edge::problem(StatusCode::BAD_REQUEST, error))?,
    };
    let label = user.as_ref().map_or_else(String::new, ToString::to_string);
    Ok(Admin { tenant, creator: user, label })
}

/// The access token of a route that needs one, whatever the mode.
pub(crate) fn needed_token(headers: &HeaderMap) -> Result<(Scheme, &str), Edge> {
    Authorization::of(headers).token()?.ok_or_else(no_token)
}

/// A token as it came: under the scheme `DPoP` with its proof, which must be for this request.
pub(crate) fn presentation<'r>(
    request: &'r Request,
    scheme: Scheme,
    token: &'r str,
    targets: &'r [TargetUri],
) -> Result<Presentation<'r>, Edge> {
    match scheme {
        Scheme::Bearer => Ok(Presentation::Bearer(token)),
        Scheme::Dpop => {
            let proof = dpop::with_token(request).map_err(NoProof::challenge)?;
            let request =
                ProvenRequest { method: request.method.as_str(), targets, body: Some(&request.body) };
            Ok(Presentation::Dpop { token, proof, request })
        }
    }
}

fn no_token() -> Edge {
    Edge::Challenge(StatusCode::UNAUTHORIZED, "", "an access token is required".to_owned())
}

fn tenant_header(headers: &HeaderMap) -> Result<Option<Tenant>, Edge> {
    let named = |name: &str| {
        headers.get(name).map(|value| value.to_str().unwrap_or("\u{0}")).filter(|text| !text.is_empty())
    };
    match (named("x-account-id"), named("x-project-id")) {
        (None, None) => Ok(None),
        (Some(account), Some(project)) => Tenant::new(account, project).map(Some).map_err(|error| {
            Edge::problem(StatusCode::BAD_REQUEST, format!("X-Account-ID or X-Project-ID {error}"))
        }),
        _ => Err(Edge::problem(StatusCode::BAD_REQUEST, "X-Account-ID and X-Project-ID go together")),
    }
}

/// The caller's name, if it is one; names kept for the server itself are dropped.
fn user_header(request: &Request) -> Option<Owner> {
    request.header("x-user-id").parse().ok()
}

/// In `dev` the administrative surface is open to the machine's user, not to a web page in their browser.
pub(crate) fn guard_dev(app: &App, parts: &Parts, surface: Surface) -> Result<(), Edge> {
    if !app.dev {
        return Ok(());
    }
    let authority = parts.uri.authority().map(ToString::to_string);
    let host =
        authority.or_else(|| parts.headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned));
    if !host.as_deref().is_some_and(|host| is_local(host) || is_public(app, host)) {
        return Err(Edge::problem(StatusCode::MISDIRECTED_REQUEST, "this server is not known by that Host"));
    }
    if surface != Surface::Admin {
        return Ok(());
    }
    let origin = parts.headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    let foreign = origin.is_some_and(|origin| {
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        !(is_local(host) || is_public(app, host))
    });
    let cross_site = parts.headers.get("sec-fetch-site").is_some_and(|site| site.as_bytes() == b"cross-site");
    if foreign || cross_site {
        return Err(Edge::problem(
            StatusCode::FORBIDDEN,
            "pages of other sites may not administer this server",
        ));
    }
    Ok(())
}

/// A loopback literal or `localhost`, with or without a port.
fn is_local(host: &str) -> bool {
    let name = if host.starts_with('[') {
        host.split_inclusive(']').next().unwrap_or_default()
    } else {
        host.split(':').next().unwrap_or_default()
    };
    let loopback_v4 = name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    name.eq_ignore_ascii_case("localhost") || name == "[::1]" || loopback_v4
}

fn is_public(app: &App, host: &str) -> bool {
    let hosts = app.public_urls.iter().filter_map(|url| url.split_once("://"));
    hosts
        .map(|(_, rest)| rest.split('/').next().unwrap_or_default())
        .any(|known| known.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_hosts() {
        for host in
            ["localhost", "localhost:8899", "127.0.0.1:1", "127.9.9.9", "[::1]", "[::1]:80", "LOCALHOST"]
        {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "0.0.0.0",
            "[::2]",
            "10.0.0.1",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
