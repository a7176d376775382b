//! From a plan, and what was observed of its pods, to the act that looks at packets.
//!
//! Per `reaches` the question itself, what captures it at the pod, at the node's uplink and at the far end, and what
//! proves those captures. Per `cannotReach` the question and both its controls, side by side in one window. What can't be
//! asked (the pod is not up, the destination has no address) is left out here, and told by the judge.

use super::aim::{Aim, aim, kernel, next_hop, uplink_of};
use super::{Capture, Listener, Probe, Script, Send, Tap};
use crate::observe::Observation;
use crate::plan::{Destination, Party, Plan, Pod, Protocol, Unreachable, WantedReach};
use std::net::IpAddr;

/// How long an answer is waited for, in milliseconds. A `cannotReach` whose controls took more than a tenth of it proves
/// nothing, and the judge says so.
pub const WINDOW_MS: u64 = 1000;

/// How often a question is asked, the first answer ending it: while neighbours are resolved a first packet may be lost.
pub const QUESTIONS: u32 = 3;

/// Most addresses that a capture is told to keep; beyond, it keeps everything.
const MOST_ADDRESSES: usize = 16;

/// The tag of a control frame where none is wanted.
const CONTROL_TAG: u16 = 100;

/// The priority bits of a control frame where none of them may be set: that they are all 0 is then known to be seen.
const CONTROL_PRIORITY: u8 = 7;

/// The ids of a script's items.
pub mod ids {
    /// The question of a `reaches`, by its place from 0.
    #[must_use]
    pub fn reaches(pod: &str, index: usize) -> String {
        format!("{pod}/reaches/{index}")
    }

    /// The question of a `cannotReach`, by its place from 0.
    #[must_use]
    pub fn cannot_reach(pod: &str, index: usize) -> String {
        format!("{pod}/cannotReach/{index}")
    }

    /// The question of a `reachedBy`, by its place from 0.
    #[must_use]
    pub fn reached_by(pod: &str, index: usize) -> String {
        format!("{pod}/reachedBy/{index}")
    }

    /// After a `reachedBy`: the capture at the sender.
    pub const ASKED: &str = "/asked";
    /// After a `reachedBy`: the capture at an interface of the pod's node, as `/node/NAME`.
    pub const NODE: &str = "/node";
    /// After either: the listener at the destination.
    pub const LISTEN: &str = "/listen";
    /// After either: the capture at the pod's interface; other interfaces of it follow as `/pod/NAME`.
    pub const POD: &str = "/pod";
    /// After either: the capture at the node's uplink.
    pub const UPLINK: &str = "/uplink";
    /// After either: the capture at the far end.
    pub const FAR: &str = "/far";
    /// After a `reaches`: who has the gateway's address.
    pub const GATEWAY: &str = "/gateway";
    /// After a `reaches`: the tagged control frame.
    pub const TAGGED: &str = "/tagged";
    /// After a `cannotReach`: what the sender reaches meanwhile.
    pub const SENDER: &str = "/sender";
    /// After a `cannotReach`: who reaches the same destination meanwhile.
    pub const THIRD: &str = "/third";
}

/// Makes the act; none where no pod wants packets.
#[must_use]
pub fn script(plan: &Plan, observation: &Observation) -> Option<Script> {
    if plan.expect.iter().all(|wanted| !wanted.wants_packets()) {
        return None;
    }
    let mut builder = Builder { plan, observation, script: Script::default() };
    for wanted in &plan.expect {
        let Some((place, pod)) = plan.pods.iter().enumerate().find(|(_, pod)| pod.name == wanted.pod) else {
            continue;
        };
        if kernel(observation, &pod.name).is_err() {
            continue;
        }
        let node = plan.topology.node_of(pod.node, place);
        for (index, reach) in wanted.reaches.iter().enumerate() {
            builder.reaches(pod, node, &reach.value, &ids::reaches(&pod.name, index));
        }
        for (index, unreachable) in wanted.cannot_reach.iter().enumerate() {
            builder.cannot_reach(pod, &unreachable.value, &ids::cannot_reach(&pod.name, index));
        }
        for (index, reached) in wanted.reached_by.iter().enumerate() {
            builder.reached_by(pod, node, &reached.value, &ids::reached_by(&pod.name, index));
        }
    }
    Some(builder.script)
}

pub(super) struct Builder<'a> {
    pub(super) plan: &'a Plan,
    pub(super) observation: &'a Observation,
    pub(super) script: Script,
}

impl Builder<'_> {
    fn reaches(&mut self, pod: &Pod, node: usize, wanted: &WantedReach, id: &str) {
        let Ok(aim) = aim(self.observation, &wanted.to) else {
            return;
        };
        let through = wanted.through.as_ref().map(|through| through.value.as_str());
        self.far(&wanted.to, &aim, wanted.by, wanted.port, id);
        self.pod_captures(pod, through, &aim, wanted.gateway.as_ref().map(|gateway| gateway.value), id);
        let sender = Party::Pod(pod.name.clone());
        if let Some(gateway) = &wanted.gateway {
            let dev = through.map(str::to_owned);
            self.ask(sender.clone(), format!("{id}{}", ids::GATEWAY), Protocol::Arp, gateway.value, None, None, dev);
        }
        if let Some(tags) = &wanted.tags {
            let priority = wanted.priority.as_ref().map(|priority| priority.value);
            self.tags(pod, node, (&tags.value, priority), through, &aim, id);
        }
        if let (Some(lookup), Some(port)) = (&wanted.lookup, wanted.port) {
            let (to, from, name) = (aim.address, wanted.from, lookup.name.clone());
            let what = Send::Lookup { to, port, from, name, v6: lookup.resolves_to.value.is_ipv6(), times: QUESTIONS };
            self.script.probes.push((sender, Probe { id: id.to_owned(), what, window_ms: WINDOW_MS }));
            return;
        }
        let dev = through.filter(|_| wanted.by == Protocol::Arp).map(str::to_owned);
        self.ask(sender, id.to_owned(), wanted.by, aim.address, wanted.port, wanted.from, dev);
    }

    /// The question and its controls leave together: what is answered proves the window of what is not.
    fn cannot_reach(&mut self, pod: &Pod, wanted: &Unreachable, id: &str) {
        let (Ok(to), Ok(control)) = (aim(self.observation, &wanted.to), aim(self.observation, &wanted.sender_reaches))
        else {
            return;
        };
        self.far(&wanted.to, &to, wanted.by, wanted.port, id);
        self.pod_captures(pod, None, &to, None, id);
        let sender_id = format!("{id}{}", ids::SENDER);
        self.far(&wanted.sender_reaches, &control, wanted.by, wanted.port, &sender_id);
        self.pod_captures(pod, None, &control, None, &sender_id);
        let sender = Party::Pod(pod.name.clone());
        let arp_dev = |aim: &Aim| {
            let kernel = kernel(self.observation, &pod.name).ok().filter(|_| wanted.by == Protocol::Arp)?;
            next_hop(kernel, aim.address).map(|(dev, _)| dev)
        };
        let (to_dev, control_dev) = (arp_dev(&to), arp_dev(&control));
        self.ask(sender.clone(), id.to_owned(), wanted.by, to.address, wanted.port, wanted.from, to_dev);
        self.ask(sender, sender_id, wanted.by, control.address, wanted.port, None, control_dev);
        if let Some(third) = &wanted.reached_by {
            let dev = match third {
                Party::Pod(name) if wanted.by == Protocol::Arp => kernel(self.observation, name)
                    .ok()
                    .and_then(|kernel| next_hop(kernel, to.address))
                    .map(|(dev, _)| dev),
                _ => None,
            };
            let up = match third {
                Party::Pod(name) => kernel(self.observation, name).is_ok(),
                Party::Host(_) | Party::Node(_) => true,
            };
            if up {
                let id = format!("{id}{}", ids::THIRD);
                self.ask(third.clone(), id, wanted.by, to.address, wanted.port, None, dev);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a question, each once")]
    fn ask(
        &mut self,
        party: Party,
        id: String,
        by: Protocol,
        to: IpAddr,
        port: Option<u16>,
        from: Option<IpAddr>,
        dev: Option<String>,
    ) {
        let what = Send::Ask { by, to, port, from, dev, times: QUESTIONS };
        self.script.probes.push((party, Probe { id, what, window_ms: WINDOW_MS }));
    }

    /// What is there at the far end: a listener where the protocol wants one, and captures.
    fn far(&mut self, destination: &Destination, aim: &Aim, by: Protocol, port: Option<u16>, id: &str) {
        let Some(party) = &aim.party else {
            return;
        };
        if let (Protocol::Udp | Protocol::Tcp, Some(port)) = (by, port)
            && self.script.listener(party, by, aim.address, port).is_none()
        {
            let listener = Listener { id: format!("{id}{}", ids::LISTEN), protocol: by, address: aim.address, port };
            self.script.listeners.push((party.clone(), listener));
        }
        let id = format!("{id}{}", ids::FAR);
        match (party, destination) {
            (Party::Host(name), _) => {
                let host = self.plan.topology.hosts.iter().find(|host| host.name == *name);
                let mut uplinks: Vec<&String> =
                    host.map_or(&[][..], |host| &host.ports).iter().map(|port| &port.uplink).collect();
                uplinks.dedup();
                for (index, uplink) in uplinks.into_iter().enumerate() {
                    let id = if index == 0 { id.clone() } else { format!("{id}/{uplink}") };
                    self.capture(party, Tap::Uplink(uplink.clone()), id, &[aim.address]);
                }
            }
            (Party::Pod(_), Destination::Pod { interface, .. }) => {
                self.capture(party, Tap::Name(interface.clone()), id, &[aim.address]);
            }
            (Party::Pod(name), Destination::Address { .. }) => {
                let interface = kernel(self.observation, name).ok().and_then(|kernel| {
                    let has = |link: &&crate::observe::Link| {
                        link.addresses.iter().any(|address| address.address.addr() == aim.address)
                    };
                    kernel.links.iter().find(has).map(|link| link.name.clone())
                });
                if let Some(interface) = interface {
                    self.capture(party, Tap::Name(interface), id, &[aim.address]);
                }
            }
            (Party::Node(_), _) => {}
        }
    }

    /// Captures at every interface of the pod that leads somewhere, so that packets gone astray are seen too.
    fn pod_captures(&mut self, pod: &Pod, through: Option<&str>, aim: &Aim, gateway: Option<IpAddr>, id: &str) {
        let Ok(kernel) = kernel(self.observation, &pod.name) else {
            return;
        };
        // Neighbours are asked for by the next hop's address.
        let hop = next_hop(kernel, aim.address).and_then(|(_, via)| via);
        let addresses: Vec<IpAddr> = [Some(aim.address), hop, gateway].into_iter().flatten().collect();
        let party = Party::Pod(pod.name.clone());
        for link in kernel.links.iter().filter(|link| link.name != "lo") {
            let mut id = format!("{id}{}", ids::POD);
            if through != Some(link.name.as_str()) {
                id = format!("{id}/{}", link.name);
            }
            self.capture(&party, Tap::Name(link.name.clone()), id, &addresses);
        }
    }

    /// The node's uplink, and a tagged frame that it must be seen to show as tagged: sent by a host on that uplink, where
    /// there is none by another node, at last by the node itself.
    fn tags(
        &mut self,
        pod: &Pod,
        node: usize,
        (tags, priority): (&[u16], Option<u8>),
        through: Option<&str>,
        aim: &Aim,
        id: &str,
    ) {
        let Some(uplink) = uplink_of(self.plan, pod, through, aim.party.as_ref()) else {
            return;
        };
        self.capture(&Party::Node(node), Tap::Uplink(uplink.clone()), format!("{id}{}", ids::UPLINK), &[aim.address]);
        let topology = &self.plan.topology;
        let on_it = |name: &str| {
            let mut hosts = topology.hosts.iter().filter(|host| host.name == name);
            hosts.any(|host| host.ports.iter().any(|port| port.uplink == uplink))
        };
        let far = match &aim.party {
            Some(Party::Host(name)) if on_it(name) => Some(Party::Host(name.clone())),
            _ => None,
        };
        let any = || topology.hosts.iter().find(|host| on_it(&host.name)).map(|host| Party::Host(host.name.clone()));
        let other = || (1..=topology.nodes).find(|other| *other != node).map(Party::Node);
        let party = far.or_else(any).or_else(other).unwrap_or(Party::Node(node));
        let tags = if tags.is_empty() { vec![CONTROL_TAG] } else { tags.to_vec() };
        let priority = match priority {
            None => 0,
            Some(0) => CONTROL_PRIORITY,
            Some(bits) => bits,
        };
        let what = Send::Control { interface: Tap::Uplink(uplink), tags, priority };
        let id = format!("{id}{}", ids::TAGGED);
        self.script.probes.push((party, Probe { id, what, window_ms: WINDOW_MS }));
    }

    /// One capture per place; what it keeps grows with what is asked of it.
    pub(super) fn capture(&mut self, party: &Party, interface: Tap, id: String, addresses: &[IpAddr]) {
        let known = self.script.captures.iter_mut().find(|(at, capture)| at == party && capture.interface == interface);
        let capture = match known {
            // Nothing named keeps everything, and so it stays.
            Some((_, capture)) if capture.addresses.is_empty() => return,
            Some((_, capture)) => capture,
            None => {
                let capture = Capture { id, interface, addresses: Vec::new() };
                self.script.captures.push((party.clone(), capture));
                let Some((_, capture)) = self.script.captures.last_mut() else {
                    return;
                };
                capture
            }
        };
        for address in addresses {
            if !capture.addresses.contains(address) {
                capture.addresses.push(*address);
            }
        }
        if capture.addresses.len() > MOST_ADDRESSES {
            capture.addresses.clear();
        }
    }
}
