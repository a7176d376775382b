//! The interface itself, and its other end.

use crate::call::{Call, Done, Problem};
use plumbline_netlink::packet::link::{InfoBridgePort, LinkAttribute, LinkFlags, MacVlanMode};
use plumbline_netlink::packet::route::{RouteAttribute, RouteMessage};
use plumbline_netlink::{LinkKind, NewAddress, NewLink, link, namespace, pick};
use serde_json::Value;
use std::os::fd::AsFd;

/// The interface is down.
pub fn set_down(call: &mut Call) -> Done {
    let index = call.index()?;
    Ok(call.pod()?.set_up(index, false)?)
}

/// The MTU is smaller by eight bytes.
pub fn shrink_mtu(call: &mut Call) -> Done {
    let (index, name) = (call.index()?, call.interface.clone());
    let listed = call.pod()?.link(&name)?;
    let mtu = listed.attributes.iter().find_map(pick!(LinkAttribute::Mtu(mtu) => *mtu));
    let mtu = mtu.ok_or_else(|| Problem::failed("no MTU"))?;
    Ok(call.pod()?.set_mtu(index, mtu - 8)?)
}

/// The interface has the MAC address of the bridge, and the result says so.
pub fn copy_mac(call: &mut Call) -> Done {
    let bridge = call.config["bridge"].as_str().unwrap_or("cni0").to_owned();
    let mac = link::mac(&call.node.link(&bridge)?).ok_or_else(|| Problem::failed("the bridge has no MAC address"))?;
    let index = call.index()?;
    call.pod()?.set_mac(index, mac)?;
    report_mac(call, &link::format_mac(&mac))
}

/// Another MAC address than requested or reported.
pub fn change_mac(call: &mut Call) -> Done {
    let index = call.index()?;
    Ok(call.pod()?.set_mac(index, [0x02, 0, 0, 0, 0, 0x29])?)
}

fn report_mac(call: &mut Call, mac: &str) -> Done {
    let name = call.interface.clone();
    let mut entries = call.result["interfaces"].as_array_mut().into_iter().flatten();
    let in_pod = |entry: &&mut Value| entry["name"] == name.as_str() && entry["sandbox"].is_string();
    let entry = entries.find(in_pod).ok_or_else(|| Problem::failed("the result has no such interface"))?;
    entry["mac"] = Value::from(mac);
    Ok(())
}

/// The macvlan has another mode.
pub fn change_mode(call: &mut Call) -> Done {
    let index = call.index()?;
    Ok(call.pod()?.set_macvlan_mode(index, MacVlanMode::Private)?)
}

/// A veth in the interface's place, with its name, addresses and routes.
pub fn replace_by_veth(call: &mut Call) -> Done {
    let (index, name) = (call.index()?, call.interface.clone());
    let (addresses, routes) = (call.addresses()?, call.routes()?);
    let home = namespace::current()?;
    call.pod()?.delete_link(index)?;
    let peer = NewLink::new("vethsabotage", LinkKind::Dummy).netns(home.as_fd()).up();
    call.pod()?.add_link(&NewLink::veth_to(&name, peer))?;
    let index = call.index()?;
    call.pod()?.set_up(index, true)?;
    for address in addresses {
        call.pod()?.add_address(&NewAddress::new(address, index).no_dad())?;
    }
    call.restore_routes(&routes_through(routes, index))?;
    let mac = link::mac(&call.pod()?.link(&name)?).unwrap_or_default();
    report_mac(call, &link::format_mac(&mac))
}

fn routes_through(mut routes: Vec<RouteMessage>, index: u32) -> Vec<RouteMessage> {
    for attribute in routes.iter_mut().flat_map(|route| route.attributes.iter_mut()) {
        if let RouteAttribute::Oif(link) = attribute {
            *link = index;
        }
    }
    routes
}

/// The interface has another name.
pub fn rename(call: &mut Call) -> Done {
    let index = call.index()?;
    Ok(call.pod()?.rename(index, "wrong0")?)
}

/// The interface is on the node.
pub fn leave_on_node(call: &mut Call) -> Done {
    let index = call.index()?;
    let home = namespace::current()?;
    Ok(call.pod()?.move_link(index, &home)?)
}

/// tuning does not make the interface promiscuous.
pub fn unset_promiscuity(call: &mut Call) -> Done {
    let index = call.index()?;
    Ok(call.pod()?.set_flags(index, LinkFlags::Promisc, false)?)
}

/// The interface is promiscuous.
pub fn set_promiscuity(call: &mut Call) -> Done {
    let index = call.index()?;
    Ok(call.pod()?.set_flags(index, LinkFlags::Promisc, true)?)
}

/// The interface receives all multicast.
pub fn set_all_multicast(call: &mut Call) -> Done {
    let index = call.index()?;
    Ok(call.pod()?.set_flags(index, LinkFlags::Allmulti, true)?)
}

/// The interface sends no multicast.
pub fn unset_multicast(call: &mut Call) -> Done {
    let index = call.index()?;
    Ok(call.pod()?.set_flags(index, LinkFlags::Multicast, false)?)
}

/// ARP is switched off.
pub fn disable_arp(call: &mut Call) -> Done {
    let index = call.index()?;
    Ok(call.pod()?.set_flags(index, LinkFlags::Noarp, true)?)
}

/// The transmit queue has another length.
pub fn change_queue_length(call: &mut Call) -> Done {
    let index = call.index()?;
    Ok(call.pod()?.set_queue_length(index, 77)?)
}

/// The interface has an alias.
pub fn set_alias(call: &mut Call) -> Done {
    let index = call.index()?;
    Ok(call.pod()?.set_alias(index, "spare")?)
}

/// The index of the interface's other end on the node.
fn peer(call: &mut Call) -> Done<u32> {
    let name = call.interface.clone();
    let listed = call.pod()?.link(&name)?;
    let peer = listed.attributes.iter().find_map(pick!(LinkAttribute::Link(index) => *index));
    peer.ok_or_else(|| Problem::failed("the interface has no other end"))
}

/// The port of the bridge is in hairpin mode.
pub fn set_hairpin(call: &mut Call) -> Done {
    let port = peer(call)?;
    Ok(call.node.set_bridge_port(port, vec![InfoBridgePort::HairpinMode(true)])?)
}

/// The port of the bridge does not flood unknown destinations.
pub fn unset_flood(call: &mut Call) -> Done {
    let port = peer(call)?;
    Ok(call.node.set_bridge_port(port, vec![InfoBridgePort::UnicastFlood(false)])?)
}

/// The other end is no port of the bridge.
pub fn free_port(call: &mut Call) -> Done {
    let port = peer(call)?;
    Ok(call.node.set_master(port, None)?)
}
