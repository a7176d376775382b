//! The script of the probes: what is to be sent, listened for and captured, from a plan and the observation of its pods.
//!
//! Per `reaches` the request itself, captures at the pod, at the node's uplink and at the far end, and what proves those
//! captures. Per `cannotReach` the request and both its controls, side by side in one window. Per `reachedBy` a listener in
//! the pod behind the node's port, the request from its sender, and captures at the sender, at every uplink of the node and
//! in the pod. What cannot be sent (the pod is not up, the target has no address) is left out; the judge reports it.

pub mod target;
pub mod window;

pub use target::{ProbeTarget, TargetError, find_target, next_hop, node_address, uplink_of};

use crate::observe::Observation;
use crate::plan::{
    Destination, Host, NodeAddress, Plan, Pod, ProbeEndpoint, Protocol, ReachedBy, Unreachable, WantedReach,
};
use crate::wire::{Capture, Listener, Probe, ProbeAction, Script, Tap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use target::kernel_of_pod;

/// How long an answer is waited for, in milliseconds. A `cannotReach` whose controls took more than a tenth of it proves
/// nothing, and the judge reports it.
pub const WINDOW_MS: u64 = 1000;

/// How often a request is sent; the first reply ends it: while neighbours are resolved a first packet may be lost.
pub const REQUESTS: u32 = 3;

/// Most addresses of one capture; beyond, it keeps everything.
const MOST_ADDRESSES: usize = 16;

/// The tag of a control frame where none is wanted.
const CONTROL_TAG: u16 = 100;

/// The priority bits of a control frame where none of them may be set: that they are all 0 is then known to be seen.
const CONTROL_PRIORITY: u8 = 7;

/// The ids of a script's items.
pub mod ids {
    /// The question of a `reaches`, by its place from 0.
    pub fn reaches(pod: &str, index: usize) -> String {
        format!("{pod}/reaches/{index}")
    }

    /// The question of a `cannotReach`, by its place from 0.
    pub fn cannot_reach(pod: &str, index: usize) -> String {
        format!("{pod}/cannotReach/{index}")
    }

    /// The question of a `reachedBy`, by its place from 0.
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
pub fn build_script(plan: &Plan, observation: &Observation) -> Option<Script> {
    if plan.expect.iter().all(|wanted| !wanted.wants_packets()) {
        return None;
    }
    let mut builder = Builder { plan, observation, script: Script::default() };
    for wanted in &plan.expect {
        let Some((place, pod)) = plan.pods.iter().enumerate().find(|(_, pod)| pod.name == wanted.pod) else {
            continue;
        };
        if kernel_of_pod(observation, &pod.name).is_err() {
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

struct Builder<'a> {
    plan: &'a Plan,
    observation: &'a Observation,
    script: Script,
}

impl Builder<'_> {
    fn reaches(&mut self, pod: &Pod, node: usize, wanted: &WantedReach, id: &str) {
        let Ok(target) = find_target(self.observation, &wanted.to) else { return };
        let through = wanted.through.as_ref().map(|through| through.value.as_str());
        self.far(&wanted.to, &target, wanted.by, wanted.port, id);
        self.pod_captures(pod, through, &target, wanted.gateway.as_ref().map(|gateway| gateway.value), id);
        let sender = ProbeEndpoint::Pod(pod.name.clone());
        if let Some(gateway) = &wanted.gateway {
            let dev = through.map(str::to_owned);
            self.ask(sender.clone(), format!("{id}{}", ids::GATEWAY), Protocol::Arp, gateway.value, None, None, dev);
        }
        if let Some(tags) = &wanted.tags {
            let priority = wanted.priority.as_ref().map(|priority| priority.value);
            self.tags(pod, node, (&tags.value, priority), through, &target, id);
        }
        if let (Some(lookup), Some(port)) = (&wanted.lookup, wanted.port) {
            let (to, from, name) = (target.address, wanted.from, lookup.name.clone());
            let what =
                ProbeAction::Lookup { to, port, from, name, v6: lookup.resolves_to.value.is_ipv6(), times: REQUESTS };
            return self.probe(sender, id.to_owned(), what);
        }
        let dev = through.filter(|_| wanted.by == Protocol::Arp).map(str::to_owned);
        self.ask(sender, id.to_owned(), wanted.by, target.address, wanted.port, wanted.from, dev);
    }

    /// The question and its controls leave together: what is answered proves the window of what is not.
    fn cannot_reach(&mut self, pod: &Pod, wanted: &Unreachable, id: &str) {
        let (Ok(to), Ok(control)) =
            (find_target(self.observation, &wanted.to), find_target(self.observation, &wanted.sender_reaches))
        else {
            return;
        };
        self.far(&wanted.to, &to, wanted.by, wanted.port, id);
        self.pod_captures(pod, None, &to, None, id);
        let sender_id = format!("{id}{}", ids::SENDER);
        self.far(&wanted.sender_reaches, &control, wanted.by, wanted.port, &sender_id);
        self.pod_captures(pod, None, &control, None, &sender_id);
        let sender = ProbeEndpoint::Pod(pod.name.clone());
        let to_dev = self.arp_device(&pod.name, wanted.by, &to);
        let control_dev = self.arp_device(&pod.name, wanted.by, &control);
        self.ask(sender.clone(), id.to_owned(), wanted.by, to.address, wanted.port, wanted.from, to_dev);
        self.ask(sender, sender_id, wanted.by, control.address, wanted.port, None, control_dev);
        if let Some(third) = &wanted.reached_by {
            let (is_up, dev) = match third {
                ProbeEndpoint::Pod(name) => {
                    (kernel_of_pod(self.observation, name).is_ok(), self.arp_device(name, wanted.by, &to))
                }
                ProbeEndpoint::Host(_) | ProbeEndpoint::Node(_) => (true, None),
            };
            if is_up {
                let id = format!("{id}{}", ids::THIRD);
                self.ask(third.clone(), id, wanted.by, to.address, wanted.port, None, dev);
            }
        }
    }

    /// The interface that a pod sends ARP for a target through; none for other protocols.
    fn arp_device(&self, pod: &str, by: Protocol, target: &ProbeTarget) -> Option<String> {
        let kernel = kernel_of_pod(self.observation, pod).ok().filter(|_| by == Protocol::Arp)?;
        next_hop(kernel, target.address).map(|(dev, _)| dev)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a question, each once")]
    fn ask(
        &mut self,
        endpoint: ProbeEndpoint,
        id: String,
        by: Protocol,
        to: IpAddr,
        port: Option<u16>,
        from: Option<IpAddr>,
        dev: Option<String>,
    ) {
        self.probe(endpoint, id, ProbeAction::Request { by, to, port, from, dev, times: REQUESTS });
    }

    fn probe(&mut self, endpoint: ProbeEndpoint, id: String, what: ProbeAction) {
        self.script.probes.push((endpoint, Probe { id, what, window_ms: WINDOW_MS }));
    }

    /// One listener per address and port.
    fn listen(&mut self, endpoint: &ProbeEndpoint, protocol: Protocol, address: IpAddr, port: u16, id: &str) {
        if self.script.listener(endpoint, protocol, address, port).is_none() {
            let listener = Listener { id: format!("{id}{}", ids::LISTEN), protocol, address, port };
            self.script.listeners.push((endpoint.clone(), listener));
        }
    }

    /// What is there at the far end: a listener where the protocol wants one, and captures.
    fn far(&mut self, destination: &Destination, target: &ProbeTarget, by: Protocol, port: Option<u16>, id: &str) {
        let Some(endpoint) = &target.endpoint else { return };
        if let (Protocol::Udp | Protocol::Tcp, Some(port)) = (by, port) {
            self.listen(endpoint, by, target.address, port, id);
        }
        let id = format!("{id}{}", ids::FAR);
        match (endpoint, destination) {
            (ProbeEndpoint::Host(name), _) => {
                let host = self.plan.topology.host(name).into_iter();
                let mut uplinks: Vec<&String> = host.flat_map(|host| &host.ports).map(|port| &port.uplink).collect();
                uplinks.dedup();
                for (index, uplink) in uplinks.into_iter().enumerate() {
                    let id = if index == 0 { id.clone() } else { format!("{id}/{uplink}") };
                    self.capture(endpoint, Tap::Uplink(uplink.clone()), id, &[target.address]);
                }
            }
            (ProbeEndpoint::Pod(_), Destination::Pod { interface, .. }) => {
                self.capture(endpoint, Tap::Name(interface.clone()), id, &[target.address]);
            }
            (ProbeEndpoint::Pod(name), Destination::Address { .. }) => {
                let links = kernel_of_pod(self.observation, name).map(|kernel| &kernel.links[..]).unwrap_or_default();
                if let Some(link) = links.iter().find(|link| link.address_with(target.address).is_some()) {
                    self.capture(endpoint, Tap::Name(link.name.clone()), id, &[target.address]);
                }
            }
            (ProbeEndpoint::Node(_), _) => {}
        }
    }

    /// Captures at every interface of the pod that leads somewhere, so that misrouted packets are captured too.
    fn pod_captures(
        &mut self,
        pod: &Pod,
        through: Option<&str>,
        target: &ProbeTarget,
        gateway: Option<IpAddr>,
        id: &str,
    ) {
        let Ok(kernel) = kernel_of_pod(self.observation, &pod.name) else { return };
        // Neighbour requests carry the next hop's address.
        let hop = next_hop(kernel, target.address).and_then(|(_, via)| via);
        let addresses: Vec<IpAddr> = [Some(target.address), hop, gateway].into_iter().flatten().collect();
        let endpoint = ProbeEndpoint::Pod(pod.name.clone());
        for link in kernel.links.iter().filter(|link| link.name != "lo") {
            let mut id = format!("{id}{}", ids::POD);
            if through != Some(link.name.as_str()) {
                id = format!("{id}/{}", link.name);
            }
            self.capture(&endpoint, Tap::Name(link.name.clone()), id, &addresses);
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
        target: &ProbeTarget,
        id: &str,
    ) {
        let Some(uplink) = uplink_of(self.plan, pod, through, target.endpoint.as_ref()) else { return };
        let tap = Tap::Uplink(uplink.clone());
        self.capture(&ProbeEndpoint::Node(node), tap.clone(), format!("{id}{}", ids::UPLINK), &[target.address]);
        let topology = &self.plan.topology;
        let on_it = |host: &&Host| host.ports.iter().any(|port| port.uplink == uplink);
        let far = match &target.endpoint {
            Some(ProbeEndpoint::Host(name)) => topology.host(name).filter(on_it),
            _ => None,
        };
        let host = far.or_else(|| topology.hosts.iter().find(on_it));
        let host = host.map(|host| ProbeEndpoint::Host(host.name.clone()));
        let other = || (1..=topology.nodes).find(|other| *other != node).map(ProbeEndpoint::Node);
        let endpoint = host.or_else(other).unwrap_or(ProbeEndpoint::Node(node));
        let tags = if tags.is_empty() { vec![CONTROL_TAG] } else { tags.to_vec() };
        let priority = match priority {
            None => 0,
            Some(0) => CONTROL_PRIORITY,
            Some(bits) => bits,
        };
        let what = ProbeAction::Control { interface: tap, tags, priority };
        self.probe(endpoint, format!("{id}{}", ids::TAGGED), what);
    }

    /// One capture per place, with the addresses of all its probes.
    fn capture(&mut self, endpoint: &ProbeEndpoint, interface: Tap, id: String, addresses: &[IpAddr]) {
        let known =
            self.script.captures.iter_mut().find(|(at, capture)| at == endpoint && capture.interface == interface);
        let mut new = Capture { id, interface, addresses: Vec::new() };
        let (is_new, capture) = match known {
            // Nothing named keeps everything, and so it stays.
            Some((_, capture)) if capture.addresses.is_empty() => return,
            Some((_, capture)) => (false, capture),
            None => (true, &mut new),
        };
        for address in addresses {
            if !capture.addresses.contains(address) {
                capture.addresses.push(*address);
            }
        }
        if capture.addresses.len() > MOST_ADDRESSES {
            capture.addresses.clear();
        }
        if is_new {
            self.script.captures.push((endpoint.clone(), new));
        }
    }
}

/// The interface that the default network makes, whose address a port of the node leads to.
pub(crate) const POD_INTERFACE: &str = "eth0";

/// The target address of a `reachedBy`, for a pod on this node.
///
/// # Errors
/// As [`node_address`].
pub(crate) fn find_requested_address(
    observation: &Observation,
    wanted: &ReachedBy,
    node: usize,
) -> Result<IpAddr, TargetError> {
    match (wanted.at, wanted.v6) {
        (NodeAddress::Own, v6) => node_address(observation, node, v6),
        (NodeAddress::Localhost, false) => Ok(Ipv4Addr::LOCALHOST.into()),
        (NodeAddress::Localhost, true) => Ok(Ipv6Addr::LOCALHOST.into()),
    }
}

/// The pod's own end.
pub(crate) fn target_in_pod(pod: &Pod, wanted: &ReachedBy) -> Destination {
    Destination::Pod { pod: pod.name.clone(), interface: POD_INTERFACE.to_owned(), v6: wanted.v6 }
}

impl Builder<'_> {
    fn reached_by(&mut self, pod: &Pod, node: usize, wanted: &ReachedBy, id: &str) {
        let there = find_target(self.observation, &target_in_pod(pod, wanted));
        let (Ok(to), Ok(there)) = (find_requested_address(self.observation, wanted, node), there) else { return };
        let endpoint = ProbeEndpoint::Pod(pod.name.clone());
        self.listen(&endpoint, wanted.by, there.address, wanted.container_port, id);
        let both = [to, there.address];
        self.capture(&endpoint, Tap::Name(POD_INTERFACE.to_owned()), format!("{id}{}", ids::POD), &both);
        let plan = self.plan;
        for port in plan.topology.ports_of(node) {
            let id = format!("{id}{}/{}", ids::NODE, port.name);
            self.capture(&ProbeEndpoint::Node(node), Tap::Name(port.name.clone()), id, &both);
        }
        let sender = wanted.sender_at(node);
        self.sender(&sender, node, to, id);
        self.ask(sender, id.to_owned(), wanted.by, to, Some(wanted.host_port), None, None);
    }

    /// Captures at the sender; a request of the pod's own node passes no interface that could be captured.
    fn sender(&mut self, sender: &ProbeEndpoint, node: usize, to: IpAddr, id: &str) {
        let plan = self.plan;
        let id = format!("{id}{}", ids::ASKED);
        match sender {
            ProbeEndpoint::Host(name) => {
                for port in plan.topology.host(name).into_iter().flat_map(|host| &host.ports) {
                    let id = format!("{id}/{}", port.uplink);
                    self.capture(sender, Tap::Uplink(port.uplink.clone()), id, &[to]);
                }
            }
            ProbeEndpoint::Node(number) if *number != node => {
                for port in plan.topology.ports_of(*number) {
                    self.capture(sender, Tap::Name(port.name.clone()), format!("{id}/{}", port.name), &[to]);
                }
            }
            ProbeEndpoint::Node(_) => {}
            ProbeEndpoint::Pod(name) => {
                let links = kernel_of_pod(self.observation, name).map(|kernel| &kernel.links[..]).unwrap_or_default();
                for link in links.iter().filter(|link| link.name != "lo") {
                    self.capture(sender, Tap::Name(link.name.clone()), format!("{id}/{}", link.name), &[to]);
                }
            }
        }
    }
}
