//! The plan: what a scenario comes to, the same for every lane.

mod mapping;
mod network;
mod ports;
mod reached;
mod topology;
mod wire;

pub use mapping::PortMapping;
pub use network::Network;
pub use ports::{
    Backend, CAPABILITIES, Device, Eni, NodePort, STAND_IN_LEASES, STAND_IN_SETTINGS, Symmetric, VIRTIO_ENI,
};
pub use reached::{NodeAddress, ReachedBy, SeenAs};
pub use topology::{Bridge, DefaultNetwork, Host, HostPort, NodeLink, Topology, Uplink, VlanProtocol};
pub use wire::{Because, Destination, Lookup, ProbeEndpoint, Protocol, Unreachable, WantedReach};

use crate::source::Source;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The lanes that a scenario may name: every lane of the registry (`plumbline::registry`), which a test there checks.
pub const LANES: [&str; 3] = ["netns", "vm", "kind"];

/// One attachment asked for by a pod: one element of `k8s.v1.cni.cncf.io/networks`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Network name.
    pub network: String,
    /// Network's namespace as written; none means the pod's.
    pub namespace: Option<String>,
    /// Interface name in the pod; `net<N>` with N from 1 where none was asked for (upstream.md, section 4).
    pub interface: String,
    /// Addresses asked for (`ips`), as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<String>,
    /// MAC asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// `cni-args`: goes to every plugin as `args.cni`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cni_args: Option<Value>,
    /// `default-route`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_route: Vec<IpAddr>,
    /// `portMappings`, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_mappings: Option<Value>,
    /// `bandwidth`, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Value>,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Object name.
    pub name: String,
    /// Namespace as written.
    pub namespace: Option<String>,
    /// The object as it would be applied, before adaptations.
    pub manifest: Value,
    /// Attachments in the annotation's order, the default network not counted.
    pub attachments: Vec<Attachment>,
    /// The node it is to run on, from 1, where the scenario says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<usize>,
    /// Where it was written.
    pub source: Source,
}

/// A workload: an object whose controller makes pods of its template (Deployment, StatefulSet, Job and their like).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Its `kind`.
    pub kind: String,
    /// Object name.
    pub name: String,
    /// Namespace as written.
    pub namespace: Option<String>,
    /// The object as it would be applied, before adaptations.
    pub manifest: Value,
    /// Names of its pods in the plan. A StatefulSet's are those that its controller gives.
    pub pods: Vec<String>,
}

/// A value with the place that wanted it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wanted<T> {
    /// The value wanted.
    pub value: T,
    /// Where it was written.
    pub source: Source,
}

/// A list that is exact, unless it says `atLeast`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedList<T> {
    /// Whether the list names everything there may be.
    pub exact: bool,
    /// The items.
    pub items: Vec<Wanted<T>>,
    /// Where the list itself was written.
    pub source: Source,
}

/// A route wanted; fields that are none are not compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedRoute {
    /// Destination; `default` in the file is `0.0.0.0/0`, `default6` is `::/0`.
    pub to: IpNet,
    /// Gateway. In the file: absent means "not compared", `none` means on-link.
    pub via: Option<WantedGateway>,
    /// Scope: `global`, `link`, `host`.
    pub scope: Option<String>,
    /// Preferred source.
    pub src: Option<IpAddr>,
    /// Table, main (254) where absent.
    pub table: Option<u32>,
    /// Metric.
    pub metric: Option<u32>,
}

/// A gateway wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WantedGateway {
    /// On-link: no gateway.
    None,
    /// This gateway.
    Address(IpAddr),
}

/// What is wanted of one interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InterfaceExpectation {
    /// Interface name in the pod.
    pub name: String,
    /// Where it was written.
    pub source: Source,
    /// `true` when the interface must not be there (then nothing else is set).
    pub absent: bool,
    /// Link kind.
    pub kind: Option<Wanted<String>>,
    /// Name of the parent link on the node.
    pub parent: Option<Wanted<String>>,
    /// `up` or `down`.
    pub state: Option<Wanted<String>>,
    /// MTU in bytes.
    pub mtu: Option<Wanted<u32>>,
    /// MAC address, lower case.
    pub mac: Option<Wanted<String>>,
    /// Addresses with prefix length.
    pub addresses: Option<WantedList<IpNet>>,
    /// Routes of this interface (main table unless a route says another).
    pub routes: Option<WantedList<WantedRoute>>,
    /// Routes that must not be there on this interface.
    pub absent_routes: Vec<Wanted<IpNet>>,
    /// Addresses that must not be there on this interface.
    pub absent_addresses: Vec<Wanted<IpNet>>,
}

/// What is wanted of the default route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefaultExpectation {
    /// Device of the default route; empty where `count` is 0.
    pub dev: Wanted<String>,
    /// How many default routes of the family there may be, all interfaces and the main table counted.
    pub count: Wanted<usize>,
    /// Gateway, where it is to be compared.
    pub via: Option<Wanted<IpAddr>>,
}

/// What is wanted of one pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodExpectation {
    /// Pod name.
    pub pod: String,
    /// Where it was written.
    pub source: Source,
    /// Per interface.
    pub interfaces: Vec<InterfaceExpectation>,
    /// The IPv4 default route, where it is said.
    pub default: Option<DefaultExpectation>,
    /// The IPv6 default route, where it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default6: Option<DefaultExpectation>,
    /// What it must reach, in the order written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reaches: Vec<Wanted<WantedReach>>,
    /// What it must not reach, in the order written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cannot_reach: Vec<Wanted<Unreachable>>,
    /// What reaches it by a port of its node, in the order written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reached_by: Vec<Wanted<ReachedBy>>,
    /// Sysctls of its network namespace, by name as written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, Wanted<String>>,
    /// Whether some interface has an IPv6 link-local address, or none has; `lo` and its `::1` are not such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_local: Option<Wanted<bool>>,
}

impl PodExpectation {
    /// Whether anything on the wire is wanted of it.
    #[must_use]
    pub fn wants_packets(&self) -> bool {
        !(self.reaches.is_empty() && self.cannot_reach.is_empty() && self.reached_by.is_empty())
    }
}

impl Plan {
    /// The sysctls that are wanted of a pod, by name.
    #[must_use]
    pub fn sysctls_of(&self, pod: &str) -> Vec<String> {
        let wanted = self.expect.iter().find(|wanted| wanted.pod == pod);
        wanted.map(|wanted| wanted.sysctls.keys().cloned().collect()).unwrap_or_default()
    }

    /// Whether the nodes themselves have to be looked at.
    #[must_use]
    pub fn wants_nodes(&self) -> bool {
        self.expect.iter().any(|wanted| !wanted.reached_by.is_empty())
    }
}

/// The whole plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Scenario name.
    pub name: String,
    /// One-line summary.
    pub summary: String,
    /// Scenario file.
    pub file: String,
    /// Requirements that it covers.
    pub covers: Vec<String>,
    /// Capabilities needed, for example `macvlan`.
    pub requires: Vec<String>,
    /// Lanes it is meant for; empty means every lane.
    pub lanes: Vec<String>,
    /// The nodes.
    pub topology: Topology,
    /// Networks.
    pub networks: Vec<Network>,
    /// Pods, those of workloads among them.
    pub pods: Vec<Pod>,
    /// Workloads, in the order written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<Workload>,
    /// Expectations.
    pub expect: Vec<PodExpectation>,
}
