//! The wire: what is to be sent, heard and captured, and what was.
//!
//! Three steps, each one line to the agent, so that several agents can take part in one act: everything that listens is
//! opened ([`Listener`], [`Capture`]); then everything is sent side by side ([`Probe`]); then what was heard is taken
//! back ([`Heard`]). Every item has an id, by which the judge finds again what belongs to which expectation.

pub(crate) mod aim;
pub mod decode;
pub mod dns;
mod find;
mod pcap;
pub(crate) mod reached;
mod script;
pub mod window;

pub use aim::{Aim, aim, next_hop, node_address, uplink_of};
pub use decode::{Packet, decode};
pub use pcap::pcap;
pub use script::{QUESTIONS, WINDOW_MS, ids, script};

use crate::plan::{Party, Protocol};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// An act: who listens, who captures, who sends.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Script {
    /// Opened first.
    pub listeners: Vec<(Party, Listener)>,
    /// Opened with the listeners.
    pub captures: Vec<(Party, Capture)>,
    /// Sent once all are open, side by side.
    pub probes: Vec<(Party, Probe)>,
}

/// Answers UDP and TCP: every datagram and every connection gets the peer's address as the listener sees it.
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
    /// Kept are only frames that carry one of these addresses (IPv4, IPv6 or inside ARP and neighbour discovery), at any
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

/// Something to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// Its id.
    pub id: String,
    /// What.
    pub what: Send,
    /// How long an answer is waited for, in milliseconds.
    pub window_ms: u64,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Send {
    /// A question that wants an answer.
    Ask {
        /// By what.
        by: Protocol,
        /// To whom.
        to: IpAddr,
        /// Port of UDP and TCP.
        port: Option<u16>,
        /// Source address to bind.
        from: Option<IpAddr>,
        /// The interface to ask by (ARP; for the others it leaves the routes alone where none).
        dev: Option<String>,
        /// How many questions, the first answer ending it; 0 counts as 1. A lost first packet while neighbours are
        /// resolved is no finding.
        times: u32,
    },
    /// A question to a name server, by UDP, for the address of a name.
    Lookup {
        /// The name server.
        to: IpAddr,
        /// Its port.
        port: u16,
        /// Source address to bind.
        from: Option<IpAddr>,
        /// The name, as [`dns::name`] gives it.
        name: String,
        /// Whether an IPv6 address is asked for.
        v6: bool,
        /// How many questions, as for `Ask`.
        times: u32,
    },
    /// One broadcast frame of EtherType 0x88b5 (IEEE 802, local experimental) with the tags given and the probe's id as
    /// text, so that a capture that sees it is known to see such frames.
    Control {
        /// The interface it is sent by.
        interface: Tap,
        /// VLAN ids, outermost first, all with EtherType 0x8100.
        tags: Vec<u16>,
        /// Priority bits of the outermost, 0 to 7.
        #[serde(default)]
        priority: u8,
    },
}

/// What became of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeSeen {
    /// The probe's id.
    pub id: String,
    /// How many were sent.
    pub sent: u32,
    /// How it ended.
    pub end: ProbeEnd,
    /// From the answered question to its answer, in microseconds; else how long was waited.
    pub took_us: u64,
}

/// How a probe ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "end")]
pub enum ProbeEnd {
    /// Answered. `by` is who answered; `mac` is known for ARP; `saw` is the source address that the listener told.
    Answered {
        /// Who answered.
        by: IpAddr,
        /// The MAC address, for ARP.
        mac: Option<String>,
        /// The sender's address as the far side saw it (UDP, TCP). None where whoever took a TCP connection said
        /// nothing of it in the window: reached, but not by a listener of ours, or not for certain.
        saw: Option<SocketAddr>,
    },
    /// A name server answered a lookup.
    Resolved {
        /// The name server.
        by: IpAddr,
        /// Its response code in words, such as `NOERROR` and `NXDOMAIN`.
        code: String,
        /// The addresses that it told, in its order.
        addresses: Vec<IpAddr>,
    },
    /// A control frame went out; it wants no answer.
    Sent,
    /// The sender's kernel has no route.
    NoRoute,
    /// Nobody answered in the window.
    NoAnswer,
    /// TCP reset, ICMP port unreachable.
    Refused,
    /// An ICMP error of another kind, with its words and who sent it where that is known.
    Filtered {
        /// In words: `host unreachable`, `administratively prohibited`.
        what: String,
        /// The sender of the error.
        by: Option<IpAddr>,
    },
    /// The probe itself could not be made (socket refused, no such interface): the bed's fault.
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

/// Which way a frame went at the tap.
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
    /// Which way.
    pub direction: Direction,
    /// Bytes from the destination MAC on, as lower-case hex, with the tag that the kernel had taken out put back.
    pub bytes: String,
    /// Length on the wire, where more than was kept.
    pub length: u32,
}

/// What a capture saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaptureSeen {
    /// The capture's id.
    pub id: String,
    /// The interface's name in its namespace.
    pub interface: String,
    /// Its frames, in order.
    pub frames: Vec<RawFrame>,
    /// Frames that were lost because nobody took them in time, or beyond what is kept; any makes the bed broken. The
    /// kernel counts for all captures of one namespace together.
    pub dropped: u32,
}

/// What a listener heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerSeen {
    /// The listener's id.
    pub id: String,
    /// Whether it was there to the end, proven by a question of its own from inside its namespace.
    pub alive: bool,
    /// Whom it heard, in order.
    pub from: Vec<SocketAddr>,
}

/// What was seen of an act.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heard {
    /// Every probe of the script.
    pub probes: Vec<ProbeSeen>,
    /// Every capture of the script.
    pub captures: Vec<CaptureSeen>,
    /// Every listener of the script.
    pub listeners: Vec<ListenerSeen>,
}

/// An act and what was seen of it: what the judge reads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireSeen {
    /// What was to be done.
    pub script: Script,
    /// What was seen.
    pub heard: Heard,
}
