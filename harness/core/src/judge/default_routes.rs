//! Routes that take traffic away from the default network.
//!
//! - The default routes (`PL33x`). They are judged on every interface, named or not.
//! - The cluster's own ranges (`PL608`). A route through an added interface that covers them cuts the pod off from DNS,
//!   services and the API server. Judged where the lane reports the ranges.

use super::judgement::JudgementBuilder;
use super::messages;
use super::pod_case::PodCase;
use crate::finding::FindingCode;
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
    let mut routes: Vec<&Route> = case.kernel.routes.iter().filter(|route| route.is_default(v6)).collect();
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
        let message = format!("{}, expected {}", counted(routes.len()), wanted.count.value);
        let entry = case.pod_finding(FindingCode::PL331, message, &wanted.count.source);
        judgement.add_finding(entry.expected(counted(wanted.count.value)).found(line(routes)));
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
        let message = "default route uses a different interface";
        let entry = case.pod_finding(FindingCode::PL330, message, &wanted.dev.source);
        judgement.add_finding(entry.expected(format!("default dev {}", wanted.dev.value)).found(line(routes)));
    }
    if let Some(via) = &wanted.via {
        judgement.count_fact();
        if first.via != Some(via.value) {
            let message = "default route has a different gateway";
            let entry = case.pod_finding(FindingCode::PL332, message, &via.source);
            judgement.add_finding(entry.expected(format!("default via {}", via.value)).found(line(routes)));
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
        let stated = expectation.interfaces.iter().filter(|wanted| wanted.name == dev).any(|wanted| {
            let routes = wanted.routes.as_ref();
            routes.is_some_and(|list| list.exact || list.items.iter().any(|item| item.value.to == route.to))
        });
        let mut attachments = case.pod.attachments.iter().filter(|attachment| attachment.interface == dev);
        let asked = attachments
            .any(|attachment| attachment.default_route.as_ref().is_some_and(|gateways| !gateways.is_empty()));
        if dev == DEFAULT_INTERFACE || stated || asked {
            continue;
        }
        judgement.count_fact();
        let message = format!("unrequested default route through {dev}");
        let entry = case.pod_finding(FindingCode::PL333, message, &expectation.source).interface(dev);
        judgement.add_finding(entry.found(messages::format_route(route)));
    }
}

/// Judges the routes of one pod against the ranges of pods and services.
pub(super) fn judge_cluster_ranges(
    plan: &Plan,
    case: &PodCase<'_>,
    ranges: &[IpNet],
    judgement: &mut JudgementBuilder,
) {
    let main: Vec<&Route> = case.kernel.routes.iter().filter(|route| route.is_main_unicast()).collect();
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
        let message = format!("route covers the cluster's own {}", swallowed.join(" and "));
        let name = case.network_of(&dev);
        let network = plan.networks.iter().find(|network| Some(network.name.as_str()) == name);
        // A route that is in no chain's configuration has the pod as its source.
        let written = network.and_then(|network| network.place_of_route(&route.to));
        let source = written.unwrap_or(&case.pod.source);
        let mut entry = case.pod_finding(FindingCode::PL608, message, source).interface(&dev);
        entry.network = name.map(str::to_owned);
        let notes = [format!("no more specific route keeps them on {DEFAULT_INTERFACE}")];
        judgement.add_finding(entry.found(messages::format_route(route)).notes(notes));
    }
}

/// What two networks share: one of them, or nothing.
fn common(one: &IpNet, other: &IpNet) -> Option<IpNet> {
    match one.contains(other) {
        true => Some(*other),
        false => other.contains(one).then_some(*one),
    }
}

/// Whether the kernel takes the first where both fit: longer, or as long with a lower metric.
fn wins(one: &Route, other: &Route) -> bool {
    (one.to.prefix_len(), other.metric) > (other.to.prefix_len(), one.metric)
}
