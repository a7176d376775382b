//! The sysctls that decide what a packet does, set to the same values on every host.
//!
//! A new namespace takes the values of IPv4 from the host's first namespace and those of IPv6 from the kernel's defaults
//! (`net.core.devconf_inherit_init_net`). So a laptop with a VPN and a CI runner would give different verdicts. The values
//! here are the kernel's own defaults, with forwarding on the node, as kubelet and every CNI network require.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};

use thiserror::Error;

use crate::error::{RequestError, fault};

/// A sysctl that cannot be written.
#[derive(Debug, Error)]
#[error("write {value} to {path}: {source}")]
pub struct SysctlError {
    path: String,
    value: String,
    source: io::Error,
}

/// Whether a namespace forwards packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// Nodes and gateways.
    On,
    /// Pods and peers.
    Off,
}

/// Set for `all` and `default`: family, key, value.
const PER_DEVICE: [(&str, &str, &str); 9] = [
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

/// Duplicate address detection. The kernel uses the greater of `all` and the device's own value (`ip-sysctl`). `all`
/// stays 0, so that a plugin can switch detection off for its interface, as bridge does.
const ADDRESS_DETECTION: [(&str, &str); 2] =
    [("net.ipv6.conf.all.accept_dad", "0"), ("net.ipv6.conf.default.accept_dad", "1")];

/// Forwarding: on or off for the whole namespace.
const FORWARDING: [&str; 3] =
    ["net.ipv4.conf.all.forwarding", "net.ipv4.conf.default.forwarding", "net.ipv6.conf.all.forwarding"];

/// Sets the sysctls of the current namespace.
///
/// # Errors
/// The sysctl that cannot be written. A sysctl that the kernel lacks (no IPv6) is skipped.
pub fn set_all(forwarding: Forwarding) -> Result<(), SysctlError> {
    required_values(forwarding).iter().try_for_each(|(name, value)| write_sysctl(name, value))
}

/// Sets forwarding alone, where it differs: in a container sysctls are often read-only.
///
/// # Errors
/// As [`set_all`].
pub fn set_forwarding(forwarding: Forwarding) -> Result<(), SysctlError> {
    for (name, value) in required_values(forwarding).iter().take(FORWARDING.len()) {
        let now = fs::read_to_string(sysctl_path(name)).unwrap_or_default();
        if now.trim() != *value {
            write_sysctl(name, value)?;
        }
    }
    Ok(())
}

/// Disables IPv6 on all present and future devices of the namespace.
///
/// # Errors
/// As [`set_all`].
pub fn disable_ipv6() -> Result<(), SysctlError> {
    ["all", "default"].iter().try_for_each(|device| disable_ipv6_on(device))
}

/// Disables IPv6 on a device.
///
/// # Errors
/// As [`set_all`].
pub fn disable_ipv6_on(device: &str) -> Result<(), SysctlError> {
    // A path, not a dotted name: a device's name may have dots.
    write_file(&format!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6"), "1")
}

/// Enables proxy ARP on a device.
///
/// # Errors
/// As [`set_all`].
pub fn enable_proxy_arp(device: &str) -> Result<(), SysctlError> {
    write_file(&format!("/proc/sys/net/ipv4/conf/{device}/proxy_arp"), "1")
}

/// Disables duplicate address detection on all devices of the namespace, so that addresses are usable at once.
///
/// # Errors
/// As [`set_all`].
pub fn disable_address_detection() -> Result<(), SysctlError> {
    ["all", "default"].iter().try_for_each(|device| write_sysctl(&format!("net.ipv6.conf.{device}.accept_dad"), "0"))
}

fn write_sysctl(name: &str, value: &str) -> Result<(), SysctlError> {
    write_file(&sysctl_path(name), value)
}

fn write_file(path: &str, value: &str) -> Result<(), SysctlError> {
    match fs::write(path, value) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(SysctlError { path: path.to_owned(), value: value.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Reads the sysctls of the current namespace, by name with dots. A sysctl that the kernel lacks is left out.
pub fn read_all() -> BTreeMap<String, String> {
    required_values(Forwarding::Off)
        .into_iter()
        .map(|(name, _)| (sysctl_path(&name), name))
        .filter_map(|(path, name)| Some((name, fs::read_to_string(path).ok()?.trim().to_owned())))
        .collect()
}

/// Reads these sysctls of the current namespace. A sysctl that the kernel lacks is left out.
///
/// # Errors
/// A fault for one that exists and cannot be read, or is not in `net`.
pub fn read_named(names: &[String]) -> Result<BTreeMap<String, String>, RequestError> {
    let mut found = BTreeMap::new();
    for name in names {
        let action = format!("read sysctl {name}");
        if name.split(['/', '.']).next() != Some("net") || name.split('/').any(|part| part == "..") {
            return Err(fault(action, "sysctl: expected one below net"));
        }
        let file = if name.contains('/') { format!("/proc/sys/{name}") } else { sysctl_path(name) };
        match fs::read_to_string(file) {
            Ok(text) => found.insert(name.clone(), text.trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(fault(action, error)),
        };
    }
    Ok(found)
}

fn required_values(forwarding: Forwarding) -> Vec<(String, &'static str)> {
    let mut list: Vec<(String, &'static str)> = Vec::new();
    for (family, key, value) in PER_DEVICE {
        for device in ["all", "default"] {
            list.push((format!("net.{family}.conf.{device}.{key}"), value));
        }
    }
    list.extend(ADDRESS_DETECTION.map(|(name, value)| (name.to_owned(), value)));
    // Written first: changing forwarding resets other sysctls to the defaults of a host or a router (`ip-sysctl`).
    let forwarding = if forwarding == Forwarding::On { "1" } else { "0" };
    list.splice(0..0, FORWARDING.iter().map(|name| ((*name).to_owned(), forwarding)));
    list
}

fn sysctl_path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}
