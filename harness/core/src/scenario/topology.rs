//! What is there before any pod, read from `topology`: bridges and links here, hosts in `hosts`.

mod file;
mod hosts;
mod ports;

pub(super) use file::TopologyFile;

use super::forms::MAX_NODES;
use super::mistakes::Mistakes;
use super::names;
use super::strict::Located;
use crate::plan::{Bridge, NodeLink, Topology, Uplink, VlanProtocol};
use file::{BridgeFile, LinkFile};
use ipnet::IpNet;

/// Reads what could be read, and adds every mistake found.
pub(super) fn read(file: &TopologyFile, mistakes: &mut Mistakes<'_>) -> Topology {
    let mut reader = Reader { mistakes };
    let nodes = file.nodes.as_ref().map_or(1, |nodes| reader.nodes(nodes));
    let mut topology = Topology { nodes, ..Topology::default() };
    for uplink in &file.uplinks {
        let name = reader.name(&uplink.name, names::label);
        if topology.uplinks.iter().any(|other| other.name == name) {
            reader.mistakes.fail(&uplink.name, format!("uplink `{name}` is defined twice"));
        }
        topology.uplinks.push(Uplink { name });
    }
    for bridge in &file.bridges {
        let bridge = reader.bridge(bridge, &topology);
        topology.bridges.push(bridge);
    }
    for link in &file.links {
        let link = reader.link(link, &topology);
        topology.links.extend(link);
    }
    for port in &file.ports {
        let port = reader.port(port, &topology);
        topology.ports.extend(port);
    }
    if let Some(list) = &file.tuning_allow_list {
        if list.value.is_empty() {
            reader.mistakes.fail(list, "is empty; expected at least one pattern");
        }
        topology.tuning_allow_list = list.value.iter().map(|line| line.value.clone()).collect();
    }
    topology.kube_mark_masq = file.kube_mark_masq.as_ref().is_some_and(|wanted| wanted.value);
    for (is_gateway, hosts) in [(true, &file.gateways), (false, &file.peers)] {
        for host in hosts {
            let host = reader.host(host, is_gateway, &topology);
            topology.hosts.push(host);
        }
    }
    let read = |range| reader.mistakes.read(range, names::network);
    topology.cluster_ranges = file.cluster_ranges.iter().filter_map(read).collect();
    topology
}

struct Reader<'a, 'm> {
    mistakes: &'m mut Mistakes<'a>,
}

impl Reader<'_, '_> {
    /// A name, also one that does not follow its rule.
    fn name(&mut self, name: &Located<String>, rule: fn(&str) -> Result<(), String>) -> String {
        self.mistakes.read(name, rule);
        name.value.clone()
    }

    /// Refuses a name that is not among those known.
    fn known<'k>(&mut self, name: &Located<String>, what: &str, known: impl Iterator<Item = &'k str> + Clone) {
        if !known.clone().any(|known| known == name.value) {
            let message = format!("there is no {what} `{}` in this topology", name.value);
            self.mistakes.fail_unknown(name, message, known);
        }
    }

    fn uplink(&mut self, name: &Located<String>, topology: &Topology) {
        self.known(name, "uplink", topology.uplinks.iter().map(|uplink| uplink.name.as_str()));
    }

    fn nodes(&mut self, nodes: &Located<i64>) -> usize {
        match usize::try_from(nodes.value) {
            Ok(count) if (1..=MAX_NODES).contains(&nodes.value) => count,
            _ => {
                self.mistakes.fail(nodes, format!("{} nodes; 1 to {MAX_NODES} are made", nodes.value));
                // What names a node is looked up all the same, so that one mistake is reported once.
                usize::MAX
            }
        }
    }

    fn addresses(&mut self, items: &[Located<String>]) -> Vec<IpNet> {
        let mut addresses: Vec<IpNet> = Vec::new();
        for item in items {
            let Some(net) = self.mistakes.read(item, names::pod_address) else { continue };
            if addresses.contains(&net) {
                self.mistakes.fail(item, format!("`{net}` is defined twice"));
            }
            addresses.push(net);
        }
        addresses
    }

    fn bridge(&mut self, bridge: &BridgeFile, topology: &Topology) -> Bridge {
        let name = self.name(&bridge.name, names::interface);
        if topology.bridges.iter().any(|other| other.name == name) {
            self.mistakes.fail(&bridge.name, format!("bridge `{name}` is defined twice"));
        }
        if let Some(uplink) = &bridge.uplink {
            self.uplink(uplink, topology);
            if let Some(other) = topology.bridges.iter().find(|other| other.uplink.as_ref() == Some(&uplink.value)) {
                let message = format!("uplink `{}` has bridge `{}` already", uplink.value, other.name);
                self.mistakes.fail(uplink, message);
            }
        }
        let vlan_filtering = bridge.vlan_filtering.as_ref().is_some_and(|filtering| filtering.value);
        let mut vlans = Vec::new();
        if let Some(list) = &bridge.vlans {
            if !vlan_filtering {
                let message = "`vlans` go with `vlanFiltering: true`; without it a bridge carries them all";
                self.mistakes.fail(list, message);
            }
            if bridge.uplink.is_none() {
                self.mistakes.fail(list, "`vlans` are those of the port to the uplink, and this bridge has none");
            }
            for item in &list.value {
                match self.mistakes.read_number(item, names::vlan) {
                    Some(1) => self.mistakes.fail(item, "VLAN 1 is carried untagged in any case; leave it out"),
                    Some(vlan) if vlans.contains(&vlan) => {
                        self.mistakes.fail(item, format!("VLAN {vlan} is defined twice"));
                    }
                    Some(vlan) => vlans.push(vlan),
                    None => {}
                }
            }
        }
        let uplink = bridge.uplink.as_ref().map(|uplink| uplink.value.clone());
        Bridge { name, addresses: self.addresses(&bridge.addresses), uplink, vlan_filtering, vlans }
    }

    /// A link's parent is written before it: so no two sit on each other.
    fn link(&mut self, link: &LinkFile, topology: &Topology) -> Option<NodeLink> {
        let name = self.name(&link.name, names::interface);
        let links = topology.links.iter().map(|link| link.name.as_str());
        let names = topology.bridges.iter().map(|bridge| bridge.name.as_str()).chain(links);
        if names.clone().any(|other| other == name) {
            self.mistakes.fail(&link.name, format!("a link `{name}` is there already"));
        }
        self.known(&link.parent, "bridge or link before this one", names);
        let vlan = self.mistakes.read_number(&link.vlan, names::vlan);
        let protocol = match &link.protocol {
            None => Some(VlanProtocol::default()),
            Some(protocol) => self.mistakes.read(protocol, |text| match text {
                "802.1Q" => Ok(VlanProtocol::Customer),
                "802.1ad" => Ok(VlanProtocol::Service),
                other => Err(format!("`{other}` is none of 802.1Q, 802.1ad")),
            }),
        };
        let priority = link.priority.as_ref().and_then(|bits| self.mistakes.read_number(bits, names::priority));
        Some(NodeLink { name, parent: link.parent.value.clone(), vlan: vlan?, protocol: protocol?, priority })
    }
}
