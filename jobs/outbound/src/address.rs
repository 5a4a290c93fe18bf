//! The law of addresses: which of them may be requested on behalf of somebody else. Pure, one table.
//!
//! The table is the special-purpose registries of IANA (RFC 6890 and what followed), turned around: what is not for the
//! public Internet is refused. An IPv6 address that carries an IPv4 address is judged by the one it carries, because that
//! is where its packets end up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a refused address leads. Its text is for operators: it says something about their network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    /// What the range is for.
    pub purpose: &'static str,
    /// Its first address and length, as it stands in the table.
    pub network: &'static str,
}

/// IPv4 networks that are refused: first address, length, and what is said of them.
const REFUSED_V4: [(Ipv4Addr, u32, Range); 17] = [
    v4([0, 0, 0, 0], 8, "this network", "0.0.0.0/8"),
    v4([10, 0, 0, 0], 8, "private", "10.0.0.0/8"),
    v4([100, 64, 0, 0], 10, "shared by carriers", "100.64.0.0/10"),
    v4([127, 0, 0, 0], 8, "loopback", "127.0.0.0/8"),
    // The wire server of Azure: public by its number, and yet the metadata service of the machine.
    v4([168, 63, 129, 16], 32, "metadata", "168.63.129.16/32"),
    v4([169, 254, 0, 0], 16, "link-local", "169.254.0.0/16"),
    v4([172, 16, 0, 0], 12, "private", "172.16.0.0/12"),
    v4([192, 0, 0, 0], 24, "protocol assignments", "192.0.0.0/24"),
    v4([192, 0, 2, 0], 24, "documentation", "192.0.2.0/24"),
    v4([192, 88, 99, 0], 24, "6to4 relays", "192.88.99.0/24"),
    v4([192, 168, 0, 0], 16, "private", "192.168.0.0/16"),
    v4([198, 18, 0, 0], 15, "benchmarks", "198.18.0.0/15"),
    v4([198, 51, 100, 0], 24, "documentation", "198.51.100.0/24"),
    v4([203, 0, 113, 0], 24, "documentation", "203.0.113.0/24"),
    v4([224, 0, 0, 0], 4, "multicast", "224.0.0.0/4"),
    v4([240, 0, 0, 0], 4, "reserved", "240.0.0.0/4"),
    v4([255, 255, 255, 255], 32, "broadcast", "255.255.255.255/32"),
];

/// IPv6 networks that are refused although they lie in `2000::/3`, the only part of IPv6 that is global unicast.
const REFUSED_V6: [(Ipv6Addr, u32, Range); 4] = [
    // Teredo, benchmarks, ORCHID: whatever a packet to them does, it does not reach a web server.
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "protocol assignments", "2001::/23"),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation", "2001:db8::/32"),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4", "2002::/16"),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation", "3fff::/20"),
];

const GLOBAL_UNICAST: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const NOT_GLOBAL: Range = Range { purpose: "not global unicast", network: "all but 2000::/3" };

/// The range that refuses `address`, or `None` for an address of the public Internet.
#[must_use]
pub fn refused(address: IpAddr) -> Option<Range> {
    match unmapped(address) {
        IpAddr::V4(address) => refused_v4(address),
        IpAddr::V6(address) => refused_v6(address),
    }
}

/// The address that packets to `address` reach: the IPv4 address within a mapped one (`::ffff:0:0/96`, RFC 4291) and within
/// one of the well-known prefix of NAT64 (`64:ff9b::/96`, RFC 6052), which is how hosts without IPv4 see all of IPv4.
#[must_use]
pub fn unmapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let [a, b, c, d, e, f, high, low] = v6.segments();
    let carries = matches!([a, b, c, d, e, f], [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0]);
    if !carries {
        return address;
    }
    let [[p, q], [r, s]] = [high.to_be_bytes(), low.to_be_bytes()];
    IpAddr::V4(Ipv4Addr::new(p, q, r, s))
}

fn refused_v4(address: Ipv4Addr) -> Option<Range> {
    let within = |(network, length, _): &&(Ipv4Addr, u32, Range)| {
        let shift = u32::BITS - length;
        address.to_bits() >> shift == network.to_bits() >> shift
    };
    REFUSED_V4.iter().find(within).map(|(_, _, range)| *range)
}

fn refused_v6(address: Ipv6Addr) -> Option<Range> {
    let within = |network: Ipv6Addr, length: u32| {
        let shift = u128::BITS - length;
        address.to_bits() >> shift == network.to_bits() >> shift
    };
    let (network, length) = GLOBAL_UNICAST;
    if !within(network, length) {
        return Some(NOT_GLOBAL);
    }
    REFUSED_V6.iter().find(|(network, length, _)| within(*network, *length)).map(|(_, _, range)| *range)
}

const fn v4(octets: [u8; 4], length: u32, purpose: &'static str, network: &'static str) -> (Ipv4Addr, u32, Range) {
    let [a, b, c, d] = octets;
    (Ipv4Addr::new(a, b, c, d), length, Range { purpose, network })
}

const fn v6(segments: [u16; 8], length: u32, purpose: &'static str, network: &'static str) -> (Ipv6Addr, u32, Range) {
    let [a, b, c, d, e, f, g, h] = segments;
    (Ipv6Addr::new(a, b, c, d, e, f, g, h), length, Range { purpose, network })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_refused(address: &str) -> bool {
        refused(address.parse().unwrap()).is_some()
    }

    #[test]
    fn both_ends_of_each_range_are_refused_and_their_neighbours_are_not() {
        let table = [
            // below, first, last, above
            ("", "0.0.0.0", "0.255.255.255", "1.0.0.0"),
            ("9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"),
            ("100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"),
            ("126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"),
            ("168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17"),
            ("169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"),
            ("172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"),
            ("191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"),
            ("192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"),
            ("192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"),
            ("192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"),
            ("198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"),
            ("198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"),
            ("203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"),
            ("223.255.255.255", "224.0.0.0", "255.255.255.255", ""),
            ("", "::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::"),
            ("2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::", "2001:1ff:ffff::", "2001:200::"),
            ("2001:db7:ffff::", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"),
            ("2001:ffff::", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"),
            ("3ffe:ffff::", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"),
            ("3fff:ffff::", "4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""),
        ];
        for (below, first, last, above) in table {
            assert!(is_refused(first), "{first}");
            assert!(is_refused(last), "{last}");
            for outside in [below, above].into_iter().filter(|address| !address.is_empty()) {
                assert!(!is_refused(outside), "{outside}");
            }
        }
    }

    #[test]
    fn what_carries_an_ipv4_address_is_judged_by_it() {
        for inside in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0"] {
            assert!(is_refused(&format!("::ffff:{inside}")), "mapped {inside}");
            assert!(is_refused(&format!("64:ff9b::{inside}")), "NAT64 {inside}");
        }
        assert!(!is_refused("::ffff:93.184.216.34"));
        assert!(!is_refused("64:ff9b::93.184.216.34"));
    }

    #[test]
    fn tunnels_and_old_forms_are_refused_whatever_they_carry() {
        // IPv4-compatible, translated (RFC 2765), local NAT64, 6to4, Teredo: each with a public address inside.
        for address in [
            "::93.184.216.34",
            "::ffff:0:93.184.216.34",
            "64:ff9b:1::5db8:d822",
            "2002:5db8:d822::1",
            "2001:0:5db8:d822::1",
        ] {
            assert!(is_refused(address), "{address}");
        }
        // Unique local (and the metadata service of AWS in it), link-local, site-local, multicast.
        for address in ["fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "::1"] {
            assert!(is_refused(address), "{address}");
        }
    }

    #[test]
    fn the_text_of_each_range_says_what_its_numbers_say() {
        for (network, length, range) in REFUSED_V4 {
            assert_eq!(range.network, format!("{network}/{length}"));
        }
        for (network, length, range) in REFUSED_V6 {
            assert_eq!(range.network, format!("{network}/{length}"));
        }
    }

    proptest! {
        #[test]
        fn every_spelling_of_an_ipv4_address_is_judged_alike(bits: u32) {
            let plain = Ipv4Addr::from_bits(bits);
            let verdict = refused(plain.into());
            prop_assert_eq!(refused(plain.to_ipv6_mapped().into()), verdict);
            // The standard library agrees wherever it has a stable opinion.
            if plain.is_private() || plain.is_loopback() || plain.is_link_local() || plain.is_multicast() || plain.is_broadcast() || plain.is_documentation() || plain.is_unspecified() {
                prop_assert!(verdict.is_some());
            }
        }

        #[test]
        fn nothing_outside_global_unicast_passes(bits: u128) {
            let address = Ipv6Addr::from_bits(bits);
            let carried = unmapped(address.into());
            if refused(address.into()).is_none() && carried == IpAddr::V6(address) {
                prop_assert_eq!(bits >> 125, 1);
            }
        }
    }
}
