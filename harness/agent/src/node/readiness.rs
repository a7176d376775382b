//! Waiting until links pass packets.
//!
//! The kernel reports a link as up at once, but it starts the link's queue and lets a bridge port forward later, in its
//! link watch (`net/core/link_watch.c`), on some paths once a second. Kernels since 6.8 do both at once when a program
//! queries the link (`rtnl_getlink`); on older kernels there is only waiting. A packet lost before that would look like a
//! failure of the plugin.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use plumbline_netlink::packet::address::{AddressAttribute, AddressFlags, AddressMessage};
use plumbline_netlink::packet::link::{
    BridgePortState, InfoBridgePort, InfoPortData, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, State,
};
use plumbline_netlink::{Netlink, link, namespace, pick};

use crate::error::{During, RequestError, fault};
use crate::input::Input;
use crate::namespaces::named::{HOSTS, NODES, PODS, SWITCHES, list_namespaces};

/// Twice the longest time of the link watch.
const TIMEOUT: Duration = Duration::from_secs(2);

const LINK_INTERVAL: Duration = Duration::from_millis(1);

/// Between two checks of addresses: duplicate address detection takes a second.
const ADDRESS_INTERVAL: Duration = Duration::from_millis(20);

/// Waits for the links of all namespaces of a private testbed.
///
/// # Errors
/// A fault that names a link that is up, has its carrier and still passes nothing.
pub fn wait_for_all_links(input: &mut Input) -> Result<(), RequestError> {
    let action = "wait until all links pass packets";
    let end = Instant::now() + TIMEOUT;
    let mut pending: Vec<(PathBuf, Netlink)> = Vec::new();
    for path in all_namespaces() {
        // A pod that is removed meanwhile is skipped.
        if let Ok(opened) = namespace::open(&path).and_then(Netlink::open_in) {
            pending.push((path, opened));
        }
    }
    pending.push((PathBuf::from("node 1"), Netlink::open().during(action)?));
    loop {
        let mut blocked = None;
        let mut waiting = Vec::new();
        for (path, mut netlink) in pending {
            if let Some(name) = find_blocked_link(&mut netlink, &|_| true).during(action)? {
                blocked = Some(format!("{name} in {} is up and passes nothing", path.display()));
                waiting.push((path, netlink));
            }
        }
        pending = waiting;
        match blocked {
            None => return Ok(()),
            Some(blocked) if Instant::now() >= end => return Err(fault(action, blocked)),
            Some(_) => input.pause(LINK_INTERVAL)?,
        }
    }
}

/// Waits until no address of a private testbed is tentative. The first IPv6 packets need neighbour discovery, which a link
/// cannot do while its own link-local address is tentative. An address that stays tentative longer is left as it is and
/// observed as tentative.
///
/// # Errors
/// The lane hung up.
pub fn wait_for_addresses(input: &mut Input) -> Result<(), RequestError> {
    let end = Instant::now() + TIMEOUT;
    let opened = all_namespaces().into_iter().filter_map(|path| namespace::open(path).and_then(Netlink::open_in).ok());
    let mut pending: Vec<Netlink> = opened.chain(Netlink::open()).collect();
    loop {
        pending.retain_mut(|netlink| netlink.addresses().is_ok_and(|all| all.iter().any(is_tentative)));
        if pending.is_empty() || Instant::now() >= end {
            return Ok(());
        }
        input.pause(ADDRESS_INTERVAL)?;
    }
}

fn is_tentative(address: &AddressMessage) -> bool {
    let flags = address.attributes.iter().find_map(pick!(AddressAttribute::Flags(flags) => *flags));
    flags.is_some_and(|flags| flags.contains(AddressFlags::Tentative) && !flags.contains(AddressFlags::Dadfailed))
}

/// Waits for these links of one namespace, by index.
///
/// # Errors
/// As [`wait_for_all_links`].
pub fn wait_for_links(netlink: &mut Netlink, indexes: &[u32], input: &mut Input) -> Result<(), RequestError> {
    let action = "wait until an interface passes packets";
    let end = Instant::now() + TIMEOUT;
    while let Some(name) = find_blocked_link(netlink, &|index| indexes.contains(&index)).during(action)? {
        if Instant::now() >= end {
            return Err(fault(action, format!("{name} is up and passes nothing")));
        }
        input.pause(LINK_INTERVAL)?;
    }
    Ok(())
}

fn all_namespaces() -> Vec<PathBuf> {
    [PODS, NODES, HOSTS, SWITCHES].into_iter().flat_map(list_namespaces).collect()
}

/// A link that is up and passes nothing yet.
fn find_blocked_link(
    netlink: &mut Netlink,
    includes: &dyn Fn(u32) -> bool,
) -> plumbline_netlink::Result<Option<String>> {
    let mut found = None;
    for one in netlink.links()?.iter().filter(|one| includes(one.header.index) && is_blocked(one)) {
        let name = link::name(one).to_owned();
        // This query makes newer kernels finish the link's state; the link may be removed meanwhile.
        match netlink.link(&name) {
            Ok(now) if is_blocked(&now) => found = Some(name),
            _ => {}
        }
    }
    Ok(found)
}

fn is_blocked(link: &LinkMessage) -> bool {
    let flags = link.header.flags;
    if !flags.contains(LinkFlags::Up) || !flags.contains(LinkFlags::LowerUp) {
        return false;
    }
    let blocks = |attribute: &LinkAttribute| match attribute {
        LinkAttribute::OperState(state) => !matches!(state, State::Up | State::Unknown),
        LinkAttribute::LinkInfo(parts) => parts.iter().any(is_blocked_port),
        _ => false,
    };
    link.attributes.iter().any(blocks)
}

/// Whether a bridge's port does not forward.
fn is_blocked_port(part: &LinkInfo) -> bool {
    let LinkInfo::PortData(InfoPortData::BridgePort(about)) = part else { return false };
    about.iter().any(|one| matches!(one, InfoBridgePort::State(state) if *state != BridgePortState::Forwarding))
}
