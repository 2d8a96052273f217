//! SPIFFE IDs and trust domains (SPIFFE-ID §2).

use std::fmt;
use std::str::FromStr;

use crate::kind::IdentityType;
use crate::segment::{self, AccountId, ExternalId, ProjectId, SegmentError, Tenant};

/// Longest SPIFFE ID, in bytes. Source: SPIFFE-ID §2.3.
pub const MAX_BYTES: usize = 2048;

/// Longest trust domain, in bytes. Source: SPIFFE-ID §2.1 (255), kept at DNS's 253.
pub const MAX_TRUST_DOMAIN_BYTES: usize = 253;

const SCHEME: &str = "spiffe://";

/// Why a text is no trust domain. Source: SPIFFE-ID §2.1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustDomainError {
    /// Nothing was given.
    #[error("trust domain must not be empty")]
    Empty,
    /// Longer than the bound.
    #[error("trust domain is {bytes} bytes long, at most {MAX_TRUST_DOMAIN_BYTES} allowed")]
    TooLong {
        /// How long it was.
        bytes: usize,
    },
    /// A byte outside `[a-z0-9._-]`.
    #[error("trust domain may contain only lower-case letters, digits, `.`, `_` and `-`")]
    BadByte,
}

/// Why a text is no SPIFFE ID. Source: SPIFFE-ID §2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpiffeIdError {
    /// Longer than the bound.
    #[error("SPIFFE ID is {bytes} bytes long, at most {MAX_BYTES} allowed")]
    TooLong {
        /// How long it was.
        bytes: usize,
    },
    /// The scheme is not `spiffe`.
    #[error("SPIFFE ID must start with `spiffe://`")]
    NotSpiffe,
    /// The trust domain is malformed.
    #[error(transparent)]
    TrustDomain(#[from] TrustDomainError),
    /// The path is missing.
    #[error("SPIFFE ID has no path")]
    NoPath,
    /// A path segment is malformed.
    #[error("a path segment {0}")]
    Segment(#[from] SegmentError),
}

/// A trust domain such as `acme.example`: the host part of a SPIFFE ID.
///
/// 1 to 253 bytes of `[a-z0-9._-]`. Source: SPIFFE-ID §2.1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(String);

crate::serde_as_text!(TrustDomain);

impl TrustDomain {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TrustDomain {
    type Err = TrustDomainError;

    fn from_str(text: &str) -> Result<Self, TrustDomainError> {
        check_domain(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TrustDomain {
    type Error = TrustDomainError;
    fn try_from(text: String) -> Result<Self, TrustDomainError> {
        text.parse()
    }
}

impl From<TrustDomain> for String {
    fn from(domain: TrustDomain) -> Self {
        domain.0
    }
}

/// A checked SPIFFE ID such as `spiffe://acme.example/acct/proj/agent/refunds`.
///
/// At most 2048 bytes; the trust domain is lower case, path segments are `[A-Za-z0-9._-]` without dot
/// segments. Source: SPIFFE-ID §2.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    text: String,
    path_at: usize, // INVARIANT: `text[..path_at]` is the scheme and a valid trust domain.
}

crate::serde_as_text!(SpiffeId);

impl SpiffeId {
    /// The URI of a registered workload: `spiffe://{domain}/{account}/{project}/{type}/{external id}`.
    ///
    /// # Errors
    /// [`SpiffeIdError::TooLong`]; the parts are valid by their types.
    pub fn of_workload(
        domain: &TrustDomain,
        tenant: &Tenant,
        identity_type: IdentityType,
        external_id: &ExternalId,
    ) -> Result<Self, SpiffeIdError> {
        format!("{SCHEME}{domain}/{}/{}/{identity_type}/{external_id}", tenant.account, tenant.project)
            .parse()
    }

    /// The whole URI.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> &str {
        self.text.get(SCHEME.len()..self.path_at).unwrap_or_default()
    }

    /// The path, with its leading slash.
    pub fn path(&self) -> &str {
        self.text.get(self.path_at..).unwrap_or_default()
    }

    /// The parts of a workload's URI, when this has the shape [`SpiffeId::of_workload`] makes.
    pub fn workload(&self) -> Option<WorkloadPath> {
        let mut parts = self.path().split('/').skip(1);
        let path = WorkloadPath {
            tenant: Tenant { account: parts.next()?.parse().ok()?, project: parts.next()?.parse().ok()? },
            identity_type: parts.next()?.parse().ok()?,
            external_id: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(path)
    }
}

/// What a workload's URI says: its tenant, type and external id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadPath {
    /// The tenant in the first two segments.
    pub tenant: Tenant,
    /// The identity type in the third.
    pub identity_type: IdentityType,
    /// The external id in the fourth.
    pub external_id: ExternalId,
}

impl WorkloadPath {
    /// The account in the first segment.
    pub fn account(&self) -> &AccountId {
        &self.tenant.account
    }

    /// The project in the second segment.
    pub fn project(&self) -> &ProjectId {
        &self.tenant.project
    }
}

impl FromStr for SpiffeId {
    type Err = SpiffeIdError;

    fn from_str(text: &str) -> Result<Self, SpiffeIdError> {
        if text.len() > MAX_BYTES {
            return Err(SpiffeIdError::TooLong { bytes: text.len() });
        }
        let rest = text.strip_prefix(SCHEME).ok_or(SpiffeIdError::NotSpiffe)?;
        let at = rest.find('/').unwrap_or(rest.len());
        let (domain, path) = rest.split_at(at);
        check_domain(domain)?;
        if path.is_empty() {
            return Err(SpiffeIdError::NoPath);
        }
        path.split('/').skip(1).try_for_each(segment::check)?;
        Ok(Self { text: text.to_owned(), path_at: SCHEME.len() + at })
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for SpiffeId {
    type Error = SpiffeIdError;
    fn try_from(text: String) -> Result<Self, SpiffeIdError> {
        text.parse()
    }
}

impl From<SpiffeId> for String {
    fn from(id: SpiffeId) -> Self {
        id.text
    }
}

fn check_domain(text: &str) -> Result<(), TrustDomainError> {
    if text.is_empty() {
        return Err(TrustDomainError::Empty);
    }
    if text.len() > MAX_TRUST_DOMAIN_BYTES {
        return Err(TrustDomainError::TooLong { bytes: text.len() });
    }
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    if text.bytes().all(allowed) { Ok(()) } else { Err(TrustDomainError::BadByte) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &str, expected: Result<(&str, &str), SpiffeIdError>) {
        let parsed = input.parse::<SpiffeId>();
        let parts = parsed.as_ref().map(|id| (id.trust_domain(), id.path())).map_err(Clone::clone);
        assert_eq!(parts, expected, "{input:?}");
    }

    #[test]
    fn spiffe_id_section_2() {
        check("spiffe://acme.example/billing/agent", Ok(("acme.example", "/billing/agent")));
        check("spiffe://1.2.3.4/service", Ok(("1.2.3.4", "/service")));
        check("spiffe://under_score/x", Ok(("under_score", "/x")));
        check("https://acme.example/a", Err(SpiffeIdError::NotSpiffe));
        check("SPIFFE://acme.example/a", Err(SpiffeIdError::NotSpiffe));
        check("spiffe:///a", Err(TrustDomainError::Empty.into()));
        check("spiffe://Acme/a", Err(TrustDomainError::BadByte.into()));
        check("spiffe://acme:80/a", Err(TrustDomainError::BadByte.into()));
        check("spiffe://u@acme/a", Err(TrustDomainError::BadByte.into()));
        check("spiffe://acme", Err(SpiffeIdError::NoPath));
        check("spiffe://acme/", Err(SegmentError::Empty.into()));
        check("spiffe://acme/a/", Err(SegmentError::Empty.into()));
        check("spiffe://acme/a//b", Err(SegmentError::Empty.into()));
        check("spiffe://acme/a/./b", Err(SegmentError::DotSegment.into()));
        check("spiffe://acme/../b", Err(SegmentError::DotSegment.into()));
        check("spiffe://acme/a?x", Err(SegmentError::BadByte.into()));
        check("spiffe://acme/a#x", Err(SegmentError::BadByte.into()));
        check("spiffe://acme/a%41", Err(SegmentError::BadByte.into()));
        check(&format!("spiffe://acme/{}", "x".repeat(2048)), Err(SpiffeIdError::TooLong { bytes: 2062 }));
    }

    #[test]
    fn every_byte_is_judged_by_the_grammar() {
        for byte in 0..=127_u8 {
            let path = format!("spiffe://acme/a{}b", char::from(byte));
            let allowed = byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
            assert_eq!(path.parse::<SpiffeId>().is_ok(), allowed, "path {byte:#x}");
            let domain = format!("a{}b", char::from(byte));
            let allowed = byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
            assert_eq!(domain.parse::<TrustDomain>().is_ok(), allowed, "domain {byte:#x}");
        }
    }

    proptest! {
        #[test]
        fn a_workload_uri_gives_its_parts_back(
            account in "[A-Za-z0-9_-]{1,20}", project in "[A-Za-z0-9_-]{1,20}",
            name in "[A-Za-z0-9_-]{1,40}", kind in 0..IdentityType::ALL.len(),
        ) {
            let tenant = Tenant::new(&account, &project).unwrap();
            let name: ExternalId = name.parse().unwrap();
            let kind = *IdentityType::ALL.get(kind).unwrap();
            let id = SpiffeId::of_workload(&"acme.example".parse().unwrap(), &tenant, kind, &name).unwrap();
            let path = id.workload().unwrap();
            prop_assert_eq!((&path.tenant, path.identity_type, &path.external_id), (&tenant, kind, &name));
            prop_assert_eq!(id.to_string().parse::<SpiffeId>().unwrap(), id);
        }

        #[test]
        fn parsing_never_panics_and_never_rewrites(text in ".{0,64}") {
            if let Ok(id) = format!("spiffe://{text}").parse::<SpiffeId>() {
                prop_assert_eq!(id.as_str(), format!("spiffe://{text}"));
            }
        }
    }
}
