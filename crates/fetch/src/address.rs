//! What kind of address a host led to, and so whether anything may be fetched from it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address this is. Only [`AddressKind::Global`] is reached unless a deployment allows more.
///
/// Source: the registries of special-purpose addresses (RFC 6890 and its successors), read narrowly: whatever is
/// not plainly a unicast address of the internet is something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// A unicast address of the internet.
    Global,
    /// This machine: 127.0.0.0/8, ::1.
    Loopback,
    /// A network of somebody's own: RFC 1918, carriers' 100.64.0.0/10 (RFC 6598), fc00::/7 (RFC 4193).
    Private,
    /// Where a cloud tells a machine its secrets; never fetched from, whatever a deployment allows.
    Metadata,
    /// Anything else: link-local, multicast, unspecified, documentation, benchmarking, reserved, and IPv6 addresses
    /// that carry an IPv4 one (mapped, NAT64, 6to4, Teredo, ISATAP); never fetched from.
    Special,
}

impl AddressKind {
    /// The kind of an address.
    pub fn of(address: IpAddr) -> Self {
        if METADATA.contains(&address) {
            return Self::Metadata;
        }
        match address {
            IpAddr::V4(address) => v4(address),
            IpAddr::V6(address) => v6(address),
        }
    }
}

/// Addresses of metadata services. Those within ranges that are refused anyway stand here so that no permission
/// for a range opens them.
const METADATA: [IpAddr; 7] = [
    // Most clouds, link-local.
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    // Containers on AWS: task roles, pod identities.
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    // Alibaba, within the carriers' range.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Azure's host, a global address.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // AWS over IPv6, within fc00::/7: instances, pods.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23)),
];

fn v4(address: Ipv4Addr) -> AddressKind {
    match address.octets() {
        [127, ..] => AddressKind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => AddressKind::Private,
        // "This network" (RFC 791), link-local (RFC 3927), protocol assignments (RFC 6890), documentation (RFC 5737),
        // relays of 6to4 (RFC 7526), benchmarking (RFC 2544), multicast and reserved (RFC 1112).
        [0, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [224..=255, ..] => AddressKind::Special,
        _ => AddressKind::Global,
    }
}

fn v6(address: Ipv6Addr) -> AddressKind {
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Loopback,
        [0xfc00..=0xfdff, ..] => AddressKind::Private,
        // ISATAP writes an IPv4 address into the host part (RFC 5214 §6.1).
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => AddressKind::Special,
        // Protocol assignments, Teredo among them (RFC 2928, RFC 4380); documentation (RFC 3849); 6to4 (RFC 3056);
        // documentation again (RFC 9637).
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => {
            AddressKind::Special
        }
        // All that is handed out for unicast (RFC 4291 §2.4); mapped IPv4, NAT64, link-local and multicast lie outside.
        [0x2000..=0x3fff, ..] => AddressKind::Global,
        _ => AddressKind::Special,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use AddressKind::{Global, Loopback, Metadata, Private, Special};

    /// Each range by its first and last address, and what lies just outside of it.
    const RANGES: &[(&str, &str, AddressKind)] = &[
        ("0.0.0.0", "0.255.255.255", Special),
        ("1.0.0.0", "9.255.255.255", Global),
        ("10.0.0.0", "10.255.255.255", Private),
        ("11.0.0.0", "100.63.255.255", Global),
        ("100.64.0.0", "100.127.255.255", Private),
        ("100.128.0.0", "126.255.255.255", Global),
        ("127.0.0.0", "127.255.255.255", Loopback),
        ("128.0.0.0", "169.253.255.255", Global),
        ("169.254.0.0", "169.254.255.255", Special),
        ("169.255.0.0", "172.15.255.255", Global),
        ("172.16.0.0", "172.31.255.255", Private),
        ("172.32.0.0", "191.255.255.255", Global),
        ("192.0.0.0", "192.0.0.255", Special),
        ("192.0.1.0", "192.0.1.255", Global),
        ("192.0.2.0", "192.0.2.255", Special),
        ("192.0.3.0", "192.88.98.255", Global),
        ("192.88.99.0", "192.88.99.255", Special),
        ("192.88.100.0", "192.167.255.255", Global),
        ("192.168.0.0", "192.168.255.255", Private),
        ("192.169.0.0", "198.17.255.255", Global),
        ("198.18.0.0", "198.19.255.255", Special),
        ("198.20.0.0", "198.51.99.255", Global),
        ("198.51.100.0", "198.51.100.255", Special),
        ("198.51.101.0", "203.0.112.255", Global),
        ("203.0.113.0", "203.0.113.255", Special),
        ("203.0.114.0", "223.255.255.255", Global),
        ("224.0.0.0", "255.255.255.255", Special),
        ("::", "::", Special),
        ("::1", "::1", Loopback),
        ("::2", "::ffff:ffff", Special),
        ("::ffff:0.0.0.0", "::ffff:255.255.255.255", Special),
        ("64:ff9b::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Special),
        ("100::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Special),
        ("2000::", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Global),
        ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Special),
        ("2001:200::", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", Global),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Special),
        ("2001:db9::", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Global),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Special),
        ("2003::", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Global),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Special),
        ("3fff:1000::", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Global),
        ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Special),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private),
        ("fe00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Special),
    ];

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn number(address: IpAddr) -> (bool, u128) {
        match address {
            IpAddr::V4(address) => (false, u128::from(u32::from(address))),
            IpAddr::V6(address) => (true, u128::from(address)),
        }
    }

    /// What the table says, but for what is the same in every range.
    fn expected(given: IpAddr) -> AddressKind {
        if METADATA.contains(&given) {
            return Metadata;
        }
        let (version, at) = number(given);
        let isatap = version && matches!((at >> 32) & 0xffff_ffff, 0x5efe | 0x0200_5efe);
        let found = RANGES.iter().find(|(first, last, _)| {
            let ((of, first), (_, last)) = (number(address(first)), number(address(last)));
            version == of && (first..=last).contains(&at)
        });
        match found {
            Some((_, _, Global)) if isatap => Special,
            Some((_, _, kind)) => *kind,
            // Between the ranges of IPv6 above there is nothing global.
            None => Special,
        }
    }

    #[test]
    fn both_ends_of_every_range() {
        for (first, last, kind) in RANGES {
            assert_eq!(AddressKind::of(address(first)), *kind, "{first}");
            assert_eq!(AddressKind::of(address(last)), *kind, "{last}");
        }
    }

    #[test]
    fn the_first_three_bytes_of_every_ipv4_address() {
        // Every /24 is of one kind, but for single addresses of metadata services.
        for prefix in 0..1_u32 << 24 {
            let [_, a, b, c] = prefix.to_be_bytes();
            let kind = v4(Ipv4Addr::new(a, b, c, 0));
            assert_eq!(kind, v4(Ipv4Addr::new(a, b, c, 255)), "{a}.{b}.{c}");
            let std_says_no = {
                let address = Ipv4Addr::new(a, b, c, 1);
                address.is_private()
                    || address.is_loopback()
                    || address.is_link_local()
                    || address.is_multicast()
                    || address.is_documentation()
                    || address.is_broadcast()
            };
            assert!(!(std_says_no && kind == Global), "{a}.{b}.{c}.1");
        }
    }

    #[test]
    fn metadata_services_are_no_part_of_any_range() {
        for metadata in METADATA {
            assert_eq!(AddressKind::of(metadata), Metadata, "{metadata}");
        }
    }

    #[test]
    fn no_ipv6_address_that_carries_a_private_one_is_global() {
        for text in [
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2600::5efe:7f00:1",
            "2600::200:5efe:a9fe:a9fe",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "5f00::1",
            "::ffff:0:127.0.0.1",
        ] {
            assert_ne!(AddressKind::of(address(text)), Global, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_table_says_the_same_of_any_ipv4_address(bits in any::<u32>()) {
            let given = IpAddr::V4(bits.into());
            prop_assert_eq!(AddressKind::of(given), expected(given), "{}", given);
        }

        #[test]
        fn the_table_says_the_same_of_any_ipv6_address(top in prop_oneof![any::<u16>(), 0x2000..0x2004_u16, 0x3ffd..0x4001_u16, Just(0), Just(0x64)], second in prop_oneof![any::<u16>(), 0..0x202_u16, 0xdb6..0xdba_u16, 0xffe..0x1002_u16], rest in any::<[u16; 6]>()) {
            let [c, d, e, f, g, h] = rest;
            let given = IpAddr::V6(Ipv6Addr::new(top, second, c, d, e, f, g, h));
            prop_assert_eq!(AddressKind::of(given), expected(given), "{}", given);
        }

        #[test]
        fn an_ipv4_address_inside_an_ipv6_one_is_never_global(bits in any::<u32>()) {
            let (v4, [a, b]) = (Ipv4Addr::from(bits), [(bits >> 16) as u16, bits as u16]);
            for given in [v4.to_ipv6_mapped(), v4.to_ipv6_compatible(), Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a, b), Ipv6Addr::new(0x2002, a, b, 0, 0, 0, 0, 1), Ipv6Addr::new(0x2600, 1, 2, 3, 0, 0x5efe, a, b)] {
                prop_assert_ne!(AddressKind::of(given.into()), Global);
            }
        }
    }
}
