//! `topology` as it is written.

use crate::scenario::strict::At;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct TopologyFile {
    pub nodes: Option<At<i64>>,
    pub default_network: Option<At<String>>,
    #[serde(default)]
    pub cluster_ranges: Vec<At<String>>,
    #[serde(default)]
    pub bridges: Vec<BridgeFile>,
    #[serde(default)]
    pub links: Vec<LinkFile>,
    #[serde(default)]
    pub uplinks: Vec<UplinkFile>,
    #[serde(default)]
    pub ports: Vec<NodePortFile>,
    pub kube_mark_masq: Option<At<bool>>,
    pub tuning_allow_list: Option<At<Vec<At<String>>>>,
    #[serde(default)]
    pub gateways: Vec<HostFile>,
    #[serde(default)]
    pub peers: Vec<HostFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct BridgeFile {
    pub name: At<String>,
    #[serde(default)]
    pub addresses: Vec<At<String>>,
    pub uplink: Option<At<String>>,
    pub vlan_filtering: Option<At<bool>>,
    pub vlans: Option<At<Vec<At<i64>>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct LinkFile {
    pub name: At<String>,
    pub parent: At<String>,
    pub vlan: At<i64>,
    pub protocol: Option<At<String>>,
    pub priority: Option<At<i64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct UplinkFile {
    pub name: At<String>,
}

/// An interface of a node on an uplink.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct NodePortFile {
    pub name: At<String>,
    pub uplink: At<String>,
    pub node: Option<At<i64>>,
    #[serde(default)]
    pub addresses: Vec<At<String>>,
    #[serde(default)]
    pub defaults: Vec<At<String>>,
    pub eni: Option<At<EniFile>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct EniFile {
    pub gateway: Option<At<String>>,
    pub gateway6: Option<At<String>>,
    pub table: Option<At<i64>>,
    pub pool: Option<At<String>>,
    pub pool6: Option<At<String>>,
    pub subnet: Option<At<String>>,
    pub subnet6: Option<At<String>>,
    pub device: Option<At<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct HostFile {
    pub name: At<String>,
    #[serde(default)]
    pub ports: Vec<PortFile>,
    #[serde(default)]
    pub behind: Vec<At<String>>,
    #[serde(default)]
    pub routes: Vec<HostRouteFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct PortFile {
    pub uplink: At<String>,
    pub vlan: Option<At<i64>>,
    #[serde(default)]
    pub addresses: Vec<At<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::scenario) struct HostRouteFile {
    pub to: At<String>,
    pub via: At<String>,
}
