//! Looking into a frame.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// EtherTypes (IEEE 802).
pub const IPV4: u16 = 0x0800;
pub const ARP: u16 = 0x0806;
pub const IPV6: u16 = 0x86dd;
/// Local experimental: the control frames.
pub const CONTROL: u16 = 0x88b5;
/// 802.1Q and 802.1ad.
pub const TAGS: [u16; 2] = [0x8100, 0x88a8];

/// More tags than this are not looked through: two on the wire.
const DEEPEST: usize = 3;

/// The EtherType behind the tags, and where what it names begins.
#[must_use]
pub fn inner(frame: &[u8]) -> Option<(u16, &[u8])> {
    let mut at = 12;
    for _ in 0..=DEEPEST {
        let kind = half(frame, at)?;
        if !TAGS.contains(&kind) {
            return Some((kind, frame.get(at + 2..)?));
        }
        at += 4;
    }
    None
}

/// Whether a frame is a control frame, or carries one of these addresses.
#[must_use]
pub fn carries(frame: &[u8], addresses: &[IpAddr]) -> bool {
    let Some((kind, rest)) = inner(frame) else { return addresses.is_empty() };
    if addresses.is_empty() || kind == CONTROL {
        return true;
    }
    let found = match kind {
        IPV4 => vec![v4(rest, 12), v4(rest, 16)],
        ARP => vec![v4(rest, 14), v4(rest, 24)],
        // The third is the target of neighbour solicitation and advertisement.
        IPV6 => vec![v6(rest, 8), v6(rest, 24), target(rest)],
        _ => Vec::new(),
    };
    found.into_iter().flatten().any(|address| addresses.contains(&address))
}

/// The target address of neighbour discovery (RFC 4861, sections 4.3 and 4.4), of an IPv6 packet.
#[must_use]
pub fn target(packet: &[u8]) -> Option<IpAddr> {
    const ICMPV6: u8 = 58;
    match (packet.get(6)?, packet.get(40)?) {
        (&ICMPV6, 135 | 136) => v6(packet, 48),
        _ => None,
    }
}

/// Two bytes in network order.
#[must_use]
pub fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]))
}

/// An IPv4 address.
#[must_use]
pub fn v4(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(four).into())
}

/// An IPv6 address.
#[must_use]
pub fn v6(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let sixteen: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(sixteen).into())
}

/// A MAC address as text.
#[must_use]
pub fn mac(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}
