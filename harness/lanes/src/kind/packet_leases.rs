//! Leases of subnets and bridges: scenarios share bridges, and users' networks have literal addresses.
//!
//! Without packets, equal addresses on one bridge are harmless: each pod is read in its own namespace. With packets two
//! pods would answer for one address. So a scenario that sends has an exclusive lease of the subnets that it names, and any
//! other has a shared one.

use ipnet::IpNet;
use plumbline_core::plan::{Bridge, Plan};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::lease::{Kind, Lease};
use plumbline_testbed::wait::Deadline;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long to wait for other scenarios with the same addresses.
const LEASE: Duration = Duration::from_secs(600);

/// Whether a plan sends packets, or has external hosts.
pub fn sends(plan: &Plan) -> bool {
    let wants = plan.expect.iter().any(|expect| expect.wants_packets());
    wants || !plan.topology.hosts.is_empty()
}

/// Whether a bridge of this plan must have no port of an uplink: the plan sends packets, and the bridge has no uplink.
pub fn alone(plan: &Plan, bridge: &Bridge) -> bool {
    sends(plan) && plan.topology.nodes > 1 && bridge.uplink.is_none()
}

/// Takes the leases of a plan in a cluster, always in the same order, to avoid deadlocks.
///
/// # Errors
/// `TestbedError` when another scenario still has a lease at the deadline.
pub async fn take(cluster: &str, plan: &Plan) -> Result<Vec<Lease>, TestbedError> {
    let mut leases = Vec::new();
    let deadline = Deadline::after(LEASE);
    for (name, kind) in wanted(cluster, plan) {
        leases.push(Lease::take(&name, kind, deadline).await?);
    }
    Ok(leases)
}

/// Names of leases, sorted, each with its mode: exclusive or shared.
fn wanted(cluster: &str, plan: &Plan) -> Vec<(String, Kind)> {
    let sends = sends(plan);
    let mut all: Vec<(String, Kind)> = subnets(plan)
        .into_iter()
        .map(|subnet| {
            let name = format!("{cluster}-subnet-{}-{}", subnet.network(), subnet.prefix_len());
            (name, if sends { Kind::Exclusive } else { Kind::Shared })
        })
        .collect();
    if sends {
        for bridge in &plan.topology.bridges {
            let kind = if alone(plan, bridge) { Kind::Exclusive } else { Kind::Shared };
            all.push((format!("{cluster}-bridge-{}", bridge.name), kind));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// The subnets that a plan names: in its networks' chains and for its hosts' ports. Not the subnets behind a host, which are
/// on no link.
pub fn subnets(plan: &Plan) -> BTreeSet<IpNet> {
    let mut found = BTreeSet::new();
    for link in plan.networks.iter().filter_map(|network| network.chain.as_ref()).flat_map(|chain| &chain.links) {
        addresses(&link.conf["ipam"], &mut found);
    }
    let ports = plan.topology.hosts.iter().flat_map(|host| &host.ports);
    found.extend(ports.flat_map(|port| &port.addresses).map(IpNet::trunc));
    found
}

/// Every address with a prefix length below a value, under the keys of IPAM plugins.
fn addresses(value: &Value, found: &mut BTreeSet<IpNet>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str() {
                    Some(text) if ["address", "subnet", "range"].contains(&key.as_str()) => {
                        found.extend(text.parse::<IpNet>().ok().map(|net| net.trunc()));
                    }
                    _ => addresses(value, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| addresses(value, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn subnets_are_found_under_the_keys_of_ipam_plugins() {
        let mut found = BTreeSet::new();
        let ipam = json!({ "type": "static", "addresses": [{ "address": "192.168.100.10/24", "gateway": "192.168.100.1" }],
            "ranges": [[{ "subnet": "10.9.0.0/16" }]], "routes": [{ "dst": "10.0.0.0/8" }] });
        addresses(&ipam, &mut found);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.9.0.0/16", "192.168.100.0/24"]);
    }
}
