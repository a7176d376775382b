//! Ingress probes: what must reach a pod through a port of its node (`PL420` to `PL423`).
//!
//! The request goes from the scenario's sender to the node's address. In the pod a listener reports the client address.
//! Captures at the node's interfaces show through which of them a reply left, whether or not it arrived.

use super::frames::{DecodedProbes, Frame};
use super::messages;
use crate::finding::{Finding, FindingCode};
use crate::judge::judgement::JudgementBuilder;
use crate::observe::Rule;
use crate::plan::{NodeAddress, Pod, ProbeEndpoint, ReachedBy, SeenAs, Wanted};
use crate::script::{self, ProbeTarget, find_target};
use crate::wire::decode::{Packet, Transport};
use crate::wire::{Capture, Direction, ProbeEnd, ProbeResult, Tap};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One `reachedBy` as it is judged.
pub(super) struct IngressProbe<'a> {
    probes: &'a DecodedProbes<'a>,
    pod: &'a Pod,
    /// The node that the pod is on, from 1.
    node: usize,
    item: &'a Wanted<ReachedBy>,
    sender: ProbeEndpoint,
    /// The node's address that the request was sent to.
    to: IpAddr,
    /// The pod's own address.
    there: ProbeTarget,
    seen: &'a ProbeResult,
    /// Ports of the sender, where its requests were captured.
    flows: BTreeSet<u16>,
}

/// Judges a `reachedBy`.
pub(super) fn judge(
    probes: &DecodedProbes<'_>,
    pod: &Pod,
    node: usize,
    id: &str,
    item: &Wanted<ReachedBy>,
    judgement: &mut JudgementBuilder,
) {
    let wanted = &item.value;
    let to = match script::find_requested_address(probes.observation, wanted, node) {
        Ok(to) => to,
        Err(why) => return judgement.add_unobserved(format!("probe {id}: {why}")),
    };
    judgement.count_fact();
    let there = match find_target(probes.observation, &script::target_in_pod(pod, wanted)) {
        Ok(there) => there,
        Err(why) => {
            let entry = Finding::new(FindingCode::PL420, "not reached through its node: the pod has no address");
            return judgement.add_finding(entry.pod(&pod.name).source(&item.source).found(why.to_string()));
        }
    };
    let Some(seen) = probes.result(id, judgement) else { return };
    let sender = wanted.sender_at(node);
    let mut case = IngressProbe { probes, pod, node, item, sender, to, there, seen, flows: BTreeSet::new() };
    case.flows = case.sent();
    case.judge_reply(judgement);
    judge_reply_interface(&case, judgement);
    case.judge_source(judgement);
}

impl IngressProbe<'_> {
    fn wanted(&self) -> &ReachedBy {
        &self.item.value
    }

    /// `TCP port 8080 of node 1 (10.66.0.10) from host client`.
    fn text(&self) -> String {
        let ReachedBy { by, host_port, at, .. } = self.wanted();
        let at = match at {
            NodeAddress::Own => self.to.to_string(),
            NodeAddress::Localhost => format!("localhost, {}", self.to),
        };
        let from = match &self.sender {
            ProbeEndpoint::Pod(name) if *name == self.pod.name => "the pod itself".to_owned(),
            ProbeEndpoint::Node(number) if *number == self.node => "the node itself".to_owned(),
            other => other.to_string(),
        };
        format!("{by} port {host_port} of node {} ({at}) from {from}", self.node)
    }

    /// A finding about this request.
    fn finding(&self, code: FindingCode, message: &str) -> Finding {
        Finding::new(code, format!("{}: {message}", self.text())).pod(&self.pod.name).source(&self.item.source)
    }

    /// Whether a reply came from the listener in the pod.
    fn is_answered(&self) -> bool {
        self.saw().is_some()
    }

    /// The client address that the pod's listener saw, if that listener replied.
    fn saw(&self) -> Option<IpAddr> {
        let ProbeEnd::Answered { saw: Some(saw), .. } = &self.seen.end else { return None };
        let endpoint = ProbeEndpoint::Pod(self.pod.name.clone());
        let ReachedBy { by, container_port, .. } = self.wanted();
        let listener = self.probes.script.listener(&endpoint, *by, self.there.address, *container_port)?;
        let seen = self.probes.results.listener(&listener.id)?;
        seen.from.contains(saw).then_some(saw.ip())
    }

    fn judge_reply(&self, judgement: &mut JudgementBuilder) {
        if self.is_answered() {
            return;
        }
        let expected = format!("a reply from pod {}, port {}", self.pod.name, self.wanted().container_port);
        let (message, found) = match &self.seen.end {
            ProbeEnd::Answered { .. } => (
                "answered, but not by the pod",
                format!("{}; the pod's listener did not receive it", messages::end(self.seen)),
            ),
            _ => ("not reached", messages::end(self.seen)),
        };
        let entry = self.finding(FindingCode::PL420, message).expected(expected).found(found);
        judgement.add_finding(entry.notes(describe_path(self)));
    }

    /// Source ports of the sender, from the captures there.
    fn sent(&self) -> BTreeSet<u16> {
        let mine = self.probes.script.captures.iter().filter(|(at, _)| *at == self.sender);
        let out = mine.flat_map(|(_, capture)| self.probes.packets(capture, Direction::Out));
        out.filter(|packet| self.has(packet, false)).filter_map(|packet| Some(ports(packet)?.0)).collect()
    }

    /// Whether a packet is the request, or (`is_reply`) an answer to it: at the node or, after translation, at the pod.
    fn has(&self, packet: &Packet, is_reply: bool) -> bool {
        let (Some(ip), Some((from, to))) = (packet.ip(), ports(packet)) else { return false };
        let (address, port, sender) = if is_reply { (ip.from, from, to) } else { (ip.to, to, from) };
        let is_ours = (address == self.to && port == self.wanted().host_port)
            || (address == self.there.address && port == self.wanted().container_port);
        is_ours && (self.flows.is_empty() || self.flows.contains(&sender))
    }

    /// The frames of the pod's node, by interface.
    fn at_node(&self) -> Vec<(&str, &[Frame])> {
        let ports = self.probes.plan.topology.ports_of(self.node);
        ports.map(|port| (port.name.as_str(), self.frames_of(&ProbeEndpoint::Node(self.node), &port.name))).collect()
    }

    fn frames_of(&self, endpoint: &ProbeEndpoint, interface: &str) -> &[Frame] {
        let is_it = |capture: &&Capture| matches!(&capture.interface, Tap::Name(name) if name == interface);
        let capture = self.probes.script.captures_of(endpoint).find(is_it);
        capture.map_or(&[], |capture| self.probes.frames(capture))
    }

    /// The source address that the pod saw.
    fn judge_source(&self, judgement: &mut JudgementBuilder) {
        let (Some(wanted), Some(saw)) = (&self.wanted().seen_from, self.saw()) else { return };
        let (expected, addresses) = match &wanted.value {
            Some(SeenAs::Address(address)) => (address.to_string(), vec![*address]),
            Some(SeenAs::Endpoint(endpoint)) => (endpoint.to_string(), self.addresses(endpoint)),
            None => {
                let node = ProbeEndpoint::Node(self.node);
                (format!("{node}"), self.addresses(&node))
            }
        };
        if addresses.is_empty() {
            return judgement
                .add_unobserved(format!("{}: nothing is known of the addresses of {expected}", self.text()));
        }
        judgement.count_fact();
        if addresses.contains(&saw) {
            return;
        }
        let entry = self.finding(FindingCode::PL422, "pod sees a different source address").source(&wanted.source);
        let entry = entry.expected(format!("seen from {expected}")).found(format!("seen from {}", self.named(saw)));
        judgement.add_finding(entry.notes(describe_portmap(self)));
        judge_known_defect(self, judgement);
    }

    /// All addresses of an endpoint.
    fn addresses(&self, endpoint: &ProbeEndpoint) -> Vec<IpAddr> {
        let observation = self.probes.observation;
        let of = |kernel: &crate::observe::KernelState| -> Vec<IpAddr> {
            kernel.links.iter().flat_map(crate::observe::Link::ips).collect()
        };
        match endpoint {
            ProbeEndpoint::Node(number) => {
                observation.nodes.iter().filter(|seen| seen.node == *number).flat_map(|seen| of(&seen.kernel)).collect()
            }
            ProbeEndpoint::Pod(name) => {
                observation.pod(name).and_then(|seen| seen.kernel.as_ref()).map(of).unwrap_or_default()
            }
            ProbeEndpoint::Host(name) => {
                let host = self.probes.plan.topology.host(name).into_iter();
                let nets = host.flat_map(|host| host.ports.iter().flat_map(|port| &port.addresses).chain(&host.behind));
                nets.map(ipnet::IpNet::addr).collect()
            }
        }
    }

    /// An address, with who has it where that is known: `10.66.0.10 (node 1)`.
    fn named(&self, address: IpAddr) -> String {
        let topology = &self.probes.plan.topology;
        let hosts = topology.hosts.iter().map(|host| ProbeEndpoint::Host(host.name.clone()));
        let nodes = (1..=topology.nodes).map(ProbeEndpoint::Node);
        let pods = self.probes.plan.pods.iter().map(|pod| ProbeEndpoint::Pod(pod.name.clone()));
        let owner = hosts.chain(nodes).chain(pods).find(|endpoint| self.addresses(endpoint).contains(&address));
        owner.map_or_else(|| address.to_string(), |owner| format!("{address} ({owner})"))
    }
}

/// Source and destination port.
fn ports(packet: &Packet) -> Option<(u16, u16)> {
    match &packet.ip()?.transport {
        Transport::Udp { from, to } | Transport::Tcp { from, to, .. } => Some((*from, *to)),
        _ => None,
    }
}

/// The interfaces at which a frame of one kind was seen going one way.
fn interfaces_with<'a>(case: &'a IngressProbe<'_>, way: Direction, fits: &dyn Fn(&Packet) -> bool) -> Vec<&'a str> {
    let has = |frames: &[Frame]| frames.iter().any(|(at, packet)| *at == way && fits(packet));
    case.at_node().into_iter().filter(|(_, frames)| has(frames)).map(|(name, _)| name).collect()
}

/// Replies left through the expected interface; without one, through that of the requests.
fn judge_reply_interface(case: &IngressProbe<'_>, judgement: &mut JudgementBuilder) {
    let came = interfaces_with(case, Direction::In, &|packet| case.has(packet, false));
    let left = interfaces_with(case, Direction::Out, &|packet| case.has(packet, true));
    let back_by = case.wanted().back_by.as_ref();
    let (wanted, source) = match back_by {
        Some(back_by) => (vec![back_by.value.as_str()], &back_by.source),
        None => (came.clone(), &case.item.source),
    };
    if left.is_empty() {
        if back_by.is_some() && case.is_answered() {
            judgement.count_fact();
            judgement.add_unobserved(format!("{}: answered, but no interface of the node has the reply", case.text()));
        }
        return;
    }
    // Without a request at the node's interfaces, it was sent on the node itself.
    if wanted.is_empty() {
        return;
    }
    judgement.count_fact();
    let astray: Vec<&str> = left.iter().copied().filter(|name| !wanted.contains(name)).collect();
    if astray.is_empty() {
        return;
    }
    let entry = case.finding(FindingCode::PL421, "reply left the node through a different interface").source(source);
    let entry = entry
        .expected(format!("reply through {}, like the request", wanted.join(", ")))
        .found(format!("reply through {}", astray.join(", ")));
    let shown = astray.iter().filter_map(|name| {
        let frames = case.frames_of(&ProbeEndpoint::Node(case.node), name);
        let is_it = |(way, packet): &&Frame| *way == Direction::Out && case.has(packet, true);
        frames.iter().find(is_it).map(|(_, packet)| format!("left through {name}: {packet}"))
    });
    judgement.add_finding(entry.notes(shown).notes(explain_interface(case, &astray)));
}

/// A line for each place that the request or its reply should have passed.
fn describe_path(case: &IngressProbe<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let pod = ProbeEndpoint::Pod(case.pod.name.clone());
    for (at, capture) in case.probes.script.captures.iter().filter(|(at, _)| *at == case.sender && *at != pod) {
        let (Tap::Name(place) | Tap::Uplink(place)) = &capture.interface;
        lines.push(describe_place(case, &format!("{place} of {at}"), case.probes.frames(capture), Direction::Out));
    }
    for (name, frames) in case.at_node() {
        lines.push(describe_place(case, &format!("{name} of node {}", case.node), frames, Direction::In));
    }
    let in_pod = case.frames_of(&pod, script::POD_INTERFACE);
    lines.push(describe_place(case, &format!("eth0 of pod {}", case.pod.name), in_pod, Direction::In));
    lines
}

/// `eth0 of node 1: saw requests in, no reply out`; `way` is the way that requests go there.
fn describe_place(case: &IngressProbe<'_>, place: &str, frames: &[Frame], way: Direction) -> String {
    let asked = frames.iter().filter(|(at, packet)| *at == way && case.has(packet, false)).count();
    let answered = frames.iter().filter(|(at, packet)| *at != way && case.has(packet, true)).count();
    if asked == 0 && answered == 0 {
        return format!("{place}: saw nothing of it");
    }
    let count = |number: usize, word: &str| match number {
        0 => format!("no {word}"),
        _ if word == "reply" => "replies".to_owned(),
        _ => format!("{word}s"),
    };
    let (to, fro) = if way == Direction::Out { ("out", "in") } else { ("in", "out") };
    format!("{place}: saw {} {to}, {} {fro}", count(asked, "request"), count(answered, "reply"))
}

/// Up to this release portmap's nftables backend does not read `masqAll` (portmap_nftables.go from v1.6.0 to v1.9.1).
const DEFECT: &str = "portmap's nftables backend, of 1.6.0 to 1.9.1 in every release, does not read masqAll; the iptables \
                      backend does since 1.2.0";

/// Why a reply left through these interfaces.
fn explain_interface(case: &IngressProbe<'_>, interfaces: &[&str]) -> Vec<String> {
    let mut notes = Vec::new();
    let topology = &case.probes.plan.topology;
    let of_node = |name: &&str| topology.ports.iter().find(|port| port.node == case.node && port.name == **name);
    let Some(eni) = interfaces.iter().filter_map(of_node).find(|port| port.eni.is_some()) else { return notes };
    let rules =
        case.probes.observation.nodes.iter().filter(|seen| seen.node == case.node).flat_map(|seen| &seen.kernel.rules);
    let is_pods = |rule: &&Rule| rule.from.is_some_and(|net| net.addr() == case.there.address);
    for rule in rules.filter(is_pods) {
        notes.push(format!(
            "{} is an ENI: rule {} of the node, `from {} lookup {}`, sends the pod's packets there",
            eni.name, rule.priority, case.there.address, rule.table
        ));
    }
    notes.push(match &topology.symmetric {
        None => "the chain does not ask for symmetric_routing (Terway 1.15.0 and later), so a reply does not \
                 return through the interface of its request"
            .to_owned(),
        Some(symmetric) => {
            format!("the chain asks for symmetric routing through {}, but it has no effect", symmetric.interface)
        }
    });
    notes
}

/// The settings of the chain's portmap for source addresses.
fn describe_portmap(case: &IngressProbe<'_>) -> Vec<String> {
    let Some(portmap) = portmap_config(case) else { return Vec::new() };
    let [masq_all, snat, backend] = ["masqAll", "snat", "backend"]
        .map(|key| portmap.get(key).map_or_else(|| "not given".to_owned(), Value::to_string));
    vec![format!("portmap of the chain: masqAll {masq_all}, snat {snat}, backend {backend}")]
}

/// `PL423`: reports a known defect of portmap.
fn judge_known_defect(case: &IngressProbe<'_>, judgement: &mut JudgementBuilder) {
    let Some(portmap) = portmap_config(case) else { return };
    let is_node = |endpoint: &ProbeEndpoint| *endpoint == ProbeEndpoint::Node(case.node);
    let wants_node = match case.wanted().seen_from.as_ref().map(|wanted| &wanted.value) {
        Some(None) => true,
        Some(Some(SeenAs::Endpoint(endpoint))) => is_node(endpoint),
        Some(Some(SeenAs::Address(address))) => case.addresses(&ProbeEndpoint::Node(case.node)).contains(address),
        None => false,
    };
    if portmap["masqAll"] != true || portmap["backend"] != "nftables" || !wants_node {
        return;
    }
    let entry = case.finding(FindingCode::PL423, "masqAll has no effect with portmap's nftables backend");
    let entry = entry.expected("masqueraded, as masqAll says").found("not masqueraded".to_owned());
    judgement.add_finding(entry.notes([DEFECT.to_owned()]));
}

/// The configuration of portmap in the default network.
fn portmap_config(case: &IngressProbe<'_>) -> Option<Value> {
    let network = case.probes.plan.topology.default_network.as_ref()?;
    let whole: Value = serde_json::from_str(&network.config).ok()?;
    whole["plugins"].as_array()?.iter().find(|plugin| plugin["type"] == "portmap").cloned()
}
