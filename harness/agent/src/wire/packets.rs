//! Frames by hand: ARP requests, neighbour solicitations, control frames.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::frame::{ARP, CONTROL, IPV6, TAGS};

/// The broadcast address of Ethernet.
const ALL: [u8; 6] = [0xff; 6];

/// Ethernet's least, without the checksum that the hardware adds.
const LEAST_BYTES: usize = 60;

const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;

/// A hardware address.
pub type Mac = [u8; 6];

fn ethernet(to: Mac, from: Mac, tci: &[u16], kind: u16, rest: &[u8]) -> Vec<u8> {
    let mut frame = [to, from].concat();
    for tci in tci {
        frame.extend(TAGS[0].to_be_bytes());
        frame.extend(tci.to_be_bytes());
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(rest);
    frame.resize(frame.len().max(LEAST_BYTES), 0);
    frame
}

/// A control frame: broadcast, with these tags, outermost first, priority bits in the outermost, and this text.
#[must_use]
pub fn control(from: Mac, tags: &[u16], priority: u8, text: &str) -> Vec<u8> {
    let bits = |place: usize| if place == 0 { u16::from(priority) << 13 } else { 0 };
    let tci: Vec<u16> = tags.iter().enumerate().map(|(place, tag)| bits(place) | tag).collect();
    ethernet(ALL, from, &tci, CONTROL, text.as_bytes())
}

/// Who has `target`? Tell `own` (RFC 826).
#[must_use]
pub fn who_has(from: Mac, own: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1];
    packet.extend(from);
    packet.extend(own.octets());
    packet.extend([0; 6]);
    packet.extend(target.octets());
    ethernet(ALL, from, &[], ARP, &packet)
}

/// A neighbour solicitation for `target` (RFC 4861, section 4.3), to its solicited-node address.
#[must_use]
pub fn solicitation(from: Mac, own: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = target.octets();
    let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c]);
    let mut message = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    // The source's link-layer address, which a source without an address may not tell.
    if !own.is_unspecified() {
        message.extend([1, 1]);
        message.extend(from);
    }
    let length = u16::try_from(message.len()).unwrap_or_default();
    let mut pseudo = [own.octets(), group.octets()].concat();
    pseudo.extend(u32::from(length).to_be_bytes());
    pseudo.extend([0, 0, 0, ICMPV6]);
    pseudo.extend(&message);
    message[2..4].copy_from_slice(&checksum(&pseudo).to_be_bytes());
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([ICMPV6, 255]);
    packet.extend(own.octets());
    packet.extend(group.octets());
    packet.extend(message);
    ethernet([0x33, 0x33, 0xff, a, b, c], from, &[], IPV6, &packet)
}

/// The Internet checksum (RFC 1071).
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
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

    #[test]
    fn a_message_with_its_checksum_sums_up_to_nothing() {
        // The example of RFC 1071, section 3.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[0x01]), !0x0100, "an odd length is filled up");
    }

    #[test]
    fn tags_stand_between_addresses_and_type() {
        let frame = control([2, 0, 0, 0, 0, 1], &[100, 200], 5, "id");
        assert_eq!(frame[12..24], [0x81, 0, 0xa0, 100, 0x81, 0, 0, 200, 0x88, 0xb5, b'i', b'd']);
        assert_eq!(frame.len(), 60);
    }
}
