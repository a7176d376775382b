//! Sysctls, as Terway sets them: forwarding on and reverse-path filter off on all links of the node
//! (`EnsureHostNsConfig`), IPv6 switched on where a pod has it (`GenerateIPv6Sysctl`).

use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use plumbline_netlink::{Netlink, link, namespace};

use crate::result::Reported;

/// The node, before anything is laid.
pub fn node(addresses: &[Reported]) -> Result<(), String> {
    let mut names = vec!["all".to_owned(), "default".to_owned()];
    let links = Netlink::open().and_then(|mut node| node.links()).map_err(|error| error.to_string())?;
    names.extend(links.iter().map(|message| link::name(message).to_owned()));
    for name in &names {
        if addresses.iter().any(|one| one.address.addr().is_ipv4()) {
            set(4, name, "forwarding", "1")?;
            set(4, name, "rp_filter", "0")?;
        }
        if addresses.iter().any(|one| one.address.addr().is_ipv6()) {
            set(6, name, "disable_ipv6", "0")?;
            set(6, name, "forwarding", "1")?;
        }
    }
    Ok(())
}

/// The ENI and the node's end of the veth, which may be newer than the call of [`node`]. The ENI answers for pods at
/// once: the VPC, for which it stands here, does not let anybody wait either.
pub fn links(eni: &str, veth: &str, addresses: &[IpAddr]) -> Result<(), String> {
    for name in [eni, veth] {
        set(4, name, "rp_filter", "0")?;
        if addresses.iter().any(IpAddr::is_ipv6) {
            set(6, name, "disable_ipv6", "0")?;
            set(6, name, "accept_ra", "0")?;
            set(6, name, "forwarding", "1")?;
        }
    }
    for family in [4, 6] {
        write(&format!("/proc/sys/net/ipv{family}/neigh/{eni}/proxy_delay"), "0")?;
    }
    if addresses.iter().any(IpAddr::is_ipv6) {
        set(6, eni, "proxy_ndp", "1")?;
    }
    Ok(())
}

/// The pod.
pub fn pod(netns: &OwnedFd, interface: &str, addresses: &[IpAddr]) -> Result<(), String> {
    if !addresses.iter().any(IpAddr::is_ipv6) {
        return Ok(());
    }
    let inside = || {
        for name in ["lo", "all", "default", interface] {
            set(6, name, "disable_ipv6", "0")?;
        }
        set(6, interface, "accept_ra", "0")
    };
    let mut outcome = Ok(());
    let entered = namespace::with_netns(netns, || -> plumbline_netlink::Result<()> {
        outcome = inside();
        Ok(())
    });
    entered.map_err(|error| error.to_string()).and(outcome)
}

fn set(family: u8, link: &str, key: &str, value: &str) -> Result<(), String> {
    write(&format!("/proc/sys/net/ipv{family}/conf/{link}/{key}"), value)
}

/// Writes what differs; a file that is not there (a kernel without IPv6, a link that went) is passed over, as Terway does.
fn write(path: &str, value: &str) -> Result<(), String> {
    match fs::read_to_string(path) {
        Ok(now) if now.trim() == value => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        _ => fs::write(path, value).map_err(|error| format!("cannot write {value} to {path}: {error}")),
    }
}
