//! Routes that take traffic away from the default network.
//!
//! - The default routes (`PL33x`). They are judged on every interface, named or not.
//! - The cluster's own ranges (`PL608`). A route through an added interface that covers them cuts the pod off from DNS,
//!   services and the API server. Judged where the lane reports the ranges.

use super::judgement::JudgementBuilder;
use super::messages;
use super::pod_case::PodCase;
use crate::finding::{Finding, FindingCode};
use crate::observe::{NextHop, Route};
use crate::plan::{DefaultExpectation, Plan, PodExpectation};
use ipnet::IpNet;

/// Interface of the default network.
const DEFAULT_INTERFACE: &str = "eth0";

/// Judges both families.
pub(super) fn judge_defaults(case: &PodCase<'_>, expectation: &PodExpectation, judgement: &mut JudgementBuilder) {
    for (v6, wanted) in [(false, &expectation.default), (true, &expectation.default6)] {
        let routes = defaults(case, v6);
        match wanted {
            Some(wanted) => judge_expected(case, wanted, &routes, judgement),
            None => judge_unrequested(case, expectation, &routes, judgement),
        }
    }
}

/// Default routes of the main table, the one that wins first: the lowest metric, and among equals the kernel's order.
fn defaults<'a>(case: &PodCase<'a>, v6: bool) -> Vec<(&'a Route, &'a NextHop)> {
    let mut routes: Vec<&Route> = case
        .kernel
        .routes
        .iter()
        .filter(|route| {
            route.to.prefix_len() == 0
                && route.to.addr().is_ipv6() == v6
                && route.table == 254
                && route.kind == "unicast"
        })
        .collect();
    routes.sort_by_key(|route| route.metric);
    routes.into_iter().flat_map(|route| route.hops.iter().map(move |hop| (route, hop))).collect()
}

fn line(routes: &[(&Route, &NextHop)]) -> String {
    if routes.is_empty() {
        return "no default route".to_owned();
    }
    let mut lines: Vec<String> = routes.iter().map(|(route, _)| messages::format_route(route)).collect();
    lines.dedup();
    lines.join("; ")
}

/// A number of default routes in words.
fn counted(number: usize) -> String {
    match number {
        0 => "no default route".to_owned(),
        1 => "1 default route".to_owned(),
        more => format!("{more} default routes"),
    }
}

/// Next hops are counted: a second IPv6 default becomes a hop of the first one, and takes its share of the traffic.
fn judge_expected(
    case: &PodCase<'_>,
    wanted: &DefaultExpectation,
    routes: &[(&Route, &NextHop)],
    judgement: &mut JudgementBuilder,
) {
    judgement.count_fact();
    if routes.len() != wanted.count.value {
        let entry =
            Finding::new(FindingCode::PL331, format!("{}, expected {}", counted(routes.len()), wanted.count.value));
        let entry = entry.pod(&case.pod.name).source(&wanted.count.source).expected(counted(wanted.count.value));
        judgement.add_finding(entry.found(Some(line(routes))));
    }
    if wanted.count.value == 0 {
        return;
    }
    judgement.count_fact();
    let Some((_, first)) = routes.first() else {
        // The count reports a missing default route.
        return;
    };
    let dev = first.dev.as_deref().unwrap_or_default();
    if dev != wanted.dev.value {
        let entry = Finding::new(FindingCode::PL330, "default route uses a different interface")
            .pod(&case.pod.name)
            .source(&wanted.dev.source);
        judgement.add_finding(entry.expected(format!("default dev {}", wanted.dev.value)).found(Some(line(routes))));
    }
    if let Some(via) = &wanted.via {
        judgement.count_fact();
        if first.via != Some(via.value) {
            let entry = Finding::new(FindingCode::PL332, "default route has a different gateway")
                .pod(&case.pod.name)
                .source(&via.source);
            judgement.add_finding(entry.expected(format!("default via {}", via.value)).found(Some(line(routes))));
        }
    }
}

/// An unstated default route may use the default network, an interface whose attachment requests it, or an interface whose
/// routes were stated. Any other redirects traffic.
fn judge_unrequested(
    case: &PodCase<'_>,
    expectation: &PodExpectation,
    routes: &[(&Route, &NextHop)],
    judgement: &mut JudgementBuilder,
) {
    for (route, hop) in routes {
        let dev = hop.dev.as_deref().unwrap_or_default();
        let stated = expectation.interfaces.iter().any(|wanted| {
            wanted.name == dev
                && wanted
                    .routes
                    .as_ref()
                    .is_some_and(|list| list.exact || list.items.iter().any(|item| item.value.to == route.to))
        });
        let asked = case
            .pod
            .attachments
            .iter()
            .any(|attachment| attachment.interface == dev && !attachment.default_route.is_empty());
        if dev == DEFAULT_INTERFACE || stated || asked {
            continue;
        }
        judgement.count_fact();
        let entry = Finding::new(FindingCode::PL333, format!("unrequested default route through {dev}"));
        judgement.add_finding(
            entry
                .pod(&case.pod.name)
                .interface(dev)
                .source(&expectation.source)
                .found(Some(messages::format_route(route))),
        );
    }
}

/// Judges the routes of one pod against the ranges of pods and services.
pub(super) fn judge_cluster_ranges(
    plan: &Plan,
    case: &PodCase<'_>,
    ranges: &[IpNet],
    judgement: &mut JudgementBuilder,
) {
    let main: Vec<&Route> =
        case.kernel.routes.iter().filter(|route| route.table == 254 && route.kind == "unicast").collect();
    let devices = |route: &Route| -> Vec<String> { route.hops.iter().filter_map(|hop| hop.dev.clone()).collect() };
    for _ in ranges {
        judgement.count_fact();
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
        let entry =
            Finding::new(FindingCode::PL608, format!("route covers the cluster's own {}", swallowed.join(" and ")));
        let name = case.network_of(&dev);
        let network = plan.networks.iter().find(|network| Some(network.name.as_str()) == name);
        // A route that is in no chain's configuration has the pod as its source.
        let written = network.and_then(|network| network.place_of_route(&route.to));
        let entry = entry.pod(&case.pod.name).interface(&dev).source(written.unwrap_or(&case.pod.source));
        let entry = match name {
            Some(network) => entry.network(network),
            None => entry,
        };
        let notes = [format!("no more specific route keeps them on {DEFAULT_INTERFACE}")];
        judgement.add_finding(entry.found(Some(messages::format_route(route))).notes(notes));
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
