//! An ENI of a node: a pair of interfaces of the virtual machine, and Terway's own plugin on it.
//!
//! Terway's plugin takes as an ENI only a link without a kind (`pkg/link/interface_linux.go`), so a veth will not do. The
//! virtual machine has interfaces in pairs, each joined by a cable. A pair is free while both its ends are in the namespace
//! outside; the node that moves the first end has it. When the node's namespaces end, the kernel moves the devices back
//! (`default_device_exit_net`).
//!
//! The path of the socket of Terway's daemon is compiled into the plugin (`plugin/terway/cni.go`), so a stand-in for the
//! daemon listens there.

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::poll::{PollTimeout, poll};
use plumbline_core::guest::{PAIRED, TERWAY_BACKEND, TERWAY_PLUGIN, paired};
use plumbline_core::plan::NodePort;
use plumbline_netlink::packet::link::LinkMessage;
use plumbline_netlink::{Errno, Netlink, link, namespace};
use thiserror::Error;

use super::plugins::{PLUGIN_FOLDER, PROGRAM_FOLDER};
use crate::error::{During, RequestError, fault};
use crate::namespaces::sysctls;
use crate::process::start::{PATH, new_command};

/// How long to wait for a free pair: it returns shortly after its node has ended.
const PAIR_TIMEOUT: Duration = Duration::from_secs(60);

/// The free pairs: number, and the indexes of both ends.
fn list_free_pairs(outside: &mut Netlink) -> plumbline_netlink::Result<Vec<(u8, [u32; 2])>> {
    let links = outside.links()?;
    let end =
        |pair: u8, end: u8| links.iter().find(|one| link::has_mac(one, paired(pair, end))).map(|one| one.header.index);
    let number = |one: &LinkMessage| match link::mac(one)? {
        [a, b, c, d, pair, 0] if [a, b, c, d] == PAIRED => Some(pair),
        _ => None,
    };
    let both = |pair: u8| Some((pair, [end(pair, 0)?, end(pair, 1)?]));
    Ok(links.iter().filter_map(number).filter_map(both).collect())
}

/// Why there is no pair.
#[derive(Debug, Error)]
pub enum PairError {
    /// The node is not in a virtual machine.
    #[error("only the virtual machine of lane vm has pairs of interfaces")]
    NoMachine,
    /// The machine has no free pair.
    #[error("the virtual machine has no free pair of interfaces")]
    NoPair,
    /// The links cannot be listed.
    #[error(transparent)]
    Netlink(#[from] plumbline_netlink::Error),
}

/// Counts the free pairs.
///
/// # Errors
/// Why there is none.
pub fn count_free_pairs(outside: Option<&OwnedFd>) -> Result<usize, PairError> {
    let mut outside = Netlink::open_in(outside.ok_or(PairError::NoMachine)?)?;
    match list_free_pairs(&mut outside)?.len() {
        0 => Err(PairError::NoPair),
        count => Ok(count),
    }
}

/// Moves a free pair: one end to the current namespace, the other to `far`, each under its new name; both are down. Returns
/// their indexes.
///
/// # Errors
/// A fault when no pair becomes free in time.
pub fn move_pair(outside: Option<&OwnedFd>, near: &str, far: (&OwnedFd, &str)) -> Result<[u32; 2], RequestError> {
    let action = format!("find a pair of interfaces for {near}");
    let outside = outside.ok_or(PairError::NoMachine).during(&action)?;
    let own = namespace::current().during(&action)?;
    let mut outside = Netlink::open_in(outside).during(&action)?;
    let start = Instant::now();
    loop {
        for (pair, [first, second]) in list_free_pairs(&mut outside).during(&action)? {
            // Renamed first: the node may have an `eth0` already.
            let moved =
                outside.rename(first, &format!("pair{pair}-0")).and_then(|()| outside.move_link(first, own.as_fd()));
            match moved {
                Ok(()) => {}
                // Another node has taken it.
                Err(error) if error.is(Errno::ENODEV) => continue,
                Err(error) => return Err(fault(&action, error)),
            }
            outside.rename(second, &format!("pair{pair}-1")).during(&action)?;
            outside.move_link(second, far.0.as_fd()).during(&action)?;
            let mut here = Netlink::open().during(&action)?;
            let mut there = Netlink::open_in(far.0).during(&action)?;
            let near = rename_by_mac(&mut here, paired(pair, 0), near, &action)?;
            return Ok([near, rename_by_mac(&mut there, paired(pair, 1), far.1, &action)?]);
        }
        if start.elapsed() > PAIR_TIMEOUT {
            return Err(fault(action, format!("no pair became free within {} s", PAIR_TIMEOUT.as_secs())));
        }
        // The kernel sends no event when a device returns.
        let _ = poll(&mut [], PollTimeout::from(20_u8));
    }
}

/// Renames the interface with this MAC address; returns its index.
fn rename_by_mac(netlink: &mut Netlink, mac: [u8; 6], name: &str, action: &str) -> Result<u32, RequestError> {
    let links = netlink.links().during(action)?;
    let found = links.iter().find(|one| link::has_mac(one, mac));
    let index = found.map(|one| one.header.index).ok_or_else(|| fault(action, "the moved interface is missing"))?;
    netlink.rename(index, name).during(action)?;
    Ok(index)
}

const DAEMON_SOCKET: &str = "/var/run/eni/eni.socket";
const DAEMON_LOG: &str = "/var/log/terway-backend.log";
/// The daemon listens at once after its start.
const DAEMON_TIMEOUT: Duration = Duration::from_secs(20);

/// Installs Terway's own plugin on the current node and starts the stand-in for its daemon.
///
/// # Errors
/// A fault with the step, and the daemon's log where it does not start.
pub fn install_terway(port: &NodePort) -> Result<(), RequestError> {
    let action = format!("make {} of node {} an ENI for Terway's own plugin", port.name, port.node);
    let plugin = format!("{PROGRAM_FOLDER}/{TERWAY_PLUGIN}");
    if !Path::new(&plugin).exists() {
        return Err(fault(action, format!("{plugin} does not exist")));
    }
    // A VPC maps each address to its ENI. On a cable the node must answer for the addresses.
    sysctls::enable_proxy_arp(&port.name).during(&action)?;
    let at = Path::new(PLUGIN_FOLDER).join(TERWAY_PLUGIN);
    if at.is_symlink() {
        fs::remove_file(&at).during(&action)?;
    }
    std::os::unix::fs::symlink(&plugin, &at).during(&action)?;
    start_daemon(&format!("{action}: start the stand-in for its daemon"))
}

/// Starts the daemon; it ends with the node.
fn start_daemon(action: &str) -> Result<(), RequestError> {
    let log = File::create(DAEMON_LOG).during(action)?;
    let mut command = new_command(&format!("{PROGRAM_FOLDER}/{TERWAY_BACKEND}"));
    command.env_clear().env("PATH", PATH).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(log));
    let mut child = command.spawn().during(action)?;
    let start = Instant::now();
    while !Path::new(DAEMON_SOCKET).exists() {
        let ended = child.try_wait().during(action)?;
        if ended.is_some() || start.elapsed() > DAEMON_TIMEOUT {
            let state =
                ended.map_or_else(|| "it does not listen".to_owned(), |status| format!("it ended with {status}"));
            let log = fs::read_to_string(DAEMON_LOG).unwrap_or_default();
            return Err(fault(action, format!("{state}: {}", log.trim())));
        }
        // Polling is simpler than inotify and as good for this short time.
        let _ = poll(&mut [], PollTimeout::from(5_u8));
    }
    Ok(())
}
