//! Captures as the judge reads them: frames decoded, the requests found in them, and the path of a request in words.

use crate::judge::judgement::JudgementBuilder;
use crate::observe::{Link, Observation};
use crate::plan::{Plan, Pod, ProbeEndpoint, Protocol};
use crate::script::target::kernel_of_pod;
use crate::script::{ProbeTarget, next_hop};
use crate::wire::decode::{Net, Packet, Transport, decode};
use crate::wire::{Capture, Direction, ProbeEnd, ProbeResult, ProbeResults, Script, Tap, WireObservation};
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
    /// Frames that could not be decoded. No finding depends on them.
    pub undecoded: Vec<String>,
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

    /// The frames of a capture.
    pub fn frames(&self, capture: &Capture) -> &[Frame] {
        self.frames.get(capture.id.as_str()).map_or(&[], Vec::as_slice)
    }

    /// The packets that passed a capture one way.
    pub fn packets(&self, capture: &Capture, way: Direction) -> impl Iterator<Item = &Packet> {
        self.frames(capture).iter().filter(move |(at, _)| *at == way).map(|(_, packet)| packet)
    }

    /// The result of a probe. Without one the verdict is an error.
    pub fn result(&self, id: &str, judgement: &mut JudgementBuilder) -> Option<&'a ProbeResult> {
        let found = self.results.probe(id);
        if found.is_none() {
            judgement.add_unobserved(format!("probe {id}: it was not sent"));
        }
        found
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
        let Ok(kernel) = kernel_of_pod(self.observation, &pod.name) else { return false };
        let (Some(one), Some(other)) = (kernel.link(one), kernel.link(other)) else { return false };
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
        let replied = self.results.probes.iter().find_map(|probe| match &probe.end {
            ProbeEnd::Answered { by, mac: Some(other), .. } if other == mac => Some(*by),
            _ => None,
        });
        let announced = || {
            self.frames.values().flatten().find_map(|(_, packet)| match &packet.net {
                Net::Arp(arp) if !arp.is_request && arp.sender_mac == mac => Some(IpAddr::V4(arp.sender)),
                _ => None,
            })
        };
        replied.or_else(announced).map(|address| format!("it answers for {address}"))
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
    /// Whether a packet is this request, from any sender, or (`is_reply`) a reply to it.
    pub fn matches(&self, packet: &Packet, is_reply: bool) -> bool {
        match &packet.net {
            Net::Arp(arp) => {
                let owner = if is_reply { arp.sender } else { arp.target };
                self.by == Protocol::Arp && arp.is_request != is_reply && IpAddr::V4(owner) == self.to
            }
            Net::Ip(ip) => match &ip.transport {
                Transport::Neighbour { is_request, target } => {
                    self.by == Protocol::Arp && *is_request != is_reply && IpAddr::V6(*target) == self.to
                }
                other => (if is_reply { ip.from } else { ip.to }) == self.to && self.carries(other, is_reply),
            },
            _ => false,
        }
    }

    fn carries(&self, transport: &Transport, is_reply: bool) -> bool {
        match (self.by, transport) {
            (Protocol::Icmp, Transport::Echo { is_request, .. }) => *is_request != is_reply,
            (Protocol::Udp, Transport::Udp { from, to }) | (Protocol::Tcp, Transport::Tcp { from, to, .. }) => {
                self.port == Some(if is_reply { *from } else { *to })
            }
            _ => false,
        }
    }

    /// Whether it is this request from the address that the sender binds to, where it binds to one.
    pub fn matches_from_sender(&self, packet: &Packet) -> bool {
        self.matches(packet, false) && self.from.is_none_or(|from| packet.ip().is_none_or(|ip| ip.from == from))
    }
}

/// What distinguishes the packets of one sender beyond the pod: the echo identifier, the sender's port, or for ARP the
/// sender's MAC address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Flow {
    Number(u16),
    Mac(String),
}

/// The flow of a request, or (`is_reply`) of an answer to one.
fn flow(packet: &Packet, is_reply: bool) -> Flow {
    match packet.ip().map(|ip| &ip.transport) {
        Some(Transport::Echo { id, .. }) => Flow::Number(*id),
        Some(Transport::Udp { from, to } | Transport::Tcp { from, to, .. }) => {
            Flow::Number(if is_reply { *to } else { *from })
        }
        _ => Flow::Mac(if is_reply { packet.destination.clone() } else { packet.source.clone() }),
    }
}

/// The flows of a request as the pod's own captures have it.
pub(super) struct Flows(BTreeSet<Flow>);

impl Flows {
    pub fn new(probes: &DecodedProbes<'_>, pod: &Pod, request: &RequestPattern) -> Self {
        let captures = probes.pod_captures(pod);
        let sent = captures.iter().flat_map(|(_, capture)| probes.packets(capture, Direction::Out));
        Self(sent.filter(|packet| request.matches_from_sender(packet)).map(|packet| flow(packet, false)).collect())
    }

    /// Whether a request, or (`is_reply`) an answer, belongs to one of them.
    pub fn has(&self, packet: &Packet, is_reply: bool) -> bool {
        self.0.contains(&flow(packet, is_reply))
    }
}

/// One line per place that a request should have passed.
pub(super) fn describe_path(
    probes: &DecodedProbes<'_>,
    pod: &Pod,
    request: &RequestPattern,
    target: &ProbeTarget,
) -> Vec<String> {
    let mine = Flows::new(probes, pod, request);
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
            let text = passed(capture, Direction::Out).unwrap_or_else(|| "nothing of it".to_owned());
            lines.push(format!("uplink {uplink} of {endpoint}: {text}"));
        }
    }
    if let Some(endpoint) = &target.endpoint {
        for capture in probes.far_captures(Some(endpoint)) {
            let text = passed(capture, Direction::In).unwrap_or_else(|| "nothing of it".to_owned());
            let (Tap::Name(place) | Tap::Uplink(place)) = &capture.interface;
            lines.push(format!("{place} of {endpoint}: {text}"));
        }
    }
    lines
}

/// `2 requests out, no reply in; the first: ...`; `way` is the way that requests go there. Only this pod's count.
fn describe_passage(
    probes: &DecodedProbes<'_>,
    capture: &Capture,
    request: &RequestPattern,
    mine: &Flows,
    way: Direction,
) -> Option<String> {
    let is_mine = |packet: &&Packet, is_reply| request.matches(packet, is_reply) && mine.has(packet, is_reply);
    let (back, to, fro) = match way {
        Direction::Out => (Direction::In, "out", "in"),
        Direction::In => (Direction::Out, "in", "out"),
    };
    let asked: Vec<_> = probes.packets(capture, way).filter(|packet| is_mine(packet, false)).collect();
    let answers = probes.packets(capture, back).filter(|packet| is_mine(packet, true)).count();
    let first = asked.first()?;
    let count = |number: usize, word: &str| match number {
        0 => format!("no {word}"),
        1 => format!("1 {word}"),
        more if word == "reply" => format!("{more} replies"),
        more => format!("{more} {word}s"),
    };
    Some(format!("{} {to}, {} {fro}; the first: {}", count(asked.len(), "request"), count(answers, "reply"), first))
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
    let is_answered = arps().any(|arp| !arp.is_request && IpAddr::V4(arp.sender) == hop);
    (asked > 0 && !is_answered).then(|| format!("{name} of pod {}: asked {asked} times for {hop}, no reply", pod.name))
}
