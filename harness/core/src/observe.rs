//! Observations: what was observed of a pod, as one typed model for every witness and lane.

mod agree;
pub mod ip;
pub mod traces;

pub use agree::{agree, agree_within};

use crate::cni::{ChainOutcome, PluginCall, StateAfter};
use crate::release::Release;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A command run for people to read, with what it printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transcript {
    /// The pod it ran in.
    pub pod: String,
    /// The command, for example `ip a`.
    pub command: String,
    /// What it printed; control characters are escaped.
    pub text: String,
}

/// One address of a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    /// Address with prefix length, host bits kept: `192.168.100.10/24`.
    pub address: IpNet,
    /// `global`, `link`, `host`, or a number as text.
    pub scope: String,
    /// Flags such as `tentative`, `dadfailed`, `deprecated`, sorted.
    pub flags: Vec<String>,
}

/// One network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Interface index in its own namespace.
    pub index: u32,
    /// Name without the `@` part.
    pub name: String,
    /// Kind as rtnetlink names it: `macvlan`, `veth`, `bridge`; none for physical links and `lo`.
    pub kind: Option<String>,
    /// Mode of kinds that have one (macvlan: `bridge`, `private`, `vepa`, `passthru`; ipvlan: `l2`, `l3`, `l3s`).
    pub mode: Option<String>,
    /// VLAN id of an 802.1Q link.
    pub vlan_id: Option<u16>,
    /// `IFLA_LINK`: index of the parent, or of the veth peer, in the namespace where that lives.
    pub parent: Option<u32>,
    /// `IFLA_LINK_NETNSID`: set when the parent lives in another namespace.
    pub parent_netns: Option<i32>,
    /// `IFLA_MASTER`: index of the bridge, VRF or bond it belongs to.
    pub master: Option<u32>,
    /// Flags such as `UP`, `LOWER_UP`, `NO-CARRIER`, sorted.
    pub flags: Vec<String>,
    /// Operational state, upper case: `UP`, `DOWN`, `UNKNOWN`, `LOWERLAYERDOWN`.
    pub state: String,
    /// MTU in bytes.
    pub mtu: u32,
    /// MAC address, lower case, `aa:bb:cc:dd:ee:ff`; empty where it has none.
    pub mac: String,
    /// Addresses, in kernel order.
    pub addresses: Vec<Address>,
}

/// One next hop of a route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NextHop {
    /// Gateway, none when on-link.
    pub via: Option<IpAddr>,
    /// Device name, none for blackhole and the like.
    pub dev: Option<String>,
    /// Weight, from 1; 1 where there is only one hop.
    pub weight: u32,
    /// Flags such as `onlink`, `linkdown`, `dead`, sorted.
    pub flags: Vec<String>,
}

/// One route. A route with one next hop and a multipath route have the same shape.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Destination; a default route is `0.0.0.0/0` or `::/0`.
    pub to: IpNet,
    /// `unicast`, `local`, `broadcast`, `multicast`, `blackhole`, `unreachable`, `prohibit`, `throw`, `anycast`.
    pub kind: String,
    /// Next hops; empty for blackhole and the like without a device.
    pub hops: Vec<NextHop>,
    /// Routing table number; main is 254, local 255.
    pub table: u32,
    /// `kernel`, `boot`, `static`, `ra`, or a number as text.
    pub protocol: String,
    /// `global`, `link`, `host`, or a number as text. IPv6 routes are `global`.
    pub scope: String,
    /// Preferred source address.
    pub src: Option<IpAddr>,
    /// Metric (priority); 0 where none is set.
    pub metric: u32,
}

/// One policy routing rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// `true` for IPv6.
    pub v6: bool,
    /// Priority.
    pub priority: u32,
    /// Source selector; none is `all`.
    pub from: Option<IpNet>,
    /// Destination selector; none is `all`.
    pub to: Option<IpNet>,
    /// Firewall mark, and its mask.
    pub fwmark: Option<(u32, u32)>,
    /// Input interface.
    pub iif: Option<String>,
    /// Output interface.
    pub oif: Option<String>,
    /// Table looked up; 0 where the action is another one.
    pub table: u32,
}

/// The network state of one namespace, read from the kernel in one go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct KernelState {
    /// Links with their addresses, by index.
    pub links: Vec<Link>,
    /// Routes of all tables and both families.
    pub routes: Vec<Route>,
    /// Rules of both families.
    pub rules: Vec<Rule>,
}

impl KernelState {
    /// The link of a name.
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }
}

impl Link {
    /// Whether it has a flag such as `UP`.
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|known| known == flag)
    }

    /// Its addresses without prefix lengths.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().map(|address| address.address.addr())
    }

    /// Its address with this IP address, whatever the prefix length.
    pub fn address_with(&self, ip: IpAddr) -> Option<&Address> {
        self.addresses.iter().find(|address| address.address.addr() == ip)
    }
}

impl Route {
    /// Whether it forwards packets and is in the main table.
    pub fn is_main_unicast(&self) -> bool {
        self.table == 254 && self.kind == "unicast"
    }

    /// Whether it is the default route of a family in the main table.
    pub fn is_default(&self, v6: bool) -> bool {
        self.is_main_unicast() && self.to.prefix_len() == 0 && self.to.addr().is_ipv6() == v6
    }
}

/// Who read a kernel state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Witness {
    /// `ip` inside the pod.
    PodIp,
    /// The agent, in the pod's namespace, by netlink.
    Agent,
}

/// What is reported of one attachment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// The requested interface.
    pub interface: String,
    /// Network (`namespace/name`, or the name alone where there are no namespaces; the default network's list name).
    pub network: String,
    /// The CNI result that the last plugin of the chain gave, where it could be read.
    pub result: Option<Value>,
    /// The entry of the annotation `k8s.v1.cni.cncf.io/network-status`, where there is one.
    pub status: Option<Value>,
}

/// An event or log line about the pod, written by another program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// Where it comes from: `event`, `runtime log`, `plugin stderr`.
    pub origin: String,
    /// For events the reason, for example `FailedCreatePodSandBox`; else empty.
    pub reason: String,
    /// The text, control characters escaped.
    pub text: String,
}

/// Whether the pod became ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum PodState {
    /// It runs and was observed.
    #[default]
    Running,
    /// Its networks could not be created, or it did not become Ready.
    NotReady {
        /// What was awaited, for how long, and what was last seen.
        reason: String,
    },
}

/// Everything observed of one pod.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodObservation {
    /// Pod name as the scenario has it.
    pub pod: String,
    /// The node it ran on.
    pub node: String,
    /// Whether it became ready.
    pub state: PodState,
    /// Human transcripts (`ip a`, `ip route`).
    pub transcripts: Vec<Transcript>,
    /// The kernel state judged; none when the pod did not become ready.
    pub kernel: Option<KernelState>,
    /// Who read it; both where both could.
    pub witnesses: Vec<Witness>,
    /// What is reported of each attachment, the default network's included.
    pub reported: Vec<Reported>,
    /// Outcome of each chain run (netns lane; empty where a runtime ran them), by network name in order.
    pub outcomes: Vec<(String, ChainOutcome)>,
    /// Outcome of each chain's DEL when the pod was removed (netns lane), by network name in order; empty until then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removals: Vec<(String, ChainOutcome)>,
    /// The whole state after ADD, on lanes where a runtime ran the chains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_after: Option<StateAfter>,
    /// Recorded plugin calls, on lanes where a runtime ran the chain.
    pub calls: Vec<PluginCall>,
    /// Events and log lines.
    pub log: Vec<LogLine>,
    /// Names of the node's links by index, to resolve parents; none where the node could not be read.
    pub node_links: Option<BTreeMap<u32, String>>,
    /// The sysctls of the pod's namespace that matter, by name with dots; empty where the agent could not read them.
    #[serde(default)]
    pub sysctls: BTreeMap<String, String>,
}

/// What kind of state leaked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LeakKind {
    /// An address that IPAM still holds.
    #[default]
    Lease,
    /// A rule or a chain of iptables or nftables.
    Firewall,
    /// A connection that the kernel still tracks.
    Connection,
    /// A routing rule, a route or a link.
    Routing,
}

/// State of a pod that remains on a node after the pod is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leak {
    /// What it is.
    #[serde(default)]
    pub kind: LeakKind,
    /// The pod it was made for, where that is known.
    pub pod: Option<String>,
    /// What: `10.1.2.3 of network sip-net`.
    pub what: String,
    /// Where: `/var/lib/cni/networks/sip-net on node 2`.
    pub place: String,
}

/// What was observed of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeObservation {
    /// Its number, from 1.
    pub node: usize,
    /// Its name on the lane.
    pub name: String,
    /// Its links, routes and rules.
    pub kernel: KernelState,
}

/// Everything observed of a scenario on a lane.
#[must_use = "an unjudged observation proves nothing"]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// Pods in the order of the plan.
    pub pods: Vec<PodObservation>,
    /// Nodes, where the plan needs them (for a `reachedBy`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeObservation>,
    /// Results of the probes, where the plan expects packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire: Option<crate::wire::WireObservation>,
    /// The ranges of the cluster's own pods and services; empty where there is no cluster, or they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_ranges: Vec<IpNet>,
    /// Releases of the plugins that the user gave, by the build information of their programs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub releases: BTreeMap<String, Release>,
    /// Leaks of deleted pods. None where the lane did not look for them; empty where it found none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaks: Option<Vec<Leak>>,
}

impl Observation {
    /// What was observed of a pod.
    pub fn pod(&self, name: &str) -> Option<&PodObservation> {
        self.pods.iter().find(|observed| observed.pod == name)
    }
}

/// Whether an address is a link-local one of IPv6 (`fe80::/10`, RFC 4291): the kernel makes one for every link by itself.
pub fn is_v6_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// The text with every control character but line feed and tab escaped as `\u{..}`, and with the characters
/// that turn the direction of writing escaped too; so that no escape sequence of a hostile pod gets through.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if (c.is_control() && c != '\n' && c != '\t') || turns {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes_and_direction_marks_are_shown_as_text() {
        assert_eq!(super::printable("a\u{1b}[2Jb\r\u{202e}c\n\td"), "a\\u{1b}[2Jb\\u{d}\\u{202e}c\n\td");
    }
}
