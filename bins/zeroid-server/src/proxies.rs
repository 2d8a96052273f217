//! Proxies in front of us, and what they say a request was.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use hyper::HeaderMap;
use zeroid_jose::TargetUri;

use crate::http::Request;

/// The addresses whose `X-Forwarded-*` headers are believed; nobody's unless a deployment says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// Why a text names no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be addresses or networks such as 127.0.0.1, 10.0.0.0/8 or fd00::/8, separated by commas")]
pub struct TrustedProxiesError;

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl TrustedProxies {
    /// Whether an address is one of a proxy of ours.
    pub(crate) fn contains(&self, peer: IpAddr) -> bool {
        // A socket for both families shows an IPv4 address as part of IPv6.
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(peer))
    }

    /// Who sent a request: its peer, or when that is a proxy of ours, the last address of `X-Forwarded-For` that is none.
    /// Each proxy adds the one it heard from at the end, so that whatever a client wrote there itself comes before.
    pub(crate) fn client_of(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.contains(client) {
            return client;
        }
        for value in headers.get_all("x-forwarded-for").iter().rev() {
            // What is no list of addresses tells of nobody before the proxy that sent it.
            let Ok(text) = value.to_str() else { return client };
            for entry in text.rsplit(',').map(str::trim) {
                let Some(before) = forwarded_for(entry) else { return client };
                client = before.to_canonical();
                if !self.contains(client) {
                    return client;
                }
            }
        }
        client
    }

    /// The networks, as `check-config` shows them.
    pub(crate) fn shown(&self) -> String {
        let networks = self.0.iter().map(|network| format!("{}/{}", network.address, network.bits));
        networks.collect::<Vec<_>>().join(",")
    }
}

/// An address, with or without a port, as proxies write it.
fn forwarded_for(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

impl FromStr for TrustedProxies {
    type Err = TrustedProxiesError;

    fn from_str(text: &str) -> Result<Self, TrustedProxiesError> {
        let networks = text.split(',').map(str::trim).filter(|network| !network.is_empty());
        networks.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        let differs = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                u128::from((own.to_bits() ^ other.to_bits()).leading_zeros())
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                u128::from((own.to_bits() ^ other.to_bits()).leading_zeros())
            }
            _ => return false,
        };
        differs >= u128::from(self.bits)
    }
}

impl FromStr for Network {
    type Err = TrustedProxiesError;

    fn from_str(text: &str) -> Result<Self, TrustedProxiesError> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| TrustedProxiesError)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), str::parse).map_err(|_| TrustedProxiesError)?;
        if bits <= all { Ok(Self { address, bits }) } else { Err(TrustedProxiesError) }
    }
}

/// A request as a proxy received it.
pub(crate) struct Forwarded<'r> {
    pub(crate) method: &'r str,
    pub(crate) target: TargetUri,
}

impl<'r> Forwarded<'r> {
    /// What a trusted proxy says of the request it asks about, in `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`;
    /// absent when it says too little, or more than one thing.
    pub(crate) fn of(request: &'r Request, trusted: &TrustedProxies) -> Option<Self> {
        if !trusted.contains(request.peer) {
            return None;
        }
        let one = |name: &str| {
            let mut given = request.headers.get_all(name).iter();
            let value = given.next()?.to_str().ok()?;
            (given.next().is_none() && !value.is_empty()).then_some(value)
        };
        let method = one("x-forwarded-method")?;
        let (scheme, host, uri) =
            (one("x-forwarded-proto")?, one("x-forwarded-host")?, one("x-forwarded-uri")?);
        // Nothing of one may pass for a part of another; a list of several proxies is none of them.
        let plain = |text: &str| !text.contains([',', '/', '?', '#', '@', ' ']);
        if !(plain(method) && plain(scheme) && plain(host) && uri.starts_with('/')) {
            return None;
        }
        let target = format!("{scheme}://{host}{uri}").parse().ok()?;
        Some(Self { method, target })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[track_caller]
    fn sent_by(peer: &str, forwarded_for: &[&str], expected: &str) {
        let trusted: TrustedProxies = "10.0.0.0/8, ::1".parse().unwrap();
        let mut headers = HeaderMap::new();
        for value in forwarded_for {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let client = trusted.client_of(peer.parse().unwrap(), &headers);
        assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded_for:?}");
    }

    #[test]
    fn who_sent_a_request() {
        sent_by("192.0.2.1", &["198.51.100.1"], "192.0.2.1"); // A stranger may say what it likes.
        sent_by("10.0.0.1", &[], "10.0.0.1");
        sent_by("10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        sent_by("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        sent_by("10.0.0.1", &["203.0.113.9, 198.51.100.1"], "198.51.100.1");
        sent_by("10.0.0.1", &["203.0.113.9, 198.51.100.1, 10.2.3.4"], "198.51.100.1");
        sent_by("10.0.0.1", &["203.0.113.9", "198.51.100.1,10.2.3.4"], "198.51.100.1");
        sent_by("10.0.0.1", &["10.9.9.9, 10.2.3.4"], "10.9.9.9");
        sent_by("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1");
        sent_by("::1", &["2001:db8::7"], "2001:db8::7");
        sent_by("::1", &["[2001:db8::7]:4711"], "2001:db8::7");
        sent_by("::1", &["[2001:db8::7]"], "2001:db8::7");
        for wrong in ["unknown", "", "_hidden", "198.51.100.1, x", "300.1.1.1"] {
            sent_by("10.0.0.1", &[wrong], "10.0.0.1");
        }
        sent_by("10.0.0.1", &["198.51.100.1, x, 10.2.3.4"], "10.2.3.4");
    }

    #[track_caller]
    fn check(trusted: &str, peer: &str, expected: bool) {
        let trusted: TrustedProxies = trusted.parse().unwrap();
        assert_eq!(trusted.contains(peer.parse().unwrap()), expected, "{trusted:?} {peer}");
    }

    #[test]
    fn who_is_trusted() {
        check("", "127.0.0.1", false);
        check("127.0.0.1", "127.0.0.1", true);
        check("127.0.0.1", "127.0.0.2", false);
        check("127.0.0.1", "::ffff:127.0.0.1", true);
        check("127.0.0.1", "::1", false);
        check("10.0.0.0/8, 192.168.1.0/24", "10.255.0.1", true);
        check("10.0.0.0/8, 192.168.1.0/24", "192.168.1.255", true);
        check("10.0.0.0/8, 192.168.1.0/24", "192.168.2.0", false);
        check("10.0.0.0/8", "11.0.0.0", false);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("fd00::/8", "fdff::1", true);
        check("fd00::/8", "fe00::1", false);
        check("::1", "::1", true);
        for wrong in ["localhost", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0", "/8"] {
            assert!(wrong.parse::<TrustedProxies>().is_err(), "{wrong}");
        }
    }
}
