//! What a deployment lets be reached although it is not on the internet.

use std::net::IpAddr;
use std::str::FromStr;

use crate::address::AddressKind;
use crate::url::{FetchUrl, Host, UrlError, split_port};

/// Most entries: a deployment names single servers, not its network.
pub const MAX_ALLOWED: usize = 64;

/// Hosts and ports that may be reached on a private address or on this machine.
///
/// Entries such as `idp.internal:443`, `10.0.0.7:8443` or `[::1]:8080`, separated by commas; each names what stands
/// in a URL, and holds for that host and that port alone. On this machine (loopback) an entry also lets plain `http`
/// be spoken, for development and tests. Metadata services and special addresses stay closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed(Vec<(Host, u16)>);

/// Why a text is no list of hosts and ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllowedError {
    /// An entry is not `host:port`.
    #[error("`{0}` is not host:port")]
    Entry(String),
    /// Longer than the bound.
    #[error("more than {MAX_ALLOWED} entries")]
    TooMany,
}

impl Allowed {
    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this host and port were named.
    pub(crate) fn names(&self, url: &FetchUrl) -> bool {
        self.0.iter().any(|(host, port)| host == url.host() && *port == url.port())
    }

    /// Whether an address that the URL led to may be reached, by the scheme of the URL.
    pub(crate) fn may_reach(&self, url: &FetchUrl, address: IpAddr) -> bool {
        match AddressKind::of(address) {
            AddressKind::Global => url.is_https(),
            AddressKind::Private => url.is_https() && self.names(url),
            AddressKind::Loopback => self.names(url),
            AddressKind::Metadata | AddressKind::Special => false,
        }
    }
}

impl FromStr for Allowed {
    type Err = AllowedError;

    fn from_str(text: &str) -> Result<Self, AllowedError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let mut allowed = Vec::new();
        for entry in entries {
            if allowed.len() == MAX_ALLOWED {
                return Err(AllowedError::TooMany);
            }
            let read = || -> Result<_, UrlError> {
                let (host, port) = split_port(entry)?;
                Ok((host.parse()?, port.ok_or(UrlError::Port)?))
            };
            allowed.push(read().map_err(|_| AllowedError::Entry(entry.to_owned()))?);
        }
        Ok(Self(allowed))
    }
}

impl std::fmt::Display for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (host, port)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{host}:{port}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(allowed: &str, url: &str, address: &str, expected: bool) {
        let allowed: Allowed = allowed.parse().unwrap();
        let seen = allowed.may_reach(&url.parse().unwrap(), address.parse().unwrap());
        assert_eq!(seen, expected, "{url} at {address} with `{allowed}`");
    }

    #[test]
    fn an_entry_holds_for_its_host_and_port_alone() {
        check("", "https://a.example/", "8.8.8.8", true);
        check("", "http://a.example/", "8.8.8.8", false);
        check("", "https://a.example/", "10.0.0.1", false);
        check("a.example:443", "https://a.example/", "10.0.0.1", true);
        check("a.example:443", "https://A.example:443/", "10.0.0.1", true);
        check("a.example:443", "https://a.example:8443/", "10.0.0.1", false);
        check("a.example:443", "https://b.example/", "10.0.0.1", false);
        check("b.example:443, a.example:443", "https://a.example/", "::1", true);
        check("10.0.0.1:443", "https://a.example/", "10.0.0.1", false);
    }

    #[test]
    fn plain_http_is_spoken_on_this_machine_alone() {
        check("a.example:80", "http://a.example/", "127.0.0.1", true);
        check("a.example:80", "http://a.example/", "10.0.0.1", false);
        check("a.example:80", "http://a.example/", "8.8.8.8", false);
    }

    #[test]
    fn no_entry_opens_metadata_or_special_addresses() {
        for address in [
            "169.254.169.254",
            "fd00:ec2::254",
            "100.100.100.200",
            "0.0.0.0",
            "224.0.0.1",
            "::ffff:127.0.0.1",
        ] {
            check("a.example:443", "https://a.example/", address, false);
        }
    }

    #[test]
    fn lists_are_read_and_told() {
        let text = "a.example:443,10.0.0.1:1,[::1]:8080";
        assert_eq!(text.parse::<Allowed>().unwrap().to_string(), text);
        assert!("".parse::<Allowed>().unwrap().is_empty());
        for text in ["a.example", "*:443", "10.0.0.0/8:443", "::1:80", "a:0", "https://a.example:443"] {
            assert!(matches!(text.parse::<Allowed>(), Err(AllowedError::Entry(_))), "{text}");
        }
        assert_eq!(vec!["a:1"; MAX_ALLOWED + 1].join(",").parse::<Allowed>(), Err(AllowedError::TooMany));
    }
}
