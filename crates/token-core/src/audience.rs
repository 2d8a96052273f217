//! Whom a credential is for (RFC 8707, RFC 9068 §2.2).

use serde::{Deserialize, Serialize};

/// Longest resource indicator, in bytes.
pub const MAX_RESOURCE_BYTES: usize = 2048;

/// Most resource indicators of one credential.
pub const MAX_AUDIENCES: usize = 16;

/// The audiences of a credential, and whether somebody asked for them.
///
/// What was asked for binds every child (RFC 8707 §2); the default, the issuer itself, does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    values: Vec<String>,
    asked: bool,
}

/// Why a text is no resource indicator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AudienceError {
    /// Not an absolute URI with a host.
    #[error("resource must be an absolute URI with a host and without fragment (RFC 8707 section 2)")]
    NotAbsolute,
    /// It has a fragment.
    #[error("resource must not have a fragment (RFC 8707 section 2)")]
    Fragment,
    /// Longer than the bound.
    #[error("resource is {bytes} bytes long, at most {MAX_RESOURCE_BYTES} allowed")]
    TooLong {
        /// How long it was.
        bytes: usize,
    },
    /// More than the bound.
    #[error("more than {MAX_AUDIENCES} resources")]
    TooMany,
    /// None at all.
    #[error("no resource given")]
    Empty,
}

impl Audience {
    /// The default audience: the issuer. It binds nobody.
    pub fn of_issuer(issuer: &str) -> Self {
        Self { values: vec![issuer.to_owned()], asked: false }
    }

    /// The audiences somebody asked for.
    ///
    /// # Errors
    /// [`AudienceError`] says which rule of RFC 8707 §2 or which bound was broken.
    pub fn asked_for(values: Vec<String>) -> Result<Self, AudienceError> {
        if values.is_empty() {
            return Err(AudienceError::Empty);
        }
        if values.len() > MAX_AUDIENCES {
            return Err(AudienceError::TooMany);
        }
        values.iter().try_for_each(|value| check(value))?;
        Ok(Self { values, asked: true })
    }

    /// The values of `aud`, as asked for.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether somebody asked for them, so that children are bound by them.
    pub const fn is_binding(&self) -> bool {
        self.asked
    }

    /// Whether a child may be for `other`: everything is allowed below an unbound parent, and only what the
    /// parent has below a bound one. Scheme and host are compared in lower case, the rest byte for byte.
    pub fn first_outside<'o>(&self, other: &'o Self) -> Option<&'o str> {
        if self.asked { self.first_unnamed(other) } else { None }
    }

    /// The first of `other` that a credential of this audience is not for, bound or not: what a resource server asks.
    /// Compared as [`Audience::first_outside`] does.
    pub fn first_unnamed<'o>(&self, other: &'o Self) -> Option<&'o str> {
        let named = |wanted: &str| self.values.iter().any(|value| normal(value) == normal(wanted));
        other.values.iter().map(String::as_str).find(|wanted| !named(wanted))
    }

    /// Whether a credential of this audience is for one of `other`, bound or not: whether a resource server that is
    /// all of these may be told of it (RFC 7662 §4). Compared as [`Audience::first_outside`] does.
    pub fn names_one_of(&self, other: &Self) -> bool {
        let named = |value: &String| self.values.iter().any(|own| normal(own) == normal(value));
        other.values.iter().any(named)
    }
}

/// RFC 8707 §2: an absolute URI without fragment; with a host where its scheme has one.
fn check(text: &str) -> Result<(), AudienceError> {
    if text.len() > MAX_RESOURCE_BYTES {
        return Err(AudienceError::TooLong { bytes: text.len() });
    }
    if text.contains('#') {
        return Err(AudienceError::Fragment);
    }
    let (scheme, rest) = text.split_once(':').ok_or(AudienceError::NotAbsolute)?;
    let mut letters = scheme.bytes();
    let scheme_ok = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let bytes_ok = rest.bytes().all(|byte| byte.is_ascii_graphic()) && !rest.is_empty();
    let host_ok = match rest.strip_prefix("//") {
        Some(after) => !after.split(['/', '?']).next().unwrap_or_default().is_empty(),
        None => !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https" | "spiffe"),
    };
    if scheme_ok && bytes_ok && host_ok { Ok(()) } else { Err(AudienceError::NotAbsolute) }
}

/// Scheme and host in lower case, the rest as it is.
fn normal(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once(':') else { return text.to_owned() };
    let Some(after) = rest.strip_prefix("//") else {
        return format!("{}:{rest}", scheme.to_ascii_lowercase());
    };
    let end = after.find(['/', '?']).unwrap_or(after.len());
    let (host, path) = after.split_at(end);
    format!("{}://{}{path}", scheme.to_ascii_lowercase(), host.to_ascii_lowercase())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn asked(value: &str) -> Result<Audience, AudienceError> {
        Audience::asked_for(vec![value.to_owned()])
    }

    #[test]
    fn a_resource_server_is_one_of_those_it_is_for() {
        let of = |values: &[&str]| {
            Audience::asked_for(values.iter().map(|&value| value.to_owned()).collect()).unwrap()
        };
        let token = of(&["https://api.example/a", "urn:example:b"]);
        for (own, expected) in [
            (&["https://api.example/a"][..], true),
            (&["HTTPS://API.EXAMPLE/a"], true),
            (&["https://other.example", "urn:example:b"], true),
            (&["https://api.example/A"], false),
            (&["https://api.example/"], false),
            (&["https://api.example/a/b"], false),
        ] {
            assert_eq!(token.names_one_of(&of(own)), expected, "{own:?}");
        }
        let unasked = Audience::of_issuer("https://id.example");
        assert!(unasked.names_one_of(&of(&["https://id.example"])), "bound or not");
        assert!(!unasked.names_one_of(&of(&["https://api.example/a"])));
    }

    #[test]
    fn rfc8707_section_2() {
        for good in
            ["https://api.example/v1", "https://api.example/v1?x=1", "urn:example:api", "mcp://tools/a"]
        {
            assert!(asked(good).is_ok(), "{good}");
        }
        for bad in
            ["", "/v1", "api.example", "https:", "https:///v1", "https://", "http:api", "1a://x", "a b:c"]
        {
            assert_eq!(asked(bad), Err(AudienceError::NotAbsolute), "{bad}");
        }
        assert_eq!(asked("https://api.example/#x"), Err(AudienceError::Fragment));
        assert!(matches!(
            asked(&format!("https://{}", "x".repeat(2048))),
            Err(AudienceError::TooLong { .. })
        ));
    }

    #[test]
    fn a_bound_parent_binds() {
        let parent = asked("https://API.example/v1").unwrap();
        assert_eq!(parent.first_outside(&asked("HTTPS://api.EXAMPLE/v1").unwrap()), None);
        assert_eq!(
            parent.first_outside(&asked("https://api.example/V1").unwrap()),
            Some("https://api.example/V1")
        );
        assert_eq!(
            parent.first_outside(&Audience::of_issuer("https://id.example")),
            Some("https://id.example")
        );
        assert_eq!(Audience::of_issuer("https://id.example").first_outside(&parent), None);
    }
}
