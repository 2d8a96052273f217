//! Which handler answers which path.

use std::pin::Pin;
use std::sync::Arc;

use hyper::Method;

use crate::app::App;
use crate::handlers;
use crate::http::{Edge, Reply, Request};

/// Who a route is for, which decides its guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// Public, also for pages in a browser.
    Open,
    /// Public OAuth, not for pages in a browser.
    OAuth,
    /// Public, for machines.
    Plain,
    /// The same, under the administrative prefix too, where existing callers look for it.
    Prefixed,
    /// Administrative.
    Admin,
}

impl Surface {
    /// Whether a route is at the root and under the administrative prefix.
    pub(crate) fn is_prefixed(self) -> bool {
        self == Self::Admin || self == Self::Prefixed
    }
}

pub(crate) type Handler = fn(Arc<App>, Request) -> Pin<Box<dyn Future<Output = Result<Reply, Edge>> + Send>>;

/// One path and what it takes.
pub(crate) struct Route {
    pub(crate) pattern: &'static str,
    pub(crate) surface: Surface,
    methods: Vec<(Method, Handler)>,
}

impl Route {
    /// The handler of a method; HEAD is answered wherever GET is.
    pub(crate) fn handler(&self, method: &Method) -> Option<Handler> {
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        self.methods.iter().find(|(taken, _)| taken == wanted).map(|(_, handler)| *handler)
    }

    /// The methods it takes, HEAD and OPTIONS apart.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &Method> {
        self.methods.iter().map(|(method, _)| method)
    }

    /// The value of `Allow`.
    pub(crate) fn allow(&self) -> String {
        let mut names: Vec<&str> = self.methods.iter().map(|(method, _)| method.as_str()).collect();
        if names.contains(&"GET") {
            names.push("HEAD");
        }
        if self.surface == Surface::Open {
            names.push("OPTIONS");
        }
        names.join(", ")
    }
}

/// A route that was found, with the value in its path.
pub(crate) struct Found<'r> {
    pub(crate) route: &'r Route,
    pub(crate) id: String,
}

/// All routes.
pub(crate) struct Router {
    paths: matchit::Router<usize>,
    routes: Vec<Route>,
}

macro_rules! handler {
    ($($path:ident)::+) => {
        |app, request| Box::pin(async move { handlers::$($path)::+(&app, request).await })
    };
}

macro_rules! routes {
    ($($surface:ident $pattern:literal { $($method:ident => $($path:ident)::+),+ $(,)? })+) => {
        vec![$(Route {
            pattern: $pattern,
            surface: Surface::$surface,
            methods: vec![$((Method::$method, handler!($($path)::+) as Handler)),+],
        }),+]
    };
}

impl Router {
    /// Every route; the administrative ones, and some others, at the root and under `prefix`.
    pub(crate) fn new(prefix: &str) -> Result<Self, matchit::InsertError> {
        let routes = table();
        let mut paths = matchit::Router::new();
        for (at, route) in routes.iter().enumerate() {
            paths.insert(route.pattern, at)?;
            if route.surface.is_prefixed() && !prefix.is_empty() {
                paths.insert(format!("{prefix}{}", route.pattern), at)?;
            }
        }
        Ok(Self { paths, routes })
    }

    /// All of them, as they are in the table.
    pub(crate) fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The route of a path, which is matched as it is: nothing is normalised or redirected.
    pub(crate) fn find(&self, path: &str) -> Option<Found<'_>> {
        let matched = self.paths.at(path).ok()?;
        let route = self.routes.get(*matched.value)?;
        let id = matched.params.iter().next().map(|(_, value)| value.to_owned()).unwrap_or_default();
        Some(Found { route, id })
    }
}

fn table() -> Vec<Route> {
    routes! {
        Plain "/health" { GET => health::health }
        Plain "/ready" { GET => health::ready }
        Open "/openapi.json" { GET => metadata::openapi }
        Open "/.well-known/jwks.json" { GET => metadata::jwks }
        Open "/.well-known/oauth-authorization-server" { GET => metadata::authorization_server }
        Open "/.well-known/oauth-authorization-server/{*issuer}" { GET => metadata::authorization_server }
        Open "/.well-known/openid-configuration" { GET => metadata::authorization_server }
        Open "/.well-known/openid-configuration/{*issuer}" { GET => metadata::authorization_server }
        Open "/.well-known/oauth-protected-resource" { GET => metadata::protected_resource }
        Open "/.well-known/oauth-protected-resource/{*issuer}" { GET => metadata::protected_resource }
        Open "/.well-known/spiffe-trust-bundle.json" { GET => metadata::trust_bundle }
        Open "/oauth2/token" { POST => token::token }
        OAuth "/oauth2/token/introspect" { POST => introspect::introspect }
        Open "/oauth2/token/revoke" { POST => token::revoke }
        Plain "/oauth2/token/verify" { GET => verify::verify }
        Plain "/agents/self/public-key" { POST => own_key::set }
        Prefixed "/proof/generate" { POST => proofs::generate }
        Prefixed "/proof/verify" { POST => proofs::verify }
        Admin "/agents/register" { POST => agents::register }
        Admin "/agents/registry" { GET => agents::list }
        Admin "/agents/registry/facets" { GET => agents::facets }
        Admin "/agents/registry/{id}" { GET => agents::get, PATCH => agents::update, DELETE => agents::deactivate }
        Admin "/agents/registry/{id}/activate" { POST => agents::activate }
        Admin "/agents/registry/{id}/deactivate" { POST => agents::deactivate }
        Admin "/agents/registry/{id}/rotate-key" { POST => agents::rotate_key }
        Admin "/identities" { POST => identities::create, GET => identities::list }
        Admin "/identities/schema" { GET => identities::schema }
        Admin "/identities/by-wimse" { GET => identities::by_wimse }
        Admin "/identities/{id}" {
            GET => identities::get, PATCH => identities::update, DELETE => identities::deactivate
        }
        Admin "/api-keys" { POST => api_keys::create, GET => api_keys::list }
        Admin "/api-keys/{id}" { GET => api_keys::get }
        Admin "/api-keys/{id}/revoke" { POST => api_keys::revoke }
        Admin "/credential-policies" { POST => policies::create, GET => policies::list }
        Admin "/credential-policies/evaluate" { POST => evaluate::evaluate }
        Admin "/credential-policies/{id}" {
            GET => policies::get, PATCH => policies::update, DELETE => policies::delete
        }
        Admin "/oauth/clients" { POST => clients::create, GET => clients::list }
        Admin "/oauth/clients/{id}" {
            GET => clients::get, PATCH => clients::update, DELETE => clients::delete
        }
        Admin "/oauth/clients/{id}/rotate-secret" { POST => clients::rotate_secret }
        Admin "/delegation-routes" { POST => delegation_routes::create, GET => delegation_routes::list }
        Admin "/delegation-routes/{id}" { GET => delegation_routes::get, DELETE => delegation_routes::delete }
        Admin "/credentials" { GET => credentials::list }
        Admin "/credentials/{id}" { GET => credentials::get }
        Admin "/credentials/{id}/revoke" { POST => credentials::revoke }
        Admin "/delegations/by-jti/{jti}" { GET => credentials::chain }
    }
}
