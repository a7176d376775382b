//! Routes, from netlink to the model.

use std::collections::BTreeMap;
use std::net::IpAddr;

use plumbline_core::observe::{NextHop, Route};
use plumbline_netlink::packet::AddressFamily;
use plumbline_netlink::packet::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteNextHop, RouteNextHopFlags, RouteProtocol, RouteScope,
    RouteType, RouteVia,
};
use plumbline_netlink::route::{destination, table};

/// One route; none for what `ip route show table all` leaves out as well (cached routes).
#[must_use]
pub fn route(message: &RouteMessage, names: &BTreeMap<u32, String>) -> Option<Route> {
    if message.header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let mut route = Route {
        to: destination(message)?,
        kind: kind(message.header.kind),
        hops: Vec::new(),
        table: table(message),
        protocol: protocol(message.header.protocol),
        scope: scope(message.header.scope, message.header.address_family),
        src: None,
        metric: 0,
    };
    let mut single = NextHop { via: None, dev: None, weight: 1, flags: route_flags(message.header.flags) };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::PrefSource(address) => route.src = ip(address),
            RouteAttribute::Priority(metric) => route.metric = *metric,
            RouteAttribute::Oif(index) => single.dev = Some(name(*index, names)),
            RouteAttribute::MultiPath(hops) => route.hops = hops.iter().map(|one| hop(one, names)).collect(),
            other => single.via = gateway(other).or(single.via),
        }
    }
    if route.hops.is_empty() && (single.via.is_some() || single.dev.is_some()) {
        route.hops.push(single);
    }
    Some(route)
}

fn hop(hop: &RouteNextHop, names: &BTreeMap<u32, String>) -> NextHop {
    NextHop {
        via: hop.attributes.iter().find_map(gateway),
        dev: Some(name(hop.interface_index, names)),
        // The kernel counts weights from 0 (`rtnh_hops`, rtnetlink(7)).
        weight: u32::from(hop.hops) + 1,
        flags: hop_flags(hop.flags),
    }
}

/// A gateway, which for IPv4 may be an IPv6 address too.
fn gateway(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(address) => ip(address),
        RouteAttribute::Via(RouteVia::Inet(address)) => Some((*address).into()),
        RouteAttribute::Via(RouteVia::Inet6(address)) => Some((*address).into()),
        _ => None,
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

fn name(index: u32, names: &BTreeMap<u32, String>) -> String {
    // As `ip` calls a link that it can't look up.
    names.get(&index).cloned().unwrap_or_else(|| format!("if{index}"))
}

fn route_flags(flags: RouteFlags) -> Vec<String> {
    hop_flags(RouteNextHopFlags::from_bits_retain(u8::try_from(flags.bits() & 0xff).unwrap_or_default()))
}

fn hop_flags(flags: RouteNextHopFlags) -> Vec<String> {
    let words = [
        (RouteNextHopFlags::Dead, "dead"),
        (RouteNextHopFlags::Linkdown, "linkdown"),
        (RouteNextHopFlags::Offload, "offload"),
        (RouteNextHopFlags::Onlink, "onlink"),
        (RouteNextHopFlags::Pervasive, "pervasive"),
        (RouteNextHopFlags::Trap, "trap"),
        (RouteNextHopFlags::Unresolved, "unresolved"),
    ];
    words.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, word)| (*word).to_owned()).collect()
}

fn kind(kind: RouteType) -> String {
    let word = match kind {
        RouteType::Unicast => "unicast",
        RouteType::Local => "local",
        RouteType::Broadcast => "broadcast",
        RouteType::Anycast => "anycast",
        RouteType::Multicast => "multicast",
        RouteType::BlackHole => "blackhole",
        RouteType::Unreachable => "unreachable",
        RouteType::Prohibit => "prohibit",
        RouteType::Throw => "throw",
        RouteType::Nat => "nat",
        other => return u8::from(other).to_string(),
    };
    word.to_owned()
}

fn scope(scope: RouteScope, family: AddressFamily) -> String {
    // IPv6 knows no scopes of routes; the kernel sends what it likes.
    if family == AddressFamily::Inet6 {
        return "global".to_owned();
    }
    let word = match scope {
        RouteScope::Universe => "global",
        RouteScope::Site => "site",
        RouteScope::Link => "link",
        RouteScope::Host => "host",
        RouteScope::NoWhere => "nowhere",
        other => return u8::from(other).to_string(),
    };
    word.to_owned()
}

/// The words of iproute2's `rt_protos`.
fn protocol(protocol: RouteProtocol) -> String {
    let word = match protocol {
        RouteProtocol::Unspec => "unspec",
        RouteProtocol::IcmpRedirect => "redirect",
        RouteProtocol::Kernel => "kernel",
        RouteProtocol::Boot => "boot",
        RouteProtocol::Static => "static",
        RouteProtocol::Gated => "gated",
        RouteProtocol::Ra => "ra",
        RouteProtocol::Mrt => "mrt",
        RouteProtocol::Zebra => "zebra",
        RouteProtocol::Bird => "bird",
        RouteProtocol::DnRouted => "dnrouted",
        RouteProtocol::Xorp => "xorp",
        RouteProtocol::Ntk => "ntk",
        RouteProtocol::Dhcp => "dhcp",
        RouteProtocol::KeepAlived => "keepalived",
        RouteProtocol::Babel => "babel",
        RouteProtocol::Bgp => "bgp",
        RouteProtocol::Isis => "isis",
        RouteProtocol::Ospf => "ospf",
        RouteProtocol::Rip => "rip",
        RouteProtocol::Eigrp => "eigrp",
        other => return u8::from(other).to_string(),
    };
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_a_route_come_out_alike() {
        let names = [(2, "eth0".to_owned()), (3, "eth1".to_owned())].into();
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.kind = RouteType::Unicast;
        let gateway = || RouteAttribute::Gateway(RouteAddress::Inet([10, 0, 0, 1].into()));
        message.attributes = vec![RouteAttribute::Oif(2), gateway()];
        let single = route(&message, &names).unwrap();
        assert_eq!((single.hops[0].dev.as_deref(), single.hops[0].weight), (Some("eth0"), 1));

        let mut far = RouteNextHop::default();
        (far.interface_index, far.hops, far.flags) = (3, 4, RouteNextHopFlags::Onlink);
        far.attributes = vec![gateway()];
        message.attributes = vec![RouteAttribute::MultiPath(vec![far])];
        let many = route(&message, &names).unwrap();
        assert_eq!(many.hops[0].via, single.hops[0].via);
        assert_eq!((many.hops[0].weight, many.hops[0].flags.as_slice()), (5, ["onlink".to_owned()].as_slice()));
    }
}
