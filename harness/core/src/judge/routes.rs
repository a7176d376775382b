//! Requested against kernel, routes: `PL32x`, and routes in the kernel that are not reported (`PL205`).

use super::judgement::JudgementBuilder;
use super::pod_case::PodCase;
use super::{messages, reported};
use crate::finding::FindingCode;
use crate::observe::{NextHop, Route, is_v6_link_local};
use crate::plan::{InterfaceExpectation, Wanted, WantedGateway, WantedRoute};

/// Number of the main table.
const MAIN: u32 = 254;

/// Judges the routes of one interface: those with a next hop out of it, in the main table, or in a table that a wanted
/// route names. An exact list leaves out what the kernel makes by itself: `fe80::/64`, multicast, broadcast, local.
pub(super) fn judge(case: &PodCase<'_>, wanted: &InterfaceExpectation, judgement: &mut JudgementBuilder) {
    let dev = wanted.name.as_str();
    for unwanted in &wanted.absent_routes {
        judgement.count_fact();
        let is_it = |route: &&Route| route.to == unwanted.value && route.table == MAIN && hop(route, dev).is_some();
        if let Some(route) = case.kernel.routes.iter().find(is_it) {
            let entry = case.finding(FindingCode::PL325, "forbidden route present", wanted).source(&unwanted.source);
            judgement.add_finding(entry.found(messages::format_route(route)));
        }
    }
    let Some(list) = &wanted.routes else { return };
    let tables: Vec<u32> = list.items.iter().map(|item| item.value.table.unwrap_or(MAIN)).chain([MAIN]).collect();
    let is_candidate = |route: &&Route| tables.contains(&route.table) && is_judged(route) && hop(route, dev).is_some();
    let candidates: Vec<&Route> = case.kernel.routes.iter().filter(is_candidate).collect();
    let mut matched: Vec<&Route> = Vec::new();
    let mut unmatched: Vec<&Wanted<WantedRoute>> = Vec::new();
    for item in &list.items {
        judgement.count_fact();
        match candidates.iter().find(|route| matches_wanted(route, &item.value, dev) && !matched.contains(route)) {
            Some(route) => {
                matched.push(route);
                check_link_is_up(case, wanted, item, route, judgement);
                check_reported(case, wanted, item, route, judgement);
            }
            None => unmatched.push(item),
        }
    }
    for item in unmatched {
        report_missing(case, wanted, item, &candidates, &mut matched, judgement);
    }
    if !list.exact {
        return;
    }
    judgement.count_fact();
    for route in candidates.iter().filter(|route| !matched.contains(route)) {
        let entry = case.finding(FindingCode::PL323, "unrequested route", wanted).source(&list.source);
        judgement.add_finding(entry.found(messages::format_route(route)));
    }
}

/// Whether an exact list compares a route.
fn is_judged(route: &Route) -> bool {
    route.kind == "unicast" && !is_v6_link_local(route.to.addr()) && !route.to.addr().is_multicast()
}

/// The next hop out of a device.
fn hop<'a>(route: &'a Route, dev: &str) -> Option<&'a NextHop> {
    route.hops.iter().find(|hop| hop.dev.as_deref() == Some(dev))
}

fn matches_wanted(route: &Route, wanted: &WantedRoute, dev: &str) -> bool {
    let via = |hop: &NextHop| match wanted.via {
        None => true,
        Some(WantedGateway::None) => hop.via.is_none(),
        Some(WantedGateway::Address(address)) => hop.via == Some(address),
    };
    route.to == wanted.to
        && route.table == wanted.table.unwrap_or(MAIN)
        && route.hops.iter().any(|hop| hop.dev.as_deref() == Some(dev) && via(hop))
        && wanted.scope.as_ref().is_none_or(|scope| *scope == route.scope)
        && wanted.src.is_none_or(|src| route.src == Some(src))
        && wanted.metric.is_none_or(|metric| route.metric == metric)
}

fn report_missing<'a>(
    case: &PodCase<'a>,
    wanted: &InterfaceExpectation,
    item: &Wanted<WantedRoute>,
    candidates: &[&'a Route],
    matched: &mut Vec<&'a Route>,
    judgement: &mut JudgementBuilder,
) {
    let dev = wanted.name.as_str();
    let same = candidates.iter().copied().find(|route| route.to == item.value.to && !matched.contains(route));
    if let Some(route) = same {
        matched.push(route);
    }
    // Requested, reported, but not in the kernel: one finding, PL202, with this line as its source.
    if judgement.has_finding(FindingCode::PL202, &item.source) {
        return;
    }
    let expected = messages::format_wanted_route(&item.value, dev);
    if let Some(route) = same {
        let entry = case
            .finding(FindingCode::PL321, "route exists but differs from the expected one", wanted)
            .source(&item.source);
        judgement.add_finding(entry.expected(expected).found(messages::format_route(route)));
        return;
    }
    let elsewhere = case.kernel.routes.iter().find(|route| {
        route.to == item.value.to && is_judged(route) && (item.value.to.prefix_len() > 0 || hop(route, dev).is_some())
    });
    let topic = item.value.to.to_string();
    let (code, message) = match elsewhere {
        Some(route) if hop(route, dev).is_none() => (FindingCode::PL322, "route uses a different interface"),
        Some(_) => (FindingCode::PL321, "route is in a different table"),
        None => (FindingCode::PL320, "requested route is missing in the kernel"),
    };
    let found = elsewhere.or_else(|| nearest(candidates, &item.value, matched)).map(messages::format_route);
    for line in case.stderr_about(dev, &topic) {
        judgement.add_quote(&line);
    }
    let entry = case.finding(code, message, wanted).expected(expected).found(found).source(&item.source);
    judgement.add_finding(entry.notes(case.log_lines_about(dev, &topic)));
}

/// The route most like a wanted one that is missing: with its gateway, or nearest to its destination.
fn nearest<'a>(candidates: &[&'a Route], wanted: &WantedRoute, matched: &[&Route]) -> Option<&'a Route> {
    let family = |route: &&&Route| route.to.addr().is_ipv4() == wanted.to.addr().is_ipv4();
    let free = || candidates.iter().filter(|route| !matched.contains(route)).filter(family);
    let by_gateway = free().find(|route| match wanted.via {
        Some(WantedGateway::Address(via)) => route.hops.iter().any(|hop| hop.via == Some(via)),
        _ => false,
    });
    by_gateway.or_else(|| free().find(|route| route.to.contains(&wanted.to) || wanted.to.contains(&route.to))).copied()
}

/// A route over a link that is down exists and forwards nothing.
fn check_link_is_up(
    case: &PodCase<'_>,
    wanted: &InterfaceExpectation,
    item: &Wanted<WantedRoute>,
    route: &Route,
    judgement: &mut JudgementBuilder,
) {
    let is_dead =
        hop(route, &wanted.name).is_some_and(|hop| hop.flags.iter().any(|flag| flag == "linkdown" || flag == "dead"));
    if is_dead {
        let entry = case.finding(FindingCode::PL324, "route exists, but its link is down", wanted).source(&item.source);
        judgement.add_finding(entry.found(messages::format_route(route)));
    }
}

/// In the kernel as requested, but not in the result. Routes that no result lists are excluded: those that the kernel
/// makes with an address, those within the interface's own network (ptp adds two), and those in tables of their
/// own, which CNI results before 1.1 cannot list (sbr, vrf).
fn check_reported(
    case: &PodCase<'_>,
    wanted: &InterfaceExpectation,
    item: &Wanted<WantedRoute>,
    route: &Route,
    judgement: &mut JudgementBuilder,
) {
    let own = |to: &ipnet::IpNet| {
        case.link(&wanted.name).is_some_and(|link| link.addresses.iter().any(|address| address.address.contains(to)))
    };
    if route.protocol == "kernel" || route.protocol == "ra" || route.table != MAIN || own(&route.to) {
        return;
    }
    let Some(reports) = reported::reports_route(case, &wanted.name, &item.value) else { return };
    judgement.count_fact();
    if !reports {
        let entry = case.finding(FindingCode::PL205, "route is in the kernel but not in the CNI result", wanted);
        judgement.add_finding(entry.source(&item.source).found(messages::format_route(route)));
    }
}
