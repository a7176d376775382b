//! Rules about routes that repeat or replace the default route (`PL616`), or cover the cluster's own ranges (`PL608`).
//!
//! Of two equal IPv4 routes the kernel takes the one that came last: plugins add routes of IPAM by `RouteAddEcmp`
//! (`pkg/ipam/ipam_linux.go`). Those of IPv6 become one route with two hops. route-override adds by `RouteAdd`, which fails
//! where the route is there. Seen in the scenario `macvlan/takes-the-default-route`.

use super::context::{Context, Use};
use super::view::{Addressing, RouteEntry, finding};
use crate::finding::{Finding, FindingCode};
use crate::plan::Network;
use ipnet::IpNet;
use std::net::IpAddr;

/// Checks the routes of an additional network. `requested` has the gateways of a pod's `default-route`.
pub(super) fn check(
    network: &Network,
    addressing: &Addressing,
    requested: &[IpAddr],
    context: &Context<'_>,
    findings: &mut Vec<Finding>,
) {
    // The default network's default route is the pod's own.
    let is_additional = matches!(context.network_use, Use::Lint | Use::Run);
    let Some(routes) = addressing.routes.as_ref().filter(|_| is_additional) else { return };
    for v6 in [false, true] {
        let all: Vec<(IpNet, &RouteEntry)> = routes
            .iter()
            .filter_map(|route| Some((route.to?.trunc(), route)))
            .filter(|(to, route)| to.addr().is_ipv6() == v6 && !route.has_own_metric_or_table)
            .collect();
        let is_requested = requested.iter().any(|gateway| gateway.is_ipv6() == v6);
        check_family(network, &all, is_requested, context, findings);
    }
}

fn check_family(
    network: &Network,
    routes: &[(IpNet, &RouteEntry)],
    is_requested: bool,
    context: &Context<'_>,
    findings: &mut Vec<Finding>,
) {
    let (defaults, narrow): (Vec<_>, Vec<_>) = routes.iter().partition(|(to, _)| to.prefix_len() == 0);
    if let Some((to, route)) = defaults.first() {
        let (effect, note) = match (route.path.contains("addroutes"), to.addr().is_ipv6()) {
            (true, _) => ("the kernel refuses a second one", "route-override reports success: traffic stays on eth0"),
            (false, false) => ("the kernel puts the newer one first", "eth0's stays and carries nothing"),
            (false, true) => ("the kernel shares traffic between both", "half of the connections leave through each"),
        };
        let message = format!("default route {to} beside that of eth0: {effect}");
        let advice = match is_requested {
            true => "leave it out: the pod requests `default-route`, and Multus adds the route itself",
            false => "name the networks behind this interface instead, or request `default-route` in the annotation",
        };
        let notes = [note, advice];
        findings.push(finding(network, FindingCode::PL616, &route.path, message).notes(notes));
    }
    let nets: Vec<IpNet> = narrow.iter().map(|(to, _)| *to).collect();
    let merged = IpNet::aggregate(&nets);
    if let ([whole], Some((_, first))) = (merged.as_slice(), narrow.first())
        && whole.prefix_len() == 0
    {
        let parts: Vec<String> = nets.iter().map(ToString::to_string).collect();
        let message = format!("the routes {} together cover every address", parts.join(" and "));
        let entry = finding(network, FindingCode::PL616, &first.path, message);
        let notes = [
            "they are more specific than eth0's default route, which stays and carries nothing",
            "pods, services and nodes without a route of their own on eth0 are reached through this interface too",
        ];
        findings.push(entry.notes(notes));
        return;
    }
    // In a run the kernel's routes are judged.
    if context.network_use == Use::Run {
        return;
    }
    for range in &context.cluster.ranges {
        let covers = |(to, _): &&(IpNet, &RouteEntry)| to.contains(range) || range.contains(to);
        let found: Vec<_> = narrow.iter().copied().filter(|route| covers(&route)).collect();
        let Some((_, first)) = found.first() else { continue };
        let parts: Vec<String> = found.iter().map(|(to, _)| to.to_string()).collect();
        let plural = if parts.len() == 1 { "route" } else { "routes" };
        let verb = if parts.len() == 1 { "covers" } else { "cover" };
        let message = format!("{plural} {} {verb} the cluster's own {range}", parts.join(" and "));
        let note = "unless eth0 has a more specific route, packets to it leave through this interface";
        findings.push(finding(network, FindingCode::PL608, &first.path, message).notes([note]));
    }
}
