//! Bridges on the node.

use plumbline_core::plan::Bridge;
use plumbline_netlink::packet::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use plumbline_netlink::{Errno, LinkKind, Netlink, NewAddress, NewLink};

use crate::trouble::{Doing, Trouble, fault};

/// Makes the bridges, gives them their addresses and brings them up. What is there already is kept, so that the request
/// may be repeated.
///
/// # Errors
/// A fault that names the bridge.
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
        for address in &bridge.addresses {
            // A bridge without ports has no carrier, so duplicate address detection would never end.
            kept(netlink.add_address(&NewAddress::new(*address, index).no_dad())).doing(&doing)?;
        }
        netlink.set_up(index, true).doing(&doing)?;
    }
    Ok(())
}

fn is_bridge(link: &LinkMessage) -> bool {
    link.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(parts) => parts.contains(&LinkInfo::Kind(InfoKind::Bridge)),
        _ => false,
    })
}

fn kept(done: Result<(), plumbline_netlink::Error>) -> Result<(), plumbline_netlink::Error> {
    match done {
        Err(error) if error.is(Errno::EEXIST) => Ok(()),
        other => other,
    }
}
