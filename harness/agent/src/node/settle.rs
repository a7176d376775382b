//! Waiting until what is plugged in also passes packets.
//!
//! When a cable is up, the kernel says so at once, but a queue starts and a bridge's port forwards only when its link
//! watch has come by (`net/core/link_watch.c`), which on some paths it does once a second. Kernels since 6.8 do it at
//! once for whoever asks about the link (`rtnl_getlink`); with older ones there is only waiting. A packet that is lost
//! to that would be the bed's fault and look like the plugin's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use plumbline_netlink::packet::address::{AddressAttribute, AddressFlags, AddressMessage};
use plumbline_netlink::packet::link::{
    BridgePortState, InfoBridgePort, InfoPortData, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, State,
};
use plumbline_netlink::{Netlink, link, namespace};

use super::spaces;
use crate::place::{NETNS_FOLDER, Place};
use crate::process::pause;
use crate::trouble::{Doing, Trouble, fault};

/// Twice what the link watch takes at most when nothing is wrong.
const LONGEST: Duration = Duration::from_secs(2);

const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Between two looks at addresses: their detection takes a second.
const DETECTION: Duration = Duration::from_millis(20);

/// Waits for all of a private bed.
///
/// # Errors
/// A fault that names a link that is up, has its carrier and still passes nothing.
pub fn wait(place: &mut Place) -> Result<(), Trouble> {
    let doing = "wait until the bed passes packets";
    let end = Instant::now() + LONGEST;
    let mut left: Vec<(PathBuf, Netlink)> = Vec::new();
    for path in folders().into_iter().flat_map(|folder| listed(&folder)) {
        // A pod may be going; then nobody waits for it.
        if let Ok(opened) = namespace::open(&path).and_then(Netlink::open_in) {
            left.push((path, opened));
        }
    }
    left.push((PathBuf::from("node 1"), Netlink::open().doing(doing)?));
    loop {
        let mut still = None;
        let mut waiting = Vec::new();
        for (path, mut netlink) in left {
            match idle(&mut netlink, &|_| true).doing(doing)? {
                None => {}
                Some(name) => {
                    still = Some(format!("{name} in {} is up and passes nothing", path.display()));
                    waiting.push((path, netlink));
                }
            }
        }
        left = waiting;
        match still {
            None => return Ok(()),
            Some(still) if Instant::now() >= end => return Err(fault(doing, still)),
            Some(_) => pause(LOOK_AGAIN, &mut place.input)?,
        }
    }
}

/// Waits until no address of a private bed is tentative any more: with the first packets that want IPv6 a neighbour is asked
/// for, and a link whose own link-local address is still being tried can't ask. What takes longer than usual is left as it
/// is; it is told as tentative.
///
/// # Errors
/// The end of the talk.
pub fn detection(place: &mut Place) -> Result<(), Trouble> {
    let end = Instant::now() + LONGEST;
    let paths: Vec<PathBuf> = folders().into_iter().flat_map(|folder| listed(&folder)).collect();
    let opened = paths.iter().filter_map(|path| namespace::open(path).and_then(Netlink::open_in).ok());
    let mut left: Vec<Netlink> = opened.chain(Netlink::open()).collect();
    loop {
        left.retain_mut(|netlink| netlink.addresses().is_ok_and(|all| all.iter().any(is_tentative)));
        if left.is_empty() || Instant::now() >= end {
            return Ok(());
        }
        pause(DETECTION, &mut place.input)?;
    }
}

fn is_tentative(address: &AddressMessage) -> bool {
    let flags = address.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Flags(flags) => Some(*flags),
        _ => None,
    });
    flags.is_some_and(|flags| flags.contains(AddressFlags::Tentative) && !flags.contains(AddressFlags::Dadfailed))
}

/// Waits for some links of one namespace, by index.
///
/// # Errors
/// As [`wait`].
pub fn links(netlink: &mut Netlink, wanted: &[u32], place: &mut Place) -> Result<(), Trouble> {
    let doing = "wait until an interface passes packets";
    let end = Instant::now() + LONGEST;
    while let Some(name) = idle(netlink, &|index| wanted.contains(&index)).doing(doing)? {
        if Instant::now() >= end {
            return Err(fault(doing, format!("{name} is up and passes nothing")));
        }
        pause(LOOK_AGAIN, &mut place.input)?;
    }
    Ok(())
}

fn folders() -> [PathBuf; 4] {
    let switch = Path::new(spaces::SWITCH).parent().unwrap_or(Path::new("/")).to_path_buf();
    [NETNS_FOLDER.into(), spaces::NODES.into(), spaces::HOSTS.into(), switch]
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// A link that passes nothing yet although it could.
fn idle(netlink: &mut Netlink, wanted: &dyn Fn(u32) -> bool) -> plumbline_netlink::Result<Option<String>> {
    let mut found = None;
    for one in netlink.links()?.iter().filter(|one| wanted(one.header.index) && is_idle(one)) {
        let name = link::name(one).to_owned();
        // The question alone makes newer kernels do what is due; a link may go meanwhile.
        match netlink.link(&name) {
            Ok(now) if is_idle(&now) => found = Some(name),
            _ => {}
        }
    }
    Ok(found)
}

fn is_idle(link: &LinkMessage) -> bool {
    let flags = link.header.flags;
    if !flags.contains(LinkFlags::Up) || !flags.contains(LinkFlags::LowerUp) {
        return false;
    }
    let asleep = |attribute: &LinkAttribute| match attribute {
        LinkAttribute::OperState(state) => !matches!(state, State::Up | State::Unknown),
        LinkAttribute::LinkInfo(parts) => parts.iter().any(blocks),
        _ => false,
    };
    link.attributes.iter().any(asleep)
}

/// Whether a bridge's port does not forward.
fn blocks(part: &LinkInfo) -> bool {
    match part {
        LinkInfo::PortData(InfoPortData::BridgePort(about)) => {
            about.iter().any(|one| matches!(one, InfoBridgePort::State(state) if *state != BridgePortState::Forwarding))
        }
        _ => false,
    }
}
