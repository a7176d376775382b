//! What a scenario expects of a pod: interfaces, routes, default routes, sysctls and probes.

use super::probe::{ReachedBy, Unreachable, WantedReach};
use crate::source::{Source, Wanted, WantedList};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// An expected route; fields that are none are not compared.
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

/// What is expected of one interface.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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

/// What is expected of the default route.
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

/// What is expected of one pod.
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
    /// Whether a probe is expected of it.
    pub fn wants_packets(&self) -> bool {
        !(self.reaches.is_empty() && self.cannot_reach.is_empty() && self.reached_by.is_empty())
    }
}
