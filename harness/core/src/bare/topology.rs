//! What nodes must have for the main plugins of networks: parents, VLAN interfaces, devices, a default route.

use super::Nodes;
use super::cluster::NODE_INTERFACES;
use crate::plan::{Bridge, Network, NodeLink, NodePort, Topology, Uplink, VlanProtocol};
use crate::scenario::draft::facts::{device, is_on_default_route, master};
use crate::source::Source;
use ipnet::{IpNet, Ipv4Net};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// The segment that interfaces of the node are on.
const UPLINK: &str = "assumed";
/// Names for the interface with the default route: the first that no network uses.
const DEFAULT_NAMES: [&str; 3] = ["eth0", "ens3", "uplink"];
/// The node's address and its gateway, from the range for tests of networks (RFC 2544): documentation uses others.
const NODE_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// What was built.
#[derive(Debug, Default)]
pub(super) struct Built {
    pub topology: Topology,
    pub assumed: Vec<String>,
    pub requires: BTreeSet<&'static str>,
}

/// The topology for networks.
pub(super) fn build(networks: &[Network], nodes: Nodes) -> Built {
    let mut builder = Builder { nodes, built: Built::default() };
    let chains = || networks.iter().filter_map(|network| Some((network, network.chain.as_ref()?)));
    for (network, chain) in chains() {
        if let Some(master) = master(chain) {
            builder.add_master(master, network);
        }
        if let Some(device) = device(chain) {
            builder.add_device(device, network);
        }
    }
    let first = chains().find(|(_, chain)| is_on_default_route(chain)).map(|(network, _)| network);
    if let Some(network) = first {
        builder.add_default_route(network);
    }
    builder.built
}

struct Builder {
    nodes: Nodes,
    built: Built,
}

impl Builder {
    /// Whether the node has a link of this name, or will have.
    fn has(&self, name: &str) -> bool {
        let topology = &self.built.topology;
        let is_of_node = NODE_INTERFACES.contains(&name) && (self.nodes == Nodes::Cluster || name == "lo");
        is_of_node
            || topology.link_names().any(|known| known == name)
            || topology.ports.iter().any(|port| port.name == name)
    }

    /// A parent: a bridge, or a VLAN interface on one where the name says so (`ens3.100`).
    fn add_master(&mut self, name: &str, network: &Network) {
        if self.has(name) {
            return;
        }
        let Some((parent, vlan)) = read_vlan(name) else {
            self.built.topology.bridges.push(Bridge { name: name.to_owned(), ..Bridge::default() });
            self.assume(format!("bridge {name} on the node: network {} has it for master", network.name));
            return;
        };
        if !self.has(parent) {
            self.built.topology.bridges.push(Bridge { name: parent.to_owned(), ..Bridge::default() });
            self.assume(format!("bridge {parent} on the node: {name} is a VLAN interface on it"));
        }
        self.built.topology.links.push(NodeLink {
            name: name.to_owned(),
            parent: parent.to_owned(),
            vlan,
            protocol: VlanProtocol::default(),
            priority: None,
        });
        self.built.requires.insert("vlan");
        self.assume(format!(
            "VLAN interface {name} (VLAN {vlan}) on the node: network {} has it for master",
            network.name
        ));
    }

    fn add_device(&mut self, name: &str, network: &Network) {
        // On a cluster's nodes nothing is made that a plugin takes away.
        if self.nodes == Nodes::Own && !self.has(name) {
            self.add_port(name, Vec::new(), Vec::new(), &network.source);
            self.assume(format!("interface {name} on the node: network {} has it for device", network.name));
        }
    }

    fn add_default_route(&mut self, network: &Network) {
        // A cluster's nodes have a default route.
        if self.nodes == Nodes::Cluster {
            return;
        }
        let Some(name) = DEFAULT_NAMES.into_iter().find(|name| !self.has(name)) else { return };
        let address = Ipv4Net::new(NODE_ADDRESS, 24).map(IpNet::V4);
        self.add_port(name, address.into_iter().collect(), vec![IpAddr::V4(GATEWAY)], &network.source);
        self.assume(format!(
            "interface {name} with the node's default route via {GATEWAY}: network {} names no master",
            network.name
        ));
    }

    fn add_port(&mut self, name: &str, addresses: Vec<IpNet>, defaults: Vec<IpAddr>, source: &Source) {
        let topology = &mut self.built.topology;
        if topology.uplinks.is_empty() {
            topology.uplinks.push(Uplink { name: UPLINK.to_owned() });
        }
        topology.ports.push(NodePort {
            node: 1,
            name: name.to_owned(),
            uplink: UPLINK.to_owned(),
            addresses,
            defaults,
            eni: None,
            source: source.clone(),
        });
    }

    fn assume(&mut self, what: String) {
        self.built.assumed.push(what);
    }
}

/// The parent and the VLAN of a name such as `ens3.100`.
fn read_vlan(name: &str) -> Option<(&str, u16)> {
    let (parent, id) = name.rsplit_once('.')?;
    let id = id.parse().ok().filter(|id| (1..=4094).contains(id))?;
    (!parent.is_empty()).then_some((parent, id))
}

#[cfg(test)]
mod tests {
    use super::read_vlan;

    #[test]
    fn a_name_with_a_vlan_has_a_parent() {
        assert_eq!(read_vlan("ens3.100"), Some(("ens3", 100)));
        assert_eq!(read_vlan("a.b.4094"), Some(("a.b", 4094)));
        for name in ["ens3", "ens3.0", "ens3.4095", "ens3.x", ".5", "ens3."] {
            assert_eq!(read_vlan(name), None, "{name}");
        }
    }
}
