//! What a `reachedBy` adds to an act: a listener in the pod at the port that the node's leads to, the question from
//! wherever it comes, and captures at the sender, at every interface that the node has on an uplink, and in the pod.

use super::aim::{aim, kernel, node_address};
use super::script::{Builder, QUESTIONS, WINDOW_MS, ids};
use super::{Listener, Probe, Send, Tap};
use crate::plan::{Destination, NodeAddress, Party, Pod, ReachedBy};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The interface that the default network makes, whose address a port of the node leads to.
pub(crate) const POD_INTERFACE: &str = "eth0";

/// Which address a `reachedBy` asks, of a pod on this node.
///
/// # Errors
/// As [`node_address`].
pub(crate) fn asked(
    observation: &crate::observe::Observation,
    wanted: &ReachedBy,
    node: usize,
) -> Result<IpAddr, String> {
    match (wanted.at, wanted.v6) {
        (NodeAddress::Own, v6) => node_address(observation, node, v6),
        (NodeAddress::Localhost, false) => Ok(Ipv4Addr::LOCALHOST.into()),
        (NodeAddress::Localhost, true) => Ok(Ipv6Addr::LOCALHOST.into()),
    }
}

/// The pod's own end.
pub(crate) fn in_pod(pod: &Pod, wanted: &ReachedBy) -> Destination {
    Destination::Pod { pod: pod.name.clone(), interface: POD_INTERFACE.to_owned(), v6: wanted.v6 }
}

impl Builder<'_> {
    pub(super) fn reached_by(&mut self, pod: &Pod, node: usize, wanted: &ReachedBy, id: &str) {
        let there = aim(self.observation, &in_pod(pod, wanted));
        let (Ok(to), Ok(there)) = (asked(self.observation, wanted, node), there) else {
            return;
        };
        let party = Party::Pod(pod.name.clone());
        if self.script.listener(&party, wanted.by, there.address, wanted.container_port).is_none() {
            let (protocol, address, port) = (wanted.by, there.address, wanted.container_port);
            let listener = Listener { id: format!("{id}{}", ids::LISTEN), protocol, address, port };
            self.script.listeners.push((party.clone(), listener));
        }
        let both = [to, there.address];
        self.capture(&party, Tap::Name(POD_INTERFACE.to_owned()), format!("{id}{}", ids::POD), &both);
        let plan = self.plan;
        for port in plan.topology.ports.iter().filter(|port| port.node == node) {
            let id = format!("{id}{}/{}", ids::NODE, port.name);
            self.capture(&Party::Node(node), Tap::Name(port.name.clone()), id, &both);
        }
        let sender = wanted.sender_at(node);
        self.sender(&sender, node, to, id);
        let (by, port) = (wanted.by, Some(wanted.host_port));
        let what = Send::Ask { by, to, port, from: None, dev: None, times: QUESTIONS };
        self.script.probes.push((sender, Probe { id: id.to_owned(), what, window_ms: WINDOW_MS }));
    }

    /// Captures where the question begins; what the pod's own node asks passes no interface that could be watched.
    fn sender(&mut self, sender: &Party, node: usize, to: IpAddr, id: &str) {
        let plan = self.plan;
        let id = format!("{id}{}", ids::ASKED);
        match sender {
            Party::Host(name) => {
                let host = plan.topology.hosts.iter().find(|host| host.name == *name);
                for port in host.into_iter().flat_map(|host| &host.ports) {
                    let id = format!("{id}/{}", port.uplink);
                    self.capture(sender, Tap::Uplink(port.uplink.clone()), id, &[to]);
                }
            }
            Party::Node(number) if *number != node => {
                for port in plan.topology.ports.iter().filter(|port| port.node == *number) {
                    self.capture(sender, Tap::Name(port.name.clone()), format!("{id}/{}", port.name), &[to]);
                }
            }
            Party::Node(_) => {}
            Party::Pod(name) => {
                let links = kernel(self.observation, name).map(|kernel| &kernel.links[..]).unwrap_or_default();
                for link in links.iter().filter(|link| link.name != "lo") {
                    self.capture(sender, Tap::Name(link.name.clone()), format!("{id}/{}", link.name), &[to]);
                }
            }
        }
    }
}
