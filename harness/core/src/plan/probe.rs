//! Probes that a scenario expects: egress (`reaches`, `cannotReach`) and ingress (`reachedBy`).

use crate::source::Wanted;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The protocol of a probe.
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

/// An endpoint of a probe: it can send, listen and capture.
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

/// The destination of an egress probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Destination {
    /// This address, and the endpoint that has it if the scenario names one (`at`).
    Address {
        /// The address.
        address: IpAddr,
        /// The endpoint with the listener and the far capture.
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
    /// The endpoint that answers, if it is known.
    pub fn endpoint(&self) -> Option<ProbeEndpoint> {
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
    /// The one address that the answer must have. IPv4 means a query for a record of type A, IPv6 for one of type AAAA.
    pub resolves_to: Wanted<IpAddr>,
}

/// An egress probe: a `reaches`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedReach {
    /// The destination.
    pub to: Destination,
    /// The protocol.
    pub by: Protocol,
    /// Port of UDP and TCP.
    pub port: Option<u16>,
    /// The name to look up, if the destination is a name server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup: Option<Lookup>,
    /// Source address to bind to; none leaves it to the routes.
    pub from: Option<IpAddr>,
    /// The pod's interface that the packets must leave through, and the replies must come back through.
    pub through: Option<Wanted<String>>,
    /// The neighbour that the pod must hand the packets to: their destination MAC is the one that answers for this
    /// address.
    pub gateway: Option<Wanted<IpAddr>>,
    /// The source address that the far side must see.
    pub seen_from: Option<Wanted<IpAddr>>,
    /// VLAN ids, outermost first, that the packets must have on the node's uplink (an empty list: untagged).
    pub tags: Option<Wanted<Vec<u16>>>,
    /// Priority bits (PCP), 0 to 7, that the requests must have there in their outermost tag. Replies are left out:
    /// the replying side sets their bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Wanted<u8>>,
}

/// Why a destination cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// The sender's kernel has no route (ENETUNREACH).
    NoRoute,
    /// There is no answer, not even for the neighbour.
    NoAnswer,
    /// The far side refuses: TCP reset, ICMP port unreachable.
    Refused,
    /// A machine on the way refuses: any other ICMP error (administratively prohibited, host unreachable).
    Filtered,
}

impl Because {
    /// All reasons, as a scenario file names them.
    pub const NAMES: [(&str, Self); 4] = [
        ("no-route", Self::NoRoute),
        ("no-answer", Self::NoAnswer),
        ("refused", Self::Refused),
        ("filtered", Self::Filtered),
    ];

    /// The name in a scenario file.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, reason)| *reason == self).map_or("", |(name, _)| name)
    }
}

/// A negative egress probe: a `cannotReach`, with the controls that prove that sender and destination work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unreachable {
    /// The destination.
    pub to: Destination,
    /// The protocol.
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
    /// the reason is on the sender's own side (no route), or no endpoint has the address.
    pub reached_by: Option<ProbeEndpoint>,
}

/// Which address of the node a probe goes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeAddress {
    /// The one on the link of its default route, as kubelet chooses it.
    #[default]
    Own,
    /// 127.0.0.1 or ::1.
    Localhost,
}

/// The source address that the pod sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SeenAs {
    /// This one.
    Address(IpAddr),
    /// Any that this endpoint has.
    Endpoint(ProbeEndpoint),
}

/// An ingress probe: a `reachedBy`. An endpoint sends to a `hostPort` of the pod on its node, and the pod answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReachedBy {
    /// The sender; none for the node that the pod is on.
    pub sender: Option<ProbeEndpoint>,
    /// Which address of the node the probe goes to.
    #[serde(default)]
    pub at: NodeAddress,
    /// UDP or TCP.
    pub by: Protocol,
    /// The port of the node.
    pub host_port: u16,
    /// The port of the pod that it leads to.
    pub container_port: u16,
    /// IPv6 instead of IPv4.
    #[serde(default)]
    pub v6: bool,
    /// Whose address the pod must see; the inner none is the node that the pod is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_from: Option<Wanted<Option<SeenAs>>>,
    /// The node's interface through which the replies must leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_by: Option<Wanted<String>>,
}

impl ReachedBy {
    /// The sender of the probe of a pod on this node.
    pub fn sender_at(&self, node: usize) -> ProbeEndpoint {
        self.sender.clone().unwrap_or(ProbeEndpoint::Node(node))
    }
}
