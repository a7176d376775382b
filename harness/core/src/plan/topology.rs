//! What is there before any pod: nodes, their bridges, what joins them, and who else is on it.

use super::{NodePort, Symmetric};
use crate::source::Source;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// A bridge on every node of the scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bridge {
    /// Interface name, at most 15 characters.
    pub name: String,
    /// Addresses of the bridge itself, with prefix length.
    #[serde(default)]
    pub addresses: Vec<IpNet>,
    /// The uplink that one of its ports leads to; none for a bridge of the node alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uplink: Option<String>,
    /// Whether it keeps VLANs apart (`vlan_filtering`).
    #[serde(default)]
    pub vlan_filtering: bool,
    /// VLANs that its uplink port carries tagged, where it keeps VLANs apart; 1 is carried untagged in any case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vlans: Vec<u16>,
}

/// Which EtherType a VLAN tag has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum VlanProtocol {
    /// 802.1Q, EtherType 0x8100.
    #[default]
    #[serde(rename = "802.1Q")]
    Customer,
    /// 802.1ad, EtherType 0x88a8: the outer tag of QinQ.
    #[serde(rename = "802.1ad")]
    Service,
}

/// A VLAN subinterface on every node, such as `br-ex.100`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeLink {
    /// Interface name, at most 15 characters.
    pub name: String,
    /// The link it sits on.
    pub parent: String,
    /// VLAN id, 1 to 4094.
    pub vlan: u16,
    /// The tag's EtherType.
    #[serde(default)]
    pub protocol: VlanProtocol,
    /// Priority bits (PCP), 0 to 7, of all that leaves by it (its `egress-qos-map`); none leaves them 0, as the kernel does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
}

/// A segment that joins the nodes and the hosts outside, as a switch would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Uplink {
    /// Its name in the scenario.
    pub name: String,
}

/// A machine outside the cluster: a gateway (it forwards) or a peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// Its name in the scenario, unlike that of any pod.
    pub name: String,
    /// Whether it forwards packets between its ports.
    pub gateway: bool,
    /// Its ports, in order.
    pub ports: Vec<HostPort>,
    /// Addresses behind it: on its own `lo`, so that it answers for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<IpNet>,
    /// Its static routes: destination and gateway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<(IpNet, IpAddr)>,
    /// Where it was written.
    pub source: Source,
}

/// A port of a host outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostPort {
    /// The uplink it is on.
    pub uplink: String,
    /// The VLAN it speaks, tagged; none for untagged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// Its addresses, with prefix length.
    pub addresses: Vec<IpNet>,
}

/// A default network of the scenario's own: what makes every pod's `eth0`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefaultNetwork {
    /// Its `name`.
    pub name: String,
    /// The CNI configuration, conf or conflist, as text.
    pub config: String,
    /// Where the scenario names its file.
    pub source: Source,
}

impl DefaultNetwork {
    /// The types of its plugins, in order.
    pub fn plugins(&self) -> Vec<String> {
        let whole: serde_json::Value = serde_json::from_str(&self.config).unwrap_or_default();
        let all = whole["plugins"].as_array().map_or(std::slice::from_ref(&whole), Vec::as_slice);
        all.iter().filter_map(|plugin| plugin["type"].as_str().map(str::to_owned)).collect()
    }
}

/// What is there before any pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Topology {
    /// How many nodes; pods go to them in turn unless a pod names its node.
    pub nodes: usize,
    /// Bridges, such as `br-ex`.
    pub bridges: Vec<Bridge>,
    /// VLAN subinterfaces.
    pub links: Vec<NodeLink>,
    /// Segments between nodes and hosts.
    pub uplinks: Vec<Uplink>,
    /// The nodes' own interfaces on uplinks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<NodePort>,
    /// Whether the nodes have kube-proxy's chain `KUBE-MARK-MASQ` and the masquerade of its mark. A lane with kube-proxy has
    /// them; others lay them as kube-proxy does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub kube_mark_masq: bool,
    /// Lines of tuning's allow-list on the nodes (`/etc/cni/tuning/allowlist.conf`); none leaves it away, and then all is
    /// allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tuning_allow_list: Vec<String>,
    /// Symmetric routing that the default network's chain requests of terway-cli. Lanes without terway-cli lay it themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symmetric: Option<Symmetric>,
    /// Gateways and peers.
    pub hosts: Vec<Host>,
    /// The default network; none leaves it to the lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_network: Option<DefaultNetwork>,
    /// Ranges that stand for those of the cluster's own pods and services, on lanes without a cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_ranges: Vec<IpNet>,
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            nodes: 1,
            bridges: Vec::new(),
            links: Vec::new(),
            uplinks: Vec::new(),
            ports: Vec::new(),
            kube_mark_masq: false,
            tuning_allow_list: Vec::new(),
            symmetric: None,
            hosts: Vec::new(),
            default_network: None,
            cluster_ranges: Vec::new(),
        }
    }
}

impl Topology {
    /// Names of the bridges and VLAN subinterfaces that are made for the scenario.
    pub fn link_names(&self) -> impl Iterator<Item = &str> {
        let bridges = self.bridges.iter().map(|bridge| bridge.name.as_str());
        bridges.chain(self.links.iter().map(|link| link.name.as_str()))
    }

    /// The external host of a name.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == name)
    }

    /// The ports of a node on uplinks.
    pub fn ports_of(&self, node: usize) -> impl Iterator<Item = &NodePort> {
        self.ports.iter().filter(move |port| port.node == node)
    }

    /// The node that a pod runs on, from 1: the one it names, else in turn by its place in the plan (from 0).
    pub fn node_of(&self, named: Option<usize>, place: usize) -> usize {
        named.unwrap_or(place % self.nodes.max(1) + 1)
    }
}
