//! Sysctls, as in Terway: forwarding on and reverse-path filter off on all links of the node (`EnsureHostNsConfig`), IPv6
//! enabled if the pod has an IPv6 address (`GenerateIPv6Sysctl`).

use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use plumbline_netlink::{Netlink, link, namespace};

use crate::result::Reported;

/// Sets the sysctls of the node, before the links are created.
pub fn set_node(addresses: &[Reported]) -> Result<(), String> {
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

/// Sets the sysctls of the ENI and of the node's end of the veth, which may be newer than the call of [`set_node`]. The ENI
/// answers for pods without a delay, because the VPC that it replaces has none.
pub fn set_links(eni: &str, veth: &str, addresses: &[IpAddr]) -> Result<(), String> {
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

/// Sets the sysctls of the pod.
pub fn set_pod(netns: &OwnedFd, interface: &str, addresses: &[IpAddr]) -> Result<(), String> {
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

/// Writes a value if it differs. A missing file (a kernel without IPv6, a deleted link) is ignored, as in Terway.
fn write(path: &str, value: &str) -> Result<(), String> {
    match fs::read_to_string(path) {
        Ok(now) if now.trim() == value => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        _ => fs::write(path, value).map_err(|error| format!("cannot write {value} to {path}: {error}")),
    }
}
