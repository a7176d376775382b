//! `topology` of a scenario file, as it is written. As in [`crate::scenario::file`], comments are texts for users.

use crate::scenario::forms::{self, *};
use crate::scenario::strict::Located;
use schemars::JsonSchema;
use serde::Deserialize;

/// What exists before any pod.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(in crate::scenario) struct TopologyFile {
    /// The number of nodes; 1 by default.
    #[schemars(with = "Option<NodeCount>")]
    pub nodes: Option<Located<i64>>,
    /// A CNI configuration in JSON, relative to the scenario: the chain that creates every pod's eth0, instead of the lane's.
    #[schemars(with = "Option<FileName>")]
    pub default_network: Option<Located<String>>,
    /// The cluster's ranges of pods and services, which no added route may overlap (PL608).
    #[schemars(with = "Vec<NetworkRange>")]
    pub cluster_ranges: Vec<Located<String>>,
    /// Bridges on every node.
    pub bridges: Vec<BridgeFile>,
    /// VLAN subinterfaces on every node; the parent comes first.
    pub links: Vec<LinkFile>,
    /// Segments that connect the nodes and the external hosts, like a switch.
    pub uplinks: Vec<UplinkFile>,
    /// The nodes' own interfaces on uplinks, like those of a cloud machine.
    pub ports: Vec<NodePortFile>,
    /// kube-proxy's chain KUBE-MARK-MASQ and the masquerade of its mark, in both families.
    pub kube_mark_masq: Option<Located<bool>>,
    /// Lines of `/etc/cni/tuning/allowlist.conf` on the nodes.
    #[schemars(transform = forms::not_empty)]
    pub tuning_allow_list: Option<Located<Vec<Located<String>>>>,
    /// External hosts that route.
    pub gateways: Vec<HostFile>,
    /// External hosts that do not route.
    pub peers: Vec<HostFile>,
}

/// A bridge on every node.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = forms::bridge)]
pub(in crate::scenario) struct BridgeFile {
    /// The name of the bridge.
    #[schemars(with = "InterfaceName")]
    pub name: Located<String>,
    /// Its addresses.
    #[serde(default)]
    #[schemars(with = "Vec<Address>")]
    pub addresses: Vec<Located<String>>,
    /// The uplink that it has a port to. An uplink has one bridge per node.
    #[schemars(with = "Option<Name>")]
    pub uplink: Option<Located<String>>,
    /// Whether the bridge filters by VLAN. Without it, the bridge carries every tag.
    pub vlan_filtering: Option<Located<bool>>,
    /// The VLANs that its port to the uplink carries tagged. VLAN 1 is always carried untagged.
    #[schemars(with = "Option<Vec<VlanId>>")]
    pub vlans: Option<Located<Vec<Located<i64>>>>,
}

/// A VLAN subinterface on every node.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct LinkFile {
    /// The name of the subinterface.
    #[schemars(with = "InterfaceName")]
    pub name: Located<String>,
    /// The interface below it: a bridge, or a link before this one.
    #[schemars(with = "InterfaceName")]
    pub parent: Located<String>,
    /// The VLAN id.
    #[schemars(with = "VlanId")]
    pub vlan: Located<i64>,
    /// The protocol of the tag: `802.1Q` (default), or `802.1ad` for the outer of two.
    #[schemars(extend("enum" = ["802.1Q", "802.1ad"]))]
    pub protocol: Option<Located<String>>,
    /// The priority bits of frames that leave through it.
    #[schemars(with = "Option<Priority>")]
    pub priority: Option<Located<i64>>,
}

/// A segment that connects the nodes and the external hosts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct UplinkFile {
    /// The name of the uplink.
    #[schemars(with = "Name")]
    pub name: Located<String>,
}

/// An interface of a node on an uplink.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct NodePortFile {
    /// The name of the interface.
    #[schemars(with = "InterfaceName")]
    pub name: Located<String>,
    /// The uplink that it is on.
    #[schemars(with = "Name")]
    pub uplink: Located<String>,
    /// The node; 1 by default.
    #[schemars(with = "Option<NodeNumber>")]
    pub node: Option<Located<i64>>,
    /// Its addresses.
    #[serde(default)]
    #[schemars(with = "Vec<Address>")]
    pub addresses: Vec<Located<String>>,
    /// The gateways of the node's default routes, at most one for each family.
    #[serde(default)]
    #[schemars(with = "Vec<Ip>")]
    pub defaults: Vec<Located<String>>,
    /// Makes it a cloud interface (ENI) for pods. A node has at most one.
    pub eni: Option<Located<EniFile>>,
}

/// A cloud interface for pods (ENI). `pool` needs `gateway`, `pool6` needs `gateway6`; one of the pools is needed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = forms::eni)]
pub(in crate::scenario) struct EniFile {
    /// The next hop of the pods' IPv4.
    #[schemars(with = "Option<Ip>")]
    pub gateway: Option<Located<String>>,
    /// The next hop of the pods' IPv6.
    #[schemars(with = "Option<Ip>")]
    pub gateway6: Option<Located<String>>,
    /// The routing table; by default 1000 plus the link's index.
    #[schemars(with = "Option<OwnTable>")]
    pub table: Option<Located<i64>>,
    /// The IPv4 addresses that pods get.
    #[schemars(with = "Option<NetworkRange>")]
    pub pool: Option<Located<String>>,
    /// The IPv6 addresses that pods get.
    #[schemars(with = "Option<NetworkRange>")]
    pub pool6: Option<Located<String>>,
    /// The subnet around `pool`, for the prefix length that is reported.
    #[schemars(with = "Option<NetworkRange>")]
    pub subnet: Option<Located<String>>,
    /// The subnet around `pool6`.
    #[schemars(with = "Option<NetworkRange>")]
    pub subnet6: Option<Located<String>>,
    /// `veth` (default): the CNI plugin is a stand-in for Terway's. `virtio` (lane vm only): an interface of the machine, on
    /// which Terway's own plugin runs, with a stand-in for its daemon.
    #[schemars(extend("enum" = ["veth", "virtio"]))]
    pub device: Option<Located<String>>,
}

/// An external host. External hosts and pods have different names.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = forms::with_ports)]
pub(in crate::scenario) struct HostFile {
    /// The name of the host.
    #[schemars(with = "Name")]
    pub name: Located<String>,
    /// Its interfaces on uplinks.
    #[serde(default)]
    #[schemars(transform = forms::not_empty)]
    pub ports: Vec<PortFile>,
    /// Addresses behind it, for which it answers.
    #[serde(default)]
    #[schemars(with = "Vec<Address>")]
    pub behind: Vec<Located<String>>,
    /// Its routes.
    #[serde(default)]
    pub routes: Vec<HostRouteFile>,
}

/// An interface of an external host on an uplink.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = forms::with_addresses)]
pub(in crate::scenario) struct PortFile {
    /// The uplink that it is on.
    #[schemars(with = "Name")]
    pub uplink: Located<String>,
    /// The VLAN that it sends and receives tagged. Without it, the port is untagged.
    #[schemars(with = "Option<VlanId>")]
    pub vlan: Option<Located<i64>>,
    /// Its addresses.
    #[serde(default)]
    #[schemars(with = "Vec<Address>", transform = forms::not_empty)]
    pub addresses: Vec<Located<String>>,
}

/// A route of an external host.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct HostRouteFile {
    /// The destination.
    #[schemars(with = "NetworkRange")]
    pub to: Located<String>,
    /// The next hop, on a network of one of its ports.
    #[schemars(with = "Ip")]
    pub via: Located<String>,
}
