//! Whether two witnesses of one namespace tell the same.

use super::ip::Coverage;
use super::{KernelState, Link, Route};
use std::collections::BTreeSet;

/// Compares two readings of one namespace that were made shortly after another. Compared are links (index, name,
/// MTU, MAC, administrative state; kind and parent where both tell), addresses with prefix length and scope,
/// and routes (table, type, destination, next hops with gateway and device, preferred source, metric).
///
/// Left out, because they change by themselves or are named differently by different tools: address flags
/// (`tentative` goes when DAD ends) and lifetimes, operational state and carrier, `linkdown` and `dead` on hops,
/// protocols; link-local IPv6 addresses with their routes, and `ff00::/8`, which come and go with DAD and the carrier;
/// rules, which nothing is judged by yet.
///
/// Gives every disagreement, a line each; empty when they agree.
#[must_use]
pub fn agree(a: &KernelState, b: &KernelState) -> Vec<String> {
    agree_within(a, b, Coverage::FULL)
}

/// As [`agree`], restricted to what the lesser witness can tell.
#[must_use]
pub fn agree_within(a: &KernelState, b: &KernelState, coverage: Coverage) -> Vec<String> {
    let mut lines = Vec::new();
    differ("link", a, b, &mut lines, |state| state.links.iter().map(link_line).collect());
    if coverage.details {
        kinds(a, b, &mut lines);
    }
    differ("address", a, b, &mut lines, |state| state.links.iter().flat_map(address_lines).collect());
    differ("route", a, b, &mut lines, |state| {
        state
            .routes
            .iter()
            .filter(|route| is_compared(route, coverage))
            .map(|route| route_line(route, coverage))
            .collect()
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
    lines.extend(a.difference(&b).map(|line| format!("{what} told by the first alone: {line}")));
    lines.extend(b.difference(&a).map(|line| format!("{what} told by the second alone: {line}")));
}

/// Kind and parent, where both witnesses tell them: the text of `ip a` has no kinds.
fn kinds(a: &KernelState, b: &KernelState, lines: &mut Vec<String>) {
    for (one, other) in
        a.links.iter().filter_map(|one| Some((one, b.links.iter().find(|other| other.index == one.index)?)))
    {
        if let (Some(left), Some(right)) = (&one.kind, &other.kind)
            && left != right
        {
            lines.push(format!("link {}: kind {left} by the first, {right} by the second", one.name));
        }
        if let (Some(left), Some(right)) = (one.parent, other.parent)
            && left != right
        {
            lines.push(format!("link {}: parent {left} by the first, {right} by the second", one.name));
        }
    }
}

fn link_line(link: &Link) -> String {
    let up = if link.flags.iter().any(|flag| flag == "UP") { "up" } else { "down" };
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
    let mut line = format!("{} {} table {}", route.kind, route.to, route.table);
    if coverage.details {
        let mut hops: Vec<String> = route.hops.iter().map(hop).collect();
        hops.sort();
        line.push_str(&hops.concat());
    }
    if let Some(src) = route.src {
        line.push_str(&format!(" src {src}"));
    }
    line.push_str(&format!(" metric {}", route.metric));
    line
}

fn hop(hop: &super::NextHop) -> String {
    let mut text = String::new();
    if let Some(via) = hop.via {
        text.push_str(&format!(" via {via}"));
    }
    if let Some(dev) = &hop.dev {
        text.push_str(&format!(" dev {dev}"));
    }
    format!("{text} weight {}", hop.weight)
}
