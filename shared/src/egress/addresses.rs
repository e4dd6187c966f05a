//! The addresses that must not be called, as one table.
//!
//! It repeats every row of IANA's two special-purpose registries, also the globally reachable ones: no webhook
//! endpoint is on an anycast relay or a blackhole service. It adds multicast, IPv6 outside the one block that IANA
//! assigns from, every IPv6 form that carries an IPv4 address, and cloud services on public-looking addresses. IPv6
//! forms that carry IPv4 are refused as a whole: no public endpoint needs them, and code that unpacks them can be
//! wrong.
//!
//! When IANA adds a row, add it here and to the list in `tests/egress/`:
//! <https://www.iana.org/assignments/iana-ipv4-special-registry/> and
//! <https://www.iana.org/assignments/iana-ipv6-special-registry/>; this is their state of October 2025.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// One row of the table: a network that is not public, and the document that says so.
#[derive(Debug, PartialEq, Eq)]
pub struct ForbiddenBlock {
    /// The network's addresses.
    pub network: Network,
    /// The network's name in the registry.
    pub name: &'static str,
    /// The document that reserves the network.
    pub reference: &'static str,
}

/// A set of addresses.
#[derive(Debug, PartialEq, Eq)]
pub enum Network {
    /// The IPv4 addresses that share the first `length` bits of `first`.
    V4 {
        /// The lowest address.
        first: Ipv4Addr,
        /// The length of the prefix, 1 to 32.
        length: u32,
    },
    /// The IPv6 addresses that share the first `length` bits of `first`.
    V6 {
        /// The lowest address.
        first: Ipv6Addr,
        /// The length of the prefix, 1 to 128.
        length: u32,
    },
    /// The IPv6 addresses whose last 64 bits are an ISATAP interface identifier, in any network.
    Isatap,
}

/// Returns the most specific row that contains this address, if any.
pub(super) fn forbidding(address: IpAddr) -> Option<&'static ForbiddenBlock> {
    FORBIDDEN_BLOCKS.iter().filter(|block| block.network.contains(address)).max_by_key(|block| block.network.length())
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::V4 { first, length }, IpAddr::V4(address)) => {
                (first.to_bits() ^ address.to_bits()) >> (u32::BITS - length) == 0
            }
            (Self::V6 { first, length }, IpAddr::V6(address)) => {
                (first.to_bits() ^ address.to_bits()) >> (u128::BITS - length) == 0
            }
            (Self::Isatap, IpAddr::V6(address)) => {
                // RFC 5214, section 6.1: 000000ug 00000000 5e fe, then the IPv4 address. The u and g bits may have
                // either value.
                let [.., high, low, _, _] = address.segments();
                high & !0x0300 == 0 && low == 0x5efe
            }
            _ => false,
        }
    }

    const fn length(&self) -> u32 {
        match self {
            Self::V4 { length, .. } | Self::V6 { length, .. } => *length,
            Self::Isatap => 0,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4 { first, length } => write!(f, "{first}/{length}"),
            Self::V6 { first, length } => write!(f, "{first}/{length}"),
            Self::Isatap => f.write_str("*::5efe:*"),
        }
    }
}

impl fmt::Display for ForbiddenBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.network, self.name, self.reference)
    }
}

/// All networks that must not be called.
#[rustfmt::skip]
pub static FORBIDDEN_BLOCKS: &[ForbiddenBlock] = &[
    // IANA IPv4 Special-Purpose Address Registry, all of it.
    v4([0, 0, 0, 0], 8, "This network", "RFC 791 section 3.2"),
    v4([0, 0, 0, 0], 32, "This host on this network", "RFC 1122 section 3.2.1.3"),
    v4([10, 0, 0, 0], 8, "Private-Use", "RFC 1918"),
    // Alibaba Cloud's metadata service is 100.100.100.200.
    v4([100, 64, 0, 0], 10, "Shared Address Space", "RFC 6598"),
    // Lambda's runtime API and extensions API are here.
    v4([127, 0, 0, 0], 8, "Loopback", "RFC 1122 section 3.2.1.3"),
    // Most clouds' metadata, credentials, DNS and time services are here, and Lambda's link to its own sandbox.
    v4([169, 254, 0, 0], 16, "Link Local", "RFC 3927"),
    v4([172, 16, 0, 0], 12, "Private-Use", "RFC 1918"),
    // Oracle Cloud's metadata service is 192.0.0.192.
    v4([192, 0, 0, 0], 24, "IETF Protocol Assignments", "RFC 6890 section 2.1"),
    v4([192, 0, 0, 0], 29, "IPv4 Service Continuity Prefix", "RFC 7335"),
    v4([192, 0, 0, 8], 32, "IPv4 dummy address", "RFC 7600"),
    v4([192, 0, 0, 9], 32, "Port Control Protocol Anycast", "RFC 7723"),
    v4([192, 0, 0, 10], 32, "Traversal Using Relays around NAT Anycast", "RFC 8155"),
    v4([192, 0, 0, 170], 32, "NAT64/DNS64 Discovery", "RFC 8880, RFC 7050 section 2.2"),
    v4([192, 0, 0, 171], 32, "NAT64/DNS64 Discovery", "RFC 8880, RFC 7050 section 2.2"),
    v4([192, 0, 2, 0], 24, "Documentation (TEST-NET-1)", "RFC 5737"),
    v4([192, 31, 196, 0], 24, "AS112-v4", "RFC 7535"),
    v4([192, 52, 193, 0], 24, "AMT", "RFC 7450"),
    v4([192, 88, 99, 0], 24, "Deprecated (6to4 Relay Anycast)", "RFC 7526"),
    v4([192, 88, 99, 2], 32, "6a44-relay anycast address", "RFC 6751"),
    v4([192, 168, 0, 0], 16, "Private-Use", "RFC 1918"),
    v4([192, 175, 48, 0], 24, "Direct Delegation AS112 Service", "RFC 7534"),
    v4([198, 18, 0, 0], 15, "Benchmarking", "RFC 2544"),
    v4([198, 51, 100, 0], 24, "Documentation (TEST-NET-2)", "RFC 5737"),
    v4([203, 0, 113, 0], 24, "Documentation (TEST-NET-3)", "RFC 5737"),
    v4([240, 0, 0, 0], 4, "Reserved", "RFC 1112 section 4"),
    v4([255, 255, 255, 255], 32, "Limited Broadcast", "RFC 8190, RFC 919 section 7"),

    // Further IPv4.
    v4([224, 0, 0, 0], 4, "Multicast", "RFC 5771"),
    v4([168, 63, 129, 16], 32, "Azure platform services", "learn.microsoft.com: What is IP address 168.63.129.16?"),

    // IANA IPv6 Special-Purpose Address Registry, all of it.
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128, "Loopback Address", "RFC 4291"),
    v6([0; 8], 128, "Unspecified Address", "RFC 4291"),
    v6([0, 0, 0, 0, 0, 0xffff], 96, "IPv4-mapped Address", "RFC 4291"),
    // With DNS64, an IPv4-only endpoint has an address from here. So run the functions with IPv4 or dual stack, not
    // in an IPv6-only VPC.
    v6([0x64, 0xff9b, 0, 0, 0, 0], 96, "IPv4-IPv6 Translat.", "RFC 6052"),
    v6([0x64, 0xff9b, 1], 48, "IPv4-IPv6 Translat.", "RFC 8215"),
    v6([0x100, 0, 0, 0], 64, "Discard-Only Address Block", "RFC 6666"),
    v6([0x100, 0, 0, 1], 64, "Dummy IPv6 Prefix", "RFC 9780"),
    v6([0x2001, 0], 23, "IETF Protocol Assignments", "RFC 2928"),
    v6([0x2001, 0], 32, "TEREDO", "RFC 4380, RFC 8190"),
    v6([0x2001, 1, 0, 0, 0, 0, 0, 1], 128, "Port Control Protocol Anycast", "RFC 7723"),
    v6([0x2001, 1, 0, 0, 0, 0, 0, 2], 128, "Traversal Using Relays around NAT Anycast", "RFC 8155"),
    v6([0x2001, 1, 0, 0, 0, 0, 0, 3], 128, "DNS-SD Service Registration Protocol Anycast", "RFC 9665"),
    v6([0x2001, 2, 0], 48, "Benchmarking", "RFC 5180, RFC Errata 1752"),
    v6([0x2001, 3], 32, "AMT", "RFC 7450"),
    v6([0x2001, 4, 0x112], 48, "AS112-v6", "RFC 7535"),
    v6([0x2001, 0x10], 28, "Deprecated (previously ORCHID)", "RFC 4843"),
    v6([0x2001, 0x20], 28, "ORCHIDv2", "RFC 7343"),
    v6([0x2001, 0x30], 28, "Drone Remote ID Protocol Entity Tags (DETs) Prefix", "RFC 9374"),
    v6([0x2001, 0xdb8], 32, "Documentation", "RFC 3849"),
    v6([0x2002], 16, "6to4", "RFC 3056"),
    v6([0x2620, 0x4f, 0x8000], 48, "Direct Delegation AS112 Service", "RFC 7534"),
    v6([0x3fff, 0], 20, "Documentation", "RFC 9637"),
    v6([0x5f00], 16, "Segment Routing (SRv6) SIDs", "RFC 9602"),
    // AWS has metadata, DNS and time services in fd00:ec2::/32; Google's and Oracle's metadata services are
    // fd20:ce::254 and fd00:c1::a9fe:a9fe.
    v6([0xfc00], 7, "Unique-Local", "RFC 4193, RFC 8190"),
    v6([0xfe80], 10, "Link-Local Unicast", "RFC 4291"),

    // Everything outside 2000::/3; its better-known parts have rows of their own.
    v6([0], 3, "Not global unicast", "RFC 4291 section 2.4, IANA IPv6 address space"),
    v6([0x4000], 2, "Not global unicast", "RFC 4291 section 2.4, IANA IPv6 address space"),
    v6([0x8000], 1, "Not global unicast", "RFC 4291 section 2.4, IANA IPv6 address space"),
    v6([0, 0, 0, 0, 0, 0], 96, "IPv4-compatible Address (deprecated)", "RFC 4291 section 2.5.5.1"),
    v6([0, 0, 0, 0, 0xffff, 0], 96, "IPv4-translated Address", "RFC 2765 section 2.1"),
    v6([0xfec0], 10, "Site-Local Unicast (deprecated)", "RFC 3879"),
    v6([0xff00], 8, "Multicast", "RFC 4291 section 2.7"),

    // The one form that can carry an IPv4 address in any network, even in 2000::/3.
    ForbiddenBlock { network: Network::Isatap, name: "ISATAP", reference: "RFC 5214 section 6.1" },
];

/// Builds a row. A mistyped row does not compile: an address with bits after `length` would not cover the network
/// that it names.
const fn v4(first: [u8; 4], length: u32, name: &'static str, reference: &'static str) -> ForbiddenBlock {
    let bits = u32::from_be_bytes(first);
    assert!(bits.trailing_zeros() >= u32::BITS - length);
    ForbiddenBlock { network: Network::V4 { first: Ipv4Addr::from_bits(bits), length }, name, reference }
}

/// Builds a row, as [`v4`] does. Groups that are left out are zero.
const fn v6<const N: usize>(
    leading: [u16; N],
    length: u32,
    name: &'static str,
    reference: &'static str,
) -> ForbiddenBlock {
    let mut bits = 0_u128;
    let mut group = 0;
    while group < N {
        bits |= (leading[group] as u128) << (112 - 16 * group);
        group += 1;
    }
    assert!(bits.trailing_zeros() >= u128::BITS - length);
    ForbiddenBlock { network: Network::V6 { first: Ipv6Addr::from_bits(bits), length }, name, reference }
}
