//! What is wanted of packets.

use super::Wanted;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// By which protocol something is to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// ICMP or ICMPv6 echo.
    Icmp,
    /// A datagram that a listener answers.
    Udp,
    /// A connection that a listener takes and answers.
    Tcp,
    /// Who has this address: ARP, or neighbour solicitation for IPv6.
    Arp,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Protocol::Icmp => "ICMP",
            Protocol::Udp => "UDP",
            Protocol::Tcp => "TCP",
            Protocol::Arp => "ARP",
        })
    }
}

/// Somebody who can send, listen and capture.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProbeEndpoint {
    /// A pod of the scenario, by name.
    Pod(String),
    /// A gateway or peer of the topology, by name.
    Host(String),
    /// A node, from 1.
    Node(usize),
}

impl std::fmt::Display for ProbeEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ProbeEndpoint::Pod(name) => write!(f, "pod {name}"),
            ProbeEndpoint::Host(name) => write!(f, "host {name}"),
            ProbeEndpoint::Node(number) => write!(f, "node {number}"),
        }
    }
}

/// Where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Destination {
    /// This very address, and who answers for it where the scenario says (`at`).
    Address {
        /// The address.
        address: IpAddr,
        /// Who answers for it: there the listener and the far capture are.
        at: Option<ProbeEndpoint>,
    },
    /// The address that a pod's interface turned out to have: its first of the family.
    Pod {
        /// Pod name.
        pod: String,
        /// Interface.
        interface: String,
        /// IPv6 instead of IPv4.
        v6: bool,
    },
}

impl Destination {
    /// Who answers, where that is known.
    #[must_use]
    pub fn party(&self) -> Option<ProbeEndpoint> {
        match self {
            Destination::Address { at, .. } => at.clone(),
            Destination::Pod { pod, .. } => Some(ProbeEndpoint::Pod(pod.clone())),
        }
    }
}

/// A name to be looked up, and what it must come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lookup {
    /// The name, without a dot at its end.
    pub name: String,
    /// The one address that the answer must have. IPv4 asks for a record of type A, IPv6 for one of type AAAA.
    pub resolves_to: Wanted<IpAddr>,
}

/// A `reaches`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedReach {
    /// Where to.
    pub to: Destination,
    /// By what.
    pub by: Protocol,
    /// Port of UDP and TCP.
    pub port: Option<u16>,
    /// The name that is asked for, where a name server is to be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup: Option<Lookup>,
    /// Source address to bind to; none leaves it to the routes.
    pub from: Option<IpAddr>,
    /// The pod's interface that the packets must leave by, and the answers must come back by.
    pub through: Option<Wanted<String>>,
    /// The neighbour that the pod must hand the packets to: their destination MAC is the one that answers for this
    /// address.
    pub gateway: Option<Wanted<IpAddr>>,
    /// The source address that the far side must see.
    pub seen_from: Option<Wanted<IpAddr>>,
    /// VLAN ids, outermost first, that the packets must have on the node's uplink (an empty list: untagged).
    pub tags: Option<Wanted<Vec<u16>>>,
    /// Priority bits (PCP), 0 to 7, that the questions must have there in their outermost tag. Answers are left out:
    /// their bits are set by whoever answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Wanted<u8>>,
}

/// Why something can't be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// The sender's kernel has no route (ENETUNREACH).
    NoRoute,
    /// Nobody answers, not even for the neighbour.
    NoAnswer,
    /// The far side refuses: TCP reset, ICMP port unreachable.
    Refused,
    /// Somebody on the way refuses: any other ICMP error (administratively prohibited, host unreachable).
    Filtered,
}

/// A `cannotReach`, with what proves that it could have been heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unreachable {
    /// Where to.
    pub to: Destination,
    /// By what.
    pub by: Protocol,
    /// Port of UDP and TCP.
    pub port: Option<u16>,
    /// Source address to bind to.
    pub from: Option<IpAddr>,
    /// The reason that is expected.
    pub because: Because,
    /// What the sender reaches by the same protocol in the same window; so the sender can send.
    pub sender_reaches: Destination,
    /// Who reaches the destination by the same protocol in the same window; so the destination can answer. None where
    /// the reason is on the sender's own side (no route), or nobody has the address.
    pub reached_by: Option<ProbeEndpoint>,
}
