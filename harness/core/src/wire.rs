//! The wire: what is to be sent, listened for and captured, and the results.
//!
//! Three steps, each one line to the agent, so that several agents can take part: all listeners and captures are opened
//! ([`Listener`], [`Capture`]); all probes are sent side by side ([`Probe`]); the results are collected
//! ([`ProbeResults`]). Every item has an id. By it the judge finds what belongs to which expectation. A capture or a
//! listener may serve several expectations: it is made once, with the id of the first. Therefore these two are looked up
//! by their place, and only probes by their id.

pub mod decode;
pub mod dns;
mod pcap;

pub use decode::{FrameError, Packet, decode};
pub use pcap::{PcapError, pcap};

use crate::plan::{ProbeEndpoint, Protocol};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// What to listen for, capture and send, and at which endpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Script {
    /// Opened first.
    pub listeners: Vec<(ProbeEndpoint, Listener)>,
    /// Opened with the listeners.
    pub captures: Vec<(ProbeEndpoint, Capture)>,
    /// Sent once all are open, side by side.
    pub probes: Vec<(ProbeEndpoint, Probe)>,
}

/// A UDP or TCP listener. It replies to every datagram and connection with the peer's address as it sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Its id.
    pub id: String,
    /// `udp` or `tcp`.
    pub protocol: Protocol,
    /// The address to bind; unspecified takes all.
    pub address: IpAddr,
    /// The port to bind.
    pub port: u16,
}

/// A capture on one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capture {
    /// Its id.
    pub id: String,
    /// Where.
    pub interface: Tap,
    /// Only frames with one of these addresses are kept (IPv4, IPv6 or inside ARP and neighbour discovery), at any
    /// tag depth up to two, and control frames. Empty keeps everything.
    pub addresses: Vec<IpAddr>,
}

/// Which interface is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tap {
    /// By name in its namespace.
    Name(String),
    /// The port that leads to an uplink of the topology: of a node its bridge's port, of a host its own.
    Uplink(String),
}

/// One thing to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// Its id.
    pub id: String,
    /// What.
    pub what: ProbeAction,
    /// How long to wait for a reply, in milliseconds.
    pub window_ms: u64,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProbeAction {
    /// A request that wants a reply.
    Request {
        /// The protocol.
        by: Protocol,
        /// The target.
        to: IpAddr,
        /// Port of UDP and TCP.
        port: Option<u16>,
        /// Source address to bind.
        from: Option<IpAddr>,
        /// The interface to send through (ARP); for other protocols the routes decide if it is none.
        dev: Option<String>,
        /// How many requests at most, the first reply ends the probe; 0 counts as 1. A first packet lost during neighbour
        /// resolution is not a finding.
        times: u32,
    },
    /// A DNS query, by UDP, for the address of a name.
    Lookup {
        /// The name server.
        to: IpAddr,
        /// Its port.
        port: u16,
        /// Source address to bind.
        from: Option<IpAddr>,
        /// The name, as [`dns::name`] gives it.
        name: String,
        /// Whether the query is for an IPv6 address.
        v6: bool,
        /// How many queries, as for `Request`.
        times: u32,
    },
    /// One broadcast frame of EtherType 0x88b5 (IEEE 802, local experimental) with the tags given and the probe's id as
    /// text, so that a capture that sees it is known to see such frames.
    Control {
        /// The interface it is sent through.
        interface: Tap,
        /// VLAN ids, outermost first, all with EtherType 0x8100.
        tags: Vec<u16>,
        /// Priority bits of the outermost, 0 to 7.
        #[serde(default)]
        priority: u8,
    },
}

/// The result of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeResult {
    /// The probe's id.
    pub id: String,
    /// How many were sent.
    pub sent: u32,
    /// How it ended.
    pub end: ProbeEnd,
    /// From the answered request to its reply, in microseconds; without a reply how long the agent waited.
    pub took_us: u64,
}

/// How a probe ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "end")]
pub enum ProbeEnd {
    /// A reply arrived.
    Answered {
        /// Sender of the reply.
        by: IpAddr,
        /// The MAC address, for ARP.
        mac: Option<String>,
        /// The sender's address as the target saw it (UDP, TCP). None where the peer of a TCP connection did not report
        /// it within the window: then it is perhaps not a listener of the testbed.
        saw: Option<SocketAddr>,
    },
    /// A name server answered a lookup.
    Resolved {
        /// The name server.
        by: IpAddr,
        /// Its response code in words, such as `NOERROR` and `NXDOMAIN`.
        code: String,
        /// The addresses in the answer, in its order.
        addresses: Vec<IpAddr>,
    },
    /// A control frame was sent; it expects no reply.
    Sent,
    /// The sender's kernel has no route.
    NoRoute,
    /// No reply arrived within the window.
    NoAnswer,
    /// TCP reset, ICMP port unreachable.
    Refused,
    /// Another ICMP error, with its meaning and its sender where that is known.
    Filtered {
        /// In words: `host unreachable`, `administratively prohibited`.
        what: String,
        /// The sender of the error.
        by: Option<IpAddr>,
    },
    /// The probe could not be sent (socket refused, no such interface): a fault of the testbed.
    Unable {
        /// Why.
        why: String,
    },
}

/// A VLAN tag as it was on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    /// EtherType: 0x8100 or 0x88a8.
    pub protocol: u16,
    /// VLAN id.
    pub id: u16,
    /// Priority bits (PCP), 0 to 7.
    pub priority: u8,
}

/// Direction of a frame at the tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Received by the interface.
    In,
    /// Sent by it.
    Out,
}

/// A captured frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawFrame {
    /// Microseconds since the Unix epoch, on the clock of the machine that captured it.
    pub at_us: u64,
    /// Direction.
    pub direction: Direction,
    /// Bytes from the destination MAC on, as lower-case hex, with the tag that the kernel had taken out put back.
    pub bytes: String,
    /// Length on the wire, where more than was kept.
    pub length: u32,
}

/// The result of a capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaptureResult {
    /// The capture's id.
    pub id: String,
    /// The interface's name in its namespace.
    pub interface: String,
    /// Its frames, in order.
    pub frames: Vec<RawFrame>,
    /// Frames that were lost because the agent did not read them in time, or beyond what is kept; any makes the verdict an error. The
    /// kernel counts for all captures of one namespace together.
    pub dropped: u32,
}

/// The result of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerResult {
    /// The listener's id.
    pub id: String,
    /// Whether it lasted to the end, proven by a request from inside its namespace.
    pub alive: bool,
    /// Its peers, in order.
    pub from: Vec<SocketAddr>,
}

/// The results of a script.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeResults {
    /// Every probe of the script.
    pub probes: Vec<ProbeResult>,
    /// Every capture of the script.
    pub captures: Vec<CaptureResult>,
    /// Every listener of the script.
    pub listeners: Vec<ListenerResult>,
}

/// A script and its results, as the judge reads them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireObservation {
    /// The script.
    pub script: Script,
    /// Its results.
    pub results: ProbeResults,
}

impl Script {
    /// The capture at a place.
    pub fn capture(&self, endpoint: &ProbeEndpoint, interface: &Tap) -> Option<&Capture> {
        self.captures
            .iter()
            .find(|(at, capture)| at == endpoint && capture.interface == *interface)
            .map(|(_, found)| found)
    }

    /// All captures of a endpoint.
    pub fn captures_of<'a>(&'a self, endpoint: &'a ProbeEndpoint) -> impl Iterator<Item = &'a Capture> {
        self.captures.iter().filter(move |(at, _)| at == endpoint).map(|(_, capture)| capture)
    }

    /// The listener of a endpoint that answers for an address and port.
    pub fn listener(
        &self,
        endpoint: &ProbeEndpoint,
        protocol: Protocol,
        address: IpAddr,
        port: u16,
    ) -> Option<&Listener> {
        self.listeners
            .iter()
            .find(|(at, listener)| {
                at == endpoint && listener.protocol == protocol && listener.address == address && listener.port == port
            })
            .map(|(_, listener)| listener)
    }
}

impl ProbeResults {
    /// The result of a probe.
    pub fn probe(&self, id: &str) -> Option<&ProbeResult> {
        self.probes.iter().find(|probe| probe.id == id)
    }

    /// The result of a capture.
    pub fn capture(&self, id: &str) -> Option<&CaptureResult> {
        self.captures.iter().find(|capture| capture.id == id)
    }

    /// The result of a listener.
    pub fn listener(&self, id: &str) -> Option<&ListenerResult> {
        self.listeners.iter().find(|listener| listener.id == id)
    }
}
