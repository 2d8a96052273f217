//! What a caller is told to bring: `WWW-Authenticate` (RFC 6750 §3, RFC 9449 §7.1).

use hyper::header::WWW_AUTHENTICATE;
use zeroid_jose::PROOF_ALGORITHMS;

use super::reply::Reply;

/// What all access tokens open.
const REALM: &str = "realm=\"zeroid\"";

/// How an access token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// RFC 6750.
    Bearer,
    /// RFC 9449.
    Dpop,
}

/// One challenge. Without a token it has no error code (RFC 6750 §3.1).
#[derive(Clone, Debug)]
pub(crate) struct Challenge<'a> {
    pub(crate) scheme: Scheme,
    /// The error code, or nothing.
    pub(crate) error: &'a str,
    /// Why; only with an error code.
    pub(crate) description: &'a str,
    /// The scopes that are missing, or nothing.
    pub(crate) scope: &'a str,
}

impl<'a> Challenge<'a> {
    /// Of a caller that presented nothing.
    pub(crate) const fn bare(scheme: Scheme) -> Self {
        Self { scheme, error: "", description: "", scope: "" }
    }

    /// Of a caller whose token or proof is not good.
    pub(crate) const fn error(scheme: Scheme, error: &'a str, description: &'a str) -> Self {
        Self { scheme, error, description, scope: "" }
    }

    fn value(&self) -> String {
        let mut value = match self.scheme {
            Scheme::Bearer => format!("Bearer {REALM}"),
            Scheme::Dpop => format!("DPoP {REALM}, algs=\"{}\"", PROOF_ALGORITHMS.join(" ")),
        };
        let described = if self.error.is_empty() { "" } else { self.description };
        for (name, text) in [("error", self.error), ("error_description", described), ("scope", self.scope)] {
            if !text.is_empty() {
                value.push_str(&format!(", {name}=\"{}\"", quotable(text)));
            }
        }
        value
    }
}

/// RFC 6750 §3: `%x20-21 / %x23-5B / %x5D-7E`.
fn quotable(text: &str) -> String {
    let quotable = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    text.chars().map(|c| if quotable(c) { c } else { '?' }).collect()
}

impl Reply {
    /// With this challenge, and a bare one of the other scheme: both are taken here. The scheme a caller used comes first.
    /// One field has both, because proxies hand on but one (RFC 9110 §11.6.1).
    pub(crate) fn challenged(self, challenge: &Challenge<'_>) -> Self {
        let other = match challenge.scheme {
            Scheme::Bearer => Scheme::Dpop,
            Scheme::Dpop => Scheme::Bearer,
        };
        let both = format!("{}, {}", challenge.value(), Challenge::bare(other).value());
        self.with(WWW_AUTHENTICATE, &both)
    }

    /// With this challenge alone.
    pub(crate) fn challenged_once(self, challenge: &Challenge<'_>) -> Self {
        self.with(WWW_AUTHENTICATE, &challenge.value())
    }

    /// With the address of our metadata in the first challenge for an access token, if there is one (RFC 9728 §5.1).
    pub(crate) fn told_where(self, resource_metadata: &str) -> Self {
        let Some(told) = self.headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()) else {
            return self;
        };
        if told.starts_with("Basic") {
            return self;
        }
        let named = format!("{REALM}, resource_metadata=\"{}\"", quotable(resource_metadata));
        let told = told.replacen(REALM, &named, 1);
        self.with(WWW_AUTHENTICATE, &told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(challenge: &Challenge<'_>, expected: &str) {
        assert_eq!(challenge.value(), expected);
    }

    #[test]
    fn rfc9728_section_5_1() {
        let reply = || Reply::empty(hyper::StatusCode::UNAUTHORIZED);
        let told = |reply: Reply| {
            let reply = reply.told_where("https://id.example/x");
            reply.headers.get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap_or_default().to_owned())
        };
        assert_eq!(told(reply()), None);
        assert_eq!(
            told(reply().challenged(&Challenge::bare(Scheme::Bearer))).as_deref(),
            Some(
                "Bearer realm=\"zeroid\", resource_metadata=\"https://id.example/x\", DPoP realm=\"zeroid\", \
                 algs=\"ES256 EdDSA Ed25519 RS256 PS256\""
            )
        );
        let basic = reply().with(WWW_AUTHENTICATE, "Basic realm=\"zeroid\"");
        assert_eq!(told(basic).as_deref(), Some("Basic realm=\"zeroid\""));
    }

    #[test]
    fn rfc6750_section_3_and_rfc9449_section_7_1() {
        check(&Challenge::bare(Scheme::Bearer), "Bearer realm=\"zeroid\"");
        check(
            &Challenge::error(Scheme::Dpop, "invalid_token", "say \"why\"\n"),
            "DPoP realm=\"zeroid\", algs=\"ES256 EdDSA Ed25519 RS256 PS256\", error=\"invalid_token\", \
             error_description=\"say ?why??\"",
        );
        let missing =
            Challenge { scope: "a b", ..Challenge::error(Scheme::Bearer, "insufficient_scope", "") };
        check(&missing, "Bearer realm=\"zeroid\", error=\"insufficient_scope\", scope=\"a b\"");
        check(&Challenge::error(Scheme::Bearer, "", "not told"), "Bearer realm=\"zeroid\"");
    }
}
