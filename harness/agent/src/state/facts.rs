//! Netlink messages as facts of a namespace.

use std::collections::{BTreeMap, BTreeSet};

use plumbline_core::observe::NextHop;
use plumbline_core::state::format::{AddressValue, RouteHop, RouteItem, RouteValue, device_sysctl, link_of};
use plumbline_core::state::{FactKey, FactKind, NamespaceState, Subject, peer_name};
use plumbline_netlink::link::{format_mac, name};
use plumbline_netlink::packet::address::{AddressAttribute, AddressMessage};
use plumbline_netlink::packet::link::{
    InfoBridge, InfoBridgePort, InfoData, InfoMacVlan, InfoPortData, InfoVlan, LinkAttribute, LinkFlags, LinkInfo,
    LinkMessage,
};
use plumbline_netlink::packet::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use plumbline_netlink::packet::route::{RouteAttribute, RouteMessage, RouteMetric, RoutePreference};
use plumbline_netlink::packet::rule::RuleMessage;
use plumbline_netlink::packet::tc::{TcAttribute, TcHandle, TcMessage};
use plumbline_netlink::pick;

use super::device_sysctls::device_sysctls;
use crate::observe::{links, routes};

/// The names of links by their index.
pub type Names = BTreeMap<u32, String>;

/// The names of a listing, with some of them replaced.
pub fn names_of(listed: &[LinkMessage], replaced: &Names) -> Names {
    let name = |message: &LinkMessage| {
        let index = message.header.index;
        (index, replaced.get(&index).cloned().unwrap_or_else(|| name(message).to_owned()))
    };
    listed.iter().map(name).collect()
}

/// The node's ends of the pod's veths: their index on the node, and the name that stands for them. `node_id` is the node's
/// number in the pod's namespace.
pub fn peers_on_node(pod: &[LinkMessage], node_id: Option<i32>) -> Names {
    let is_peer =
        |message: &&LinkMessage| kind(message) == "veth" && node_id.is_some() && parent_namespace(message) == node_id;
    pod.iter().filter(is_peer).filter_map(|inside| Some((parent(inside)?, peer_name(name(inside))))).collect()
}

fn parent_namespace(message: &LinkMessage) -> Option<i32> {
    message.attributes.iter().find_map(pick!(LinkAttribute::LinkNetNsId(id) => *id))
}

fn parent(message: &LinkMessage) -> Option<u32> {
    message.attributes.iter().find_map(pick!(LinkAttribute::Link(index) => *index)).filter(|index| *index != 0)
}

fn kind(message: &LinkMessage) -> String {
    let parts = message.attributes.iter().find_map(pick!(LinkAttribute::LinkInfo(parts) => parts));
    let kind = parts.into_iter().flatten().find_map(pick!(LinkInfo::Kind(kind) => kind.to_string()));
    kind.unwrap_or_else(|| {
        let is_loopback = message.header.flags.contains(LinkFlags::Loopback);
        if is_loopback { "loopback".to_owned() } else { "physical".to_owned() }
    })
}

/// The names that a link's parent may have: of its own namespace, and of the other one (the node's for a pod).
pub struct Namespaces<'a> {
    /// The links of the namespace itself.
    pub own: &'a Names,
    /// The links of the other one.
    pub other: &'a Names,
    /// Whose the other one is.
    pub other_subject: Subject,
    /// The number of the other one in the namespace itself; none if no link leads there.
    pub other_id: Option<i32>,
}

impl Namespaces<'_> {
    /// The name of a link's parent, or of its other end.
    fn parent_name(&self, parent: u32, namespace: Option<i32>) -> String {
        let known = |names: &Names| names.get(&parent).cloned();
        match namespace {
            None => known(self.own).unwrap_or_else(|| format!("if{parent}")),
            Some(_) if namespace == self.other_id => {
                let name = known(self.other).unwrap_or_else(|| format!("if{parent}"));
                link_of(&name, self.other_subject)
            }
            Some(_) => "a link elsewhere".to_owned(),
        }
    }
}

/// Adds the facts of a link, its sysctls among them.
pub fn add_link(message: &LinkMessage, namespaces: &Namespaces<'_>, state: &mut NamespaceState) {
    let Some(link_name) = namespaces.own.get(&message.header.index).cloned() else { return };
    let link = links::convert_link(message, &[]);
    let mut set = |attribute: &str, value: String| state.set(FactKey::link(&*link_name, attribute), value);
    let flag = |flag: LinkFlags| on_off(message.header.flags.contains(flag));
    set("kind", kind(message));
    set("up", flag(LinkFlags::Up));
    set("arp", on_off(!message.header.flags.contains(LinkFlags::Noarp)));
    set("multicast", flag(LinkFlags::Multicast));
    set("mtu", link.mtu.to_string());
    set("mac", link.mac);
    if let Some(parent) = link.parent {
        set("parent", namespaces.parent_name(parent, link.parent_netns));
    }
    if let Some(master) = link.master {
        set("master", namespaces.own.get(&master).cloned().unwrap_or_else(|| format!("if{master}")));
    }
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Promiscuity(count) => set("promiscuity", count.to_string()),
            LinkAttribute::AllMulticast(count) => set("allmulti", count.to_string()),
            LinkAttribute::TxQueueLen(packets) => set("txqueuelen", packets.to_string()),
            LinkAttribute::IfAlias(alias) => set("alias", alias.clone()),
            LinkAttribute::Group(group) if *group != 0 => set("group", group.to_string()),
            LinkAttribute::ProtoDown(1) => set("protodown", on_off(true)),
            LinkAttribute::LinkInfo(parts) => parts.iter().for_each(|part| add_link_info(part, &mut set)),
            _ => {}
        }
    }
    for (family, name, value) in device_sysctls(message) {
        state.set(device_sysctl(family, &link_name, name), value.to_string());
    }
}

fn add_link_info(part: &LinkInfo, set: &mut impl FnMut(&str, String)) {
    match part {
        LinkInfo::Data(InfoData::Bridge(parts)) => parts.iter().for_each(|part| match part {
            InfoBridge::ForwardDelay(time) => set("forward delay", time.to_string()),
            InfoBridge::AgeingTime(time) => set("ageing time", time.to_string()),
            InfoBridge::StpState(state) => set("stp", format!("{state:?}").to_ascii_lowercase()),
            InfoBridge::Priority(priority) => set("priority", priority.to_string()),
            InfoBridge::VlanFiltering(on) => set("vlan filtering", on_off(*on)),
            InfoBridge::VlanDefaultPvid(pvid) => set("default pvid", pvid.to_string()),
            InfoBridge::MulticastSnooping(on) => set("multicast snooping", on_off(*on)),
            InfoBridge::GroupFwdMask(mask) => set("group forward mask", mask.to_string()),
            _ => {}
        }),
        LinkInfo::Data(InfoData::MacVlan(parts)) => parts.iter().for_each(|part| match part {
            InfoMacVlan::Mode(mode) => set("mode", mode.to_string()),
            InfoMacVlan::Flags(flags) => set("macvlan flags", flags.bits().to_string()),
            InfoMacVlan::BcQueueLen(length) => set("broadcast queue length", length.to_string()),
            _ => {}
        }),
        LinkInfo::Data(InfoData::Vlan(parts)) => parts.iter().for_each(|part| match part {
            InfoVlan::Id(id) => set("vlan", id.to_string()),
            InfoVlan::Protocol(protocol) => set("vlan protocol", format!("{protocol:?}")),
            _ => {}
        }),
        LinkInfo::PortData(InfoPortData::BridgePort(parts)) => parts.iter().for_each(|part| match part {
            InfoBridgePort::HairpinMode(on) => set("hairpin", on_off(*on)),
            InfoBridgePort::Isolated(on) => set("isolated", on_off(*on)),
            InfoBridgePort::Learning(on) => set("learning", on_off(*on)),
            InfoBridgePort::UnicastFlood(on) => set("unicast flood", on_off(*on)),
            InfoBridgePort::MulticastFlood(on) => set("multicast flood", on_off(*on)),
            InfoBridgePort::BroadcastFlood(on) => set("broadcast flood", on_off(*on)),
            InfoBridgePort::NeighSupress(on) => set("neighbour suppression", on_off(*on)),
            InfoBridgePort::Guard(on) => set("bpdu guard", on_off(*on)),
            InfoBridgePort::Locked(on) => set("locked", on_off(*on)),
            InfoBridgePort::Priority(priority) => set("port priority", priority.to_string()),
            _ => {}
        }),
        _ => {}
    }
}

fn on_off(on: bool) -> String {
    if on { "on".to_owned() } else { "off".to_owned() }
}

/// Adds an address. `real` are the links' own names; a label that is one of them says nothing.
pub fn add_address(message: &AddressMessage, names: &Names, real: &BTreeSet<String>, state: &mut NamespaceState) {
    let Some(link) = names.get(&message.header.index) else { return };
    let Some(address) = links::convert_address(message) else { return };
    let mut value = AddressValue { scope: &address.scope, words: Vec::new() };
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Broadcast(broadcast) => value.broadcast(broadcast),
            AddressAttribute::Label(label) if !real.contains(label) => value.words.push(format!("label {label}")),
            AddressAttribute::Address(peer) if *peer != address.address.addr() => {
                value.words.push(format!("peer {peer}"));
            }
            _ => {}
        }
    }
    // Duplicate address detection ends later.
    value.words.extend(address.flags.iter().filter(|flag| *flag != "tentative").cloned());
    state.add(FactKey::new(FactKind::Address, &**link, address.address.to_string()), value.to_string());
}

/// What a next hop is at the moment: not compared.
const PASSING_FLAGS: [&str; 6] = ["dead", "linkdown", "offload", "trap", "pervasive", "unresolved"];

/// Adds a route. The item identifies it by destination, table and metric; the rest is the value.
pub fn add_route(message: &RouteMessage, names: &Names, state: &mut NamespaceState) {
    let Some(route) = routes::convert_route(message, names) else { return };
    let item = RouteItem { to: route.to, table: route.table, metric: route.metric, tos: message.header.tos };
    let hop = |hop: &NextHop| RouteHop {
        device: hop.dev.clone().unwrap_or_default(),
        via: hop.via,
        weight: hop.weight,
        flags: hop.flags.iter().filter(|flag| !PASSING_FLAGS.contains(&flag.as_str())).cloned().collect(),
    };
    let mut more = Vec::new();
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Metrics(metrics) => more.extend(metrics.iter().filter_map(metric_text)),
            RouteAttribute::Preference(preference) if *preference != RoutePreference::Medium => {
                more.push(format!("pref {preference:?}").to_ascii_lowercase());
            }
            RouteAttribute::Source(source) => more.push(format!("from {source:?}")),
            RouteAttribute::EncapType(_) => more.push("encapsulated".to_owned()),
            _ => {}
        }
    }
    let value = RouteValue {
        kind: &route.kind,
        hops: route.hops.iter().map(hop).collect(),
        protocol: &route.protocol,
        scope: &route.scope,
        src: route.src,
        more,
    };
    state.add(value.key(&item), value.to_string());
}

fn metric_text(metric: &RouteMetric) -> Option<String> {
    Some(match metric {
        RouteMetric::Mtu(value) => format!("mtu {value}"),
        RouteMetric::Advmss(value) => format!("advmss {value}"),
        RouteMetric::Window(value) => format!("window {value}"),
        RouteMetric::InitCwnd(value) => format!("initcwnd {value}"),
        RouteMetric::InitRwnd(value) => format!("initrwnd {value}"),
        RouteMetric::Hoplimit(value) => format!("hoplimit {value}"),
        RouteMetric::Lock(0) | RouteMetric::Features(0) => return None,
        RouteMetric::Lock(value) => format!("lock {value}"),
        RouteMetric::Features(value) => format!("features {value}"),
        _ => return None,
    })
}

/// Adds a policy routing rule.
pub fn add_rule(message: &RuleMessage, state: &mut NamespaceState) {
    let rule = routes::convert_rule(message);
    let mut item = format!("{}: ", rule.priority);
    item.push_str(if rule.v6 { "inet6 from " } else { "inet from " });
    item.push_str(&rule.from.map_or_else(|| "all".to_owned(), |from| from.to_string()));
    let mut add = |word: &str, value: Option<String>| {
        if let Some(value) = value {
            item.push_str(&format!(" {word} {value}"));
        }
    };
    add("to", rule.to.map(|to| to.to_string()));
    add("fwmark", rule.fwmark.map(|(mark, mask)| format!("{mark:#x}/{mask:#x}")));
    add("iif", rule.iif);
    add("oif", rule.oif);
    let table = rule.table;
    let action = if table == 0 { format!("{:?}", message.header.action) } else { format!("lookup {table}") };
    state.add(FactKey::new(FactKind::Rule, "", item), action);
}

/// Adds a neighbour, if it is permanent or a proxy entry.
pub fn add_neighbour(message: &NeighbourMessage, names: &Names, state: &mut NamespaceState) {
    let is_proxy = message.header.flags.contains(NeighbourFlags::Proxy);
    let is_noarp = message.header.state == NeighbourState::Noarp;
    if !is_proxy && message.header.state != NeighbourState::Permanent || is_noarp {
        return;
    }
    let Some(link) = names.get(&message.header.ifindex) else { return };
    let (mut address, mut mac) = (None, String::new());
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(found)) => address = Some(found.to_string()),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(found)) => address = Some(found.to_string()),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = format_mac(bytes),
            _ => {}
        }
    }
    let Some(address) = address else { return };
    let value = if is_proxy { "proxy".to_owned() } else { format!("lladdr {mac} permanent") };
    state.add(FactKey::new(FactKind::Neighbour, &**link, address), value);
}

/// Adds a queueing discipline. Its handle is chosen by the kernel and left out.
pub fn add_qdisc(message: &TcMessage, names: &Names, state: &mut NamespaceState) {
    let index = u32::try_from(message.header.index).unwrap_or_default();
    let Some(link) = names.get(&index) else { return };
    let kind = message.attributes.iter().find_map(pick!(TcAttribute::Kind(kind) => kind.clone())).unwrap_or_default();
    let place = match message.header.parent {
        TcHandle::ROOT => "root".to_owned(),
        TcHandle::INGRESS => "ingress".to_owned(),
        TcHandle { minor, .. } => format!("class {minor}"),
    };
    state.add(FactKey::new(FactKind::Qdisc, &**link, place), kind);
}
