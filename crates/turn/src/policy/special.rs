//! Addresses that are not hosts on the public internet (IANA's special-purpose registries), and IPv6 addresses that mean
//! an IPv4 one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Network and prefix length.
const V4: [([u8; 4], u32); 18] = [
    ([0, 0, 0, 0], 8),       // this network
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // carrier-grade NAT
    ([127, 0, 0, 0], 8),     // loopback
    ([169, 254, 0, 0], 16),  // link-local, cloud metadata
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocol assignments
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 31, 196, 0], 24), // AS112
    ([192, 52, 193, 0], 24), // AMT
    ([192, 88, 99, 0], 24),  // 6to4 relays
    ([192, 168, 0, 0], 16),  // private
    ([192, 175, 48, 0], 24), // AS112
    ([198, 18, 0, 0], 15),   // benchmarks
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 4),     // multicast
    ([240, 0, 0, 0], 4),     // reserved, broadcast
];

/// What is special within 2000::/3; all outside of it is.
const V6_WITHIN_GLOBAL: [(u128, u32); 5] = [
    (0x2001_0000 << 96, 23),      // protocol assignments, Teredo, ORCHID, benchmarks
    (0x2001_0db8 << 96, 32),      // documentation
    (0x2002_0000 << 96, 16),      // 6to4
    (0x2620_004f_8000 << 80, 48), // AS112
    (0x3fff_0000 << 96, 20),      // documentation
];

/// Whether an address is in a special-purpose range. IPv6 addresses that embed an IPv4 one all are.
pub fn is_special(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let ip = ip.to_bits();
            V4.iter().any(|(net, bits)| (ip ^ u32::from_be_bytes(*net)) >> (32 - bits) == 0)
        }
        IpAddr::V6(ip) => {
            let ip = ip.to_bits();
            ip >> 125 != 1 || V6_WITHIN_GLOBAL.iter().any(|(net, bits)| (ip ^ net) >> (128 - bits) == 0)
        }
    }
}

/// The IPv4 address that an IPv6 address embeds: mapped, compatible, 6to4, NAT64 (well-known and local-use prefix) or
/// Teredo.
pub fn embedded_v4(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    let bits = ip.to_bits();
    let low = Ipv4Addr::from_bits(bits as u32);
    match ip.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] => (ip != Ipv6Addr::UNSPECIFIED && ip != Ipv6Addr::LOCALHOST).then_some(low),
        [0x2002, ..] => Some(Ipv4Addr::from_bits((bits >> 80) as u32)),
        [0x0064, 0xff9b, 0, 0, 0, 0, _, _] | [0x0064, 0xff9b, 1, ..] => Some(low),
        [0x2001, 0, ..] => Some(Ipv4Addr::from_bits(!(bits as u32))),
        _ => None,
    }
}
