//! The sysctls that decide what a packet does, set to the same values on every host.
//!
//! A new namespace takes IPv4's from the host's first one and IPv6's from the kernel's defaults, as
//! `net.core.devconf_inherit_init_net` decides; so a laptop with a VPN and a runner would judge differently. The values
//! here are the kernel's own defaults, with forwarding on the node, as kubelet and every CNI network want it.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use crate::trouble::{Trouble, fault};

/// Whether a namespace passes on what is not for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwards {
    /// A node or a gateway.
    Yes,
    /// A pod or a peer.
    No,
}

/// Per device and for `all` and `default`: family, key, value.
const DEVICE: [(&str, &str, &str); 9] = [
    ("ipv4", "rp_filter", "0"),
    ("ipv4", "arp_ignore", "0"),
    ("ipv4", "arp_announce", "0"),
    ("ipv4", "arp_filter", "0"),
    ("ipv4", "arp_notify", "0"),
    ("ipv4", "proxy_arp", "0"),
    ("ipv4", "accept_local", "0"),
    ("ipv6", "disable_ipv6", "0"),
    ("ipv6", "dad_transmits", "1"),
];

/// Duplicate address detection. The greater of `all` and the device's own counts (`ip-sysctl`), and the kernel leaves
/// `all` at 0, so that a plugin can switch it off for its interface, as bridge does.
const DETECTION: [(&str, &str); 2] = [("net.ipv6.conf.all.accept_dad", "0"), ("net.ipv6.conf.default.accept_dad", "1")];

/// Forwarding: key and value follow from whose namespace it is.
const FORWARDING: [&str; 3] =
    ["net.ipv4.conf.all.forwarding", "net.ipv4.conf.default.forwarding", "net.ipv6.conf.all.forwarding"];

/// Sets the sysctls of the namespace this thread is in.
///
/// # Errors
/// The sysctl that could not be written and why. One that the kernel does not have (no IPv6) is left out.
pub fn set(forwards: Forwards) -> Result<(), String> {
    wanted(forwards).iter().try_for_each(|(name, value)| write(name, value))
}

/// Sets forwarding alone, where it is not as it has to be: in a container sysctls can often only be read.
///
/// # Errors
/// As [`set`].
pub fn forward(forwards: Forwards) -> Result<(), String> {
    for (name, value) in wanted(forwards).iter().take(FORWARDING.len()) {
        let now = fs::read_to_string(path(name)).unwrap_or_default();
        if now.trim() != *value {
            write(name, value)?;
        }
    }
    Ok(())
}

/// Takes IPv6 from every device that the namespace has or gets.
///
/// # Errors
/// As [`set`].
pub fn no_ipv6() -> Result<(), String> {
    ["all", "default"].iter().try_for_each(|device| no_ipv6_on(device))
}

/// Takes IPv6 from a device.
///
/// # Errors
/// As [`set`].
pub fn no_ipv6_on(device: &str) -> Result<(), String> {
    // Written as a path: a device's name may have dots.
    put(&format!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6"), "1")
}

/// Lets the node answer for others on a device (proxy ARP).
///
/// # Errors
/// As [`set`].
pub fn answers_for_others(device: &str) -> Result<(), String> {
    put(&format!("/proc/sys/net/ipv4/conf/{device}/proxy_arp"), "1")
}

/// Leaves out duplicate address detection on every device that the namespace gets, so that nobody waits for it.
///
/// # Errors
/// As [`set`].
pub fn no_dad() -> Result<(), String> {
    ["all", "default"].iter().try_for_each(|device| write(&format!("net.ipv6.conf.{device}.accept_dad"), "0"))
}

fn write(name: &str, value: &str) -> Result<(), String> {
    put(&path(name), value)
}

fn put(path: &str, value: &str) -> Result<(), String> {
    match fs::write(path, value) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(format!("write {value} to {path}: {error}")),
        _ => Ok(()),
    }
}

/// Reads the sysctls of the namespace this thread is in, by name with dots; those that are not there are left out.
#[must_use]
pub fn read() -> BTreeMap<String, String> {
    wanted(Forwards::No)
        .into_iter()
        .map(|(name, _)| (path(&name), name))
        .filter_map(|(path, name)| Some((name, fs::read_to_string(path).ok()?.trim().to_owned())))
        .collect()
}

/// Reads sysctls of the namespace this thread is in, by their names; those that are not there are left out.
///
/// # Errors
/// A fault for one that is there and can't be read.
pub fn named(names: &[String]) -> Result<BTreeMap<String, String>, Trouble> {
    let mut found = BTreeMap::new();
    for name in names {
        let doing = format!("read sysctl {name}");
        if name.split(['/', '.']).next() != Some("net") || name.split('/').any(|part| part == "..") {
            return Err(fault(doing, "it is none of a network namespace"));
        }
        let file = if name.contains('/') { format!("/proc/sys/{name}") } else { path(name) };
        match fs::read_to_string(file) {
            Ok(text) => found.insert(name.clone(), text.trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(fault(doing, error)),
        };
    }
    Ok(found)
}

fn wanted(forwards: Forwards) -> Vec<(String, &'static str)> {
    let mut list: Vec<(String, &'static str)> = Vec::new();
    for (family, key, value) in DEVICE {
        for device in ["all", "default"] {
            list.push((format!("net.{family}.conf.{device}.{key}"), value));
        }
    }
    list.extend(DETECTION.map(|(name, value)| (name.to_owned(), value)));
    // Written first: changing forwarding resets others to what they are for a host or a router (`ip-sysctl`).
    let forwarding = if forwards == Forwards::Yes { "1" } else { "0" };
    list.splice(0..0, FORWARDING.iter().map(|name| ((*name).to_owned(), forwarding)));
    list
}

fn path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}
