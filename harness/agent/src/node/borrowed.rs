//! Network interfaces of a virtual machine, which it has in pairs, each joined by a cable: borrowed by a node where a veth
//! will not do. Terway's plugin takes for an ENI only a link that is of no kind (`pkg/link/interface_linux.go`).
//!
//! Nothing keeps count of them: a pair is free while both its ends are outside, and taking the first end decides. When the
//! node's namespaces go, the kernel gives the devices back to the first one (`default_device_exit_net`).

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollTimeout, poll};
use plumbline_core::guest::{PAIRED, paired};
use plumbline_netlink::packet::link::{LinkAttribute, LinkMessage};
use plumbline_netlink::{Errno, Netlink, namespace};

use super::nodes::Bed;
use crate::trouble::{Doing, Trouble, fault};

/// How long a pair may be another node's; it comes back a moment after that node has gone.
const FREE: Duration = Duration::from_secs(60);

/// The index of each pair of which both ends are outside, with the number by which it is known.
fn pairs(outside: &mut Netlink) -> Result<Vec<(u8, [u32; 2])>, plumbline_netlink::Error> {
    let links = outside.links()?;
    let end = |pair: u8, end: u8| {
        let address = LinkAttribute::Address(paired(pair, end).to_vec());
        links.iter().find(|link| link.attributes.contains(&address)).map(|link| link.header.index)
    };
    let number = |link: &LinkMessage| {
        link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Address(mac) if mac.len() == 6 && mac[..4] == PAIRED && mac[5] == 0 => Some(mac[4]),
            _ => None,
        })
    };
    let both = |pair: u8| Some((pair, [end(pair, 0)?, end(pair, 1)?]));
    Ok(links.iter().filter_map(number).filter_map(both).collect())
}

/// How many pairs there are for nodes to borrow just now.
///
/// # Errors
/// Why there are none, in words.
pub fn count(bed: &Bed) -> Result<usize, String> {
    let outside = bed.outside.as_ref().ok_or("only a virtual machine of the lane vm has interfaces to lend")?;
    let found = Netlink::open_in(outside).and_then(|mut outside| pairs(&mut outside)).map_err(|e| e.to_string())?;
    match found.len() {
        0 => Err("the virtual machine has no pair of interfaces".to_owned()),
        some => Ok(some),
    }
}

/// Takes a pair: one end goes to the namespace this thread is in, the other to `far`, each under its new name; both are
/// down. Gives their indexes.
///
/// # Errors
/// A fault when none comes free in time.
pub fn take(bed: &Bed, near: &str, far: (&OwnedFd, &str)) -> Result<[u32; 2], Trouble> {
    let doing = format!("borrow a pair of interfaces for {near}");
    let outside = bed.outside.as_ref().ok_or_else(|| fault(&doing, "there is no virtual machine to lend any"))?;
    let own = namespace::current().doing(&doing)?;
    let mut lender = Netlink::open_in(outside).doing(&doing)?;
    let start = Instant::now();
    loop {
        for (pair, [first, second]) in pairs(&mut lender).doing(&doing)? {
            // Under a name that is nobody's there: a node may have an `eth0` of its own.
            let moved =
                lender.rename(first, &format!("lent{pair}-0")).and_then(|()| lender.move_link(first, own.as_fd()));
            match moved {
                Ok(()) => {}
                // Another node was quicker.
                Err(error) if error.is(Errno::ENODEV) => continue,
                Err(error) => return Err(fault(&doing, error)),
            }
            lender.rename(second, &format!("lent{pair}-1")).doing(&doing)?;
            lender.move_link(second, far.0.as_fd()).doing(&doing)?;
            let mut here = Netlink::open().doing(&doing)?;
            let mut there = Netlink::open_in(far.0).doing(&doing)?;
            let near = named(&mut here, paired(pair, 0), near, &doing)?;
            return Ok([near, named(&mut there, paired(pair, 1), far.1, &doing)?]);
        }
        if start.elapsed() > FREE {
            return Err(fault(doing, format!("none came free within {} s", FREE.as_secs())));
        }
        // Nothing tells when a device has come home.
        let _ = poll(&mut [], PollTimeout::from(20_u8));
    }
}

/// Gives the interface with this MAC address its name; gives its index.
fn named(netlink: &mut Netlink, mac: [u8; 6], name: &str, doing: &str) -> Result<u32, Trouble> {
    let address = LinkAttribute::Address(mac.to_vec());
    let links = netlink.links().doing(doing)?;
    let found = links.iter().find(|link| link.attributes.contains(&address));
    let index = found.map(|link| link.header.index).ok_or_else(|| fault(doing, "what was moved is not there"))?;
    netlink.rename(index, name).doing(doing)?;
    Ok(index)
}
