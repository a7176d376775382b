//! What the kernel does by itself when a plugin changes something: connected and local routes, sysctls of new devices,
//! counters of parents. Sources are named beside each consequence; paths are those of the Linux sources.

use super::expected::{Cause, Expected};
use super::sysctls::{self, V6_MIN_MTU};
use super::world::World;
use crate::state::format::{AddressValue, RouteHop, RouteItem, RouteValue, device_sysctl, link_of, name_of_link};
use crate::state::{FactKey, FactKind, Subject, peer_name};
use ipnet::IpNet;
use std::net::IpAddr;

pub use crate::state::format::MAIN_TABLE;

/// The table of local addresses.
const LOCAL_TABLE: u32 = 255;
/// The metric of an IPv6 route without one (`IP6_RT_PRIO_USER`, include/net/ip6_route.h).
const V6_METRIC: u32 = 1024;
/// The metric of IPv6 routes that the kernel adds for addresses (`IP6_RT_PRIO_ADDRCONF`).
const V6_ADDRESS_METRIC: u32 = 256;
/// The MTU of an Ethernet device (`ETH_DATA_LEN`).
pub const DEFAULT_MTU: u32 = 1500;

/// The attributes of a port of a bridge with their defaults (`new_nbp`, net/bridge/br_if.c).
pub const PORT_FLAGS: [(&str, &str); 10] = [
    ("hairpin", "off"),
    ("isolated", "off"),
    ("learning", "on"),
    ("unicast flood", "on"),
    ("multicast flood", "on"),
    ("broadcast flood", "on"),
    ("neighbour suppression", "off"),
    ("bpdu guard", "off"),
    ("locked", "off"),
    ("port priority", "32"),
];

/// A route to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Destination.
    pub to: IpNet,
    /// Gateway; none for one on the link.
    pub via: Option<IpAddr>,
    /// Source address.
    pub src: Option<IpAddr>,
    /// Table; 254 is main.
    pub table: u32,
    /// Metric; 0 means the kernel's own.
    pub metric: u32,
    /// Scope as iproute2 writes it: `global`, `link`, `host`.
    pub scope: &'static str,
}

impl Route {
    /// A route of the main table.
    pub fn new(to: IpNet, via: Option<IpAddr>) -> Self {
        Self { to, via, src: None, table: MAIN_TABLE, metric: 0, scope: "global" }
    }

    /// The key of the route on a link.
    pub fn key(&self, link: &str) -> FactKey {
        let metric = if self.metric == 0 && is_v6(&self.to) { V6_METRIC } else { self.metric };
        let item = RouteItem { to: self.to, table: self.table, metric, tos: 0 };
        RouteValue { hops: vec![self.hop(link)], ..RouteValue::default() }.key(&item)
    }

    fn hop(&self, link: &str) -> RouteHop {
        RouteHop { device: link.to_owned(), via: self.via, weight: 1, flags: Vec::new() }
    }

    fn value(&self, kind: &str, protocol: &str) -> String {
        // IPv6 routes have no scope.
        let scope = if is_v6(&self.to) { "global" } else { self.scope };
        let hops = vec![self.hop("")];
        RouteValue { kind, hops, protocol, scope, src: self.src, more: Vec::new() }.to_string()
    }
}

fn is_v6(net: &IpNet) -> bool {
    matches!(net, IpNet::V6(_))
}

/// A host's own network: /32 or /128.
fn host_net(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

/// A new link.
pub struct NewLink<'a> {
    /// Kind, as netlink names it.
    pub kind: &'a str,
    /// MTU in bytes; none where it can't be known.
    pub mtu: Option<u32>,
    /// MAC address; none for a random one.
    pub mac: Option<&'a str>,
    /// Queue length.
    pub queue_length: Expected,
    /// Further attributes.
    pub attributes: Vec<(&'a str, Expected)>,
}

/// Adds a link, down.
pub fn add_link(world: &mut World<'_>, subject: Subject, name: &str, link: &NewLink<'_>) {
    let mtu = link.mtu.map_or(Expected::Some, |mtu| Expected::value(mtu.to_string()));
    // A bridge takes that of a port.
    let any = if subject == Subject::Pod { Expected::OwnMac } else { Expected::AnyMac };
    let mac = link.mac.map_or(any, |mac| Expected::value(mac.to_ascii_lowercase()));
    let common = [
        ("kind", Expected::value(link.kind)),
        ("up", Expected::value("off")),
        ("arp", Expected::value("on")),
        ("multicast", Expected::value("on")),
        ("promiscuity", Expected::value("0")),
        ("allmulti", Expected::value("0")),
        ("mtu", mtu),
        ("mac", mac),
        ("txqueuelen", link.queue_length.clone()),
    ];
    for (attribute, expected) in common.into_iter().chain(link.attributes.iter().cloned()) {
        world.set(subject, FactKey::link(name, attribute), expected);
    }
    sysctls::add_device_sysctls(world, subject, name, link.mtu);
}

/// Sets a link up: its queueing discipline, and the routes of its addresses.
pub fn set_up(world: &mut World<'_>, subject: Subject, name: &str) {
    let was_up = world.is_up(subject, name);
    world.set_attribute(subject, name, "up", "on");
    if was_up {
        return;
    }
    let cause = world.therefore("queueing discipline of a device that is up (net/sched/sch_generic.c)");
    let kind = world.attribute(subject, name, "kind").unwrap_or_default();
    let is_virtual = matches!(kind.as_str(), "veth" | "macvlan" | "ipvlan" | "bridge" | "vlan" | "dummy" | "loopback");
    let discipline = if is_virtual { Expected::value("noqueue") } else { Expected::Some };
    world.set(subject, FactKey::new(FactKind::Qdisc, name, "root"), discipline);
    for key in world.keys_of_link(subject, FactKind::Address, name) {
        if let Ok(address) = key.item.parse::<IpNet>() {
            world.because_of(subject, &key, "");
            add_routes_of_address(world, subject, name, address);
        }
    }
    world.return_to(cause);
}

/// Adds an address as netlink's users do: with the broadcast address of its network.
pub fn add_address(world: &mut World<'_>, subject: Subject, link: &str, address: IpNet) {
    let is_secondary = primary_of(world, subject, link, address).is_some();
    let mut value = AddressValue { scope: "global", words: Vec::new() };
    if let IpNet::V4(net) = address
        && net.prefix_len() < 31
    {
        value.broadcast(net.broadcast());
    }
    if is_secondary {
        value.words.push("secondary".to_owned());
    }
    world.set_value(subject, FactKey::new(FactKind::Address, link, address.to_string()), value.to_string());
    if world.is_up(subject, link) {
        add_routes_of_address(world, subject, link, address);
    }
}

/// The addresses of `lo` that is set up, with their routes: those of IPv4 are all in the local table (`fib_add_ifaddr`).
pub fn add_loopback_addresses(world: &mut World<'_>) {
    let (link, address) = ("lo", IpAddr::from([127, 0, 0, 1]));
    let mut set =
        |kind, item: &str, value: String| world.set_value(Subject::Pod, FactKey::new(kind, link, item), value);
    set(FactKind::Address, "127.0.0.1/8", "scope host".to_owned());
    for (item, kind, scope) in [
        ("127.0.0.0/8", "local", "host"),
        ("127.0.0.1/32", "local", "host"),
        ("127.255.255.255/32", "broadcast", "link"),
    ] {
        let value = format!("{kind} proto kernel scope {scope} src {address}");
        set(FactKind::Route, &format!("{item} table {LOCAL_TABLE}"), value);
    }
    let first = FactKey::new(FactKind::Route, link, format!("127.0.0.0/32 table {LOCAL_TABLE}"));
    // Kernels before 5.14 have such a route for the network address too.
    world.set(Subject::Pod, first, Expected::Free);
    if world.text(Subject::Pod, &device_sysctl("ipv6", link, "disable_ipv6")).is_some_and(|value| value == "0") {
        world.set_value(Subject::Pod, FactKey::new(FactKind::Address, link, "::1/128"), "scope host");
    }
}

/// The IPv4 address of the same network that the link had before this one: then the new one is secondary, the connected
/// route is the first one's, and the local route has the first one as source (`__inet_insert_ifa`, net/ipv4/devinet.c;
/// `fib_add_ifaddr`, net/ipv4/fib_frontend.c).
fn primary_of(world: &World<'_>, subject: Subject, link: &str, address: IpNet) -> Option<IpAddr> {
    if is_v6(&address) {
        return None;
    }
    let is_primary = |key: &FactKey| {
        let value = world.text(subject, key).unwrap_or_default();
        !value.split(' ').any(|word| word == "secondary")
    };
    let keys = world.keys_of_link(subject, FactKind::Address, link);
    let primaries = keys.iter().filter(|key| is_primary(key)).filter_map(|key| key.item.parse::<IpNet>().ok());
    let mut others = primaries.filter(|other| *other != address && other.trunc() == address.trunc());
    others.next().map(|other| other.addr())
}

/// The routes that the kernel adds for an address of a device that is up: `fib_add_ifaddr` (net/ipv4/fib_frontend.c),
/// `addrconf_prefix_route` (net/ipv6/addrconf.c).
fn add_routes_of_address(world: &mut World<'_>, subject: Subject, link: &str, address: IpNet) {
    let cause = world.therefore("routes of an address (net/ipv4/fib_frontend.c, net/ipv6/addrconf.c)");
    let network = address.trunc();
    if is_v6(&address) {
        if !address.addr().is_loopback() {
            let route = Route { metric: V6_ADDRESS_METRIC, ..Route::new(network, None) };
            let value = route.value("unicast", "kernel");
            world.set_value(subject, route.key(link), value);
        }
    } else {
        let primary = primary_of(world, subject, link, address);
        let src = Some(primary.unwrap_or_else(|| address.addr()));
        let local = Route { src, table: LOCAL_TABLE, scope: "host", ..Route::new(host_net(address.addr()), None) };
        let value = local.value("local", "kernel");
        world.set_value(subject, local.key(link), value);
        let is_secondary = primary.is_some();
        if !is_secondary && address.prefix_len() < 32 {
            let connected = Route { src, scope: "link", ..Route::new(network, None) };
            let value = connected.value("unicast", "kernel");
            world.set_value(subject, connected.key(link), value);
        }
        if !is_secondary && address.prefix_len() < 31 {
            let broadcast =
                |to: IpAddr| Route { src, table: LOCAL_TABLE, scope: "link", ..Route::new(host_net(to), None) };
            let last = broadcast(network.broadcast());
            let value = last.value("broadcast", "kernel");
            world.set_value(subject, last.key(link), value);
            // Kernels before 5.14 have such a route for the network address too.
            world.set(subject, broadcast(network.network()).key(link), Expected::Free);
        }
    }
    world.return_to(cause);
}

/// Adds a route through a link, `proto boot` as for every route without a protocol. With `exclusive` an equal one stays as
/// it is, and the route is refused.
pub fn add_route(world: &mut World<'_>, subject: Subject, link: &str, route: &Route, exclusive: bool) {
    let key = route.key(link);
    let value = route.value("unicast", "boot");
    if let Some((other, hop)) = other_gateway(world, subject, &key, route) {
        if exclusive {
            return;
        }
        // IPv6 joins routes of one destination and metric that have gateways (`fib6_add_rt2node`, net/ipv6/ip6_fib.c).
        world.remove(subject, other.clone());
        let devices = format!("{} {link}", other.link);
        let joined = unicast_by_plugin(vec![hop, route.hop(link)]);
        world.set_value(subject, FactKey::new(FactKind::Route, devices, other.item), joined);
        return;
    }
    match world.text(subject, &key) {
        Some(old) if old == value || exclusive => {}
        // IPv4 puts the new one before the old one (`fib_table_insert`, net/ipv4/fib_trie.c).
        Some(old) => {
            world.set_value(subject, FactKey { item: format!("{} (2)", key.item), ..key.clone() }, old);
            world.set_value(subject, key, value);
        }
        None => world.set_value(subject, key, value),
    }
}

/// Another IPv6 route with a gateway, of the same destination, table and metric, through one other device; with it its
/// next hop as a part of a route of several.
fn other_gateway(world: &World<'_>, subject: Subject, key: &FactKey, route: &Route) -> Option<(FactKey, RouteHop)> {
    if !is_v6(&route.to) || route.via.is_none() {
        return None;
    }
    let all = world.keys_of_kind(subject, FactKind::Route);
    let other = all.into_iter().find(|one| one.item == key.item && one.link != key.link)?;
    let value = world.text(subject, &other)?;
    let via = value.strip_prefix("unicast via ")?.split(' ').next()?.parse().ok()?;
    let hop = RouteHop { device: other.link.clone(), via: Some(via), weight: 1, flags: Vec::new() };
    Some((other, hop))
}

/// The value of a route of IPv6 that a plugin added.
fn unicast_by_plugin(hops: Vec<RouteHop>) -> String {
    RouteValue { kind: "unicast", hops, protocol: "boot", scope: "global", ..RouteValue::default() }.to_string()
}

/// Deletes a route.
pub fn delete_route(world: &mut World<'_>, subject: Subject, link: &str, route: &Route) {
    world.remove(subject, route.key(link));
}

/// Deletes a link with all that belongs to it; the other end of a veth goes too.
pub fn delete_link(world: &mut World<'_>, subject: Subject, name: &str) {
    let kind = world.attribute(subject, name, "kind").unwrap_or_default();
    let parent = world.attribute(subject, name, "parent");
    let is_promiscuous = world.attribute(subject, name, "promiscuity").is_some_and(|count| count != "0");
    remove_link(world, subject, name);
    if kind == "veth" && subject == Subject::Pod {
        remove_link(world, Subject::Node, &peer_name(name));
    }
    if kind == "macvlan"
        && let Some(parent) = parent.as_deref().and_then(|parent| name_of_link(parent, Subject::Node))
    {
        let cause =
            world.therefore("a parent without filters of its own counts its macvlans (net/core/dev_addr_lists.c)");
        // A promiscuous one gives back what it passed on to its parent (`macvlan_stop`, drivers/net/macvlan.c).
        let counted: &[fn(u32) -> u32] = match is_promiscuous {
            true => &[|count| count.saturating_sub(1), |count| count.saturating_sub(2)],
            false => &[|count| count.saturating_sub(1)],
        };
        count_parents(world, parent, counted);
        world.return_to(cause);
    }
}

/// Removes the facts of a link. A bridge that loses a port takes another port's address, or none if there is no other
/// (`br_stp_recalculate_bridge_id`, net/bridge/br_stp_if.c), unless its address was set.
pub fn remove_link(world: &mut World<'_>, subject: Subject, name: &str) {
    let bridge = world.attribute(subject, name, "master");
    remove_facts_of(world, subject, name);
    if let Some(bridge) = bridge {
        let cause = world.therefore("a bridge takes the address of a port (net/bridge/br_stp_if.c)");
        world.set(subject, FactKey::link(&*bridge, "mac"), Expected::Some);
        adjust_mtu_of_bridge(world, subject, &bridge);
        world.return_to(cause);
    }
}

/// A bridge takes the smallest MTU of its ports, or the default without ports, unless its MTU was set
/// (`br_mtu_auto_adjust`, net/bridge/br_if.c). Whether it was is not reported.
fn adjust_mtu_of_bridge(world: &mut World<'_>, subject: Subject, bridge: &str) {
    let mtu_of = |world: &World<'_>, link: &str| world.attribute(subject, link, "mtu")?.parse::<u32>().ok();
    let Some(old) = mtu_of(world, bridge) else { return };
    let links = world.links(subject).into_iter();
    let ports = links.filter(|link| world.attribute(subject, link, "master").as_deref() == Some(bridge));
    let new = ports.filter_map(|port| mtu_of(world, &port)).min().unwrap_or(DEFAULT_MTU);
    if new == old {
        return;
    }
    let cause = world.therefore("a bridge takes the smallest MTU of its ports (net/bridge/br_if.c)");
    let either = Expected::OneOf(vec![new.to_string(), old.to_string()]);
    world.set(subject, FactKey::link(bridge, "mtu"), either.clone());
    if old.min(new) < V6_MIN_MTU {
        // IPv6 leaves the bridge, or comes to it.
        for key in world.keys_of_link(subject, FactKind::Sysctl, "lo").iter().filter(|key| sysctls::is_v6_sysctl(key)) {
            world.set(subject, sysctls::sysctl_of(&key.item, "lo", bridge), Expected::Free);
        }
    } else {
        let copy = device_sysctl("ipv6", bridge, "mtu");
        if world.expected(subject, &copy) != Expected::Absent {
            world.set(subject, copy, either);
        }
    }
    world.return_to(cause);
}

fn remove_facts_of(world: &mut World<'_>, subject: Subject, name: &str) {
    let kinds = [FactKind::Link, FactKind::Address, FactKind::Neighbour, FactKind::Sysctl, FactKind::Qdisc];
    for kind in kinds {
        for key in world.keys_of_link(subject, kind, name) {
            world.remove(subject, key);
        }
    }
    for key in world.keys_of_kind(subject, FactKind::Route) {
        if key.link == name {
            world.remove(subject, key);
        } else if key.link.split(' ').any(|device| device == name) {
            leave_one_hop(world, subject, &key, name);
        }
    }
}

/// A route of two next hops keeps the other one.
fn leave_one_hop(world: &mut World<'_>, subject: Subject, key: &FactKey, gone: &str) {
    let Some(value) = world.text(subject, key) else { return };
    let other = key.link.split(' ').find(|device| *device != gone).unwrap_or_default();
    let mut parts = value.split("nexthop dev ").skip(1);
    let hop = parts.find(|part| part.starts_with(&format!("{other} "))).unwrap_or_default();
    let via = hop.split("via ").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|via| via.parse().ok());
    world.remove(subject, key.clone());
    let alone = FactKey::new(FactKind::Route, other, key.item.clone());
    world.set_value(subject, alone, unicast_by_plugin(vec![RouteHop { via, ..RouteHop::default() }]));
}

/// A parent that can't filter by MAC address becomes promiscuous with its first macvlan, and stays so for further ones
/// (`__dev_set_rx_mode`, net/core/dev_addr_lists.c). Which devices can filter is not reported.
pub fn count_macvlan(world: &mut World<'_>, parent: &str) {
    let cause = world.therefore("a parent without filters of its own counts its macvlans (net/core/dev_addr_lists.c)");
    count_parents(world, parent, &[|count| count.saturating_add(1)]);
    world.return_to(cause);
}

/// More links than this are not stacked.
const MAX_STACKED: usize = 8;

/// Counts a link of the node; a VLAN link passes its promiscuity on to the link below (`vlan_dev_change_rx_flags`,
/// net/8021q/vlan_dev.c).
fn count_parents(world: &mut World<'_>, parent: &str, counted: &[fn(u32) -> u32]) {
    let mut link = Some(parent.to_owned());
    for _ in 0..MAX_STACKED {
        let Some(name) = link else { break };
        let key = FactKey::link(&*name, "promiscuity");
        if let Some(count) = world.text(Subject::Node, &key).and_then(|count| count.parse::<u32>().ok()) {
            let values = std::iter::once(count).chain(counted.iter().map(|counted| counted(count)));
            world.set(Subject::Node, key, Expected::OneOf(values.map(|count| count.to_string()).collect()));
        }
        let is_vlan = world.attribute(Subject::Node, &name, "kind").as_deref() == Some("vlan");
        link = world.attribute(Subject::Node, &name, "parent").filter(|_| is_vlan);
    }
}

/// Changes the MTU of a link; IPv6 has a copy of it.
pub fn set_mtu(world: &mut World<'_>, subject: Subject, link: &str, mtu: u32) {
    world.set_attribute(subject, link, "mtu", mtu.to_string());
    if mtu >= V6_MIN_MTU {
        let cause = world.therefore("IPv6 has a copy of the MTU (net/ipv6/addrconf.c)");
        sysctls::set_device_sysctl(world, subject, "ipv6", link, "mtu", &mtu.to_string());
        world.return_to(cause);
    }
}

/// A switch of a link that the kernel counts: `promiscuity` or `allmulti`. A macvlan that is up passes it on to its parent
/// (`macvlan_change_rx_flags`, drivers/net/macvlan.c).
pub fn switch_counted(world: &mut World<'_>, link: &str, attribute: &str, on: bool) {
    let count_of =
        |world: &World<'_>, subject, link: &str| world.attribute(subject, link, attribute)?.parse::<u32>().ok();
    let Some(count) = count_of(world, Subject::Pod, link) else { return };
    let step = |count: u32| if on { count.saturating_add(1) } else { count.saturating_sub(1) };
    // A count of more than none does not tell whether the switch itself is on.
    let is_sure = count == 0 || (!on && count == 1);
    let expected = |count: u32| match is_sure {
        true => Expected::Value(step(count).to_string()),
        false => Expected::OneOf(vec![step(count).to_string(), count.to_string()]),
    };
    world.set(Subject::Pod, FactKey::link(link, attribute), expected(count));
    let is_macvlan = world.attribute(Subject::Pod, link, "kind").as_deref() == Some("macvlan");
    let is_kept =
        attribute == "promiscuity" && world.attribute(Subject::Pod, link, "mode").as_deref() == Some("passthru");
    let parent = world.attribute(Subject::Pod, link, "parent");
    let parent = parent.as_deref().and_then(|parent| name_of_link(parent, Subject::Node));
    if let Some(parent) = parent.filter(|_| is_macvlan && !is_kept && (on || count > 0))
        && world.is_up(Subject::Pod, link)
        && let Some(count) = count_of(world, Subject::Node, parent)
    {
        let cause = world.therefore("a macvlan passes it on to its parent (drivers/net/macvlan.c)");
        world.set(Subject::Node, FactKey::link(parent, attribute), expected(count));
        world.return_to(cause);
    }
}

/// The two ends of a veth: the pod's interface, down, and its peer on the node, up.
pub fn add_veth(world: &mut World<'_>, interface: &str, mtu: u32, mac: Option<&str>) {
    let peer = peer_name(interface);
    // Releases of the plugins differ in the queue length that they request.
    let queue_length = || Expected::OneOf(vec!["1000".to_owned(), "0".to_owned()]);
    let link = |mac, parent: String| NewLink {
        kind: "veth",
        mtu: Some(mtu),
        mac,
        queue_length: queue_length(),
        attributes: vec![("parent", Expected::Value(parent))],
    };
    add_link(world, Subject::Pod, interface, &link(mac, link_of(&peer, Subject::Node)));
    add_link(world, Subject::Node, &peer, &link(None, link_of(interface, Subject::Pod)));
    set_up(world, Subject::Node, &peer);
}

/// Makes a link a port of a bridge (`br_add_if`, net/bridge/br_if.c; defaults of net/bridge/br_private.h).
pub fn add_port(world: &mut World<'_>, bridge: &str, port: &str) {
    world.set_attribute(Subject::Node, port, "master", bridge);
    let cause: Cause = world.therefore("a port of a bridge (net/bridge/br_if.c)");
    world.set_attribute(Subject::Node, port, "promiscuity", "1");
    world.set_attribute(Subject::Node, port, "allmulti", "1");
    for (attribute, value) in PORT_FLAGS {
        world.set_attribute(Subject::Node, port, attribute, value);
    }
    // It takes the lowest address of its ports, unless one was set (`br_stp_recalculate_bridge_id`).
    world.set(Subject::Node, FactKey::link(bridge, "mac"), Expected::AnyMac);
    adjust_mtu_of_bridge(world, Subject::Node, bridge);
    world.return_to(cause);
}
