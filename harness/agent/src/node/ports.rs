//! A node's own interfaces on uplinks: addresses, default routes, and the file by which the stand-in for Terway's CNI
//! plugin knows the ENI.

use std::fs;
use std::path::Path;

use ipnet::IpNet;
use plumbline_core::plan::{NodePort, STAND_IN_SETTINGS};
use plumbline_netlink::{Add, Netlink, NewAddress, NewRoute};

use super::bridges::kept;
use crate::trouble::{Doing, Trouble};

/// Shapes the interface of this index, in the namespace this thread is in and with that node's files.
///
/// # Errors
/// A fault that names the interface and the step.
pub fn shape(port: &NodePort, index: u32) -> Result<(), Trouble> {
    let doing = format!("make {} of node {}", port.name, port.node);
    let mut netlink = Netlink::open().doing(&doing)?;
    netlink.set_up(index, true).doing(&doing)?;
    for address in &port.addresses {
        kept(netlink.add_address(&NewAddress::new(*address, index).no_dad())).doing(&doing)?;
    }
    for gateway in &port.defaults {
        let everything = if gateway.is_ipv4() { IpNet::V4(Default::default()) } else { IpNet::V6(Default::default()) };
        let route = NewRoute::to(everything).via(*gateway).link(index);
        kept(netlink.add_route(&route, Add::Exclusive)).doing(format!("{doing}: default route via {gateway}"))?;
    }
    let Some(eni) = &port.eni else { return Ok(()) };
    let doing = format!("{doing}: write {STAND_IN_SETTINGS}");
    if let Some(folder) = Path::new(STAND_IN_SETTINGS).parent() {
        fs::create_dir_all(folder).doing(&doing)?;
    }
    fs::write(STAND_IN_SETTINGS, format!("{:#}\n", eni.settings(&port.name))).doing(doing)
}

/// Writes tuning's allow-list (plugins, `meta/tuning/main.go`); nodes of one bed share their `/etc`.
///
/// # Errors
/// A fault with the path.
pub fn allow_list(lines: &[String]) -> Result<(), Trouble> {
    const FOLDER: &str = "/etc/cni/tuning";
    if lines.is_empty() {
        return Ok(());
    }
    let doing = format!("write tuning's allow-list into {FOLDER}");
    fs::create_dir_all(FOLDER).doing(&doing)?;
    fs::write(Path::new(FOLDER).join("allowlist.conf"), format!("{}\n", lines.join("\n"))).doing(doing)
}
