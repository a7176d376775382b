//! The default routes: `PL33x`. They are judged on every interface, named or not.

use super::accounts::Case;
use super::ledger::Ledger;
use super::words;
use crate::finding::{Finding, FindingCode};
use crate::observe::{NextHop, Route};
use crate::plan::{DefaultExpectation, PodExpectation};

/// Interface of the default network.
const DEFAULT_INTERFACE: &str = "eth0";

/// Judges both families.
pub(super) fn judge(case: &Case<'_>, expectation: &PodExpectation, ledger: &mut Ledger) {
    for (v6, wanted) in [(false, &expectation.default), (true, &expectation.default6)] {
        let routes = defaults(case, v6);
        match wanted {
            Some(wanted) => as_wanted(case, wanted, &routes, ledger),
            None => unasked(case, expectation, &routes, ledger),
        }
    }
}

/// Default routes of the main table, the one that wins first: the lowest metric, and among equals the kernel's order.
fn defaults<'a>(case: &Case<'a>, v6: bool) -> Vec<(&'a Route, &'a NextHop)> {
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
    let mut lines: Vec<String> = routes.iter().map(|(route, _)| words::route(route)).collect();
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
fn as_wanted(case: &Case<'_>, wanted: &DefaultExpectation, routes: &[(&Route, &NextHop)], ledger: &mut Ledger) {
    ledger.check();
    if routes.len() != wanted.count.value {
        let entry =
            Finding::new(FindingCode::PL331, format!("{}, and {} wanted", counted(routes.len()), wanted.count.value));
        let entry = entry.pod(&case.pod.name).source(&wanted.count.source).expected(counted(wanted.count.value));
        ledger.add(entry.found(Some(line(routes))));
    }
    if wanted.count.value == 0 {
        return;
    }
    ledger.check();
    let Some((_, first)) = routes.first() else {
        // That none is there is told by the count.
        return;
    };
    let dev = first.dev.as_deref().unwrap_or_default();
    if dev != wanted.dev.value {
        let entry = Finding::new(FindingCode::PL330, "the default route goes out of another interface")
            .pod(&case.pod.name)
            .source(&wanted.dev.source);
        ledger.add(entry.expected(format!("default dev {}", wanted.dev.value)).found(Some(line(routes))));
    }
    if let Some(via) = &wanted.via {
        ledger.check();
        if first.via != Some(via.value) {
            let entry = Finding::new(FindingCode::PL332, "the default route has another gateway")
                .pod(&case.pod.name)
                .source(&via.source);
            ledger.add(entry.expected(format!("default via {}", via.value)).found(Some(line(routes))));
        }
    }
}

/// Without a word about it, a default route may go by the default network, by an interface whose attachment asks for it,
/// or by one whose own routes were stated; any other takes traffic away unseen.
fn unasked(case: &Case<'_>, expectation: &PodExpectation, routes: &[(&Route, &NextHop)], ledger: &mut Ledger) {
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
        ledger.check();
        let entry =
            Finding::new(FindingCode::PL333, format!("a default route goes out of {dev}, and nobody asked for it"));
        ledger
            .add(entry.pod(&case.pod.name).interface(dev).source(&expectation.source).found(Some(words::route(route))));
    }
}
