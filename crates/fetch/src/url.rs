//! URLs that may be fetched: a strict reading, because what two readers take differently is how a check is passed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Longest URL, in bytes: what registrations and metadata documents hold.
pub const MAX_URL_BYTES: usize = 2048;

/// Longest host name, in bytes (RFC 1035 §2.3.4, without the final dot).
const MAX_HOST_BYTES: usize = 253;

/// Longest label of a host name, in bytes (RFC 1035 §2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// A URL that may be fetched: `https` (or `http`, which a [`crate::Fetcher`] takes only where it is allowed), a
/// host, a port, a path and a query.
///
/// At most 2048 bytes of visible ASCII, without user and fragment. A host is a name of letters, digits and hyphens,
/// an IPv4 address of four plain decimal numbers, or an IPv6 address in brackets; the short, octal and hexadecimal
/// spellings of IPv4 are refused. Source: RFC 3986 §3, RFC 9110 §4.2.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FetchUrl {
    text: String,
    target_at: usize, // INVARIANT: `text[target_at..]` is the path and the query; the path may be empty.
    host: Host,
    port: u16,
    is_https: bool,
}

/// The host of a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name in lower case.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// Why a text is no URL that may be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Longer than the bound.
    #[error("URL is longer than {MAX_URL_BYTES} bytes")]
    TooLong,
    /// Neither `https://` nor `http://`.
    #[error("URL must start with https://")]
    Scheme,
    /// A byte that is not in URLs, or a `%` without two hexadecimal digits.
    #[error("URL has a character that must be percent-encoded")]
    Character,
    /// `user@`.
    #[error("URL must not name a user")]
    User,
    /// `#fragment`.
    #[error("URL must not have a fragment")]
    Fragment,
    /// No host, or none we take.
    #[error("URL has no host name or address in its plain spelling")]
    Host,
    /// Not 1 to 65535.
    #[error("URL has a port that is none")]
    Port,
}

impl FetchUrl {
    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host.
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port, that of the scheme when none is written.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether TLS is spoken.
    pub const fn is_https(&self) -> bool {
        self.is_https
    }

    /// The path; `/` when none is written.
    pub fn path(&self) -> &str {
        let target = self.text.get(self.target_at..).unwrap_or_default();
        match target.split('?').next() {
            None | Some("") => "/",
            Some(path) => path,
        }
    }

    /// What follows `?`, if anything does.
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.target_at..)?.split_once('?').map(|(_, query)| query)
    }

    /// What a request line has (RFC 9112 §3.2.1).
    pub(crate) fn target(&self) -> String {
        match self.query() {
            Some(query) => format!("{}?{query}", self.path()),
            None => self.path().to_owned(),
        }
    }

    /// What a `Host` header has (RFC 9110 §7.2).
    pub(crate) fn authority(&self) -> String {
        let usual = if self.is_https { 443 } else { 80 };
        if self.port == usual { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl FromStr for FetchUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_URL_BYTES {
            return Err(UrlError::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let is_https = scheme.eq_ignore_ascii_case("https");
        if !is_https && !scheme.eq_ignore_ascii_case("http") {
            return Err(UrlError::Scheme);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let target = rest.get(authority.len()..).unwrap_or_default();
        if authority.contains('@') {
            return Err(UrlError::User);
        }
        let (host, port) = split_port(authority)?;
        let host = Host::from_str(host)?;
        if target.contains('#') {
            return Err(UrlError::Fragment);
        }
        check_target(target)?;
        let port = port.unwrap_or(if is_https { 443 } else { 80 });
        Ok(Self { target_at: text.len() - target.len(), text: text.to_owned(), host, port, is_https })
    }
}

impl FromStr for Host {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if let Some(inside) = text.strip_prefix('[') {
            let address = inside.strip_suffix(']').and_then(|text| text.parse::<Ipv6Addr>().ok());
            return address.map(|address| Self::Address(address.into())).ok_or(UrlError::Host);
        }
        let last = text.rsplit('.').next().unwrap_or_default();
        // What ends in a number is an address for some resolvers, however it is spelt (`127.1`, `0x7f000001`), so it
        // must be one for every resolver.
        if last.starts_with(|first: char| first.is_ascii_digit()) && !is_label_of_a_name(last) {
            let address = text.parse::<Ipv4Addr>().map_err(|_| UrlError::Host)?;
            return Ok(Self::Address(address.into()));
        }
        if text.len() > MAX_HOST_BYTES || !text.split('.').all(is_label) {
            return Err(UrlError::Host);
        }
        Ok(Self::Name(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for FetchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for FetchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FetchUrl").field(&self.text).finish()
    }
}

/// A host and, after the last colon outside of brackets, a port.
pub(crate) fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    let after_brackets = authority.find(']').map_or(0, |at| at + 1);
    let tail = authority.get(after_brackets..).unwrap_or_default();
    let Some(colon) = tail.find(':') else {
        let whole = after_brackets == 0 || tail.is_empty();
        return if whole { Ok((authority, None)) } else { Err(UrlError::Host) };
    };
    let (host, port) = authority.split_at_checked(after_brackets + colon).ok_or(UrlError::Host)?;
    let digits = port.get(1..).unwrap_or_default();
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    let port: u16 = digits.parse().map_err(|_| UrlError::Port)?;
    if plain { Ok((host, Some(port))) } else { Err(UrlError::Port) }
}

/// Letters, digits and hyphens, the hyphens inside (RFC 1123 §2.1).
fn is_label(label: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=MAX_LABEL_BYTES).contains(&label.len())
        && label.bytes().all(inside)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A last label that starts with a digit and is a number for nobody, such as `1password`.
fn is_label_of_a_name(last: &str) -> bool {
    let hexadecimal = last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    !hexadecimal && last.bytes().any(|byte| !byte.is_ascii_digit())
}

/// The characters of a path and a query (RFC 3986 §3.3, §3.4).
fn check_target(target: &str) -> Result<(), UrlError> {
    let mut bytes = target.bytes();
    while let Some(byte) = bytes.next() {
        let good = match byte {
            b'%' => {
                let mut hex = || bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit());
                hex() && hex()
            }
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b','
            | b';' | b'=' | b':' | b'@' | b'/' | b'?' => true,
            other => other.is_ascii_alphanumeric(),
        };
        if !good {
            return Err(UrlError::Character);
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Result<(&str, u16, &str), UrlError>) {
        let url = text.parse::<FetchUrl>();
        let seen = url.as_ref().map(|url| (url.host().to_string(), url.port(), url.target()));
        let expected = expected.map(|(host, port, target)| (host.to_owned(), port, target.to_owned()));
        assert_eq!(seen.map_err(|error| *error), expected, "{text}");
    }

    #[test]
    fn urls_that_may_be_fetched() {
        check("https://keys.example/jwks.json", Ok(("keys.example", 443, "/jwks.json")));
        check("HTTPS://Keys.Example", Ok(("keys.example", 443, "/")));
        check("https://keys.example:8443?a=b/c", Ok(("keys.example", 8443, "/?a=b/c")));
        check("https://8.8.8.8/a%20b", Ok(("8.8.8.8", 443, "/a%20b")));
        check("https://[2001:4860::1]:1/", Ok(("[2001:4860::1]", 1, "/")));
        check("http://localhost:80/", Ok(("localhost", 80, "/")));
        check("https://xn--bcher-kva.example/~a/;b=1,2", Ok(("xn--bcher-kva.example", 443, "/~a/;b=1,2")));
        check("https://a.1password/", Ok(("a.1password", 443, "/")));
        check("https://keys.example/../a", Ok(("keys.example", 443, "/../a")));
    }

    #[test]
    fn urls_that_may_not() {
        use UrlError::*;
        for text in
            ["", "keys.example", "ftp://keys.example/", "file:///etc/passwd", "//a.example", "gopher://a:1/"]
        {
            check(text, Err(Scheme));
        }
        for text in
            ["https://u@a.example/", "https://u:p@a.example/", "https://a.example@127.0.0.1/", "https://@a/"]
        {
            check(text, Err(User));
        }
        for text in [
            "https:///a",
            "https://:443/",
            "https://a..example/",
            "https://a.example./",
            "https://-a.example/",
            "https://a_b.example/",
            "https://a.example\\@127.0.0.1/",
            "https://a b/",
            "https://b\u{fc}cher.example/",
            "https://%31%32%37.0.0.1/",
            "https://127.1/",
            "https://0x7f.0.0.1/",
            "https://a.0x7f000001/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://127.0.0.01/",
            "https://1.2.3.4.5/",
            "https://a.9/",
            "https://[::1/",
            "https://[::1]x/",
            "https://[fe80::1%25eth0]/",
            "https://::1/",
            "https://[127.0.0.1]/",
            "https://\u{2488}27.0.0.1/",
            "https://a.example\t/",
            "https://a\u{0}.example/",
        ] {
            let refused = text.parse::<FetchUrl>();
            assert!(matches!(refused, Err(Host | Port | User)), "{text}: {refused:?}");
        }
        for text in [
            "https://a:0/",
            "https://a:65536/",
            "https://a:+1/",
            "https://a:/",
            "https://a:1:2/",
            "https://a:01/",
        ] {
            check(text, Err(Port));
        }
        check("https://a/#b", Err(Fragment));
        check("https://a#b", Err(Fragment));
        for text in [
            "https://a/ b",
            "https://a/%",
            "https://a/%4",
            "https://a/%4g",
            "https://a/\r\nX: y",
            "https://a/\u{fc}",
            "https://a/\"",
            "https://a/?<",
        ] {
            check(text, Err(Character));
        }
        check(&format!("https://a/{}", "a".repeat(MAX_URL_BYTES)), Err(TooLong));
        check(&format!("https://{}/", "a".repeat(64)), Err(Host));
    }

    #[test]
    fn every_byte_in_every_place() {
        for byte in 0..=u8::MAX {
            let char = char::from(byte);
            for text in
                [format!("https://a{char}b/"), format!("https://a/{char}"), format!("https://a/?{char}")]
            {
                if let Ok(url) = text.parse::<FetchUrl>() {
                    assert!(url.target().bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
                    assert!(url.authority().bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_is_sent(text in "https?://[a-z0-9.:\\[\\]@%-]{0,24}[/?#a-z%0-9.]{0,16}") {
            if let Ok(url) = text.parse::<FetchUrl>() {
                let scheme = if url.is_https() { "https" } else { "http" };
                let again: FetchUrl = format!("{scheme}://{}{}", url.authority(), url.target()).parse().unwrap();
                prop_assert_eq!(again.host(), url.host());
                prop_assert_eq!(again.port(), url.port());
                prop_assert_eq!(again.target(), url.target());
            }
        }

        #[test]
        fn no_text_breaks_the_reading(text in "\\PC{0,64}") {
            let _ = text.parse::<FetchUrl>();
        }
    }
}
