//! The scenario file, version 1, as it is written; `docs/scenario.md` explains it.
//!
//! Scalars that have a form of their own (addresses, gateways) are read as text here and parsed by
//! [`super::expect`], so that every mistake in a file is reported at once, each with its place.

use super::strict::{ListOr, Located, Pairs};
use serde::Deserialize;
use serde_json::Value;

/// The only `apiVersion` understood.
pub const API_VERSION: &str = "plumbline.dev/v1alpha1";
/// The only `kind` understood.
pub const KIND: &str = "Scenario";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ScenarioFile {
    pub api_version: Located<String>,
    pub kind: Located<String>,
    pub metadata: Metadata,
    #[serde(default)]
    pub requires: Vec<Located<String>>,
    #[serde(default)]
    pub lanes: Vec<Located<String>>,
    #[serde(default)]
    pub topology: TopologyFile,
    #[serde(default)]
    pub networks: Vec<Located<Entry>>,
    #[serde(default)]
    pub pods: Vec<Located<Entry>>,
    #[serde(default)]
    pub expect: Pairs<Located<PodFile>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub name: Located<String>,
    #[serde(default)]
    pub summary: String,
    #[serde(default)]
    pub covers: Vec<Located<String>>,
}

/// A network or a pod: a user's file, a template with values, or (networks alone) the name of one that is there already.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Entry {
    pub manifest: Option<Located<String>>,
    pub template: Option<Located<String>>,
    pub values: Option<Pairs<Located<Value>>>,
    pub existing: Option<Located<String>>,
    pub namespace: Option<Located<String>>,
    pub node: Option<Located<i64>>,
    pub copies: Option<Located<i64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct PodFile {
    pub interfaces: Pairs<Located<InterfaceFile>>,
    pub routes: Pairs<Located<ListOr<Located<RouteFile>, RouteLists>>>,
    pub default: Option<Located<DefaultFile>>,
    pub default6: Option<Located<DefaultFile>>,
    pub reaches: Vec<Located<ReachFile>>,
    pub cannot_reach: Vec<Located<UnreachableFile>>,
    pub reached_by: Vec<Located<ReachedByFile>>,
    pub sysctls: Pairs<Located<String>>,
    pub link_local: Option<Located<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct InterfaceFile {
    pub absent: Option<Located<bool>>,
    pub kind: Option<Located<String>>,
    pub parent: Option<Located<String>>,
    pub state: Option<Located<String>>,
    pub mtu: Option<Located<u32>>,
    pub mac: Option<Located<String>>,
    pub addresses: Option<Located<ListOr<Located<String>, AddressLists>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct AddressLists {
    pub at_least: Option<Vec<Located<String>>>,
    pub absent: Vec<Located<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RouteLists {
    pub at_least: Option<Vec<Located<RouteFile>>>,
    #[serde(default)]
    pub absent: Vec<Located<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RouteFile {
    pub to: Located<String>,
    pub via: Option<Located<String>>,
    pub scope: Option<Located<String>>,
    pub src: Option<Located<String>>,
    pub table: Option<Located<u32>>,
    pub metric: Option<Located<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct DefaultFile {
    pub dev: Option<Located<String>>,
    pub count: Option<Located<usize>>,
    pub via: Option<Located<String>>,
}

/// A destination: `to` with or without `at`, or `pod` with `interface`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Where<'a> {
    pub to: Option<&'a Located<String>>,
    pub at: Option<&'a Located<String>>,
    pub pod: Option<&'a Located<String>>,
    pub interface: Option<&'a Located<String>>,
    pub v6: Option<&'a Located<bool>>,
}

macro_rules! destination {
    ($file:ty) => {
        impl $file {
            pub fn destination(&self) -> Where<'_> {
                Where {
                    to: self.to.as_ref(),
                    at: self.at.as_ref(),
                    pod: self.pod.as_ref(),
                    interface: self.interface.as_ref(),
                    v6: self.v6.as_ref(),
                }
            }
        }
    };
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ReachFile {
    to: Option<Located<String>>,
    at: Option<Located<String>>,
    pod: Option<Located<String>>,
    interface: Option<Located<String>>,
    v6: Option<Located<bool>>,
    pub by: Located<String>,
    pub port: Option<Located<i64>>,
    pub lookup: Option<Located<String>>,
    pub resolves_to: Option<Located<String>>,
    pub from: Option<Located<String>>,
    pub through: Option<Located<String>>,
    pub gateway: Option<Located<String>>,
    pub seen_from: Option<Located<String>>,
    pub tags: Option<Located<Vec<Located<i64>>>>,
    pub priority: Option<Located<i64>>,
}
destination!(ReachFile);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct UnreachableFile {
    to: Option<Located<String>>,
    at: Option<Located<String>>,
    pod: Option<Located<String>>,
    interface: Option<Located<String>>,
    v6: Option<Located<bool>>,
    pub by: Located<String>,
    pub port: Option<Located<i64>>,
    pub from: Option<Located<String>>,
    pub because: Option<Located<String>>,
    pub control: Option<Located<ControlFile>>,
    pub reached_by: Option<Located<String>>,
}
destination!(UnreachableFile);

/// Who reaches the pod by a port of its node.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ReachedByFile {
    pub sender: Located<String>,
    pub at: Option<Located<String>>,
    pub by: Located<String>,
    pub port: Located<i64>,
    pub v6: Option<Located<bool>>,
    pub seen_from: Option<Located<String>>,
    pub back_by: Option<Located<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ControlFile {
    to: Option<Located<String>>,
    at: Option<Located<String>>,
    pod: Option<Located<String>>,
    interface: Option<Located<String>>,
    v6: Option<Located<bool>>,
}
destination!(ControlFile);

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct TopologyFile {
    pub nodes: Option<Located<i64>>,
    pub default_network: Option<Located<String>>,
    pub cluster_ranges: Vec<Located<String>>,
    pub bridges: Vec<BridgeFile>,
    pub links: Vec<LinkFile>,
    pub uplinks: Vec<UplinkFile>,
    pub ports: Vec<NodePortFile>,
    pub kube_mark_masq: Option<Located<bool>>,
    pub tuning_allow_list: Option<Located<Vec<Located<String>>>>,
    pub gateways: Vec<HostFile>,
    pub peers: Vec<HostFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct BridgeFile {
    pub name: Located<String>,
    #[serde(default)]
    pub addresses: Vec<Located<String>>,
    pub uplink: Option<Located<String>>,
    pub vlan_filtering: Option<Located<bool>>,
    pub vlans: Option<Located<Vec<Located<i64>>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct LinkFile {
    pub name: Located<String>,
    pub parent: Located<String>,
    pub vlan: Located<i64>,
    pub protocol: Option<Located<String>>,
    pub priority: Option<Located<i64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct UplinkFile {
    pub name: Located<String>,
}

/// An interface of a node on an uplink.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct NodePortFile {
    pub name: Located<String>,
    pub uplink: Located<String>,
    pub node: Option<Located<i64>>,
    #[serde(default)]
    pub addresses: Vec<Located<String>>,
    #[serde(default)]
    pub defaults: Vec<Located<String>>,
    pub eni: Option<Located<EniFile>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct EniFile {
    pub gateway: Option<Located<String>>,
    pub gateway6: Option<Located<String>>,
    pub table: Option<Located<i64>>,
    pub pool: Option<Located<String>>,
    pub pool6: Option<Located<String>>,
    pub subnet: Option<Located<String>>,
    pub subnet6: Option<Located<String>>,
    pub device: Option<Located<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct HostFile {
    pub name: Located<String>,
    #[serde(default)]
    pub ports: Vec<PortFile>,
    #[serde(default)]
    pub behind: Vec<Located<String>>,
    #[serde(default)]
    pub routes: Vec<HostRouteFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PortFile {
    pub uplink: Located<String>,
    pub vlan: Option<Located<i64>>,
    #[serde(default)]
    pub addresses: Vec<Located<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct HostRouteFile {
    pub to: Located<String>,
    pub via: Located<String>,
}
