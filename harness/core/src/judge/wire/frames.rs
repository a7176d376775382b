//! Captures as the judge reads them: frames decoded, the requests found in them, and the path of a request in words.

use crate::observe::{Link, Observation};
use crate::plan::{Plan, Pod, ProbeEndpoint, Protocol};
use crate::script::target::kernel_of_pod;
use crate::script::{ProbeTarget, next_hop};
use crate::wire::decode::{Net, Packet, Transport, decode};
use crate::wire::{Capture, Direction, ProbeEnd, ProbeResults, Script, Tap, WireObservation};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A frame with its direction.
pub(super) type Frame = (Direction, Packet);

/// The probes of a scenario with all captured frames decoded.
pub(super) struct DecodedProbes<'a> {
    pub plan: &'a Plan,
    pub observation: &'a Observation,
    pub script: &'a Script,
    pub results: &'a ProbeResults,
    frames: BTreeMap<&'a str, Vec<Frame>>,
    undecoded: Vec<String>,
}

impl<'a> DecodedProbes<'a> {
    pub fn new(plan: &'a Plan, observation: &'a Observation, wire: &'a WireObservation) -> Self {
        let mut probes = Self {
            plan,
            observation,
            script: &wire.script,
            results: &wire.results,
            frames: BTreeMap::new(),
            undecoded: Vec::new(),
        };
        for seen in &wire.results.captures {
            let mut frames = Vec::new();
            for frame in &seen.frames {
                match decode(frame) {
                    Ok(packet) => frames.push((frame.direction, packet)),
                    Err(error) => {
                        probes.undecoded.push(format!("a frame of capture {} is no packet: {error}", seen.id))
                    }
                }
            }
            probes.frames.insert(&seen.id, frames);
        }
        probes
    }

    /// Frames that could not be decoded. No finding depends on them.
    pub fn undecoded(&self) -> Vec<String> {
        self.undecoded.clone()
    }

    /// The frames of a capture.
    pub fn frames(&self, capture: &Capture) -> &[Frame] {
        self.frames.get(capture.id.as_str()).map_or(&[], Vec::as_slice)
    }

    /// The captures at a pod's interfaces, each with its name.
    pub fn pod_captures(&self, pod: &Pod) -> Vec<(&'a str, &'a Capture)> {
        let endpoint = ProbeEndpoint::Pod(pod.name.clone());
        let mine = self.script.captures.iter().filter(|(at, _)| *at == endpoint);
        mine.filter_map(|(_, capture)| match &capture.interface {
            Tap::Name(name) => Some((name.as_str(), capture)),
            Tap::Uplink(_) => None,
        })
        .collect()
    }

    /// The captures at the far end.
    pub fn far_captures(&self, endpoint: Option<&ProbeEndpoint>) -> Vec<&'a Capture> {
        let found = self.script.captures.iter().filter(|(at, _)| Some(at) == endpoint);
        found.map(|(_, capture)| capture).collect()
    }

    /// Whether two links of a pod are one way out: a VLAN on the other, or its master.
    pub fn are_one_way(&self, pod: &Pod, one: &str, other: &str) -> bool {
        let Ok(kernel) = kernel_of_pod(self.observation, &pod.name) else {
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

    /// The owner of a MAC address: a pod's interface, or the IP address that was announced with it.
    pub fn owner(&self, mac: &str) -> Option<String> {
        for pod in &self.observation.pods {
            let links = pod.kernel.iter().flat_map(|kernel| &kernel.links);
            if let Some(link) = links.into_iter().find(|link| link.mac == mac) {
                return Some(format!("{} of pod {}", link.name, pod.pod));
            }
        }
        let told = self.results.probes.iter().find_map(|probe| match &probe.end {
            ProbeEnd::Answered { by, mac: Some(told), .. } if told == mac => Some(*by),
            _ => None,
        });
        let heard = || {
            self.frames.values().flatten().find_map(|(_, packet)| match &packet.net {
                Net::Arp(arp) if !arp.is_request && arp.sender_mac == mac => Some(IpAddr::V4(arp.sender)),
                _ => None,
            })
        };
        told.or_else(heard).map(|address| format!("it answers for {address}"))
    }
}

/// A request, to be found in captures.
pub(super) struct RequestPattern {
    pub by: Protocol,
    pub to: IpAddr,
    pub port: Option<u16>,
    pub from: Option<IpAddr>,
}

impl RequestPattern {
    /// Whether a packet is this request, from any sender.
    pub fn matches(&self, packet: &Packet) -> bool {
        match &packet.net {
            Net::Arp(arp) => self.by == Protocol::Arp && arp.is_request && IpAddr::V4(arp.target) == self.to,
            Net::Ip(ip) => match &ip.transport {
                Transport::Neighbour { is_request, target, .. } => {
                    self.by == Protocol::Arp && *is_request && IpAddr::V6(*target) == self.to
                }
                other => ip.to == self.to && self.carries(other, true),
            },
            _ => false,
        }
    }

    /// Whether a packet is a reply to it.
    pub fn matches_reply(&self, packet: &Packet) -> bool {
        match &packet.net {
            Net::Arp(arp) => self.by == Protocol::Arp && !arp.is_request && IpAddr::V4(arp.sender) == self.to,
            Net::Ip(ip) => match &ip.transport {
                Transport::Neighbour { is_request, target, .. } => {
                    self.by == Protocol::Arp && !is_request && IpAddr::V6(*target) == self.to
                }
                other => ip.from == self.to && self.carries(other, false),
            },
            _ => false,
        }
    }

    fn carries(&self, transport: &Transport, asks: bool) -> bool {
        match (self.by, transport) {
            (Protocol::Icmp, Transport::Echo { is_request, .. }) => *is_request == asks,
            (Protocol::Udp, Transport::Udp { from, to }) | (Protocol::Tcp, Transport::Tcp { from, to, .. }) => {
                self.port == Some(if asks { *to } else { *from })
            }
            _ => false,
        }
    }

    /// Whether it is this request from the address that the sender binds to, where it binds to one.
    pub fn matches_from_sender(&self, packet: &Packet) -> bool {
        self.matches(packet) && self.from.is_none_or(|from| packet.ip().is_none_or(|ip| ip.from == from))
    }
}

/// What distinguishes the packets of one sender beyond the pod: the echo identifier, the sender's port, or for ARP the
/// sender's MAC address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flow {
    Number(u16),
    Mac(String),
}

/// The flow of a request, or (`is_reply`) of an answer to one.
pub(super) fn flow(packet: &Packet, is_reply: bool) -> Option<Flow> {
    match packet.ip().map(|ip| &ip.transport) {
        Some(Transport::Echo { id, .. }) => Some(Flow::Number(*id)),
        Some(Transport::Udp { from, to } | Transport::Tcp { from, to, .. }) => {
            Some(Flow::Number(if is_reply { *to } else { *from }))
        }
        _ if is_reply => Some(Flow::Mac(packet.destination.clone())),
        _ => Some(Flow::Mac(packet.source.clone())),
    }
}

/// The flows of a request as the pod's own captures have it.
pub(super) fn flows(probes: &DecodedProbes<'_>, pod: &Pod, request: &RequestPattern) -> BTreeSet<Flow> {
    let captures = probes.pod_captures(pod);
    let frames = captures.iter().flat_map(|(_, capture)| probes.frames(capture));
    frames
        .filter(|(direction, packet)| *direction == Direction::Out && request.matches_from_sender(packet))
        .filter_map(|(_, packet)| flow(packet, false))
        .collect()
}

/// One line per place that a request should have passed.
pub(super) fn describe_path(
    probes: &DecodedProbes<'_>,
    pod: &Pod,
    request: &RequestPattern,
    target: &ProbeTarget,
) -> Vec<String> {
    let mine = flows(probes, pod, request);
    let passed = |capture: &Capture, way: Direction| describe_passage(probes, capture, request, &mine, way);
    let mut lines = Vec::new();
    let mut silent = Vec::new();
    for (name, capture) in probes.pod_captures(pod) {
        match passed(capture, Direction::Out) {
            Some(text) => lines.push(format!("{name} of pod {}: {text}", pod.name)),
            None => silent.push(name),
        }
        lines.extend(describe_silent_neighbour(probes, pod, name, capture, request.to));
    }
    if lines.is_empty() && !silent.is_empty() {
        lines.push(format!("pod {} sent nothing of it by {}", pod.name, silent.join(", ")));
    }
    for (endpoint, capture) in &probes.script.captures {
        if let (ProbeEndpoint::Node(_), Tap::Uplink(uplink)) = (endpoint, &capture.interface) {
            let text = passed(capture, Direction::Out);
            lines
                .push(format!("uplink {uplink} of {endpoint}: {}", text.unwrap_or_else(|| "nothing of it".to_owned())));
        }
    }
    if let Some(endpoint) = &target.endpoint {
        for capture in probes.far_captures(Some(endpoint)) {
            let text = passed(capture, Direction::In);
            let place = match &capture.interface {
                Tap::Name(name) | Tap::Uplink(name) => name,
            };
            lines.push(format!("{place} of {endpoint}: {}", text.unwrap_or_else(|| "nothing of it".to_owned())));
        }
    }
    lines
}

/// `2 requests out, no reply in; the first: ...`; `way` is the way that requests go there. Only this pod's count.
fn describe_passage(
    probes: &DecodedProbes<'_>,
    capture: &Capture,
    request: &RequestPattern,
    mine: &BTreeSet<Flow>,
    way: Direction,
) -> Option<String> {
    let frames = probes.frames(capture);
    let is_mine = |packet, is_reply| flow(packet, is_reply).is_some_and(|flow| mine.contains(&flow));
    let asked: Vec<_> =
        frames.iter().filter(|(at, packet)| *at == way && request.matches(packet) && is_mine(packet, false)).collect();
    let answers = frames
        .iter()
        .filter(|(at, packet)| *at != way && request.matches_reply(packet) && is_mine(packet, true))
        .count();
    let (first, (to, fro)) = (asked.first()?, if way == Direction::Out { ("out", "in") } else { ("in", "out") });
    let count = |number: usize, word: &str| match number {
        0 => format!("no {word}"),
        1 => format!("1 {word}"),
        more if word == "reply" => format!("{more} replies"),
        more => format!("{more} {word}s"),
    };
    Some(format!("{} {to}, {} {fro}; the first: {}", count(asked.len(), "request"), count(answers, "reply"), first.1))
}

/// Reports a next hop that did not reply to ARP.
fn describe_silent_neighbour(
    probes: &DecodedProbes<'_>,
    pod: &Pod,
    name: &str,
    capture: &Capture,
    to: IpAddr,
) -> Option<String> {
    let kernel = kernel_of_pod(probes.observation, &pod.name).ok()?;
    let (dev, via) = next_hop(kernel, to)?;
    let hop = via.unwrap_or(to);
    if dev != name {
        return None;
    }
    let arps = || {
        probes.frames(capture).iter().filter_map(|(_, packet)| match &packet.net {
            Net::Arp(arp) => Some(arp),
            _ => None,
        })
    };
    let asked = arps().filter(|arp| arp.is_request && IpAddr::V4(arp.target) == hop).count();
    let told = arps().any(|arp| !arp.is_request && IpAddr::V4(arp.sender) == hop);
    (asked > 0 && !told).then(|| format!("{name} of pod {}: asked {asked} times for {hop}, no reply", pod.name))
}
