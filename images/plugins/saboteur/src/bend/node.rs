//! Side effects on the node.

use super::{address, firewall};
use crate::call::{CREATE, Call, Done, Problem, set_sysctl};
use ipnet::IpNet;
use plumbline_netlink::packet::RouteNetlinkMessage;
use plumbline_netlink::packet::link::LinkFlags;
use plumbline_netlink::packet::route::{RouteAttribute, RouteMessage, RouteType};
use plumbline_netlink::{Add, LinkKind, NewLink, NewRoute, NewRule, route};
use serde_json::json;

/// A route of the node gets a metric.
pub fn change_route(call: &mut Call) -> Done {
    let listed = call.node.routes()?;
    let is_plain = |one: &&RouteMessage| {
        let is_v4 = route::destination(one).is_some_and(|net| net.addr().is_ipv4());
        is_v4 && route::table(one) == route::MAIN_TABLE && one.header.kind == RouteType::Unicast
    };
    let old = listed.iter().find(is_plain).ok_or_else(|| Problem::failed("the node has no route"))?;
    let mut new = old.clone();
    new.attributes.push(RouteAttribute::Priority(45));
    call.node.delete_route(old)?;
    Ok(call.node.request("add a route of the node again", RouteNetlinkMessage::NewRoute(new), CREATE)?)
}

/// Forwarding of the node is toggled.
pub fn toggle_forwarding(_call: &mut Call) -> Done {
    const PATH: &str = "net/ipv4/ip_forward";
    let now = std::fs::read_to_string(format!("/proc/sys/{PATH}"))?;
    set_sysctl(PATH, if now.trim() == "1" { "0" } else { "1" })
}

/// A veth pair stays on the node.
pub fn leave_veth(call: &mut Call) -> Done {
    Ok(call.node.add_link(&NewLink::veth("vethsab0", "vethsab1"))?)
}

/// A bridge stays on the node.
pub fn leave_bridge(call: &mut Call) -> Done {
    Ok(call.node.add_link(&NewLink::new("br-sabotage", LinkKind::Bridge))?)
}

/// A route stays on the node.
pub fn leave_route(call: &mut Call) -> Done {
    let to = IpNet::V4("198.51.100.0/24".parse().unwrap_or_default());
    Ok(call.node.add_route(&NewRoute::to(to).kind(RouteType::BlackHole), Add::Exclusive)?)
}

/// A rule stays on the node.
pub fn leave_rule(call: &mut Call) -> Done {
    let from = IpNet::V4("198.51.100.0/24".parse().unwrap_or_default());
    Ok(call.node.add_rule(&NewRule::from(from, route::MAIN_TABLE, 100))?)
}

/// A packet filter rule stays on the node.
pub fn leave_firewall_rule(_call: &mut Call) -> Done {
    firewall::add_rule()
}

/// A sysctl of the node changes.
pub fn change_sysctl(_call: &mut Call) -> Done {
    const PATH: &str = "net/ipv4/conf/all/rp_filter";
    let now = std::fs::read_to_string(format!("/proc/sys/{PATH}"))?;
    set_sysctl(PATH, if now.trim() == "2" { "1" } else { "2" })
}

/// The parent's MTU changes.
pub fn change_parent_mtu(call: &mut Call) -> Done {
    let name = call.config["master"].as_str().unwrap_or_default().to_owned();
    let parent = call.node.link_index(&name)?;
    Ok(call.node.set_mtu(parent, 1492)?)
}

/// The parent is promiscuous.
pub fn change_parent_promiscuity(call: &mut Call) -> Done {
    let name = call.config["master"].as_str().unwrap_or_default().to_owned();
    let parent = call.node.link_index(&name)?;
    Ok(call.node.set_flags(parent, LinkFlags::Promisc, true)?)
}

/// The lease is missing.
pub fn remove_lease(call: &mut Call) -> Done {
    let folder = address::lease_folder(call);
    let own = call.result["ips"][0]["address"].as_str().and_then(|text| text.parse::<IpNet>().ok());
    let own = own.ok_or_else(|| Problem::failed("the result has no address"))?;
    let path = format!("{folder}/{}", own.addr());
    std::fs::remove_file(&path).map_err(|error| Problem::failed(format!("{path}: {error}")))
}

/// A lease that was not requested.
pub fn add_lease(call: &mut Call) -> Done {
    let path = format!("{}/198.51.100.7", address::lease_folder(call));
    std::fs::write(&path, format!("{}\n{}", call.container, call.interface))
        .map_err(|error| Problem::failed(format!("{path}: {error}")))
}

/// A file of the plugin's stays on the node.
pub fn leave_file(call: &mut Call) -> Done {
    std::fs::create_dir_all("/run/sabotage")?;
    Ok(std::fs::write("/run/sabotage/state.json", json!({ "container": call.container }).to_string())?)
}
