//! A decoded packet.

use crate::wire::Tag;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A frame as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Source MAC, lower case, `aa:bb:cc:dd:ee:ff`.
    pub source: String,
    /// Destination MAC.
    pub destination: String,
    /// Tags, outermost first; at most three are read.
    pub tags: Vec<Tag>,
    /// EtherType behind the tags.
    pub ethertype: u16,
    /// What is in it.
    pub net: Net,
}

/// What a frame carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Net {
    /// ARP for IPv4 over Ethernet.
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(Ip),
    /// A control frame with the id of its probe.
    Control(String),
    /// Anything else.
    Other,
}

/// An ARP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arp {
    /// Whether it is a request (`who has`).
    pub is_request: bool,
    /// The sender's address.
    pub sender: Ipv4Addr,
    /// The sender's MAC in the packet.
    pub sender_mac: String,
    /// The requested address, or that of the receiver.
    pub target: Ipv4Addr,
}

/// An IP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub from: IpAddr,
    /// Destination address.
    pub to: IpAddr,
    /// Protocol number of the payload (IPv6: behind its extensions).
    pub protocol: u8,
    /// What it carries.
    pub transport: Transport,
}

/// TCP's flags that open, acknowledge or end a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are four flags of one header")]
pub struct Flags {
    /// SYN.
    pub syn: bool,
    /// ACK.
    pub ack: bool,
    /// RST.
    pub rst: bool,
    /// FIN.
    pub fin: bool,
}

/// What an IP packet carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// ICMP or ICMPv6 echo.
    Echo {
        /// A request, or a reply.
        is_request: bool,
        /// Identifier.
        id: u16,
    },
    /// Any other ICMP or ICMPv6 message.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Destination of the packet that it is about, where it carries one.
        about: Option<IpAddr>,
    },
    /// Neighbour solicitation or advertisement (RFC 4861).
    Neighbour {
        /// A solicitation, or an advertisement.
        is_request: bool,
        /// The requested address, or that of the sender.
        target: Ipv6Addr,
    },
    /// UDP.
    Udp {
        /// Source port.
        from: u16,
        /// Destination port.
        to: u16,
    },
    /// TCP.
    Tcp {
        /// Source port.
        from: u16,
        /// Destination port.
        to: u16,
        /// Flags.
        flags: Flags,
    },
    /// Anything else, or a later piece of a packet.
    Other,
}

impl Packet {
    /// The VLAN ids, outermost first.
    pub fn vlans(&self) -> Vec<u16> {
        self.tags.iter().map(|tag| tag.id).collect()
    }

    /// The IP packet in it.
    pub fn ip(&self) -> Option<&Ip> {
        match &self.net {
            Net::Ip(ip) => Some(ip),
            _ => None,
        }
    }
}

impl std::fmt::Display for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.source, self.destination)?;
        for tag in &self.tags {
            let kind = if tag.protocol == 0x88a8 { "802.1ad " } else { "" };
            write!(f, ", {kind}VLAN {}", tag.id)?;
            if tag.priority > 0 {
                write!(f, " priority {}", tag.priority)?;
            }
        }
        match &self.net {
            Net::Arp(arp) => write!(f, ", {arp}"),
            Net::Ip(ip) => write!(f, ", {ip}"),
            Net::Control(id) => write!(f, ", control frame {id}"),
            Net::Other => write!(f, ", EtherType {:#06x}", self.ethertype),
        }
    }
}

impl std::fmt::Display for Arp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_request {
            write!(f, "ARP who has {}, tell {}", self.target, self.sender)
        } else {
            write!(f, "ARP {} is at {}", self.sender, self.sender_mac)
        }
    }
}

impl std::fmt::Display for Ip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (from, to) = (self.from, self.to);
        match &self.transport {
            Transport::Echo { is_request, .. } => {
                write!(f, "{from} to {to}, ICMP echo {}", if *is_request { "request" } else { "reply" })
            }
            Transport::Icmp { kind, code, about } => {
                write!(f, "{from} to {to}, ICMP type {kind} code {code}")?;
                about.map_or(Ok(()), |about| write!(f, " about a packet to {about}"))
            }
            Transport::Neighbour { is_request: true, target } => {
                write!(f, "{from} to {to}, neighbour solicitation, who has {target}")
            }
            Transport::Neighbour { target, .. } => {
                write!(f, "{from} to {to}, neighbour advertisement, {target} is here")
            }
            Transport::Udp { from: port, to: other } => write!(f, "{from} port {port} to {to} port {other}, UDP"),
            Transport::Tcp { from: port, to: other, flags } => {
                write!(f, "{from} port {port} to {to} port {other}, TCP{flags}")
            }
            Transport::Other => write!(f, "{from} to {to}, IP protocol {}", self.protocol),
        }
    }
}

impl std::fmt::Display for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let flags = [(self.syn, " SYN"), (self.rst, " RST"), (self.fin, " FIN"), (self.ack, " ACK")];
        flags.into_iter().filter(|(is_set, _)| *is_set).try_for_each(|(_, word)| f.write_str(word))
    }
}
