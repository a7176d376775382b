//! Routes and policy routing rules, from netlink to the model.

use std::collections::BTreeMap;
use std::net::IpAddr;

use plumbline_core::observe::{NextHop, Route, Rule};
use plumbline_netlink::packet::AddressFamily;
use plumbline_netlink::packet::route::{
    RouteAttribute, RouteFlags, RouteMessage, RouteNextHop, RouteNextHopFlags, RouteProtocol, RouteScope, RouteType,
    RouteVia,
};
use plumbline_netlink::packet::rule::{RuleAction, RuleAttribute, RuleMessage};
use plumbline_netlink::route::{destination, ip, table};
use plumbline_netlink::rule;

/// One route; none for a cached route, which `ip route show table all` leaves out too.
pub fn convert_route(message: &RouteMessage, names: &BTreeMap<u32, String>) -> Option<Route> {
    if message.header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let mut route = Route {
        to: destination(message)?,
        kind: kind_name(message.header.kind),
        hops: Vec::new(),
        table: table(message),
        protocol: protocol_name(message.header.protocol),
        scope: scope_name(message.header.scope, message.header.address_family),
        src: None,
        metric: 0,
    };
    let mut single = NextHop { via: None, dev: None, weight: 1, flags: route_flag_names(message.header.flags) };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::PrefSource(address) => route.src = ip(address),
            RouteAttribute::Priority(metric) => route.metric = *metric,
            RouteAttribute::Oif(index) => single.dev = Some(link_name(*index, names)),
            RouteAttribute::MultiPath(hops) => route.hops = hops.iter().map(|one| convert_hop(one, names)).collect(),
            other => single.via = gateway_address(other).or(single.via),
        }
    }
    if route.hops.is_empty() && (single.via.is_some() || single.dev.is_some()) {
        route.hops.push(single);
    }
    Some(route)
}

fn convert_hop(hop: &RouteNextHop, names: &BTreeMap<u32, String>) -> NextHop {
    NextHop {
        via: hop.attributes.iter().find_map(gateway_address),
        dev: Some(link_name(hop.interface_index, names)),
        // The kernel counts weights from 0 (`rtnh_hops`, rtnetlink(7)).
        weight: u32::from(hop.hops) + 1,
        flags: hop_flag_names(hop.flags),
    }
}

/// The gateway; for an IPv4 route it may be an IPv6 address.
fn gateway_address(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(address) => ip(address),
        RouteAttribute::Via(RouteVia::Inet(address)) => Some((*address).into()),
        RouteAttribute::Via(RouteVia::Inet6(address)) => Some((*address).into()),
        _ => None,
    }
}

fn link_name(index: u32, names: &BTreeMap<u32, String>) -> String {
    // The name that `ip` prints for an unknown link.
    names.get(&index).cloned().unwrap_or_else(|| format!("if{index}"))
}

fn route_flag_names(flags: RouteFlags) -> Vec<String> {
    hop_flag_names(RouteNextHopFlags::from_bits_retain(u8::try_from(flags.bits() & 0xff).unwrap_or_default()))
}

fn hop_flag_names(flags: RouteNextHopFlags) -> Vec<String> {
    let mut names: Vec<String> = flags.iter_names().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    names
}

/// The names of the types from 1 on (`linux/rtnetlink.h`).
const KINDS: &str = "unicast local broadcast anycast multicast blackhole unreachable prohibit throw nat";

fn kind_name(kind: RouteType) -> String {
    let number = u8::from(kind);
    let name = usize::from(number).checked_sub(1).and_then(|position| KINDS.split(' ').nth(position));
    name.map_or_else(|| number.to_string(), str::to_owned)
}

fn scope_name(scope: RouteScope, family: AddressFamily) -> String {
    // IPv6 routes have no scope; the kernel sends arbitrary values.
    if family == AddressFamily::Inet6 {
        return "global".to_owned();
    }
    match scope {
        RouteScope::Universe => "global".to_owned(),
        RouteScope::NoWhere => "nowhere".to_owned(),
        RouteScope::Other(number) => number.to_string(),
        other => other.to_string(),
    }
}

/// The names of iproute2's `rt_protos`.
fn protocol_name(protocol: RouteProtocol) -> String {
    let name = match protocol {
        RouteProtocol::IcmpRedirect => "redirect",
        RouteProtocol::Mrt => "mrt",
        RouteProtocol::DnRouted => "dnrouted",
        RouteProtocol::Ntk => "ntk",
        RouteProtocol::Dhcp => "dhcp",
        RouteProtocol::KeepAlived => "keepalived",
        RouteProtocol::Mrouted | RouteProtocol::Other(_) => return u8::from(protocol).to_string(),
        other => return other.to_string(),
    };
    name.to_owned()
}

/// The mask of a rule that names none.
const FULL_MASK: u32 = u32::MAX;

/// One rule.
pub fn convert_rule(message: &RuleMessage) -> Rule {
    let mut rule = Rule {
        v6: message.header.family == AddressFamily::Inet6,
        priority: 0,
        from: rule::source(message),
        to: rule::destination(message),
        fwmark: None,
        iif: None,
        oif: None,
        table: u32::from(message.header.table),
    };
    let (mut mark, mut mask) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::FwMark(value) => mark = Some(*value),
            RuleAttribute::FwMask(value) => mask = Some(*value),
            RuleAttribute::Iifname(name) => rule.iif = Some(name.clone()),
            RuleAttribute::Oifname(name) => rule.oif = Some(name.clone()),
            RuleAttribute::Table(table) => rule.table = *table,
            _ => {}
        }
    }
    // The kernel also sends a mask without a mark. A mark of 0 counts only with a nonzero mask.
    rule.fwmark = match (mark, mask) {
        (Some(mark), mask) if mark != 0 || mask.is_some_and(|mask| mask != 0) => {
            Some((mark, mask.unwrap_or(FULL_MASK)))
        }
        _ => None,
    };
    // Only rules that look up a table have one.
    if message.header.action != RuleAction::ToTable {
        rule.table = 0;
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumbline_netlink::packet::route::RouteAddress;

    #[test]
    fn a_multipath_route_converts_like_a_single_one() {
        let names = [(2, "eth0".to_owned()), (3, "eth1".to_owned())].into();
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.kind = RouteType::Unicast;
        let gateway = || RouteAttribute::Gateway(RouteAddress::Inet([10, 0, 0, 1].into()));
        message.attributes = vec![RouteAttribute::Oif(2), gateway()];
        let single = convert_route(&message, &names).unwrap();
        assert_eq!((single.hops[0].dev.as_deref(), single.hops[0].weight), (Some("eth0"), 1));

        let mut far = RouteNextHop::default();
        (far.interface_index, far.hops, far.flags) = (3, 4, RouteNextHopFlags::Onlink);
        far.attributes = vec![gateway()];
        message.attributes = vec![RouteAttribute::MultiPath(vec![far])];
        let many = convert_route(&message, &names).unwrap();
        assert_eq!(many.hops[0].via, single.hops[0].via);
        assert_eq!((many.hops[0].weight, many.hops[0].flags.as_slice()), (5, ["onlink".to_owned()].as_slice()));
    }
}
