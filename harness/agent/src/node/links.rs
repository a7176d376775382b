//! Bridges, VLAN links and bridge ports on a node.

use ipnet::IpNet;
use plumbline_core::plan::{Bridge, NodeLink, VlanProtocol};
use plumbline_netlink::packet::link::{InfoBridge, InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use plumbline_netlink::{Errno, LinkKind, Netlink, NewAddress, NewLink, bridge::filters_vlans, link, pick};

use super::readiness::wait_for_links;
use crate::error::{During, RequestError, fault};
use crate::input::Input;

/// The error on a kernel without VLAN filtering, with the capability's name in `doctor` and in scenarios.
const NO_VLAN_FILTERING: &str = "this kernel's bridges cannot filter VLANs (capability `bridge-vlan-filtering`); fix: use \
                                 a lane whose kernel can";

/// Creates bridges in the current namespace, adds their addresses and brings them up. What exists is kept, so that the
/// request may be repeated.
///
/// # Errors
/// A fault that names the bridge, and the capability where the kernel lacks it.
pub fn create_bridges(bridges: &[Bridge]) -> Result<(), RequestError> {
    let mut netlink = Netlink::open().during("make bridges")?;
    for bridge in bridges {
        let action = format!("make bridge {}", bridge.name);
        allow_existing(netlink.add_link(&NewLink::new(&bridge.name, LinkKind::Bridge))).during(&action)?;
        let link = netlink.link(&bridge.name).during(&action)?;
        if !is_bridge(&link) {
            return Err(fault(action, "a link of that name exists and is no bridge"));
        }
        let index = link.header.index;
        if bridge.uplink.is_some() {
            // Without the spanning tree, a port forwards at once on current kernels; older kernels wait for this delay.
            netlink.set_bridge(index, vec![InfoBridge::ForwardDelay(0)]).during(&action)?;
        }
        if bridge.vlan_filtering {
            enable_vlan_filtering(&mut netlink, bridge, index, &action)?;
        }
        // A bridge without ports has no carrier, so duplicate address detection would never end.
        add_addresses(&mut netlink, &bridge.addresses, index, &action)?;
        netlink.set_up(index, true).during(&action)?;
    }
    Ok(())
}

/// Enables VLAN filtering and reads it back: a kernel without it refuses the request or ignores it.
fn enable_vlan_filtering(netlink: &mut Netlink, bridge: &Bridge, index: u32, action: &str) -> Result<(), RequestError> {
    let enabled = netlink.set_bridge(index, vec![InfoBridge::VlanFiltering(true)]);
    match enabled {
        Err(error) if !error.is(Errno::EOPNOTSUPP) => return Err(fault(action, error)),
        _ => {}
    }
    if !filters_vlans(&netlink.link(&bridge.name).during(action)?) {
        return Err(fault(action, NO_VLAN_FILTERING));
    }
    // VLAN links on the bridge get frames only of VLANs that the bridge's own device carries.
    bridge.vlans.iter().try_for_each(|id| allow_existing(netlink.add_bridge_vlan(index, *id, true))).during(action)
}

/// Adds the bridge's VLANs to a port, tagged, where the bridge filters VLANs.
///
/// # Errors
/// A fault that names the bridge.
pub fn add_vlans_to_port(netlink: &mut Netlink, bridge: &Bridge, port: u32) -> Result<(), RequestError> {
    if !bridge.vlan_filtering {
        return Ok(());
    }
    let action = format!("add VLANs to a port of bridge {}", bridge.name);
    bridge.vlans.iter().try_for_each(|id| allow_existing(netlink.add_bridge_vlan(port, *id, false))).during(action)
}

fn is_bridge(link: &LinkMessage) -> bool {
    let mut parts = link.attributes.iter().filter_map(pick!(LinkAttribute::LinkInfo(parts) => parts)).flatten();
    parts.any(|part| *part == LinkInfo::Kind(InfoKind::Bridge))
}

/// Adds addresses without duplicate address detection. What exists is kept.
///
/// # Errors
/// A fault with the action.
pub fn add_addresses(netlink: &mut Netlink, addresses: &[IpNet], index: u32, action: &str) -> Result<(), RequestError> {
    let mut added = addresses.iter().map(|address| netlink.add_address(&NewAddress::new(*address, index).no_dad()));
    added.try_for_each(allow_existing).during(action)
}

/// Makes a link a port of a bridge and brings it up.
///
/// # Errors
/// What the kernel gives.
pub fn join_bridge(netlink: &mut Netlink, index: u32, bridge: &str) -> plumbline_netlink::Result<()> {
    let master = netlink.link_index(bridge)?;
    netlink.set_master(index, Some(master))?;
    netlink.set_up(index, true)
}

/// Accepts `EEXIST`: what a request adds may exist already.
///
/// # Errors
/// Every other error.
pub fn allow_existing(result: Result<(), plumbline_netlink::Error>) -> Result<(), plumbline_netlink::Error> {
    match result {
        Err(error) if error.is(Errno::EEXIST) => Ok(()),
        other => other,
    }
}

/// The error on a kernel without VLAN links, with the capability's name in `doctor` and in scenarios.
const NO_VLAN_LINKS: &str =
    "this kernel has no VLAN links (capability `vlan`: 802.1Q, module 8021q); fix: use a lane whose kernel has them";

/// Creates VLAN links in the current namespace and brings them up. What exists is kept.
///
/// # Errors
/// A fault that names the link, and the capability where the kernel lacks it.
pub fn create_vlan_links(links: &[NodeLink]) -> Result<(), RequestError> {
    let mut netlink = Netlink::open().during("make VLAN links")?;
    for one in links {
        let action = format!("make VLAN link {} on {}", one.name, one.parent);
        let parent = netlink.link_index(&one.parent).during(&action)?;
        let kind = match one.protocol {
            VlanProtocol::Customer => LinkKind::Vlan { parent, id: one.vlan },
            VlanProtocol::Service => LinkKind::ServiceVlan { parent, id: one.vlan },
        };
        let index = add_vlan_link(&mut netlink, &one.name, kind, &action)?;
        if let Some(bits) = one.priority {
            netlink.set_vlan_priority(index, bits).during(format!("{action}: priority {bits}"))?;
        }
    }
    Ok(())
}

/// Creates a VLAN link and brings it up; returns its index.
///
/// # Errors
/// As [`create_vlan_links`].
pub fn add_vlan_link(netlink: &mut Netlink, name: &str, kind: LinkKind, action: &str) -> Result<u32, RequestError> {
    allow_existing(netlink.add_link(&NewLink::new(name, kind))).map_err(|error| match error.errno() {
        Some(Errno::EOPNOTSUPP) => fault(action, NO_VLAN_LINKS),
        _ => fault(action, error),
    })?;
    let index = netlink.link_index(name).during(action)?;
    netlink.set_up(index, true).during(action)?;
    Ok(index)
}

/// Makes an interface, by name or MAC address, a port of a bridge: removes its own addresses and brings it up.
///
/// # Errors
/// A fault that names both.
pub fn add_bridge_port(bridge: &Bridge, interface: &str, input: &mut Input) -> Result<(), RequestError> {
    let action = format!("make {interface} a port of {}", bridge.name);
    let mut netlink = Netlink::open().during(&action)?;
    let index = find_interface(&mut netlink, interface)?;
    netlink.flush_addresses(index).during(&action)?;
    join_bridge(&mut netlink, index, &bridge.name).during(&action)?;
    add_vlans_to_port(&mut netlink, bridge, index)?;
    wait_for_links(&mut netlink, &[index], input)
}

/// The index of an interface by its name, or by its MAC address in the form `02:42:ac:11:00:02`.
///
/// # Errors
/// A fault when it is missing. It is not marked as gone: a missing interface is an error of the testbed.
pub fn find_interface(netlink: &mut Netlink, interface: &str) -> Result<u32, RequestError> {
    let action = format!("find interface {interface}");
    let mac = link::parse_mac(interface);
    let listed = netlink.links().during(&action)?;
    let is = |one: &&LinkMessage| match mac {
        Some(mac) => link::has_mac(one, mac),
        None => link::name(one) == interface,
    };
    let names = || listed.iter().map(link::name).collect::<Vec<_>>().join(", ");
    // A VLAN link or macvlan may have its parent's address; the parent is listed first.
    listed
        .iter()
        .find(is)
        .map(|one| one.header.index)
        .ok_or_else(|| fault(action, format!("no such interface; found {}", names())))
}
