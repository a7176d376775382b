//! The cluster's own ranges: a route by an added interface that takes them away from eth0 cuts the pod off from DNS,
//! services and the API server (`PL608`). Judged where the lane tells the ranges.

use super::accounts::Case;
use super::ledger::Ledger;
use super::words;
use crate::finding::{Finding, FindingCode};
use crate::observe::Route;
use crate::plan::Plan;
use ipnet::IpNet;

/// Interface of the default network.
const DEFAULT_INTERFACE: &str = "eth0";

/// Judges the routes of one pod against the ranges of pods and services.
pub(super) fn judge(plan: &Plan, case: &Case<'_>, ranges: &[IpNet], ledger: &mut Ledger) {
    let main: Vec<&Route> =
        case.kernel.routes.iter().filter(|route| route.table == 254 && route.kind == "unicast").collect();
    let devices = |route: &Route| -> Vec<String> { route.hops.iter().filter_map(|hop| hop.dev.clone()).collect() };
    for _ in ranges {
        ledger.check();
    }
    // A default route by another interface is a finding of its own (`PL333`).
    for route in main.iter().filter(|route| route.to.prefix_len() > 0) {
        let Some(dev) = devices(route).into_iter().find(|dev| dev != DEFAULT_INTERFACE && dev != "lo") else {
            continue;
        };
        let eth0 = main.iter().filter(|other| devices(other).iter().any(|dev| dev == DEFAULT_INTERFACE));
        let stronger: Vec<IpNet> = eth0.filter(|other| wins(other, route)).map(|other| other.to).collect();
        let stronger = IpNet::aggregate(&stronger);
        let swallowed: Vec<String> = ranges
            .iter()
            .filter_map(|range| Some((range, common(range, &route.to)?)))
            .filter(|(_, part)| !stronger.iter().any(|net| net.contains(part)))
            .map(|(range, _)| range.to_string())
            .collect();
        if swallowed.is_empty() {
            continue;
        }
        let entry = Finding::new(
            FindingCode::PL608,
            format!("the route swallows the cluster's own {}", swallowed.join(" and ")),
        );
        let name = case.network_of(&dev);
        let network = plan.networks.iter().find(|network| Some(network.name.as_str()) == name);
        // A route that no chain is told to add was asked for by the pod, or by nobody.
        let written = network.and_then(|network| network.place_of_route(&route.to));
        let entry = entry.pod(&case.pod.name).interface(&dev).source(written.unwrap_or(&case.pod.source));
        let entry = match name {
            Some(network) => entry.network(network),
            None => entry,
        };
        let notes = [format!("no route by {DEFAULT_INTERFACE} that is more specific keeps them there")];
        ledger.add(entry.found(Some(words::route(route))).notes(notes));
    }
}

/// What two networks share: one of them, or nothing.
fn common(one: &IpNet, other: &IpNet) -> Option<IpNet> {
    if one.contains(other) {
        Some(*other)
    } else if other.contains(one) {
        Some(*one)
    } else {
        None
    }
}

/// Whether the kernel takes the first where both fit: longer, or as long with a lower metric.
fn wins(one: &Route, other: &Route) -> bool {
    (one.to.prefix_len(), other.metric) > (other.to.prefix_len(), one.metric)
}
