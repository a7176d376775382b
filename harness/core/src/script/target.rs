//! Targets of probes: the addresses that a plan's destinations, neighbours and uplinks have once the pods were observed.

use crate::chain::go_key;
use crate::observe::{KernelState, Link, Observation, PodState, is_v6_link_local};
use crate::plan::{Bridge, Destination, Plan, Pod, ProbeEndpoint, Topology};
use std::net::IpAddr;

/// Why a target has no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The pod or node was not observed.
    #[error("{0} was not observed")]
    NotObserved(ProbeEndpoint),
    /// The pod did not become ready.
    #[error("pod {0} did not become ready")]
    NotReady(String),
    /// The pod runs, but its network namespace was not read.
    #[error("network namespace of pod {0} was not read")]
    NotRead(String),
    /// The pod lacks the interface.
    #[error("pod {pod} has no interface {interface}")]
    NoInterface {
        /// The pod.
        pod: String,
        /// The interface.
        interface: String,
    },
    /// The node has no default route of the family.
    #[error("node {node} has no {family} default route")]
    NoDefaultRoute {
        /// The node, from 1.
        node: usize,
        /// `IPv4` or `IPv6`.
        family: &'static str,
    },
    /// The interface has no global address of the family.
    #[error("{interface} of {endpoint} has no global {family} address")]
    NoAddress {
        /// The interface.
        interface: String,
        /// The pod or node.
        endpoint: ProbeEndpoint,
        /// `IPv4` or `IPv6`.
        family: &'static str,
    },
}

/// The name of an address family.
fn family_name(v6: bool) -> &'static str {
    if v6 { "IPv6" } else { "IPv4" }
}

/// A destination that packets can be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTarget {
    /// The address.
    pub address: IpAddr,
    /// The endpoint that has it, where that is known.
    pub endpoint: Option<ProbeEndpoint>,
}

/// Finds the address of a destination: of a pod's interface the first global one of the family.
///
/// # Errors
/// The pod did not become ready, or lacks the interface or the address.
pub fn find_target(observation: &Observation, destination: &Destination) -> Result<ProbeTarget, TargetError> {
    let (pod, interface, v6) = match destination {
        Destination::Address { address, at } => return Ok(ProbeTarget { address: *address, endpoint: at.clone() }),
        Destination::Pod { pod, interface, v6 } => (pod, interface, *v6),
    };
    let kernel = kernel_of_pod(observation, pod)?;
    let link = kernel.link(interface);
    let link = link.ok_or_else(|| TargetError::NoInterface { pod: pod.clone(), interface: interface.clone() })?;
    let endpoint = ProbeEndpoint::Pod(pod.clone());
    let address = global_address(Some(link), v6, interface, &endpoint)?;
    Ok(ProbeTarget { address, endpoint: Some(endpoint) })
}

/// The first global address of a family that an interface has.
fn global_address(
    link: Option<&Link>,
    v6: bool,
    interface: &str,
    endpoint: &ProbeEndpoint,
) -> Result<IpAddr, TargetError> {
    let mut addresses = link.into_iter().flat_map(Link::ips);
    let found = addresses.find(|address| address.is_ipv6() == v6 && !is_v6_link_local(*address));
    found.ok_or_else(|| TargetError::NoAddress {
        interface: interface.to_owned(),
        endpoint: endpoint.clone(),
        family: family_name(v6),
    })
}

/// The kernel state of a pod that runs.
pub(crate) fn kernel_of_pod<'a>(observation: &'a Observation, pod: &str) -> Result<&'a KernelState, TargetError> {
    let observed = observation.pod(pod).ok_or_else(|| TargetError::NotObserved(ProbeEndpoint::Pod(pod.to_owned())))?;
    if let PodState::NotReady { .. } = observed.state {
        return Err(TargetError::NotReady(pod.to_owned()));
    }
    observed.kernel.as_ref().ok_or_else(|| TargetError::NotRead(pod.to_owned()))
}

/// A node's own address: the first global one of the family on the link of its default route, as kubelet chooses it.
///
/// # Errors
/// The node was not observed, or has no such route or address; that is a fault of the testbed.
pub fn node_address(observation: &Observation, node: usize, v6: bool) -> Result<IpAddr, TargetError> {
    let seen = observation.nodes.iter().find(|seen| seen.node == node);
    let kernel = &seen.ok_or(TargetError::NotObserved(ProbeEndpoint::Node(node)))?.kernel;
    let default = kernel.routes.iter().filter(|route| route.is_default(v6)).min_by_key(|route| route.metric);
    let dev = default.and_then(|route| route.hops.iter().find_map(|hop| hop.dev.clone()));
    let dev = dev.ok_or(TargetError::NoDefaultRoute { node, family: family_name(v6) })?;
    global_address(kernel.link(&dev), v6, &dev, &ProbeEndpoint::Node(node))
}

/// The hop that the main table gives to an address: the device, and the gateway where there is one.
/// Policy rules are not followed: it is a hint for captures and words, never a judgement.
pub fn next_hop(kernel: &KernelState, address: IpAddr) -> Option<(String, Option<IpAddr>)> {
    let fitting = kernel.routes.iter().filter(|route| route.is_main_unicast() && route.to.contains(&address));
    let best = fitting.min_by_key(|route| (std::cmp::Reverse(route.to.prefix_len()), route.metric))?;
    best.hops.iter().find_map(|hop| Some((hop.dev.clone()?, hop.via)))
}

/// The uplink by which packets of a pod leave its node: that of the bridge which its interface's network names as
/// `master`, `bridge` or (for a link on it) parent; else that of the target host; else the first one.
pub fn uplink_of(plan: &Plan, pod: &Pod, interface: Option<&str>, to: Option<&ProbeEndpoint>) -> Option<String> {
    let topology = &plan.topology;
    if let Some(uplink) = interface.and_then(|interface| by_network(plan, pod, interface)) {
        return Some(uplink);
    }
    let has_bridge =
        |uplink: &&String| topology.bridges.iter().any(|bridge| bridge.uplink.as_deref() == Some(uplink.as_str()));
    if let Some(ProbeEndpoint::Host(name)) = to {
        let ports = topology.host(name).into_iter().flat_map(|host| &host.ports);
        if let Some(uplink) = ports.map(|port| &port.uplink).find(has_bridge) {
            return Some(uplink.clone());
        }
    }
    topology.bridges.iter().find_map(|bridge| bridge.uplink.clone())
}

fn by_network(plan: &Plan, pod: &Pod, interface: &str) -> Option<String> {
    let attachment = pod.attachments.iter().find(|attachment| attachment.interface == interface)?;
    let network = plan.network_of(pod, attachment)?;
    let conf = network.chain.as_ref()?.links.first()?.conf.as_object()?;
    let below = ["master", "bridge"].into_iter().find_map(|key| go_key(conf, key)?.as_str())?;
    bridge_under(&plan.topology, below)?.uplink.clone()
}

/// Down from a link to the bridge that it sits on; a parent is always written before its links.
pub(crate) fn bridge_under<'a>(topology: &'a Topology, name: &str) -> Option<&'a Bridge> {
    let mut name = name;
    for link in topology.links.iter().rev() {
        if link.name == name {
            name = &link.parent;
        }
    }
    topology.bridges.iter().find(|bridge| bridge.name == name)
}
