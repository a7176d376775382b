//! Whether two witnesses of one namespace report the same.

use super::ip::Coverage;
use super::{KernelState, Link, Route};
use std::collections::BTreeSet;

/// Compares two readings of one namespace that were made shortly after another. Compared are links (index, name,
/// MTU, MAC, administrative state; kind and parent where both report them), addresses with prefix length and scope,
/// and routes (table, type, destination, next hops with gateway and device, preferred source, metric).
///
/// Left out, because they change by themselves or are named differently by different tools: address flags
/// (`tentative` goes when DAD ends) and lifetimes, operational state and carrier, `linkdown` and `dead` on hops,
/// protocols; link-local IPv6 addresses with their routes, and `ff00::/8`, which come and go with DAD and the carrier;
/// rules, which nothing is judged by yet.
///
/// Gives every disagreement, a line each; empty when they agree.
pub fn agree(a: &KernelState, b: &KernelState) -> Vec<String> {
    agree_within(a, b, Coverage::FULL)
}

/// As [`agree`], restricted to what the lesser witness reports.
pub fn agree_within(a: &KernelState, b: &KernelState, coverage: Coverage) -> Vec<String> {
    let mut lines = Vec::new();
    differ("link", a, b, &mut lines, |state| state.links.iter().map(link_line).collect());
    if coverage.details {
        kinds(a, b, &mut lines);
    }
    differ("address", a, b, &mut lines, |state| state.links.iter().flat_map(address_lines).collect());
    differ("route", a, b, &mut lines, |state| {
        let compared = state.routes.iter().filter(|route| is_compared(route, coverage));
        compared.map(|route| route_line(route, coverage)).collect()
    });
    lines
}

fn differ(
    what: &str,
    a: &KernelState,
    b: &KernelState,
    lines: &mut Vec<String>,
    list: impl Fn(&KernelState) -> BTreeSet<String>,
) {
    let (a, b) = (list(a), list(b));
    lines.extend(a.difference(&b).map(|line| format!("{what} reported by the first alone: {line}")));
    lines.extend(b.difference(&a).map(|line| format!("{what} reported by the second alone: {line}")));
}

/// Kind and parent, where both witnesses report them: the text of `ip a` has no kinds.
fn kinds(a: &KernelState, b: &KernelState, lines: &mut Vec<String>) {
    let other = |link: &Link| b.links.iter().find(|other| other.index == link.index);
    for (one, other) in a.links.iter().filter_map(|one| Some((one, other(one)?))) {
        let parent = |link: &Link| link.parent.map(|parent| parent.to_string());
        let pairs = [("kind", one.kind.clone(), other.kind.clone()), ("parent", parent(one), parent(other))];
        for (what, left, right) in pairs {
            if let (Some(left), Some(right)) = (left, right)
                && left != right
            {
                lines.push(format!("link {}: {what} {left} by the first, {right} by the second", one.name));
            }
        }
    }
}

fn link_line(link: &Link) -> String {
    let up = if link.has_flag("UP") { "up" } else { "down" };
    format!("{}: {} {up} mtu {} {}", link.index, link.name, link.mtu, link.mac)
}

fn address_lines(link: &Link) -> Vec<String> {
    let compared = link.addresses.iter().filter(|address| !super::is_v6_link_local(address.address.addr()));
    compared.map(|address| format!("{} dev {} scope {}", address.address, link.name, address.scope)).collect()
}

fn is_compared(route: &Route, coverage: Coverage) -> bool {
    let v6 = route.to.addr().is_ipv6();
    let by_itself = v6 && (super::is_v6_link_local(route.to.addr()) || route.to.addr().is_multicast());
    // The local table of IPv6 has anycast and fe80 entries that come and go with DAD.
    let local_v6 = v6 && route.table == 255;
    !by_itself && !local_v6 && (coverage.v6_routes || !v6) && (coverage.all_tables || route.table == 254)
}

fn route_line(route: &Route, coverage: Coverage) -> String {
    let mut hops: Vec<String> = route.hops.iter().filter(|_| coverage.details).map(hop_words).collect();
    hops.sort();
    let src = route.src.map(|src| format!(" src {src}")).unwrap_or_default();
    let Route { kind, to, table, metric, .. } = route;
    format!("{kind} {to} table {table}{}{src} metric {metric}", hops.concat())
}

fn hop_words(hop: &super::NextHop) -> String {
    let via = hop.via.map(|via| format!(" via {via}")).unwrap_or_default();
    let dev = hop.dev.as_ref().map(|dev| format!(" dev {dev}")).unwrap_or_default();
    format!("{via}{dev} weight {}", hop.weight)
}
