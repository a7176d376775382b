//! VLAN links on a node, and interfaces that become ports of its bridges.

use plumbline_core::plan::{Bridge, NodeLink, VlanProtocol};
use plumbline_netlink::packet::link::{LinkAttribute, LinkMessage};
use plumbline_netlink::{Errno, LinkKind, Netlink, NewLink, link};

use super::bridges::{carry, kept};
use super::settle;
use crate::place::Place;
use crate::trouble::{Doing, Trouble, fault};

/// What a kernel that makes no VLAN links lacks, in the words of `doctor` and of scenarios.
const LACKS_VLAN: &str =
    "this kernel makes no VLAN links (capability `vlan`: 802.1Q, module 8021q); a lane whose kernel does can run it";

/// Makes VLAN links on the node whose namespace this thread is in, and brings them up. What is there is kept.
///
/// # Errors
/// A fault that names the link, and the capability where the kernel lacks it.
pub fn make(links: &[NodeLink]) -> Result<(), Trouble> {
    let mut netlink = Netlink::open().doing("make VLAN links")?;
    for one in links {
        let doing = format!("make VLAN link {} on {}", one.name, one.parent);
        let parent = netlink.link_index(&one.parent).doing(&doing)?;
        let kind = match one.protocol {
            VlanProtocol::Customer => LinkKind::Vlan { parent, id: one.vlan },
            VlanProtocol::Service => LinkKind::ServiceVlan { parent, id: one.vlan },
        };
        let index = add(&mut netlink, &one.name, kind, &doing)?;
        if let Some(bits) = one.priority {
            netlink.set_vlan_priority(index, bits).doing(format!("{doing}: priority {bits}"))?;
        }
    }
    Ok(())
}

/// Makes a VLAN link, up; gives its index.
///
/// # Errors
/// As [`make`].
pub fn add(netlink: &mut Netlink, name: &str, kind: LinkKind, doing: &str) -> Result<u32, Trouble> {
    kept(netlink.add_link(&NewLink::new(name, kind))).map_err(|error| match error.errno() {
        Some(Errno::EOPNOTSUPP) => fault(doing, LACKS_VLAN),
        _ => fault(doing, error),
    })?;
    let index = netlink.link_index(name).doing(doing)?;
    netlink.set_up(index, true).doing(doing)?;
    Ok(index)
}

/// Makes an interface, by name or MAC address, a port of a bridge: its own addresses go, it comes up.
///
/// # Errors
/// A fault that names both.
pub fn port(bridge: &Bridge, interface: &str, place: &mut Place) -> Result<(), Trouble> {
    let doing = format!("make {interface} a port of {}", bridge.name);
    let mut netlink = Netlink::open().doing(&doing)?;
    let index = find(&mut netlink, interface)?;
    let master = netlink.link_index(&bridge.name).doing(&doing)?;
    netlink.flush_addresses(index).doing(&doing)?;
    netlink.set_master(index, Some(master)).doing(&doing)?;
    netlink.set_up(index, true).doing(&doing)?;
    carry(&mut netlink, bridge, index)?;
    settle::links(&mut netlink, &[index], place)
}

/// The index of an interface by its name, or by its MAC address in the form `02:42:ac:11:00:02`.
///
/// # Errors
/// A fault marked as gone is not given: that it is not there is the bed's trouble.
pub fn find(netlink: &mut Netlink, interface: &str) -> Result<u32, Trouble> {
    let doing = format!("find interface {interface}");
    let wanted = mac(interface);
    let listed = netlink.links().doing(&doing)?;
    let is = |one: &&LinkMessage| match &wanted {
        Some(wanted) => one.attributes.contains(&LinkAttribute::Address(wanted.clone())),
        None => link::name(one) == interface,
    };
    let names = || listed.iter().map(link::name).collect::<Vec<_>>().join(", ");
    // A VLAN link or macvlan may have its parent's address; the parent was there first.
    listed
        .iter()
        .find(is)
        .map(|one| one.header.index)
        .ok_or_else(|| fault(doing, format!("it is not there; there are {}", names())))
}

fn mac(text: &str) -> Option<Vec<u8>> {
    let bytes: Option<Vec<u8>> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    bytes.filter(|bytes| bytes.len() == 6)
}
