//! The addresses, against a second list: ranges of integers written from IANA's registries, not from the table in the
//! code.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use nano_webhooks::egress::{FORBIDDEN_BLOCKS, Network, Policy};
use proptest::prelude::*;

use super::sending::STRICT;

/// First and last address of each row of the IPv4 special-purpose registry, then multicast and Azure.
const V4: &[(u32, u32)] = &[
    (0x0000_0000, 0x00ff_ffff),
    (0x0000_0000, 0x0000_0000),
    (0x0a00_0000, 0x0aff_ffff),
    (0x6440_0000, 0x647f_ffff),
    (0x7f00_0000, 0x7fff_ffff),
    (0xa9fe_0000, 0xa9fe_ffff),
    (0xac10_0000, 0xac1f_ffff),
    (0xc000_0000, 0xc000_00ff),
    (0xc000_0000, 0xc000_0007),
    (0xc000_0008, 0xc000_0008),
    (0xc000_0009, 0xc000_0009),
    (0xc000_000a, 0xc000_000a),
    (0xc000_00aa, 0xc000_00aa),
    (0xc000_00ab, 0xc000_00ab),
    (0xc000_0200, 0xc000_02ff),
    (0xc01f_c400, 0xc01f_c4ff),
    (0xc034_c100, 0xc034_c1ff),
    (0xc058_6300, 0xc058_63ff),
    (0xc058_6302, 0xc058_6302),
    (0xc0a8_0000, 0xc0a8_ffff),
    (0xc0af_3000, 0xc0af_30ff),
    (0xc612_0000, 0xc613_ffff),
    (0xc633_6400, 0xc633_64ff),
    (0xcb00_7100, 0xcb00_71ff),
    (0xf000_0000, 0xffff_ffff),
    (0xffff_ffff, 0xffff_ffff),
    (0xe000_0000, 0xefff_ffff),
    (0xa83f_8110, 0xa83f_8110),
];

/// The same for the IPv6 registry, then everything outside `2000::/3` and its well-known parts.
#[rustfmt::skip]
const V6: &[(u128, u128)] = &[
    (1, 1),
    (0, 0),
    (0xffff_0000_0000, 0xffff_ffff_ffff),
    (0x0064_ff9b_0000_0000_0000_0000_0000_0000, 0x0064_ff9b_0000_0000_0000_0000_ffff_ffff),
    (0x0064_ff9b_0001_0000_0000_0000_0000_0000, 0x0064_ff9b_0001_ffff_ffff_ffff_ffff_ffff),
    (0x0100_0000_0000_0000_0000_0000_0000_0000, 0x0100_0000_0000_0000_ffff_ffff_ffff_ffff),
    (0x0100_0000_0000_0001_0000_0000_0000_0000, 0x0100_0000_0000_0001_ffff_ffff_ffff_ffff),
    (0x2001_0000_0000_0000_0000_0000_0000_0000, 0x2001_01ff_ffff_ffff_ffff_ffff_ffff_ffff),
    (0x2001_0000_0000_0000_0000_0000_0000_0000, 0x2001_0000_ffff_ffff_ffff_ffff_ffff_ffff),
    (0x2001_0001_0000_0000_0000_0000_0000_0001, 0x2001_0001_0000_0000_0000_0000_0000_0001),
    (0x2001_0001_0000_0000_0000_0000_0000_0002, 0x2001_0001_0000_0000_0000_0000_0000_0002),
    (0x2001_0001_0000_0000_0000_0000_0000_0003, 0x2001_0001_0000_0000_0000_0000_0000_0003),
    (0x2001_0002_0000_0000_0000_0000_0000_0000, 0x2001_0002_0000_ffff_ffff_ffff_ffff_ffff),
    (0x2001_0003_0000_0000_0000_0000_0000_0000, 0x2001_0003_ffff_ffff_ffff_ffff_ffff_ffff),
    (0x2001_0004_0112_0000_0000_0000_0000_0000, 0x2001_0004_0112_ffff_ffff_ffff_ffff_ffff),
    (0x2001_0010_0000_0000_0000_0000_0000_0000, 0x2001_001f_ffff_ffff_ffff_ffff_ffff_ffff),
    (0x2001_0020_0000_0000_0000_0000_0000_0000, 0x2001_002f_ffff_ffff_ffff_ffff_ffff_ffff),
    (0x2001_0030_0000_0000_0000_0000_0000_0000, 0x2001_003f_ffff_ffff_ffff_ffff_ffff_ffff),
    (0x2001_0db8_0000_0000_0000_0000_0000_0000, 0x2001_0db8_ffff_ffff_ffff_ffff_ffff_ffff),
    (0x2002_0000_0000_0000_0000_0000_0000_0000, 0x2002_ffff_ffff_ffff_ffff_ffff_ffff_ffff),
    (0x2620_004f_8000_0000_0000_0000_0000_0000, 0x2620_004f_8000_ffff_ffff_ffff_ffff_ffff),
    (0x3fff_0000_0000_0000_0000_0000_0000_0000, 0x3fff_0fff_ffff_ffff_ffff_ffff_ffff_ffff),
    (0x5f00_0000_0000_0000_0000_0000_0000_0000, 0x5f00_ffff_ffff_ffff_ffff_ffff_ffff_ffff),
    (0xfc00_0000_0000_0000_0000_0000_0000_0000, 0xfdff_ffff_ffff_ffff_ffff_ffff_ffff_ffff),
    (0xfe80_0000_0000_0000_0000_0000_0000_0000, 0xfebf_ffff_ffff_ffff_ffff_ffff_ffff_ffff),
    (0x0000_0000_0000_0000_0000_0000_0000_0000, 0x1fff_ffff_ffff_ffff_ffff_ffff_ffff_ffff),
    (0x4000_0000_0000_0000_0000_0000_0000_0000, 0x7fff_ffff_ffff_ffff_ffff_ffff_ffff_ffff),
    (0x8000_0000_0000_0000_0000_0000_0000_0000, 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_ffff),
    (0x0000_0000_0000_0000_0000_0000_0000_0000, 0x0000_0000_0000_0000_0000_0000_ffff_ffff),
    (0x0000_0000_0000_0000_ffff_0000_0000_0000, 0x0000_0000_0000_0000_ffff_0000_ffff_ffff),
    (0xfec0_0000_0000_0000_0000_0000_0000_0000, 0xfeff_ffff_ffff_ffff_ffff_ffff_ffff_ffff),
    (0xff00_0000_0000_0000_0000_0000_0000_0000, 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_ffff),
];

#[test]
fn the_table_has_the_rows_of_the_registries_and_no_others() {
    let (mut v4, mut v6, mut isatap) = (BTreeSet::new(), BTreeSet::new(), 0);
    for block in FORBIDDEN_BLOCKS {
        match block.network {
            Network::V4 { first, length } => {
                let size = 1_u64 << (32 - length);
                let first = first.to_bits();
                v4.insert((first, u32::try_from(u64::from(first) + size - 1).unwrap()));
            }
            Network::V6 { first, length } => {
                let first = first.to_bits();
                v6.insert((first, first + ((1_u128 << (128 - length)) - 1)));
            }
            Network::Isatap => isatap += 1,
        }
    }
    assert_eq!(v4, V4.iter().copied().collect());
    assert_eq!(v6, V6.iter().copied().collect());
    assert_eq!(isatap, 1);
    assert_eq!(FORBIDDEN_BLOCKS.len(), V4.len() + V6.len() + 1);
}

/// The answer can only change at an edge of a range, so this covers the whole IPv4 space.
#[test]
fn an_ipv4_address_is_refused_exactly_within_the_ranges() {
    for &(first, last) in V4 {
        for edge in [first.wrapping_sub(1), first, last, last.wrapping_add(1)] {
            let address = Ipv4Addr::from_bits(edge);
            assert_eq!(refused(address), in_v4(edge), "{address}");
        }
    }
}

#[test]
fn an_ipv6_address_is_refused_exactly_within_the_ranges() {
    for &(first, last) in V6 {
        for edge in [first.wrapping_sub(1), first, last, last.wrapping_add(1)] {
            let address = Ipv6Addr::from_bits(edge);
            assert_eq!(refused(address), in_v6(edge), "{address}");
        }
    }
}

#[test]
fn the_ranges_are_refused_in_urls_too() {
    for edge in V4.iter().flat_map(|(first, last)| [*first, *last]) {
        STRICT.refusal(&format!("https://{}/", Ipv4Addr::from_bits(edge)));
    }
    for edge in V6.iter().flat_map(|(first, last)| [*first, *last]) {
        STRICT.refusal(&format!("https://[{}]/", Ipv6Addr::from_bits(edge)));
    }
}

#[test]
fn public_addresses_are_accepted() {
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "52.0.56.137",
        "100.128.0.1",
        "169.253.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450::1",
        "2600:1f18::1",
        "2001:200::1",
        "2003::1",
        "2400::1",
        "3fff:1000::1",
        "2620:4f:7fff::1",
        "2a00::5eff:5efe:a00:1",
    ] {
        assert!(!refused(address.parse::<IpAddr>().unwrap()), "{address}");
    }
}

#[test]
fn isatap_is_refused_in_any_network_with_any_u_and_g_bit() {
    for interface in ["0:5efe", "100:5efe", "200:5efe", "300:5efe"] {
        for carried in ["0a00:0001", "7f00:0001", "0808:0808"] {
            let address = format!("2a00:1450:4001:82a:{interface}:{carried}");
            assert!(refused(address.parse::<IpAddr>().unwrap()), "{address}");
        }
    }
}

#[test]
fn the_log_gets_the_most_specific_row_and_the_customer_none() {
    for (address, row) in [
        ("10.1.2.3", "10.0.0.0/8 Private-Use (RFC 1918)"),
        ("192.0.0.9", "192.0.0.9/32 Port Control Protocol Anycast (RFC 7723)"),
        ("192.0.0.77", "192.0.0.0/24 IETF Protocol Assignments (RFC 6890 section 2.1)"),
        ("::1", "::1/128 Loopback Address (RFC 4291)"),
        ("2001:4:112::1", "2001:4:112::/48 AS112-v6 (RFC 7535)"),
        ("fd00:ec2::254", "fc00::/7 Unique-Local (RFC 4193, RFC 8190)"),
        ("2a00::5efe:a00:1", "*::5efe:* ISATAP (RFC 5214 section 6.1)"),
    ] {
        let address: IpAddr = address.parse().unwrap();
        let forbidden = Policy::strict().vet_address(address).unwrap_err();
        assert_eq!(forbidden.address(), address);
        assert_eq!(forbidden.block().to_string(), row);
        assert_eq!(forbidden.to_string(), "the host has an address that is not public");
    }
}

#[test]
fn one_forbidden_answer_refuses_the_name_wherever_it_stands() {
    let policy = Policy::strict();
    let good: IpAddr = "93.184.216.34".parse().unwrap();
    let bad: IpAddr = "10.0.0.5".parse().unwrap();
    assert!(policy.vet_addresses([good, good]).is_ok());
    assert!(policy.vet_addresses([]).is_ok());
    for answers in [[bad, good, good], [good, bad, good], [good, good, bad]] {
        let forbidden = policy.vet_addresses(answers).unwrap_err();
        assert_eq!(forbidden.address(), bad);
    }
}

#[test]
fn a_laptop_may_call_its_loopback_and_nothing_else_more() {
    let refused = |address: &str| {
        let address = address.parse().unwrap();
        Policy::local().vet_address(address).is_err()
    };
    for address in ["127.0.0.1", "127.255.255.255", "::1"] {
        assert!(!refused(address), "{address}");
    }
    for address in ["0.0.0.0", "::", "10.0.0.1", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1"] {
        assert!(refused(address), "{address}");
    }
}

proptest! {
    #[test]
    fn any_ipv4_address_is_judged_by_the_ranges(bits: u32) {
        prop_assert_eq!(refused(Ipv4Addr::from_bits(bits)), in_v4(bits));
    }

    #[test]
    fn any_ipv6_address_is_judged_by_the_ranges(bits: u128) {
        prop_assert_eq!(refused(Ipv6Addr::from_bits(bits)), in_v6(bits));
    }

    /// Seven of eight random addresses are outside `2000::/3`; these are inside.
    #[test]
    fn any_global_ipv6_address_is_judged_by_the_ranges(low in 0_u128..1 << 125) {
        let bits = 1 << 125 | low;
        prop_assert_eq!(refused(Ipv6Addr::from_bits(bits)), in_v6(bits));
    }

    #[test]
    fn no_ipv6_form_carries_a_forbidden_ipv4_address_through(
        row in 0..V4.len(), offset: u32, filler: u128
    ) {
        let (first, last) = V4[row];
        let v4 = first + u32::try_from(u64::from(offset) % (u64::from(last - first) + 1)).unwrap();
        for address in forms_that_carry(v4, filler) {
            prop_assert!(refused(address), "{}", address);
        }
    }
}

/// Every standard way to write an IPv4 address into an IPv6 one. `filler` fills the bits that each form leaves free.
fn forms_that_carry(v4: u32, filler: u128) -> Vec<Ipv6Addr> {
    let carried = u128::from(v4);
    let low = |bits: u32| filler & ((1 << bits) - 1);
    let network = 1_u128 << 125 | filler >> 67 << 64; // any /64 in 2000::/3
    [
        carried,                                                                           // compatible, RFC 4291
        0xffff << 32 | carried,                                                            // mapped, RFC 4291
        0xffff << 48 | carried,                                                            // translated, RFC 2765
        0x2002 << 112 | carried << 80 | low(80),                                           // 6to4, RFC 3056
        0x0064_ff9b << 96 | carried,                                                       // NAT64, RFC 6052
        0x0064_ff9b_0001 << 80 | carried >> 16 << 64 | (carried & 0xffff) << 40 | low(40), // RFC 8215
        0x0064_ff9b_0001 << 80 | low(48) << 32 | carried,                                  // the same as a /96
        0x2001_0000 << 96 | carried << 64 | low(64),                                       // Teredo server, RFC 4380
        0x2001_0000 << 96 | low(64) << 32 | (carried ^ 0xffff_ffff),                       // Teredo client
        0xfe80 << 112 | 0x5efe << 32 | carried,                                            // ISATAP, RFC 5214
        network | 0x0000_5efe << 32 | carried,
        network | 0x0200_5efe << 32 | carried,
    ]
    .map(Ipv6Addr::from_bits)
    .to_vec()
}

fn refused(address: impl Into<IpAddr>) -> bool {
    Policy::strict().vet_address(address.into()).is_err()
}

fn in_v4(bits: u32) -> bool {
    V4.iter().any(|(first, last)| (first..=last).contains(&&bits))
}

fn in_v6(bits: u128) -> bool {
    let interface = bits >> 32 & 0xffff_ffff;
    let isatap = matches!(interface, 0x0000_5efe | 0x0100_5efe | 0x0200_5efe | 0x0300_5efe);
    isatap || V6.iter().any(|(first, last)| (first..=last).contains(&&bits))
}
