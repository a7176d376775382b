//! The networks around the nodes of a scenario with Terway: the engine's network of each uplink, and the routes behind gateways.

use crate::eni;
use ipnet::IpNet;
use plumbline_cluster::node::NETWORK;
use plumbline_cluster::{Cluster, uplink};
use plumbline_core::plan::{NodePort, Plan};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::Run;
use std::collections::{BTreeMap, BTreeSet};

/// The uplinks of the nodes' first interfaces, and those of their second interfaces.
fn node_uplinks(plan: &Plan) -> (BTreeSet<&String>, BTreeSet<&String>) {
    let of = |is_eni: bool| {
        let ports = plan.topology.ports.iter().filter(move |port: &&NodePort| port.eni.is_some() == is_eni);
        ports.map(|port| &port.uplink).collect()
    };
    (of(false), of(true))
}

/// The routes to networks behind the scenario's gateways, each with the gateway's address on the nodes' network.
pub(super) fn routes_behind_gateways(plan: &Plan) -> Vec<(IpNet, std::net::IpAddr)> {
    let (first, _) = node_uplinks(plan);
    let mut routes = Vec::new();
    for host in plan.topology.hosts.iter().filter(|host| host.gateway) {
        let Some(near) = host.ports.iter().find(|port| first.contains(&port.uplink)) else { continue };
        let Some(via) = near.addresses.first() else { continue };
        let far = host.ports.iter().filter(|port| port.uplink != near.uplink).flat_map(|port| &port.addresses);
        routes.extend(far.chain(&host.behind).map(|net| (net.trunc(), via.addr())));
    }
    routes
}

/// The engine's network of each uplink of a plan. Missing networks are created.
///
/// # Errors
/// `TestbedError` when the engine refuses.
pub(crate) async fn ensure_networks(
    cluster: &Cluster,
    run: &Run,
    plan: &Plan,
) -> Result<BTreeMap<String, String>, TestbedError> {
    let (first, second) = node_uplinks(plan);
    let mut found = BTreeMap::new();
    for uplink in &plan.topology.uplinks {
        let network = if first.contains(&uplink.name) {
            NETWORK.to_owned()
        } else if second.contains(&uplink.name) {
            eni::network_name(&cluster.name)
        } else {
            uplink::create_external_network(cluster.engine(), run, &cluster.name, &uplink.name).await?
        };
        found.insert(uplink.name.clone(), network);
    }
    Ok(found)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use plumbline_core::plan::{DefaultNetwork, Eni, Host, HostPort, Topology};

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

    pub(in crate::scenario) fn plan(plugins: &str) -> Plan {
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
    fn routes_behind_a_gateway_have_its_address_on_the_nodes_network() {
        let routes = routes_behind_gateways(&plan(r#"{"type":"terway"}"#));
        assert_eq!(routes, [("203.0.113.0/24".parse().unwrap(), "10.66.0.1".parse().unwrap())]);
    }
}
