//! The observed state of an interface: the pod's kernel state beside the requested one.
//!
//! The judge decides what is wrong. This module only compares the views line by line.

use super::model::{Line, State};
use super::requested::{self, Requested};
use plumbline_core::observe::{KernelState, Link, PodObservation, Route, is_v6_link_local};
use plumbline_core::plan::{InterfaceExpectation, WantedGateway, WantedRoute};

/// The main routing table.
pub(super) const MAIN: u32 = 254;

/// The lines of an interface after a run.
pub(super) fn lines(
    requested: &Requested<'_>,
    interface: &str,
    observed: &PodObservation,
    kernel: &KernelState,
) -> Vec<Line> {
    let link = kernel.links.iter().find(|link| link.name == interface);
    let Some(link) = link else {
        return absent(requested, interface);
    };
    let mut lines = Vec::new();
    match requested.expected {
        Some(wanted) if wanted.absent => lines.push(Line::new("must not be there", State::Surplus)),
        Some(wanted) => lines.extend(of_link(wanted, link, observed)),
        None => lines.push(Line::new(describe_link(link, observed), State::Observed)),
    }
    addresses(&mut lines, requested, link);
    routes(&mut lines, requested, interface, kernel);
    lines
}

fn absent(requested: &Requested<'_>, interface: &str) -> Vec<Line> {
    if requested.expected.is_some_and(|wanted| wanted.absent) {
        return vec![Line::new("must not be there", State::Held)];
    }
    let mut lines = vec![Line::new(format!("no interface {interface} in the kernel"), State::Missing)];
    lines.extend(requested::lines(requested).into_iter().map(|line| Line { state: State::Missing, ..line }));
    lines
}

/// The observed link.
fn describe_link(link: &Link, observed: &PodObservation) -> String {
    let on = parent(link, observed).map(|parent| format!(" on {parent}")).unwrap_or_default();
    format!("{}{on}, {}", kind(link), read_link_state(link))
}

fn kind(link: &Link) -> &str {
    link.kind.as_deref().unwrap_or("physical")
}

/// Whether the link is up: the flag of `ip link set up`, as in the judge.
fn read_link_state(link: &Link) -> &'static str {
    if link.flags.iter().any(|flag| flag == "UP") { "up" } else { "down" }
}

/// The parent's name. The other end of a veth is left out.
fn parent<'a>(link: &Link, observed: &'a PodObservation) -> Option<&'a str> {
    if link.kind.as_deref() == Some("veth") {
        return None;
    }
    let names = observed.node_links.as_ref()?;
    link.parent_netns?;
    names.get(&link.parent?).map(String::as_str)
}

fn of_link(wanted: &InterfaceExpectation, link: &Link, observed: &PodObservation) -> Option<Line> {
    let text = requested::link(wanted)?;
    let mut other = Vec::new();
    if wanted.kind.as_ref().is_some_and(|wanted| wanted.value != kind(link)) {
        other.push(kind(link).to_owned());
    }
    // A parent that this lane can't read is neither right nor wrong.
    if let (Some(wanted), Some(found)) = (&wanted.parent, parent(link, observed))
        && wanted.value != found
    {
        other.push(format!("on {found}"));
    }
    if wanted.state.as_ref().is_some_and(|wanted| wanted.value != read_link_state(link)) {
        other.push(read_link_state(link).to_owned());
    }
    if wanted.mtu.as_ref().is_some_and(|wanted| wanted.value != link.mtu) {
        other.push(format!("mtu {}", link.mtu));
    }
    if wanted.mac.as_ref().is_some_and(|wanted| wanted.value != link.mac) {
        other.push(format!("mac {}", link.mac));
    }
    Some(match other.as_slice() {
        [] => Line::new(text, State::Held),
        other => Line::new(format!("{text}; found {}", other.join(", ")), State::Missing),
    })
}

fn addresses(lines: &mut Vec<Line>, requested: &Requested<'_>, link: &Link) {
    let found: Vec<String> = link
        .addresses
        .iter()
        .filter(|address| !is_v6_link_local(address.address.addr()))
        .map(|address| address.address.to_string())
        .collect();
    let list = requested.expected.and_then(|wanted| wanted.addresses.as_ref());
    let wanted: Vec<String> = match list {
        Some(list) => list.items.iter().map(|item| item.value.to_string()).collect(),
        None => requested.addresses.clone(),
    };
    // An address of an annotation may have no prefix length.
    let same = |wanted: &str, found: &str| wanted == found || found.split('/').next() == Some(wanted);
    for text in &wanted {
        let held = found.iter().any(|found| same(text, found));
        lines.push(Line::new(text.clone(), if held { State::Held } else { State::Missing }));
    }
    let rest = if list.is_some_and(|list| list.exact) { State::Surplus } else { State::Observed };
    for text in found.iter().filter(|found| !wanted.iter().any(|wanted| same(wanted, found))) {
        lines.push(Line::new(text.clone(), rest));
    }
    for gone in requested.expected.iter().flat_map(|wanted| &wanted.absent_addresses) {
        let text = gone.value.to_string();
        let state = if found.contains(&text) { State::Surplus } else { State::Held };
        lines.push(Line::new(format!("without {text}"), state));
    }
}

fn routes(lines: &mut Vec<Line>, requested: &Requested<'_>, interface: &str, kernel: &KernelState) {
    let out = |route: &&Route| route.hops.iter().any(|hop| hop.dev.as_deref() == Some(interface));
    let found: Vec<&Route> = kernel.routes.iter().filter(out).collect();
    let mut known: Vec<&Route> = Vec::new();
    let list = requested.expected.and_then(|wanted| wanted.routes.as_ref());
    for wanted in list.iter().flat_map(|list| &list.items) {
        let hit = found.iter().find(|route| fits(&wanted.value, route, interface));
        known.extend(hit.copied());
        lines.push(Line::new(requested::route(&wanted.value), fact_state(hit.is_some())));
    }
    if list.is_none() {
        for (to, via) in &requested.routes {
            let hit = found.iter().find(|route| route.to.to_string() == *to && has_gateway(route, via.as_deref()));
            known.extend(hit.copied());
            lines.push(Line::new(requested::plain(to, via.as_deref()), fact_state(hit.is_some())));
        }
    }
    for (v6, wanted) in &requested.defaults {
        let every = kernel.routes.iter().filter(|route| is_default(route, *v6));
        let own = found.iter().filter(|route| is_default(route, *v6));
        let fits =
            |route: &&&Route| wanted.via.as_ref().is_none_or(|via| has_gateway(route, Some(&via.value.to_string())));
        let hit = own.clone().find(fits).filter(|_| every.count() == wanted.count.value);
        known.extend(own.copied());
        let text = requested::default(*v6, wanted);
        lines.push(Line::new(text, fact_state(hit.is_some())));
    }
    let exact = list.is_some_and(|list| list.exact);
    for route in found.iter().filter(|route| route.table == MAIN && route.kind == "unicast") {
        if known.contains(route) || is_v6_link_local(route.to.addr()) || route.to.addr().is_multicast() {
            continue;
        }
        // Default routes are judged by the expectation of the default route only.
        let surplus = exact && route.to.prefix_len() > 0;
        lines.push(Line::new(kernel_route(route), if surplus { State::Surplus } else { State::Observed }));
    }
    for gone in requested.expected.iter().flat_map(|wanted| &wanted.absent_routes) {
        let there = found.iter().any(|route| route.table == MAIN && route.to == gone.value);
        let text = format!("without {}", requested::destination(&gone.value.to_string()));
        lines.push(Line::new(text, if there { State::Surplus } else { State::Held }));
    }
}

fn fact_state(there: bool) -> State {
    if there { State::Held } else { State::Missing }
}

fn is_default(route: &Route, v6: bool) -> bool {
    route.table == MAIN && route.kind == "unicast" && route.to.prefix_len() == 0 && route.to.addr().is_ipv6() == v6
}

fn has_gateway(route: &Route, via: Option<&str>) -> bool {
    via.is_none_or(|via| route.hops.iter().any(|hop| hop.via.is_some_and(|hop| hop.to_string() == via)))
}

fn fits(wanted: &WantedRoute, route: &Route, interface: &str) -> bool {
    let hop = route.hops.iter().find(|hop| hop.dev.as_deref() == Some(interface));
    let via = match wanted.via {
        None => true,
        Some(WantedGateway::None) => hop.is_some_and(|hop| hop.via.is_none()),
        Some(WantedGateway::Address(via)) => hop.is_some_and(|hop| hop.via == Some(via)),
    };
    route.to == wanted.to
        && route.table == wanted.table.unwrap_or(MAIN)
        && via
        && wanted.scope.as_ref().is_none_or(|scope| route.scope == *scope)
        && wanted.src.is_none_or(|src| route.src == Some(src))
        && wanted.metric.is_none_or(|metric| route.metric == metric)
}

fn kernel_route(route: &Route) -> String {
    let mut text = requested::destination(&route.to.to_string());
    for via in route.hops.iter().filter_map(|hop| hop.via) {
        text.push_str(&format!(" via {via}"));
    }
    if route.scope == "link" {
        text.push_str(" scope link");
    }
    if let Some(src) = route.src {
        text.push_str(&format!(" src {src}"));
    }
    text
}
