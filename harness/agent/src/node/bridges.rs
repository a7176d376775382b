//! Bridges on a node.

use plumbline_core::plan::Bridge;
use plumbline_netlink::packet::link::{InfoBridge, InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use plumbline_netlink::{Errno, LinkKind, Netlink, NewAddress, NewLink, bridge::filters_vlans};

use crate::trouble::{Doing, Trouble, fault};

/// What a kernel without VLAN filtering lacks, in the words of `doctor` and of scenarios.
const LACKS_FILTERING: &str = "this kernel's bridges keep no VLANs apart (capability `bridge-vlan-filtering`); a lane \
                               whose kernel does can run it";

/// Makes the bridges in the namespace this thread is in, gives them their addresses and brings them up. What is there
/// already is kept, so that the request may be repeated.
///
/// # Errors
/// A fault that names the bridge, and the capability where the kernel lacks it.
pub fn make(bridges: &[Bridge]) -> Result<(), Trouble> {
    let mut netlink = Netlink::open().doing("make bridges")?;
    for bridge in bridges {
        let doing = format!("make bridge {}", bridge.name);
        kept(netlink.add_link(&NewLink::new(&bridge.name, LinkKind::Bridge))).doing(&doing)?;
        let there = netlink.link(&bridge.name).doing(&doing)?;
        if !is_bridge(&there) {
            return Err(fault(doing, "there is a link of that name already, and it is no bridge"));
        }
        let index = there.header.index;
        if bridge.uplink.is_some() {
            // Without the spanning tree a port forwards at once on current kernels; older ones wait for this all the
            // same.
            netlink.set_bridge(index, vec![InfoBridge::ForwardDelay(0)]).doing(&doing)?;
        }
        if bridge.vlan_filtering {
            filter(&mut netlink, bridge, index, &doing)?;
        }
        for address in &bridge.addresses {
            // A bridge without ports has no carrier, so duplicate address detection would never end.
            kept(netlink.add_address(&NewAddress::new(*address, index).no_dad())).doing(&doing)?;
        }
        netlink.set_up(index, true).doing(&doing)?;
    }
    Ok(())
}

/// A kernel without VLAN filtering refuses the wish or takes it and forgets it, so it is read back.
fn filter(netlink: &mut Netlink, bridge: &Bridge, index: u32, doing: &str) -> Result<(), Trouble> {
    let wished = netlink.set_bridge(index, vec![InfoBridge::VlanFiltering(true)]);
    match wished {
        Err(error) if !error.is(Errno::EOPNOTSUPP) => return Err(fault(doing, error)),
        _ => {}
    }
    if !filters_vlans(&netlink.link(&bridge.name).doing(doing)?) {
        return Err(fault(doing, LACKS_FILTERING));
    }
    // VLAN links on the bridge itself get frames only of VLANs that its own device carries.
    bridge.vlans.iter().try_for_each(|id| kept(netlink.add_bridge_vlan(index, *id, true))).doing(doing)
}

/// Lets a port carry the bridge's VLANs tagged, where the bridge keeps VLANs apart.
///
/// # Errors
/// A fault that names the bridge.
pub fn carry(netlink: &mut Netlink, bridge: &Bridge, port: u32) -> Result<(), Trouble> {
    if !bridge.vlan_filtering {
        return Ok(());
    }
    let doing = || format!("let a port of bridge {} carry VLANs", bridge.name);
    bridge.vlans.iter().try_for_each(|id| kept(netlink.add_bridge_vlan(port, *id, false))).doing(doing())
}

fn is_bridge(link: &LinkMessage) -> bool {
    link.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(parts) => parts.contains(&LinkInfo::Kind(InfoKind::Bridge)),
        _ => false,
    })
}

/// Takes what is there already for done.
///
/// # Errors
/// Every other one.
pub fn kept(done: Result<(), plumbline_netlink::Error>) -> Result<(), plumbline_netlink::Error> {
    match done {
        Err(error) if error.is(Errno::EEXIST) => Ok(()),
        other => other,
    }
}
