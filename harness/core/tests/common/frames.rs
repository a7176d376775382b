//! Frames made by hand, as they are on the wire. Checksums are 0, because the decoder does not check them.

use plumbline_core::wire::{Direction, RawFrame};
use std::net::{IpAddr, Ipv4Addr};

/// A MAC address with this last byte.
pub fn mac(last: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, last]
}

/// The broadcast address.
pub const ALL: [u8; 6] = [0xff; 6];

/// Ethernet, with 802.1Q tags.
pub fn ethernet(to: [u8; 6], from: [u8; 6], tags: &[u16], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [to, from].concat();
    for tag in tags {
        bytes.extend([0x81, 0x00]);
        bytes.extend(tag.to_be_bytes());
    }
    bytes.extend(ethertype.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// An IPv4 packet.
pub fn ipv4(from: &str, to: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![0x45, 0, length[0], length[1], 0, 1, 0x40, 0, 64, protocol, 0, 0];
    for address in [from, to] {
        bytes.extend(address.parse::<Ipv4Addr>().unwrap().octets());
    }
    bytes.extend(payload);
    bytes
}

/// An IPv6 packet.
pub fn ipv6(from: &str, to: &str, next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![0x60, 0, 0, 0, length[0], length[1], next, 255];
    for address in [from, to] {
        match address.parse().unwrap() {
            IpAddr::V6(v6) => bytes.extend(v6.octets()),
            IpAddr::V4(_) => panic!("{address}"),
        }
    }
    bytes.extend(payload);
    bytes
}

/// ICMP echo.
pub fn echo(is_request: bool) -> Vec<u8> {
    vec![if is_request { 8 } else { 0 }, 0, 0, 0, 0x12, 0x34, 0, 1, b'p', b'l']
}

/// UDP with four bytes.
pub fn udp(from: u16, to: u16) -> Vec<u8> {
    let mut bytes = [from.to_be_bytes(), to.to_be_bytes(), 12u16.to_be_bytes(), [0, 0]].concat();
    bytes.extend(b"ping");
    bytes
}

/// TCP without data; `flags` is the byte of the header.
pub fn tcp(from: u16, to: u16, flags: u8) -> Vec<u8> {
    let mut bytes = [from.to_be_bytes(), to.to_be_bytes()].concat();
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes
}

/// ARP.
pub fn arp(is_request: bool, sender: (&str, [u8; 6]), target: &str) -> Vec<u8> {
    let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, if is_request { 1 } else { 2 }];
    bytes.extend(sender.1);
    bytes.extend(sender.0.parse::<Ipv4Addr>().unwrap().octets());
    bytes.extend([0; 6]);
    bytes.extend(target.parse::<Ipv4Addr>().unwrap().octets());
    bytes
}

/// The frame as a capture reports it.
pub fn frame(direction: Direction, bytes: &[u8]) -> RawFrame {
    RawFrame {
        at_us: 1_700_000_000_123_456,
        direction,
        bytes: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        length: u32::try_from(bytes.len()).unwrap(),
    }
}
