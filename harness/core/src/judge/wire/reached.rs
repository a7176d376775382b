//! What must reach a pod by a port of its node: `PL420` to `PL423`.
//!
//! The question is asked from wherever the scenario says, of the node's address; in the pod a listener tells whom it saw.
//! By which interface of the node an answer left is told by the captures there, whether or not it arrived anywhere.

mod path;
mod why;

use super::seen::{Act, Frame};
use super::words;
use crate::finding::{Finding, FindingCode};
use crate::judge::ledger::Ledger;
use crate::plan::{NodeAddress, Party, Pod, ReachedBy, SeenAs, Wanted};
use crate::wire::decode::{Packet, Transport};
use crate::wire::{Aim, Capture, Direction, ProbeEnd, ProbeSeen, aim, reached as script};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One `reachedBy` as it is judged.
pub(super) struct Case<'a> {
    act: &'a Act<'a>,
    pod: &'a Pod,
    /// The node that the pod is on, from 1.
    node: usize,
    item: &'a Wanted<ReachedBy>,
    sender: Party,
    /// The node's address that was asked.
    to: IpAddr,
    /// The pod's own.
    there: Aim,
    seen: &'a ProbeSeen,
    /// Ports of the sender, where its questions were captured.
    flows: BTreeSet<u16>,
}

/// Judges a `reachedBy`.
pub(super) fn judge(act: &Act<'_>, pod: &Pod, node: usize, id: &str, item: &Wanted<ReachedBy>, ledger: &mut Ledger) {
    let wanted = &item.value;
    let to = match script::asked(act.observation, wanted, node) {
        Ok(to) => to,
        Err(why) => return ledger.unobserved(format!("probe {id}: {why}")),
    };
    ledger.check();
    let there = match aim(act.observation, &script::in_pod(pod, wanted)) {
        Ok(there) => there,
        Err(why) => {
            let entry = Finding::new(FindingCode::PL420, "not reached by its node: the pod has no address to lead to");
            return ledger.add(entry.pod(&pod.name).source(&item.source).found(Some(why)));
        }
    };
    let Some(seen) = act.heard.probe(id) else {
        return ledger.unobserved(format!("probe {id}: it was not sent"));
    };
    let sender = wanted.sender_at(node);
    let mut case = Case { act, pod, node, item, sender, to, there, seen, flows: BTreeSet::new() };
    case.flows = case.sent();
    case.answered(ledger);
    path::links(&case, ledger);
    case.seen_from(ledger);
}

impl Case<'_> {
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
            Party::Pod(name) if *name == self.pod.name => "the pod itself".to_owned(),
            Party::Node(number) if *number == self.node => "the node itself".to_owned(),
            other => other.to_string(),
        };
        format!("{by} port {host_port} of node {} ({at}) from {from}", self.node)
    }

    fn finding(&self, code: FindingCode, message: &str) -> Finding {
        Finding::new(code, format!("{}: {message}", self.text())).pod(&self.pod.name).source(&self.item.source)
    }

    /// Whether the answer came, and from the listener in the pod.
    fn is_answered(&self) -> bool {
        self.saw().is_some()
    }

    /// Whom the pod's listener saw, where it is the one that answered.
    fn saw(&self) -> Option<IpAddr> {
        let ProbeEnd::Answered { saw: Some(saw), .. } = &self.seen.end else {
            return None;
        };
        let party = Party::Pod(self.pod.name.clone());
        let ReachedBy { by, container_port, .. } = self.wanted();
        let listener = self.act.script.listener(&party, *by, self.there.address, *container_port)?;
        let heard = self.act.heard.listener(&listener.id)?;
        heard.from.contains(saw).then_some(saw.ip())
    }

    fn answered(&self, ledger: &mut Ledger) {
        if self.is_answered() {
            return;
        }
        let expected = format!("an answer by pod {}, port {}", self.pod.name, self.wanted().container_port);
        let (message, found) = match &self.seen.end {
            ProbeEnd::Answered { .. } => (
                "answered, and not by the pod",
                format!("{}; the pod's listener did not hear it", words::end(self.seen)),
            ),
            _ => ("not reached", words::end(self.seen)),
        };
        let entry = self.finding(FindingCode::PL420, message).expected(expected).found(Some(found));
        ledger.add(entry.notes(path::trail(self)));
    }

    /// Ports from which the sender asked, as the captures there have it.
    fn sent(&self) -> BTreeSet<u16> {
        let mine = self.act.script.captures.iter().filter(|(at, _)| *at == self.sender);
        let frames = mine.flat_map(|(_, capture)| self.act.frames(capture));
        let out = frames.filter(|(way, packet)| *way == Direction::Out && self.is_question(packet));
        out.filter_map(|(_, packet)| ports(packet).map(|(from, _)| from)).collect()
    }

    /// Whether a packet asks the node, or (behind its translation) the pod.
    fn is_question(&self, packet: &Packet) -> bool {
        let (Some(ip), Some((from, to))) = (packet.ip(), ports(packet)) else {
            return false;
        };
        let asked = (ip.to == self.to && to == self.wanted().host_port)
            || (ip.to == self.there.address && to == self.wanted().container_port);
        asked && (self.flows.is_empty() || self.flows.contains(&from))
    }

    /// Whether a packet answers, as the pod sends it or as the node passes it on.
    fn is_answer(&self, packet: &Packet) -> bool {
        let (Some(ip), Some((from, to))) = (packet.ip(), ports(packet)) else {
            return false;
        };
        let answers = (ip.from == self.to && from == self.wanted().host_port)
            || (ip.from == self.there.address && from == self.wanted().container_port);
        answers && (self.flows.is_empty() || self.flows.contains(&to))
    }

    /// The frames of the pod's node, by interface.
    fn at_node(&self) -> Vec<(&str, &[Frame])> {
        let ports = self.act.plan.topology.ports.iter().filter(|port| port.node == self.node);
        ports.map(|port| (port.name.as_str(), self.frames_of(&Party::Node(self.node), &port.name))).collect()
    }

    fn frames_of(&self, party: &Party, interface: &str) -> &[Frame] {
        let is_it =
            |capture: &&Capture| matches!(&capture.interface, crate::wire::Tap::Name(name) if name == interface);
        let capture = self.act.script.captures_of(party).find(is_it);
        capture.map_or(&[], |capture| self.act.frames(capture))
    }

    /// The source address that the pod saw.
    fn seen_from(&self, ledger: &mut Ledger) {
        let (Some(wanted), Some(saw)) = (&self.wanted().seen_from, self.saw()) else {
            return;
        };
        let (expected, addresses) = match &wanted.value {
            Some(SeenAs::Address(address)) => (address.to_string(), vec![*address]),
            Some(SeenAs::Party(party)) => (party.to_string(), self.addresses(party)),
            None => {
                let node = Party::Node(self.node);
                (format!("{node}"), self.addresses(&node))
            }
        };
        if addresses.is_empty() {
            return ledger.unobserved(format!("{}: nothing is known of the addresses of {expected}", self.text()));
        }
        ledger.check();
        if addresses.contains(&saw) {
            return;
        }
        let entry = self.finding(FindingCode::PL422, "the pod sees another source address").source(&wanted.source);
        let entry =
            entry.expected(format!("seen from {expected}")).found(Some(format!("seen from {}", self.named(saw))));
        ledger.add(entry.notes(why::source(self)));
        why::known_defect(self, ledger);
    }

    /// All addresses of a party.
    fn addresses(&self, party: &Party) -> Vec<IpAddr> {
        let observation = self.act.observation;
        let of = |kernel: &crate::observe::KernelState| -> Vec<IpAddr> {
            let links = kernel.links.iter().flat_map(|link| &link.addresses);
            links.map(|address| address.address.addr()).collect()
        };
        match party {
            Party::Node(number) => {
                observation.nodes.iter().filter(|seen| seen.node == *number).flat_map(|seen| of(&seen.kernel)).collect()
            }
            Party::Pod(name) => {
                let pods = observation.pods.iter().filter(|seen| seen.pod == *name);
                pods.filter_map(|seen| seen.kernel.as_ref()).flat_map(of).collect()
            }
            Party::Host(name) => {
                let hosts = self.act.plan.topology.hosts.iter().filter(|host| host.name == *name);
                let nets =
                    hosts.flat_map(|host| host.ports.iter().flat_map(|port| &port.addresses).chain(&host.behind));
                nets.map(ipnet::IpNet::addr).collect()
            }
        }
    }

    /// An address, with who has it where that is known: `10.66.0.10 (node 1)`.
    fn named(&self, address: IpAddr) -> String {
        let topology = &self.act.plan.topology;
        let hosts = topology.hosts.iter().map(|host| Party::Host(host.name.clone()));
        let nodes = (1..=topology.nodes).map(Party::Node);
        let pods = self.act.plan.pods.iter().map(|pod| Party::Pod(pod.name.clone()));
        let owner = hosts.chain(nodes).chain(pods).find(|party| self.addresses(party).contains(&address));
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
