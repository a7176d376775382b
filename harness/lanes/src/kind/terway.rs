//! Scenarios whose pods come up behind Terway: the chain asked for is put into force by Terway's own means, the nodes get the
//! scenario's addresses for pods, and what is around them is on the networks that they have.
//!
//! A chain, and what lies on a node for the CNI plugin, are the whole cluster's: a scenario has them alone. The chain
//! stays when it ends, so that the next one with the same chain finds it in force; all else is put back.
//!
//! The scenario's nodes keep their own addresses on eth0. Machines outside have the scenario's, and ways to the nodes' own;
//! what a gateway has behind it, the router that stands in for the cloud's is told.

mod chain;

use super::place::places;
use crate::cluster::node::{NETWORK, Node};
use crate::cluster::terway::{eni, standin};
use crate::cluster::{Cluster, uplink};
use crate::context::Context;
use ipnet::IpNet;
use plumbline_bed::broken::Broken;
use plumbline_bed::journal::Run;
use plumbline_bed::lease::{Kind, Lease};
use plumbline_bed::wait::Deadline;
use plumbline_core::observe::PodObservation;
use plumbline_core::plan::{Host, NodePort, Plan};
use plumbline_core::verdict::Adaptation;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const STAGE: &str = "terway-scenario";
/// How long other scenarios behind Terway are waited for.
const LEASE: Duration = Duration::from_secs(900);
/// The nodes' first interface, on the network that they share.
const FIRST: &str = "eth0";
/// The plugin by which such a chain is known.
const TERWAY: &str = "terway";
/// The network by which the runtime sets `lo` up, before any other (containerd's `go-cni`).
const LOOPBACK: &str = "cni-loopback";
/// tuning's list of what it may set (plugins 1.9.1, `meta/tuning/tuning.go`).
const ALLOWED: &str = "/etc/cni/tuning/allowlist.conf";

/// Whether a plan's pods come up behind Terway.
#[must_use]
pub fn is_behind(plan: &Plan) -> bool {
    plan.topology.default_network.as_ref().is_some_and(|own| own.plugins().iter().any(|plugin| plugin == TERWAY))
}

/// Why such a plan can't be built here, or why another can't on a cluster with Terway; none when it can.
#[must_use]
pub fn lack(plan: &Plan, has_terway: bool, profile: &str) -> Option<String> {
    let attached = plan.pods.iter().any(|pod| !pod.attachments.is_empty());
    match (is_behind(plan), has_terway) {
        (true, false) => Some(format!("is for a cluster with Terway; profile {profile} has none, profile terway has")),
        (false, true) if attached => Some(format!("attaches networks by Multus, which profile {profile} has not")),
        (true, true) => lack_of_families(plan),
        _ => None,
    }
}

fn lack_of_families(plan: &Plan) -> Option<String> {
    let ports = &plan.topology.ports;
    let v6 = ports.iter().any(|p| p.eni.as_ref().is_some_and(|e| e.pool6.is_some()) || p.addresses.iter().any(is_v6));
    if v6 {
        return Some("is for two families: the nodes here have IPv4 alone".to_owned());
    }
    let other = ports.iter().find(|port| port.eni.is_none() && port.name != FIRST);
    other.map(|port| format!("needs a node's own interface {}: the nodes here have {FIRST} alone", port.name))
}

fn is_v6(address: &IpNet) -> bool {
    address.addr().is_ipv6()
}

/// What was changed on the cluster for one scenario.
pub(super) struct Behind {
    cluster: Arc<Cluster>,
    /// Lines of shell that put it back: the node, or none for the router.
    undo: Vec<(Option<Node>, String)>,
    _lease: Lease,
}

impl Behind {
    /// Puts the chain into force and the scenario's ground on the nodes.
    ///
    /// # Errors
    /// `Broken` when the chain does not come into force, or a node refuses.
    pub(super) async fn lay(
        cluster: &Arc<Cluster>,
        cx: &Context,
        plan: &Plan,
    ) -> Result<(Self, Vec<Adaptation>), Broken> {
        let lease = format!("{}-chain", cluster.name);
        let lease = Lease::take(&lease, Kind::Exclusive, Deadline::after(LEASE)).await?;
        let adaptations = chain::in_force(cluster, cx, plan).await?;
        let mut behind = Self { cluster: cluster.clone(), undo: Vec::new(), _lease: lease };
        match behind.ground(plan).await {
            Ok(()) => Ok((behind, adaptations)),
            Err(broken) => {
                behind.undo().await;
                Err(broken)
            }
        }
    }

    async fn ground(&mut self, plan: &Plan) -> Result<(), Broken> {
        let cluster = self.cluster.clone();
        let places: Vec<Node> = places(&cluster.nodes).into_iter().cloned().collect();
        let table = cluster.terway.as_ref().map_or(0, |terway| terway.spec.eni.table + 1);
        for port in &plan.topology.ports {
            let node = places.get(port.node.wrapping_sub(1));
            let node = node.ok_or_else(|| Broken::new(STAGE, format!("there is no node {}", port.node)))?;
            if let Some(eni) = &port.eni {
                let old = standin::read(node).await?;
                let link = old["eni"]["link"].as_str().unwrap_or_default();
                if link != port.name {
                    let what = format!("node {} has its second interface as {link}, not as {}", node.name, port.name);
                    return Err(Broken::new(STAGE, what));
                }
                let mut new = eni.settings(&port.name);
                // Another one than the cluster's own pods have: theirs is not led to the scenario's gateway.
                new["eni"]["table"] = table.into();
                self.undo.push((Some(node.clone()), standin::line(&old)));
                self.on(Some(node), &standin::line(&new)).await?;
            }
            for net in port.addresses.iter().map(IpNet::trunc) {
                // The router too: what symmetric routing sends back goes to the nodes' default gateway, whoever asked.
                for party in [Some(node), None] {
                    self.undo.push((party.cloned(), format!("ip route flush exact {net} dev {FIRST}")));
                    self.on(party, &format!("ip route replace {net} dev {FIRST}")).await?;
                }
            }
        }
        if !plan.topology.tuning_allow_list.is_empty() {
            let lines = plan.topology.tuning_allow_list.join("\n");
            for node in places.iter().take(plan.topology.nodes.max(1)) {
                self.undo.push((Some(node.clone()), format!("rm -f {ALLOWED}")));
                let line =
                    format!("mkdir -p {folder} && cat > {ALLOWED} <<'END'\n{lines}\nEND\n", folder = folder(ALLOWED));
                self.on(Some(node), &line).await?;
            }
        }
        for (net, via) in behind_gateways(plan) {
            self.undo.push((None, format!("ip route flush exact {net}")));
            self.on(None, &format!("ip route replace {net} via {via} dev {FIRST} onlink")).await?;
        }
        Ok(())
    }

    async fn on(&self, node: Option<&Node>, line: &str) -> Result<(), Broken> {
        let argv = ["sh", "-ec", line];
        match node {
            Some(node) => node.must(STAGE, &argv).await.map(drop),
            None => {
                let router = eni::router_name(&self.cluster.name);
                let engine = self.cluster.engine();
                engine.exec_ok(STAGE, &router, &argv, None, Duration::from_secs(20)).await.map(drop)
            }
        }
    }

    /// Puts everything back but the chain. Gives what could not be, each a line.
    pub(super) async fn undo(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        for (node, line) in std::mem::take(&mut self.undo).into_iter().rev() {
            left.extend(self.on(node.as_ref(), &line).await.err().map(|broken| broken.to_string()));
        }
        left
    }
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(folder, _)| folder)
}

/// Leaves out of what was reported of a pod that of the runtime's own network for `lo`: it is from before the chain, which may
/// take IPv6 from every interface.
pub(super) fn without_runtimes_own(seen: &mut PodObservation) {
    seen.reported.retain(|reported| reported.network != LOOPBACK);
}

/// Uplinks that a node has an interface of its own on, and those of its second interface.
fn on_nodes(plan: &Plan) -> (BTreeSet<&String>, BTreeSet<&String>) {
    let of = |is_eni: bool| {
        let ports = plan.topology.ports.iter().filter(move |port: &&NodePort| port.eni.is_some() == is_eni);
        ports.map(|port| &port.uplink).collect()
    };
    (of(false), of(true))
}

/// What lies behind the scenario's gateways, each with the gateway's address on the nodes' network.
fn behind_gateways(plan: &Plan) -> Vec<(IpNet, std::net::IpAddr)> {
    let (first, _) = on_nodes(plan);
    let mut routes = Vec::new();
    for host in plan.topology.hosts.iter().filter(|host| host.gateway) {
        let Some(near) = host.ports.iter().find(|port| first.contains(&port.uplink)) else { continue };
        let Some(via) = near.addresses.first() else { continue };
        let far = host.ports.iter().filter(|port| port.uplink != near.uplink).flat_map(|port| &port.addresses);
        routes.extend(far.chain(&host.behind).map(|net| (net.trunc(), via.addr())));
    }
    routes
}

/// The engine's network of each uplink of a plan, made where there is none yet.
///
/// # Errors
/// `Broken` when the engine refuses.
pub(super) async fn networks(cluster: &Cluster, run: &Run, plan: &Plan) -> Result<BTreeMap<String, String>, Broken> {
    let (first, second) = on_nodes(plan);
    let mut found = BTreeMap::new();
    for uplink in &plan.topology.uplinks {
        let network = if first.contains(&uplink.name) {
            NETWORK.to_owned()
        } else if second.contains(&uplink.name) {
            eni::network_name(&cluster.name)
        } else {
            uplink::apart(cluster.engine(), run, &cluster.name, &uplink.name).await?
        };
        found.insert(uplink.name.clone(), network);
    }
    Ok(found)
}

/// The interface of each uplink on a node of a plan.
pub(super) fn ports(plan: &Plan, node: usize) -> BTreeMap<String, String> {
    let of_node = plan.topology.ports.iter().filter(|port| port.node == node);
    of_node.map(|port| (port.uplink.clone(), port.name.clone())).collect()
}

/// What a machine outside needs to reach the nodes by their own addresses, in `nodes`: a line of shell, in which `$i` are its
/// interfaces in the order of its ports. None where it needs nothing.
pub(super) fn ways(plan: &Plan, host: &Host, nodes: &str) -> Option<String> {
    let (first, _) = on_nodes(plan);
    let near = host.ports.iter().position(|port| first.contains(&port.uplink));
    if let Some(index) = near {
        let own = host.ports[index].addresses.first()?.addr();
        return Some(format!("ip route replace {nodes} dev \"${{{}}}\" src {own}", index + 1));
    }
    let scenarios: Vec<IpNet> = plan.topology.ports.iter().flat_map(|port| &port.addresses).map(IpNet::trunc).collect();
    let (_, via) = host.routes.iter().find(|(to, _)| scenarios.iter().any(|net| to.contains(net)))?;
    Some(format!("ip route replace {nodes} via {via}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumbline_core::plan::{DefaultNetwork, Eni, HostPort, Topology};

    fn port(name: &str, uplink: &str, address: Option<&str>) -> NodePort {
        NodePort {
            node: 1,
            name: name.into(),
            uplink: uplink.into(),
            addresses: address.map(|a| a.parse().unwrap()).into_iter().collect(),
            defaults: Vec::new(),
            eni: address.is_none().then(Eni::default),
            source: Default::default(),
        }
    }

    fn host(name: &str, gateway: bool, ports: &[(&str, &str)], routes: &[(&str, &str)]) -> Host {
        let port = |(uplink, address): &(&str, &str)| HostPort {
            uplink: (*uplink).into(),
            vlan: None,
            addresses: vec![address.parse().unwrap()],
        };
        Host {
            name: name.into(),
            gateway,
            ports: ports.iter().map(port).collect(),
            behind: Vec::new(),
            routes: routes.iter().map(|(to, via)| (to.parse().unwrap(), via.parse().unwrap())).collect(),
            source: Default::default(),
        }
    }

    fn plan(plugins: &str) -> Plan {
        let default_network = DefaultNetwork {
            name: "n".into(),
            config: format!(r#"{{"name":"n","plugins":[{plugins}]}}"#),
            source: Default::default(),
        };
        let hosts = vec![
            host("router", true, &[("lan", "10.66.0.1/24"), ("internet", "203.0.113.1/24")], &[]),
            host("client", false, &[("internet", "203.0.113.9/24")], &[("10.66.0.0/24", "203.0.113.1")]),
            host("vpc", false, &[("vpc", "10.77.0.1/24")], &[]),
        ];
        let ports = vec![port("eth0", "lan", Some("10.66.0.10/24")), port("eth1", "vpc", None)];
        let topology = Topology { default_network: Some(default_network), hosts, ports, ..Topology::default() };
        Plan {
            name: "a/b".into(),
            summary: String::new(),
            file: String::new(),
            rows: vec![],
            requires: vec![],
            lanes: vec![],
            topology,
            networks: vec![],
            pods: vec![],
            expect: vec![],
        }
    }

    #[test]
    fn a_chain_with_terway_is_for_a_cluster_with_terway() {
        let behind = plan(r#"{"type":"terway"}"#);
        assert!(lack(&behind, false, "hermetic").unwrap().contains("profile hermetic has none"));
        assert_eq!(lack(&behind, true, "terway"), None);
        assert!(!is_behind(&plan(r#"{"type":"ptp"}"#)));
        let mut two = plan(r#"{"type":"terway"}"#);
        two.topology.ports[0].addresses.push("fd66::10/64".parse().unwrap());
        assert!(lack(&two, true, "terway").unwrap().contains("two families"));
        let mut other = plan(r#"{"type":"terway"}"#);
        other.topology.ports[0].name = "ens5".into();
        assert!(lack(&other, true, "terway").unwrap().contains("ens5"));
    }

    #[test]
    fn what_a_gateway_has_behind_it_is_known_by_its_address_on_the_nodes_network() {
        let routes = behind_gateways(&plan(r#"{"type":"terway"}"#));
        assert_eq!(routes, [("203.0.113.0/24".parse().unwrap(), "10.66.0.1".parse().unwrap())]);
    }

    #[test]
    fn machines_outside_find_the_nodes_own_addresses() {
        let plan = plan(r#"{"type":"terway"}"#);
        let ways = |index: usize| ways(&plan, &plan.topology.hosts[index], "172.18.0.0/16");
        assert_eq!(ways(0).unwrap(), "ip route replace 172.18.0.0/16 dev \"${1}\" src 10.66.0.1");
        assert_eq!(ways(1).unwrap(), "ip route replace 172.18.0.0/16 via 203.0.113.1");
        assert_eq!(ways(2), None, "the gateway of the second interfaces knows nobody else");
    }
}
