//! Frames: tags and addresses of received ones; ARP requests, neighbour solicitations and control frames to send.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// EtherTypes (IEEE 802).
pub const IPV4: u16 = 0x0800;
pub const ARP: u16 = 0x0806;
pub const IPV6: u16 = 0x86dd;
/// Local experimental: the control frames.
pub const CONTROL: u16 = 0x88b5;
/// 802.1Q and 802.1ad.
pub const TAGS: [u16; 2] = [0x8100, 0x88a8];

/// More tags than this are not skipped; frames on the wire have two.
const DEEPEST: usize = 3;

/// The EtherType behind the tags, and the bytes after it.
pub fn split_tags(frame: &[u8]) -> Option<(u16, &[u8])> {
    let mut at = 12;
    for _ in 0..=DEEPEST {
        let kind = read_u16(frame, at)?;
        if !TAGS.contains(&kind) {
            return Some((kind, frame.get(at + 2..)?));
        }
        at += 4;
    }
    None
}

/// Whether a frame is a control frame, or carries one of these addresses.
pub fn carries_address(frame: &[u8], addresses: &[IpAddr]) -> bool {
    let Some((kind, rest)) = split_tags(frame) else { return addresses.is_empty() };
    if addresses.is_empty() || kind == CONTROL {
        return true;
    }
    let found = match kind {
        IPV4 => vec![read_ipv4(rest, 12), read_ipv4(rest, 16)],
        ARP => vec![read_ipv4(rest, 14), read_ipv4(rest, 24)],
        // The third is the target of neighbour solicitation and advertisement.
        IPV6 => vec![read_ipv6(rest, 8), read_ipv6(rest, 24), discovery_target(rest)],
        _ => Vec::new(),
    };
    found.into_iter().flatten().any(|address| addresses.contains(&address))
}

/// The target address of neighbour discovery (RFC 4861, sections 4.3 and 4.4), of an IPv6 packet.
pub fn discovery_target(packet: &[u8]) -> Option<IpAddr> {
    match (packet.get(6)?, packet.get(40)?) {
        (&ICMPV6, 135 | 136) => read_ipv6(packet, 48),
        _ => None,
    }
}

/// Two bytes in network order.
pub fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]))
}

/// An IPv4 address.
pub fn read_ipv4(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(four).into())
}

/// An IPv6 address.
pub fn read_ipv6(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let sixteen: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(sixteen).into())
}

/// The broadcast address of Ethernet.
const BROADCAST: [u8; 6] = [0xff; 6];

/// The length of the shortest Ethernet frame, without the checksum that the hardware adds.
const MIN_BYTES: usize = 60;

const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;

/// A hardware address.
pub type Mac = [u8; 6];

fn build_frame(to: Mac, from: Mac, tci: &[u16], kind: u16, rest: &[u8]) -> Vec<u8> {
    let mut frame = [to, from].concat();
    for tci in tci {
        frame.extend(TAGS[0].to_be_bytes());
        frame.extend(tci.to_be_bytes());
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(rest);
    frame.resize(frame.len().max(MIN_BYTES), 0);
    frame
}

/// A control frame: broadcast, with these tags, outermost first, priority bits in the outermost, and this text.
pub fn build_control_frame(from: Mac, tags: &[u16], priority: u8, text: &str) -> Vec<u8> {
    let bits = |depth: usize| if depth == 0 { u16::from(priority) << 13 } else { 0 };
    let tci: Vec<u16> = tags.iter().enumerate().map(|(depth, tag)| bits(depth) | tag).collect();
    build_frame(BROADCAST, from, &tci, CONTROL, text.as_bytes())
}

/// An ARP request for `target` from `own` (RFC 826).
pub fn build_arp_request(from: Mac, own: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1];
    packet.extend(from);
    packet.extend(own.octets());
    packet.extend([0; 6]);
    packet.extend(target.octets());
    build_frame(BROADCAST, from, &[], ARP, &packet)
}

/// A neighbour solicitation for `target` (RFC 4861, section 4.3), to its solicited-node address.
pub fn build_solicitation(from: Mac, own: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = target.octets();
    let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
    let mut message = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    // The source link-layer address option, which a source without an address must not send.
    if !own.is_unspecified() {
        message.extend([1, 1]);
        message.extend(from);
    }
    let length = u16::try_from(message.len()).unwrap_or_default();
    let mut pseudo = [own.octets(), group.octets()].concat();
    pseudo.extend(u32::from(length).to_be_bytes());
    pseudo.extend([0, 0, 0, ICMPV6]);
    pseudo.extend(&message);
    message[2..4].copy_from_slice(&internet_checksum(&pseudo).to_be_bytes());
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([ICMPV6, 255]);
    packet.extend(own.octets());
    packet.extend(group.octets());
    packet.extend(message);
    build_frame([0x33, 0x33, 0xff, a, b, c], from, &[], IPV6, &packet)
}

/// The Internet checksum (RFC 1071).
pub fn internet_checksum(bytes: &[u8]) -> u16 {
    let pairs = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])));
    let mut sum: u32 = pairs.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        // The example of RFC 1071, section 3.
        assert_eq!(internet_checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(internet_checksum(&[0x01]), !0x0100, "an odd length is padded with a zero");
    }

    #[test]
    fn tags_are_between_the_mac_addresses_and_the_ethertype() {
        let frame = build_control_frame([2, 0, 0, 0, 0, 1], &[100, 200], 5, "id");
        assert_eq!(frame[12..24], [0x81, 0, 0xa0, 100, 0x81, 0, 0, 200, 0x88, 0xb5, b'i', b'd']);
        assert_eq!(frame.len(), 60);
    }

    proptest! {
        #[test]
        fn no_frame_makes_the_reader_panic(
            tags in 0..5_usize,
            kind in prop::sample::select(vec![IPV4, ARP, IPV6, CONTROL, TAGS[1], 0]),
            rest in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut frame = vec![0; 12];
            frame.extend(TAGS[0].to_be_bytes().into_iter().chain([0, 1]).cycle().take(4 * tags));
            frame.extend(kind.to_be_bytes());
            frame.extend(&rest);
            for end in 0..=frame.len() {
                let _ = carries_address(&frame[..end], &["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()]);
            }
        }
    }
}
