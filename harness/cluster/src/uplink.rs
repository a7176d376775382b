//! Uplinks: networks of the engine that connect the nodes' bridges with each other and with external hosts.
//!
//! A bridge's uplink is created at its first use and removed with the cluster, because connecting a node takes a second. Each
//! node has an interface on it that is a port of the node's bridge. The network is an ordinary bridge of the engine, not an
//! internal one: on hosts with bridge netfilter, an internal one would drop frames with users' addresses. The interfaces of
//! nodes and external hosts lose the engine's addresses, so nothing is routed through them.

use crate::naming::{CLUSTER_LABEL, full_hash};
use crate::node::{self, Node};
use futures::future::try_join_all;
use ipnet::{IpNet, Ipv4Net};
use plumbline_core::observe::Link;
use plumbline_core::plan::Bridge;
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_testbed::engine::{Engine, NetworkPlan};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{Effect, Run};
use plumbline_testbed::lease::{Kind, Lease};
use plumbline_testbed::wait::Deadline;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

const STAGE: &str = "uplink";
/// The longest wait for another process that creates an uplink.
const LEASE: Duration = Duration::from_secs(120);
/// Option of the engine's bridge driver that switches off masquerading to the host's address.
pub const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";

/// The name of the uplink of a bridge in a cluster.
pub fn network_name(cluster: &str, bridge: &str) -> String {
    format!("{cluster}.{bridge}")
}

/// Creates the uplink of `bridge` and makes it a port of every node's bridge. Returns the port's name on each node, by the
/// node's name.
///
/// # Errors
/// `TestbedError` when the engine refuses, no subnet is free, or a node can't add it as a port.
pub async fn join(
    engine: &Engine,
    run: &Run,
    cluster: &str,
    nodes: &[Node],
    bridge: &Bridge,
    away_from: &[IpNet],
) -> Result<BTreeMap<String, String>, TestbedError> {
    let network = network_name(cluster, &bridge.name);
    // One process at a time, so that the uplink is created once, and no two uplinks get the same subnet.
    let lease = Lease::take("engine-subnets", Kind::Exclusive, Deadline::after(LEASE)).await?;
    create_network(engine, run, cluster, &network, away_from).await?;
    let containers = node::list_containers(engine, cluster).await?;
    let missing = containers.iter().filter(|container| !container.macs.contains_key(&network));
    try_join_all(missing.map(|container| engine.connect_network(&network, &container.name, None))).await?;
    let containers = node::list_containers(engine, cluster).await?;
    drop(lease);
    let ports = try_join_all(nodes.iter().map(|node| async {
        let mac = containers.iter().find(|c| c.name == node.name).and_then(|c| c.macs.get(&network));
        let mac = mac.ok_or_else(|| TestbedError::new(STAGE, format!("node {} is not on {network}", node.name)))?;
        Ok((node.name.clone(), add_port(node, bridge, mac).await?))
    }));
    Ok(ports.await?.into_iter().collect())
}

/// Creates a network without nodes, only for external hosts; returns its name.
///
/// # Errors
/// `TestbedError` when the engine refuses, or no subnet is free.
pub async fn create_external_network(
    engine: &Engine,
    run: &Run,
    cluster: &str,
    uplink: &str,
) -> Result<String, TestbedError> {
    let network = network_name(cluster, uplink);
    let _lease = Lease::take("engine-subnets", Kind::Exclusive, Deadline::after(LEASE)).await?;
    create_network(engine, run, cluster, &network, &[]).await?;
    Ok(network)
}

/// Creates a network of a cluster if it does not exist.
async fn create_network(
    engine: &Engine,
    run: &Run,
    cluster: &str,
    network: &str,
    away_from: &[IpNet],
) -> Result<(), TestbedError> {
    if engine.network(network).await?.is_some() {
        return Ok(());
    }
    let plan = NetworkPlan {
        name: network.to_owned(),
        labels: BTreeMap::from([(CLUSTER_LABEL.to_owned(), cluster.to_owned())]),
        subnet: Some(find_free_subnet(engine, network, away_from).await?.to_string()),
        options: BTreeMap::from([(MASQUERADE.to_owned(), "false".to_owned())]),
        ..NetworkPlan::default()
    };
    let effect = run.intend(Effect::Network { name: network.to_owned() })?;
    engine.make_network(&plan).await?;
    // From now on it belongs to the cluster and is removed with it.
    run.done(effect)
}

/// Makes the interface with this MAC address a port of the node's bridge, if it is not one yet; returns its name.
async fn add_port(node: &Node, bridge: &Bridge, mac: &str) -> Result<String, TestbedError> {
    let testbed_error = |what: String| TestbedError::new(STAGE, format!("node {}: {what}", node.name));
    let links = list_links(node).await?;
    // Bridges are excluded, because a bridge gets the MAC address of its port.
    let found = links.iter().find(|l| l.mac.eq_ignore_ascii_case(mac) && l.kind.as_deref() != Some("bridge"));
    let found = found.ok_or_else(|| testbed_error(format!("it has no interface with the MAC address {mac}")))?;
    node.must_do(STAGE, Op::Port { bridge: bridge.clone(), interface: found.name.clone() }).await?;
    let links = list_links(node).await?;
    let index = |name: &str| links.iter().find(|link| link.name == name).map(|link| link.index);
    let master = links.iter().find(|link| link.name == found.name).and_then(|link| link.master);
    if master.is_none() || master != index(&bridge.name) {
        return Err(testbed_error(format!("{} is no port of {}", found.name, bridge.name)));
    }
    Ok(found.name.clone())
}

/// The links of a node.
///
/// # Errors
/// `TestbedError` when the node does not answer.
pub async fn list_links(node: &Node) -> Result<Vec<Link>, TestbedError> {
    match node.call(Op::Observe { target: Target::Node, with_ip: false }).await? {
        Outcome::Observed(seen) => Ok(seen.kernel.links),
        other => Err(TestbedError::new(STAGE, format!("node {} can't be observed: {other:?}", node.name))),
    }
}

/// Removes the uplink from every node's bridge, if it is a port there. The bridges are separate again until the next call of
/// [`join`].
///
/// # Errors
/// `TestbedError` when a node refuses.
pub async fn remove_ports(engine: &Engine, cluster: &str, nodes: &[Node], bridge: &str) -> Result<(), TestbedError> {
    if engine.network(&network_name(cluster, bridge)).await?.is_none() {
        return Ok(());
    }
    let script = "for p in /sys/class/net/\"$1\"/brif/*; do [ -e \"$p\" ] || continue; \
        case \"${p##*/}\" in eth*) ip link set dev \"${p##*/}\" nomaster;; esac; done";
    let argv = ["sh", "-ec", script, "sh", bridge];
    try_join_all(nodes.iter().map(|node| node.run_ok(STAGE, &argv))).await.map(drop)
}

/// Removes the uplinks of a cluster.
///
/// # Errors
/// `TestbedError` when the engine refuses.
pub async fn remove(engine: &Engine, cluster: &str) -> Result<(), TestbedError> {
    for network in engine.networks(&[format!("{CLUSTER_LABEL}={cluster}")]).await? {
        for container in engine.on_network(&network.id).await? {
            engine.disconnect_network(&network.id, &container).await?;
        }
        engine.remove_network(&network.id).await?;
    }
    Ok(())
}

/// A subnet that overlaps with no network of the engine, no route of this host, and no address of the scenario.
async fn find_free_subnet(engine: &Engine, network: &str, away_from: &[IpNet]) -> Result<Ipv4Net, TestbedError> {
    let networks = engine.networks(&[]).await?;
    let mut taken: Vec<IpNet> = networks.iter().flat_map(|n| &n.subnets).filter_map(|s| s.parse().ok()).collect();
    // Without this file, the engine itself refuses a subnet that overlaps with the host's routes.
    taken.extend(parse_routes(&std::fs::read_to_string("/proc/net/route").unwrap_or_default()));
    taken.extend(away_from);
    let found = candidates(network).find(|subnet| {
        let subnet = IpNet::V4(*subnet);
        !taken.iter().any(|other| other.contains(&subnet) || subnet.contains(other))
    });
    found.ok_or_else(|| TestbedError::new(STAGE, "every subnet from 100.66.0.0/24 to 100.95.255.0/24 is in use"))
}

/// The candidate subnets: the range for shared addresses (RFC 6598) without the profiles' own. The name determines the first
/// one.
fn candidates(name: &str) -> impl Iterator<Item = Ipv4Net> {
    const FIRST: u32 = 0x6442_0000; // 100.66.0.0
    const COUNT: u32 = 30 * 256;
    let begin = u32::from_str_radix(&full_hash(name.as_bytes())[..6], 16).unwrap_or(0) % COUNT;
    (0..COUNT).filter_map(move |i| {
        let address = Ipv4Addr::from_bits(FIRST + (((begin + i) % COUNT) << 8));
        Ipv4Net::new(address, 24).ok()
    })
}

/// The destinations in `/proc/net/route` (addresses in the host's byte order, as hex), without the default.
fn parse_routes(table: &str) -> Vec<IpNet> {
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let hex = |at: usize| Some(u32::from_str_radix(fields.get(at)?, 16).ok()?.to_ne_bytes());
        let (to, mask) = (Ipv4Addr::from(hex(1)?), Ipv4Addr::from(hex(7)?));
        Ipv4Net::with_netmask(to, mask).ok().filter(|net| net.prefix_len() > 0).map(IpNet::V4)
    };
    table.lines().skip(1).filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidate_subnets_are_unique_and_inside_their_range() {
        let all: std::collections::BTreeSet<String> = candidates("x").map(|net| net.to_string()).collect();
        assert_eq!(all.len(), 7680);
        assert!(all.contains("100.66.0.0/24") && all.contains("100.95.255.0/24") && !all.contains("100.96.0.0/24"));
        assert_ne!(candidates("x").next(), candidates("y").next());
    }

    #[test]
    fn the_hosts_routes_are_parsed() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
            eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\n\
            br-x\t00004264\t00000000\t0001\t0\t0\t0\t00FFFFFF\n";
        assert_eq!(parse_routes(table).iter().map(ToString::to_string).collect::<Vec<_>>(), ["100.66.0.0/24"]);
    }
}
