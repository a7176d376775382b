//! A packet in one line, much as tcpdump has it.

use super::{Arp, Flags, Ip, Net, Packet, Transport};
use std::fmt::{Display, Formatter, Result};

impl Display for Packet {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
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

impl Display for Arp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.is_question {
            write!(f, "ARP who has {}, tell {}", self.target, self.sender)
        } else {
            write!(f, "ARP {} is at {}", self.sender, self.sender_mac)
        }
    }
}

impl Display for Ip {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (from, to) = (self.from, self.to);
        match &self.transport {
            Transport::Echo { is_question, .. } => {
                write!(f, "{from} to {to}, ICMP echo {}", if *is_question { "request" } else { "reply" })
            }
            Transport::Icmp { kind, code, about } => {
                write!(f, "{from} to {to}, ICMP type {kind} code {code}")?;
                about.map_or(Ok(()), |about| write!(f, " about a packet to {about}"))
            }
            Transport::Neighbour { is_question: true, target, .. } => {
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

impl Display for Flags {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let flags = [(self.syn, " SYN"), (self.rst, " RST"), (self.fin, " FIN"), (self.ack, " ACK")];
        flags.into_iter().filter(|(is_set, _)| *is_set).try_for_each(|(_, word)| f.write_str(word))
    }
}
