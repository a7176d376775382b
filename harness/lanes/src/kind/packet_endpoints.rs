//! Parts of a plan outside Kubernetes: bridges, uplinks, VLAN links, external hosts, and at each of
//! them an agent of the scenario's own, which sends and captures its packets.

use super::packet_leases;
use crate::context::Context;
use futures::future::{join_all, try_join_all};
use ipnet::IpNet;
use plumbline_cluster::agent_session::Session;
use plumbline_cluster::naming::{CLUSTER_LABEL, RUN_LABEL};
use plumbline_cluster::node::{self, NETWORK, Node, in_scenario_order};
use plumbline_cluster::{Cluster, bridges, uplink};
use plumbline_core::observe::NodeObservation;
use plumbline_core::plan::{Host, Plan};
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_testbed::engine::{self, Engine, ExternalHost, ExternalHostPlan};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{Effect, EffectId, Run};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const STAGE: &str = "topology";
/// Deadline of short operations of the kernel.
const SHORT: Duration = Duration::from_secs(30);

/// An external host with the agent in it.
pub(super) struct StagedHost {
    /// Its name in the scenario.
    pub name: String,
    /// Its interface on each uplink, by the uplink's name.
    pub ports: BTreeMap<String, String>,
    pub session: Session,
    machine: ExternalHost,
    entry: EffectId,
}

/// A node of the scenario, with an agent of the scenario's own.
pub(super) struct NodeSession {
    /// The node's name.
    pub node: String,
    /// The port of each uplink on it, by the uplink's name.
    pub ports: BTreeMap<String, String>,
    pub session: Session,
}

/// The endpoints of packets beside the pods.
#[derive(Default)]
pub(super) struct PacketEndpoints {
    /// The scenario's nodes, in order; empty where nothing is sent.
    pub nodes: Vec<NodeSession>,
    pub external_hosts: Vec<StagedHost>,
}

/// Makes bridges, and VLAN links on them, before the pods.
///
/// # Errors
/// `TestbedError`, naming the node.
pub(super) async fn make_bridges(cluster: &Cluster, plan: &Plan) -> Result<(), TestbedError> {
    let topology = &plan.topology;
    if !topology.bridges.is_empty() {
        bridges::make(&topology.bridges, &cluster.nodes).await?;
    }
    if !topology.links.is_empty() {
        let links = cluster.nodes.iter().map(|node| node.must_do(STAGE, Op::Links(topology.links.clone())));
        try_join_all(links).await?;
    }
    Ok(())
}

/// Makes the endpoints of packets: uplinks, external hosts, and agents of the scenario's own.
///
/// # Errors
/// `TestbedError`. Parts already made are removed, or are in the journal.
pub(super) async fn make_endpoints(
    cluster: &Cluster,
    cx: &Context,
    plan: &Plan,
    run: &Arc<Run>,
    scenario: &str,
) -> Result<PacketEndpoints, TestbedError> {
    if !packet_leases::sends(plan) {
        return Ok(PacketEndpoints::default());
    }
    let engine = cluster.engine();
    let avoided: Vec<_> = packet_leases::subnets(plan).into_iter().collect();
    let mut ports: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut networks: BTreeMap<String, String> = BTreeMap::new();
    for bridge in &plan.topology.bridges {
        match &bridge.uplink {
            Some(uplink) => {
                let joined = uplink::join(engine, run, &cluster.name, &cluster.nodes, bridge, &avoided).await?;
                for (node, port) in joined {
                    ports.entry(node).or_default().insert(uplink.clone(), port);
                }
                networks.insert(uplink.clone(), uplink::network_name(&cluster.name, &bridge.name));
            }
            None if packet_leases::alone(plan, bridge) => {
                uplink::remove_ports(engine, &cluster.name, &cluster.nodes, &bridge.name).await?;
            }
            None => {}
        }
    }
    let nodes = in_scenario_order(&cluster.nodes);
    let mut subnet = None;
    if let Some(provider) = cluster.provider_of(plan) {
        networks.extend(provider.uplink_networks(cluster, run, plan).await?);
        for (number, node) in nodes.iter().enumerate() {
            ports.entry(node.name.clone()).or_default().extend(self::ports(plan, number + 1));
        }
        subnet = engine.network(NETWORK).await?.and_then(|network| network.subnets.first().cloned());
    }
    let nodes = nodes.into_iter().take(plan.topology.nodes.max(1)).map(|node| start_session(node, &ports));
    let machines = HostStarter { cluster, cx, run, engine, networks: &networks, scenario, plan, subnet };
    let (nodes, external_hosts) =
        tokio::join!(try_join_all(nodes), join_all(plan.topology.hosts.iter().map(|host| machines.start(host))));
    let (mut started, mut failed) = (Vec::new(), None);
    for host in external_hosts {
        match host {
            Ok(host) => started.push(host),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    let mut endpoints = PacketEndpoints { nodes: Vec::new(), external_hosts: started };
    match (nodes, failed) {
        (Ok(nodes), None) => {
            endpoints.nodes = nodes;
            Ok(endpoints)
        }
        (Err(error), _) | (_, Some(error)) => {
            endpoints.take_down(run).await;
            Err(error)
        }
    }
}

async fn start_session(
    node: &Node,
    ports: &BTreeMap<String, BTreeMap<String, String>>,
) -> Result<NodeSession, TestbedError> {
    let ports = ports.get(&node.name).cloned().unwrap_or_default();
    Ok(NodeSession { node: node.name.clone(), ports, session: node.session().await? })
}

/// Inputs for starting external hosts.
struct HostStarter<'a> {
    cluster: &'a Cluster,
    cx: &'a Context,
    run: &'a Arc<Run>,
    engine: &'a Engine,
    /// The engine's network of each uplink.
    networks: &'a BTreeMap<String, String>,
    scenario: &'a str,
    plan: &'a Plan,
    /// The nodes' own network, if external hosts must reach the nodes at their own addresses.
    subnet: Option<String>,
}

impl HostStarter<'_> {
    async fn start(&self, host: &Host) -> Result<StagedHost, TestbedError> {
        let testbed_error = |what: String| TestbedError::new(STAGE, format!("host {}: {what}", host.name));
        let mut wanted: Vec<&String> = Vec::new();
        for port in &host.ports {
            if !wanted.contains(&&port.uplink) {
                wanted.push(&port.uplink);
            }
        }
        let network = |uplink: &&String| {
            let known = self.networks.get(*uplink).cloned();
            known.ok_or_else(|| testbed_error(format!("expected a node with a bridge on uplink {uplink}, found none")))
        };
        let networks = wanted.iter().map(network).collect::<Result<Vec<_>, TestbedError>>()?;
        let (file, _) = node::agent_file(&self.cx.images.agent().await?)?;
        let path = file.path.clone();
        let plan = ExternalHostPlan {
            name: format!("plumbline-{}-{}", self.scenario, host.name),
            image: self.cluster.toolbox.clone(),
            networks: networks.clone(),
            labels: BTreeMap::from([
                (RUN_LABEL.to_owned(), self.run.id().to_owned()),
                (CLUSTER_LABEL.to_owned(), self.cluster.name.clone()),
            ]),
            files: vec![engine::ArchiveFile { path: file.path, mode: file.mode, content: file.bytes }],
        };
        let entry = self.run.intend(Effect::Container { name: plan.name.clone() })?;
        let machine = self.engine.start_external_host(&plan).await?;
        let session = Session::start(self.engine, &machine.container.name, &path).await?;
        let mac = |network: &String| {
            let found = machine.container.macs.get(network).cloned();
            found.ok_or_else(|| testbed_error(format!("it is not on network {network}")))
        };
        let macs = networks.iter().map(mac).collect::<Result<Vec<_>, TestbedError>>()?;
        let by_uplink: BTreeMap<&String, &String> = wanted.iter().copied().zip(&macs).collect();
        let interfaces = host.ports.iter().map(|port| by_uplink[&port.uplink].clone()).collect();
        if has_v6(host) {
            // The engine turns IPv6 off in containers on networks that have none.
            let script = "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 0 > \"$f\"; done";
            let argv = ["sh", "-ec", script].map(str::to_owned).to_vec();
            session.call(STAGE, Op::Exec { target: Target::Node, argv, deadline_ms: 10_000 }, SHORT).await?;
        }
        session.must_do(STAGE, Op::BeHost { host: host.clone(), interfaces }).await?;
        let names = read_interfaces(&session).await?;
        self.route_to_nodes(host, &session, &names, &by_uplink).await?;
        let port = |(uplink, mac): (&&String, &String)| {
            let name = names.get(mac).cloned().ok_or_else(|| testbed_error(format!("it has no interface {mac}")))?;
            Ok(((*uplink).clone(), name))
        };
        let ports = wanted.iter().zip(&macs).map(port).collect::<Result<_, TestbedError>>()?;
        Ok(StagedHost { name: host.name.clone(), ports, session, machine, entry })
    }

    /// Adds the host's routes to the nodes' own addresses, if it needs any.
    async fn route_to_nodes(
        &self,
        host: &Host,
        session: &Session,
        names: &BTreeMap<String, String>,
        macs: &BTreeMap<&String, &String>,
    ) -> Result<(), TestbedError> {
        let Some(line) = self.subnet.as_ref().and_then(|subnet| node_route(self.plan, host, subnet)) else {
            return Ok(());
        };
        let of_port = |uplink: &String| macs.get(uplink).and_then(|mac| names.get(*mac)).cloned().unwrap_or_default();
        let interfaces = host.ports.iter().map(|port| of_port(&port.uplink));
        let argv = ["sh", "-ec", &line, "sh"].iter().map(|&word| word.to_owned()).chain(interfaces).collect();
        match session.call(STAGE, Op::Exec { target: Target::Node, argv, deadline_ms: 10_000 }, SHORT).await? {
            Outcome::Ran { code: Some(0), .. } => Ok(()),
            other => Err(TestbedError::new(STAGE, format!("host {}: {line}: {other:?}", host.name))),
        }
    }
}

fn has_v6(host: &Host) -> bool {
    let ports = host.ports.iter().flat_map(|port| &port.addresses);
    ports.chain(&host.behind).any(|address| address.addr().is_ipv6())
}

/// The interfaces of an external host by MAC address, without VLAN links, which have their parent's.
async fn read_interfaces(session: &Session) -> Result<BTreeMap<String, String>, TestbedError> {
    match session.call(STAGE, Op::Observe { target: Target::Node, with_ip: false }, SHORT).await? {
        Outcome::Observed(seen) => {
            let links = seen.kernel.links.into_iter().filter(|link| link.vlan_id.is_none());
            Ok(links.map(|link| (link.mac.to_lowercase(), link.name)).collect())
        }
        other => Err(TestbedError::new(STAGE, format!("{}: unexpected answer {other:?}", session.container))),
    }
}

impl PacketEndpoints {
    /// Reads the scenario's nodes.
    ///
    /// # Errors
    /// `TestbedError` when one can't be read.
    pub(super) async fn observe_nodes(&self) -> Result<Vec<NodeObservation>, TestbedError> {
        let mut all = Vec::new();
        for (index, on) in self.nodes.iter().enumerate() {
            let (node, name) = (index + 1, on.node.clone());
            match on.session.call(STAGE, Op::Observe { target: Target::Node, with_ip: false }, SHORT).await? {
                Outcome::Observed(seen) => all.push(NodeObservation { node, name, kernel: seen.kernel }),
                other => return Err(TestbedError::new(STAGE, format!("{name}: unexpected answer {other:?}"))),
            }
        }
        Ok(all)
    }

    /// Ends the scenario's agents and removes its external hosts. Gives a line for each failed removal.
    pub(super) async fn take_down(&mut self, run: &Run) -> Vec<String> {
        self.nodes.clear();
        let removed = std::mem::take(&mut self.external_hosts).into_iter().map(|host| async move {
            let StagedHost { machine, entry, session, .. } = host;
            drop(session);
            match machine.remove().await {
                Ok(()) => run.done(entry).err().map(|error| error.to_string()),
                Err(error) => Some(error.to_string()),
            }
        });
        join_all(removed).await.into_iter().flatten().collect()
    }

    /// Leaves its external hosts running, for `--keep`.
    pub(super) fn keep(&mut self) {
        for host in std::mem::take(&mut self.external_hosts) {
            host.machine.keep();
        }
    }
}

/// The interface of each uplink on a node of a plan.
fn ports(plan: &Plan, node: usize) -> BTreeMap<String, String> {
    let of_node = plan.topology.ports.iter().filter(|port| port.node == node);
    of_node.map(|port| (port.uplink.clone(), port.name.clone())).collect()
}

/// A shell line that adds an external host's routes to the nodes' own addresses, in `nodes`. In it `$i` are the host's
/// interfaces in the order of its ports. None if it needs no route.
fn node_route(plan: &Plan, host: &Host, nodes: &str) -> Option<String> {
    let first: Vec<&String> =
        plan.topology.ports.iter().filter(|port| port.eni.is_none()).map(|port| &port.uplink).collect();
    let near = host.ports.iter().position(|port| first.contains(&&port.uplink));
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
    use plumbline_core::plan::{DefaultNetwork, Eni, HostPort, NodePort, Topology};

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
        Plan { name: "a/b".into(), topology, ..Plan::default() }
    }

    #[test]
    fn external_hosts_have_routes_to_the_nodes_own_addresses() {
        let plan = plan(r#"{"type":"terway"}"#);
        let node_route = |index: usize| node_route(&plan, &plan.topology.hosts[index], "172.18.0.0/16");
        assert_eq!(node_route(0).unwrap(), "ip route replace 172.18.0.0/16 dev \"${1}\" src 10.66.0.1");
        assert_eq!(node_route(1).unwrap(), "ip route replace 172.18.0.0/16 via 203.0.113.1");
        assert_eq!(node_route(2), None, "the gateway of the second interfaces has no route to them");
    }
}
