//! What is there before any pod, read from `topology`: bridges and links here, hosts in `hosts`.

mod hosts;
mod ports;

use super::error::{InputError, did_you_mean};
use super::file::{BridgeFile, LinkFile, TopologyFile};
use super::names;
use super::strict::{self, Located};
use crate::plan::{Bridge, NodeLink, Topology, Uplink, VlanProtocol};
use ipnet::IpNet;

/// Most nodes of one scenario: a larger number is a misspelling.
const MAX_NODES: i64 = 16;

/// Reads it all, and gives every mistake found beside what could be read.
pub(super) fn read(path: &str, file: &TopologyFile) -> (Topology, Vec<InputError>) {
    let mut reader = Reader { path, errors: Vec::new() };
    let nodes = reader.nodes(file.nodes.as_ref());
    let mut uplinks: Vec<Uplink> = Vec::new();
    for (index, uplink) in file.uplinks.iter().enumerate() {
        let field = format!("topology.uplinks[{index}].name");
        reader.check(&uplink.name, &field, names::label(&uplink.name.value));
        if uplinks.iter().any(|other| other.name == uplink.name.value) {
            reader.fail(&uplink.name, &field, format!("uplink `{}` is defined twice", uplink.name.value));
        }
        uplinks.push(Uplink { name: uplink.name.value.clone() });
    }
    let mut topology = Topology { nodes, uplinks, ..Topology::default() };
    for (index, bridge) in file.bridges.iter().enumerate() {
        let bridge = reader.bridge(bridge, &format!("topology.bridges[{index}]"), &topology);
        topology.bridges.push(bridge);
    }
    for (index, link) in file.links.iter().enumerate() {
        let link = reader.link(link, &format!("topology.links[{index}]"), &topology);
        topology.links.extend(link);
    }
    for (index, port) in file.ports.iter().enumerate() {
        let port = reader.port(port, &format!("topology.ports[{index}]"), &topology);
        topology.ports.extend(port);
    }
    if let Some(list) = &file.tuning_allow_list {
        if list.value.is_empty() {
            reader.fail(list, "topology.tuningAllowList", "is empty; expected at least one pattern");
        }
        topology.tuning_allow_list = list.value.iter().map(|line| line.value.clone()).collect();
    }
    topology.kube_mark_masq = file.kube_mark_masq.as_ref().is_some_and(|wanted| wanted.value);
    for (word, is_gateway, hosts) in [("gateways", true, &file.gateways), ("peers", false, &file.peers)] {
        for (index, host) in hosts.iter().enumerate() {
            let host = reader.host(host, is_gateway, &format!("topology.{word}[{index}]"), &topology);
            topology.hosts.push(host);
        }
    }
    for (index, range) in file.cluster_ranges.iter().enumerate() {
        let range = reader.check(range, &format!("topology.clusterRanges[{index}]"), names::network(&range.value));
        topology.cluster_ranges.extend(range);
    }
    (topology, reader.errors)
}

struct Reader<'a> {
    path: &'a str,
    errors: Vec<InputError>,
}

impl Reader<'_> {
    fn fail<T>(&mut self, at: &Located<T>, field: &str, message: impl Into<String>) {
        self.errors.push(InputError::new(strict::source(self.path, at), field, message));
    }

    fn check<T, V>(&mut self, at: &Located<V>, field: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.fail(at, field, message)).ok()
    }

    /// A name that must be among those known.
    fn known<'k>(
        &mut self,
        name: &Located<String>,
        field: &str,
        what: &str,
        known: impl Iterator<Item = &'k str> + Clone,
    ) {
        if known.clone().any(|known| known == name.value) {
            return;
        }
        let error = InputError::new(
            strict::source(self.path, name),
            field,
            format!("there is no {what} `{}` in this topology", name.value),
        );
        self.errors.push(match did_you_mean(&name.value, known) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        });
    }

    fn uplink(&mut self, name: &Located<String>, field: &str, topology: &Topology) {
        self.known(name, field, "uplink", topology.uplinks.iter().map(|uplink| uplink.name.as_str()));
    }

    fn nodes(&mut self, nodes: Option<&Located<i64>>) -> usize {
        let Some(nodes) = nodes else {
            return 1;
        };
        match usize::try_from(nodes.value) {
            Ok(count) if (1..=MAX_NODES).contains(&nodes.value) => count,
            _ => {
                self.fail(nodes, "topology.nodes", format!("{} nodes; 1 to {MAX_NODES} are made", nodes.value));
                // What names a node is looked up all the same, so that one mistake is reported once.
                usize::MAX
            }
        }
    }

    fn addresses(&mut self, items: &[Located<String>], field: &str) -> Vec<IpNet> {
        let mut addresses: Vec<IpNet> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let field = format!("{field}[{index}]");
            let Some(net) = self.check(item, &field, names::pod_address(&item.value)) else {
                continue;
            };
            if addresses.contains(&net) {
                self.fail(item, &field, format!("`{net}` is defined twice"));
            }
            addresses.push(net);
        }
        addresses
    }

    fn bridge(&mut self, bridge: &BridgeFile, field: &str, topology: &Topology) -> Bridge {
        let name = bridge.name.value.clone();
        self.check(&bridge.name, &format!("{field}.name"), names::interface(&name));
        if topology.bridges.iter().any(|other| other.name == name) {
            self.fail(&bridge.name, &format!("{field}.name"), format!("bridge `{name}` is defined twice"));
        }
        if let Some(uplink) = &bridge.uplink {
            let field = format!("{field}.uplink");
            self.uplink(uplink, &field, topology);
            let other = topology.bridges.iter().find(|other| other.uplink.as_ref() == Some(&uplink.value));
            if let Some(other) = other {
                let message = format!("uplink `{}` has bridge `{}` already", uplink.value, other.name);
                self.fail(uplink, &field, message);
            }
        }
        let vlan_filtering = bridge.vlan_filtering.as_ref().is_some_and(|filtering| filtering.value);
        let mut vlans = Vec::new();
        if let Some(list) = &bridge.vlans {
            let field = format!("{field}.vlans");
            if !vlan_filtering {
                self.fail(list, &field, "`vlans` go with `vlanFiltering: true`; without it a bridge carries them all");
            }
            if bridge.uplink.is_none() {
                self.fail(list, &field, "`vlans` are those of the port to the uplink, and this bridge has none");
            }
            for (index, item) in list.value.iter().enumerate() {
                let field = format!("{field}[{index}]");
                match self.check(item, &field, names::vlan(item.value)) {
                    Some(1) => self.fail(item, &field, "VLAN 1 is carried untagged in any case; leave it out"),
                    Some(vlan) if vlans.contains(&vlan) => {
                        self.fail(item, &field, format!("VLAN {vlan} is defined twice"));
                    }
                    Some(vlan) => vlans.push(vlan),
                    None => {}
                }
            }
        }
        Bridge {
            name,
            addresses: self.addresses(&bridge.addresses, &format!("{field}.addresses")),
            uplink: bridge.uplink.as_ref().map(|uplink| uplink.value.clone()),
            vlan_filtering,
            vlans,
        }
    }

    /// A link's parent is written before it: so no two sit on each other.
    fn link(&mut self, link: &LinkFile, field: &str, topology: &Topology) -> Option<NodeLink> {
        let name = link.name.value.clone();
        self.check(&link.name, &format!("{field}.name"), names::interface(&name));
        let links = topology.links.iter().map(|link| link.name.as_str());
        let names = topology.bridges.iter().map(|bridge| bridge.name.as_str()).chain(links);
        if names.clone().any(|other| other == name) {
            self.fail(&link.name, &format!("{field}.name"), format!("a link `{name}` is there already"));
        }
        self.known(&link.parent, &format!("{field}.parent"), "bridge or link before this one", names);
        let vlan = self.check(&link.vlan, &format!("{field}.vlan"), names::vlan(link.vlan.value));
        let protocol = match &link.protocol {
            None => Some(VlanProtocol::default()),
            Some(protocol) => {
                let parsed = match protocol.value.as_str() {
                    "802.1Q" => Ok(VlanProtocol::Customer),
                    "802.1ad" => Ok(VlanProtocol::Service),
                    other => Err(format!("`{other}` is none of 802.1Q, 802.1ad")),
                };
                self.check(protocol, &format!("{field}.protocol"), parsed)
            }
        };
        let priority = link
            .priority
            .as_ref()
            .and_then(|priority| self.check(priority, &format!("{field}.priority"), names::priority(priority.value)));
        Some(NodeLink { name, parent: link.parent.value.clone(), vlan: vlan?, protocol: protocol?, priority })
    }
}
