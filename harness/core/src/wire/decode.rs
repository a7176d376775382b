//! Captured bytes made into typed packets: Ethernet, 802.1Q and 802.1ad, ARP, IPv4, IPv6, ICMP, ICMPv6, UDP, TCP.
//! The only module that uses the crate etherparse. It never panics, whatever the bytes. A frame shorter than its headers
//! say is refused, unless the capture kept less than was on the wire.

mod packet;

pub use packet::{Arp, Flags, Ip, Net, Packet, Transport};

use super::{RawFrame, Tag};
use data_encoding::HEXLOWER_PERMISSIVE;
use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacketSlice, EtherType, LaxIpPayloadSlice, LaxLinkExtSlice, LaxNetSlice,
    LaxSlicedPacket, LinkSlice, TransportSlice,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// EtherType of control frames (IEEE 802, local experimental).
pub const CONTROL: u16 = 0x88b5;

/// ICMPv6 types of neighbour discovery (RFC 4861).
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

impl RawFrame {
    /// The frame's bytes, as far as they were kept.
    ///
    /// # Errors
    /// [`FrameError::NotHex`].
    pub fn octets(&self) -> Result<Vec<u8>, FrameError> {
        Ok(HEXLOWER_PERMISSIVE.decode(self.bytes.as_bytes())?)
    }

    /// Whether less was kept than was on the wire.
    pub fn is_cut(&self) -> bool {
        usize::try_from(self.length).is_ok_and(|length| length > self.bytes.len() / 2)
    }
}

/// Why a captured frame is not a packet.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FrameError {
    /// The bytes are not hex.
    #[error("bytes of a captured frame are not hex")]
    NotHex(#[from] data_encoding::DecodeError),
    /// There is no Ethernet header.
    #[error("no Ethernet header")]
    NoEthernet,
    /// The payload is shorter than the header says.
    #[error("{0}: shorter than its header says")]
    Short(&'static str),
    /// A header cannot be read.
    #[error("{0}")]
    Header(String),
}

/// Decodes a frame.
///
/// # Errors
/// As [`decode_octets`], and [`FrameError::NotHex`].
pub fn decode(frame: &RawFrame) -> Result<Packet, FrameError> {
    decode_octets(&frame.octets()?, frame.is_cut())
}

/// Decodes bytes from the destination MAC address on. For a frame that was cut, the headers in the kept part are decoded.
///
/// # Errors
/// The frame has no readable headers, or is shorter than its headers say.
pub fn decode_octets(bytes: &[u8], is_cut: bool) -> Result<Packet, FrameError> {
    let sliced = LaxSlicedPacket::from_ethernet(bytes).map_err(|error| FrameError::Header(error.to_string()))?;
    if let (Some((error, layer)), false) = (&sliced.stop_err, is_cut) {
        return Err(FrameError::Header(format!("{layer}: {error}")));
    }
    let Some(LinkSlice::Ethernet2(ethernet)) = &sliced.link else { return Err(FrameError::NoEthernet) };
    let mut ethertype: u16 = ethernet.ether_type().0;
    let mut payload = ethernet.payload().payload;
    let mut tags = Vec::new();
    for extension in &sliced.link_exts {
        let LaxLinkExtSlice::Vlan(vlan) = extension else {
            break;
        };
        tags.push(Tag {
            protocol: ethertype,
            id: vlan.vlan_identifier().value(),
            priority: vlan.priority_code_point().value(),
        });
        ethertype = vlan.ether_type().0;
        payload = vlan.payload_slice();
    }
    let ip = |version, from: IpAddr, to: IpAddr, inside: &LaxIpPayloadSlice<'_>| {
        if inside.incomplete && !is_cut {
            return Err(FrameError::Short(version));
        }
        let transport = transport(sliced.transport.as_ref());
        Ok(Net::Ip(Ip { from, to, protocol: inside.ip_number.0, transport }))
    };
    let net = match &sliced.net {
        _ if ethertype == CONTROL => Net::Control(control(payload)),
        Some(LaxNetSlice::Arp(slice)) => arp(slice).map_or(Net::Other, Net::Arp),
        Some(LaxNetSlice::Ipv4(slice)) => {
            let (from, to) = (slice.header().source_addr(), slice.header().destination_addr());
            ip("IPv4", from.into(), to.into(), slice.payload())?
        }
        Some(LaxNetSlice::Ipv6(slice)) => {
            let (from, to) = (slice.header().source_addr(), slice.header().destination_addr());
            ip("IPv6", from.into(), to.into(), slice.payload())?
        }
        None => Net::Other,
    };
    Ok(Packet { source: mac(&ethernet.source()), destination: mac(&ethernet.destination()), tags, ethertype, net })
}

fn mac(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// The text of a control frame; short frames are padded with zeros.
fn control(payload: &[u8]) -> String {
    let text: Vec<u8> = payload.iter().copied().take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&text).into_owned()
}

/// ARP for IPv4 over Ethernet; any other is none of ours.
fn arp(slice: &ArpPacketSlice<'_>) -> Option<Arp> {
    let is_ours = slice.hw_addr_type() == ArpHardwareId::ETHERNET && slice.proto_addr_type() == EtherType::IPV4;
    let ip = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from).filter(|_| is_ours);
    (slice.hw_addr_size() == 6).then_some(())?;
    Some(Arp {
        is_request: slice.operation() == ArpOperation::REQUEST,
        sender: ip(slice.sender_protocol_addr())?,
        sender_mac: mac(slice.sender_hw_addr()),
        target: ip(slice.target_protocol_addr())?,
    })
}

fn transport(slice: Option<&TransportSlice<'_>>) -> Transport {
    match slice {
        Some(TransportSlice::Icmpv4(icmp)) => match (icmp.type_u8(), icmp.bytes5to8()) {
            (kind @ (0 | 8), [a, b, ..]) => Transport::Echo { is_request: kind == 8, id: u16::from_be_bytes([a, b]) },
            (kind, _) => Transport::Icmp { kind, code: icmp.code_u8(), about: about_v4(icmp.payload()) },
        },
        Some(TransportSlice::Icmpv6(icmp)) => match (icmp.type_u8(), icmp.bytes5to8()) {
            (kind @ (128 | 129), [a, b, ..]) => {
                Transport::Echo { is_request: kind == 128, id: u16::from_be_bytes([a, b]) }
            }
            (kind @ (SOLICITATION | ADVERTISEMENT), _) => match first::<16>(icmp.payload()) {
                Some(target) => {
                    Transport::Neighbour { is_request: kind == SOLICITATION, target: Ipv6Addr::from(target) }
                }
                None => Transport::Other,
            },
            (kind, _) => Transport::Icmp { kind, code: icmp.code_u8(), about: about_v6(icmp.payload()) },
        },
        Some(TransportSlice::Udp(udp)) => Transport::Udp { from: udp.source_port(), to: udp.destination_port() },
        Some(TransportSlice::Tcp(tcp)) => Transport::Tcp {
            from: tcp.source_port(),
            to: tcp.destination_port(),
            flags: Flags { syn: tcp.syn(), ack: tcp.ack(), rst: tcp.rst(), fin: tcp.fin() },
        },
        Some(TransportSlice::Igmp(_)) | None => Transport::Other,
    }
}

fn first<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.get(..N)?.try_into().ok()
}

/// Destination of the packet that an ICMP error is about (RFC 792: its IP header comes along).
fn about_v4(payload: &[u8]) -> Option<IpAddr> {
    first::<4>(payload.get(16..)?).map(|to| IpAddr::V4(Ipv4Addr::from(to)))
}

/// The same of ICMPv6 (RFC 4443, section 2.4).
fn about_v6(payload: &[u8]) -> Option<IpAddr> {
    first::<16>(payload.get(24..)?).map(|to| IpAddr::V6(Ipv6Addr::from(to)))
}
