//! What a plan wants around its pods that is not Kubernetes': bridges, uplinks, VLAN links, gateways and peers, and an
//! agent of the scenario's own at each of them, by which its packets are sent and captured.

use super::packet_leases;
use crate::context::Context;
use futures::future::{join_all, try_join_all};
use ipnet::IpNet;
use plumbline_cluster::agent_session::Session;
use plumbline_cluster::naming::{CLUSTER_LABEL, RUN_LABEL};
use plumbline_cluster::node::in_scenario_order;
use plumbline_cluster::node::{self, NETWORK, Node};
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
/// For what the kernel does in milliseconds.
const SHORT: Duration = Duration::from_secs(30);

/// A machine outside, with the agent in it.
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

/// What is around the pods.
#[derive(Default)]
pub(super) struct PacketEndpoints {
    /// The scenario's nodes, in order; empty where nothing is sent.
    pub places: Vec<NodeSession>,
    pub external_hosts: Vec<StagedHost>,
}

/// Makes what pods need before they come: bridges, and VLAN links on them.
///
/// # Errors
/// `TestbedError`, naming the node.
pub(super) async fn ground(cluster: &Cluster, plan: &Plan) -> Result<(), TestbedError> {
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

/// Makes what only packets need: uplinks, machines outside, and agents of the scenario's own.
///
/// # Errors
/// `TestbedError`. What was made by then is removed, or stands in the journal.
pub(super) async fn around(
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
    let away: Vec<_> = packet_leases::subnets(plan).into_iter().collect();
    let mut ports: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut networks: BTreeMap<String, String> = BTreeMap::new();
    for bridge in &plan.topology.bridges {
        match &bridge.uplink {
            Some(uplink) => {
                let joined = uplink::join(engine, run, &cluster.name, &cluster.nodes, bridge, &away).await?;
                for (node, port) in joined {
                    ports.entry(node).or_default().insert(uplink.clone(), port);
                }
                networks.insert(uplink.clone(), uplink::network_name(&cluster.name, &bridge.name));
            }
            None if packet_leases::alone(plan, bridge) => {
                uplink::part(engine, &cluster.name, &cluster.nodes, &bridge.name).await?;
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
    let nodes = nodes.into_iter().take(plan.topology.nodes.max(1)).map(|node| place(node, &ports));
    let machines = Machines { cluster, cx, run, engine, networks: &networks, scenario, plan, subnet };
    let (places, external_hosts) =
        tokio::join!(try_join_all(nodes), join_all(plan.topology.hosts.iter().map(|host| machines.start(host))));
    let (mut started, mut failed) = (Vec::new(), None);
    for host in external_hosts {
        match host {
            Ok(host) => started.push(host),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    let mut around = PacketEndpoints { places: Vec::new(), external_hosts: started };
    match (places, failed) {
        (Ok(places), None) => {
            around.places = places;
            Ok(around)
        }
        (Err(error), _) | (_, Some(error)) => {
            around.take_down(run).await;
            Err(error)
        }
    }
}

async fn place(node: &Node, ports: &BTreeMap<String, BTreeMap<String, String>>) -> Result<NodeSession, TestbedError> {
    let ports = ports.get(&node.name).cloned().unwrap_or_default();
    Ok(NodeSession { node: node.name.clone(), ports, session: node.session().await? })
}

/// What starting machines outside takes.
struct Machines<'a> {
    cluster: &'a Cluster,
    cx: &'a Context,
    run: &'a Arc<Run>,
    engine: &'a Engine,
    /// The engine's network of each uplink.
    networks: &'a BTreeMap<String, String>,
    scenario: &'a str,
    plan: &'a Plan,
    /// The nodes' own network, where machines outside are to find the nodes by their own addresses.
    subnet: Option<String>,
}

impl Machines<'_> {
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
            known.ok_or_else(|| {
                testbed_error(format!("no bridge of a node has uplink {uplink}, so that it would be alone on it"))
            })
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
        let session = Session::begin(self.engine, &machine.container.name, &path).await?;
        let mac = |network: &String| {
            let found = machine.container.macs.get(network).cloned();
            found.ok_or_else(|| testbed_error(format!("it is not on network {network}")))
        };
        let macs = networks.iter().map(mac).collect::<Result<Vec<_>, TestbedError>>()?;
        let by_uplink: BTreeMap<&String, &String> = wanted.iter().copied().zip(&macs).collect();
        let interfaces = host.ports.iter().map(|port| by_uplink[&port.uplink].clone()).collect();
        if speaks_v6(host) {
            // The engine turns IPv6 off in containers on networks that have none.
            let script = "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 0 > \"$f\"; done";
            let argv = ["sh", "-ec", script].map(str::to_owned).to_vec();
            session.ask(STAGE, Op::Exec { target: Target::Node, argv, deadline_ms: 10_000 }, SHORT).await?;
        }
        session.done(STAGE, Op::BeHost { host: host.clone(), interfaces }).await?;
        let names = names(&session).await?;
        self.find_nodes(host, &session, &names, &by_uplink).await?;
        let port = |(uplink, mac): (&&String, &String)| {
            let name = names.get(mac).cloned().ok_or_else(|| testbed_error(format!("it has no interface {mac}")))?;
            Ok(((*uplink).clone(), name))
        };
        let ports = wanted.iter().zip(&macs).map(port).collect::<Result<_, TestbedError>>()?;
        Ok(StagedHost { name: host.name.clone(), ports, session, machine, entry })
    }
}

impl Machines<'_> {
    /// Lays the machine's ways to the nodes' own addresses, where it needs any.
    async fn find_nodes(
        &self,
        host: &Host,
        session: &Session,
        names: &BTreeMap<String, String>,
        macs: &BTreeMap<&String, &String>,
    ) -> Result<(), TestbedError> {
        let Some(line) = self.subnet.as_ref().and_then(|subnet| ways(self.plan, host, subnet)) else {
            return Ok(());
        };
        let of_port = |uplink: &String| macs.get(uplink).and_then(|mac| names.get(*mac)).cloned().unwrap_or_default();
        let interfaces = host.ports.iter().map(|port| of_port(&port.uplink));
        let argv = ["sh", "-ec", &line, "sh"].iter().map(|&word| word.to_owned()).chain(interfaces).collect();
        match session.ask(STAGE, Op::Exec { target: Target::Node, argv, deadline_ms: 10_000 }, SHORT).await? {
            Outcome::Ran { code: Some(0), .. } => Ok(()),
            other => Err(TestbedError::new(STAGE, format!("host {}: {line}: {other:?}", host.name))),
        }
    }
}

fn speaks_v6(host: &Host) -> bool {
    let ports = host.ports.iter().flat_map(|port| &port.addresses);
    ports.chain(&host.behind).any(|address| address.addr().is_ipv6())
}

/// The interfaces of a machine by MAC address, without VLAN links, which have their parent's.
async fn names(session: &Session) -> Result<BTreeMap<String, String>, TestbedError> {
    match session.ask(STAGE, Op::Observe { target: Target::Node, with_ip: false }, SHORT).await? {
        Outcome::Observed(seen) => {
            let links = seen.kernel.links.into_iter().filter(|link| link.vlan_id.is_none());
            Ok(links.map(|link| (link.mac.to_lowercase(), link.name)).collect())
        }
        other => Err(TestbedError::new(STAGE, format!("{}: unexpected answer {other:?}", session.container))),
    }
}

impl PacketEndpoints {
    /// The scenario's nodes as they are now.
    ///
    /// # Errors
    /// `TestbedError` when one can't be looked at.
    pub(super) async fn nodes(&self) -> Result<Vec<NodeObservation>, TestbedError> {
        let mut all = Vec::new();
        for (index, place) in self.places.iter().enumerate() {
            let (node, name) = (index + 1, place.node.clone());
            match place.session.ask(STAGE, Op::Observe { target: Target::Node, with_ip: false }, SHORT).await? {
                Outcome::Observed(seen) => all.push(NodeObservation { node, name, kernel: seen.kernel }),
                other => return Err(TestbedError::new(STAGE, format!("{name}: unexpected answer {other:?}"))),
            }
        }
        Ok(all)
    }

    /// Ends the scenario's agents and removes its machines. Gives what could not be removed, each a line.
    pub(super) async fn take_down(&mut self, run: &Run) -> Vec<String> {
        self.places.clear();
        let gone = std::mem::take(&mut self.external_hosts).into_iter().map(|host| async move {
            let StagedHost { machine, entry, session, .. } = host;
            drop(session);
            match machine.remove().await {
                Ok(()) => run.done(entry).err().map(|error| error.to_string()),
                Err(error) => Some(error.to_string()),
            }
        });
        join_all(gone).await.into_iter().flatten().collect()
    }

    /// Leaves its machines running, for people to look at.
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

/// What a machine outside needs to reach the nodes by their own addresses, in `nodes`: a line of shell, in which `$i` are its
/// interfaces in the order of its ports. None where it needs nothing.
fn ways(plan: &Plan, host: &Host, nodes: &str) -> Option<String> {
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
    fn machines_outside_find_the_nodes_own_addresses() {
        let plan = plan(r#"{"type":"terway"}"#);
        let ways = |index: usize| ways(&plan, &plan.topology.hosts[index], "172.18.0.0/16");
        assert_eq!(ways(0).unwrap(), "ip route replace 172.18.0.0/16 dev \"${1}\" src 10.66.0.1");
        assert_eq!(ways(1).unwrap(), "ip route replace 172.18.0.0/16 via 203.0.113.1");
        assert_eq!(ways(2), None, "the gateway of the second interfaces knows nobody else");
    }
}
