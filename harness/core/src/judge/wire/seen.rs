//! An act as the judge reads it: captures decoded, and questions found in them again.

use crate::observe::{Link, Observation};
use crate::plan::{Party, Plan, Pod, Protocol};
use crate::wire::aim::kernel;
use crate::wire::decode::{Net, Packet, Transport, decode};
use crate::wire::{Capture, Direction, Heard, ProbeEnd, Script, Tap, WireSeen};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A frame with the way it went.
pub(super) type Frame = (Direction, Packet);

/// An act with everything decoded.
pub(super) struct Act<'a> {
    pub plan: &'a Plan,
    pub observation: &'a Observation,
    pub script: &'a Script,
    pub heard: &'a Heard,
    frames: BTreeMap<&'a str, Vec<Frame>>,
    undecoded: Vec<String>,
}

impl<'a> Act<'a> {
    pub fn new(plan: &'a Plan, observation: &'a Observation, wire: &'a WireSeen) -> Self {
        let mut act = Self {
            plan,
            observation,
            script: &wire.script,
            heard: &wire.heard,
            frames: BTreeMap::new(),
            undecoded: Vec::new(),
        };
        for seen in &wire.heard.captures {
            let mut frames = Vec::new();
            for frame in &seen.frames {
                match decode(frame) {
                    Ok(packet) => frames.push((frame.direction, packet)),
                    Err(error) => act.undecoded.push(format!("a frame of capture {} is no packet: {error}", seen.id)),
                }
            }
            act.frames.insert(&seen.id, frames);
        }
        act
    }

    /// Frames that could not be read: no proof rests on them, since what is claimed is always seen.
    pub fn undecoded(&self) -> Vec<String> {
        self.undecoded.clone()
    }

    /// The frames of a capture.
    pub fn frames(&self, capture: &Capture) -> &[Frame] {
        self.frames.get(capture.id.as_str()).map_or(&[], Vec::as_slice)
    }

    /// The captures at a pod's interfaces, each with its name.
    pub fn at_pod(&self, pod: &Pod) -> Vec<(&'a str, &'a Capture)> {
        let party = Party::Pod(pod.name.clone());
        let mine = self.script.captures.iter().filter(|(at, _)| *at == party);
        mine.filter_map(|(_, capture)| match &capture.interface {
            Tap::Name(name) => Some((name.as_str(), capture)),
            Tap::Uplink(_) => None,
        })
        .collect()
    }

    /// The captures at the far end.
    pub fn far(&self, party: Option<&Party>) -> Vec<&'a Capture> {
        let found = self.script.captures.iter().filter(|(at, _)| Some(at) == party);
        found.map(|(_, capture)| capture).collect()
    }

    /// Whether two links of a pod are one way out: a VLAN on the other, or its master.
    pub fn are_one_way(&self, pod: &Pod, one: &str, other: &str) -> bool {
        let Ok(kernel) = kernel(self.observation, &pod.name) else {
            return false;
        };
        let link = |name: &str| kernel.links.iter().find(|link| link.name == name);
        let (Some(one), Some(other)) = (link(one), link(other)) else {
            return false;
        };
        let sits_on = |upper: &Link, lower: &Link| {
            (upper.parent == Some(lower.index) && upper.parent_netns.is_none()) || lower.master == Some(upper.index)
        };
        sits_on(one, other) || sits_on(other, one)
    }

    /// Who is known by a MAC address: a pod's interface, or the address that was told with it.
    pub fn owner(&self, mac: &str) -> Option<String> {
        for pod in &self.observation.pods {
            let links = pod.kernel.iter().flat_map(|kernel| &kernel.links);
            if let Some(link) = links.into_iter().find(|link| link.mac == mac) {
                return Some(format!("{} of pod {}", link.name, pod.pod));
            }
        }
        let told = self.heard.probes.iter().find_map(|probe| match &probe.end {
            ProbeEnd::Answered { by, mac: Some(told), .. } if told == mac => Some(*by),
            _ => None,
        });
        let heard = || {
            self.frames.values().flatten().find_map(|(_, packet)| match &packet.net {
                Net::Arp(arp) if !arp.is_question && arp.sender_mac == mac => Some(IpAddr::V4(arp.sender)),
                _ => None,
            })
        };
        told.or_else(heard).map(|address| format!("it answers for {address}"))
    }
}

/// A question, to be found in captures.
pub(super) struct Question {
    pub by: Protocol,
    pub to: IpAddr,
    pub port: Option<u16>,
    pub from: Option<IpAddr>,
}

impl Question {
    /// Whether a packet is this question, asked by anybody (or from the address bound to).
    pub fn is(&self, packet: &Packet) -> bool {
        match &packet.net {
            Net::Arp(arp) => self.by == Protocol::Arp && arp.is_question && IpAddr::V4(arp.target) == self.to,
            Net::Ip(ip) => match &ip.transport {
                Transport::Neighbour { is_question, target, .. } => {
                    self.by == Protocol::Arp && *is_question && IpAddr::V6(*target) == self.to
                }
                other => ip.to == self.to && self.carries(other, true),
            },
            _ => false,
        }
    }

    /// Whether a packet is an answer to it.
    pub fn is_answer(&self, packet: &Packet) -> bool {
        match &packet.net {
            Net::Arp(arp) => self.by == Protocol::Arp && !arp.is_question && IpAddr::V4(arp.sender) == self.to,
            Net::Ip(ip) => match &ip.transport {
                Transport::Neighbour { is_question, target, .. } => {
                    self.by == Protocol::Arp && !is_question && IpAddr::V6(*target) == self.to
                }
                other => ip.from == self.to && self.carries(other, false),
            },
            _ => false,
        }
    }

    fn carries(&self, transport: &Transport, asks: bool) -> bool {
        match (self.by, transport) {
            (Protocol::Icmp, Transport::Echo { is_question, .. }) => *is_question == asks,
            (Protocol::Udp, Transport::Udp { from, to }) | (Protocol::Tcp, Transport::Tcp { from, to, .. }) => {
                self.port == Some(if asks { *to } else { *from })
            }
            _ => false,
        }
    }

    /// Whether it is this question from the address that the sender binds to, where it binds to one.
    pub fn is_from(&self, packet: &Packet) -> bool {
        self.is(packet) && self.from.is_none_or(|from| packet.ip().is_none_or(|ip| ip.from == from))
    }
}

/// What tells one sender's packets from another's beyond the pod: the echo's identifier, or the sender's port; of ARP
/// the sender's MAC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flow {
    Number(u16),
    Mac(String),
}

/// The flow of a question, or (`is_answer`) of an answer to one.
pub(super) fn flow(packet: &Packet, is_answer: bool) -> Option<Flow> {
    match packet.ip().map(|ip| &ip.transport) {
        Some(Transport::Echo { id, .. }) => Some(Flow::Number(*id)),
        Some(Transport::Udp { from, to } | Transport::Tcp { from, to, .. }) => {
            Some(Flow::Number(if is_answer { *to } else { *from }))
        }
        _ if is_answer => Some(Flow::Mac(packet.destination.clone())),
        _ => Some(Flow::Mac(packet.source.clone())),
    }
}

/// The flows of a question as the pod's own captures have it.
pub(super) fn flows(act: &Act<'_>, pod: &Pod, question: &Question) -> BTreeSet<Flow> {
    let captures = act.at_pod(pod);
    let frames = captures.iter().flat_map(|(_, capture)| act.frames(capture));
    frames
        .filter(|(direction, packet)| *direction == Direction::Out && question.is_from(packet))
        .filter_map(|(_, packet)| flow(packet, false))
        .collect()
}
