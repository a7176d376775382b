//! The sysctls that decide what a packet does, set to the same values on every host.
//!
//! A new namespace takes IPv4's from the host's first one and IPv6's from the kernel's defaults, as
//! `net.core.devconf_inherit_init_net` decides; so a laptop with a VPN and a runner would judge differently. The values
//! here are the kernel's own defaults, with forwarding on the node, as kubelet and every CNI network want it.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use plumbline_core::protocol::Target;

/// Per device and for `all` and `default`: family, key, value.
const DEVICE: [(&str, &str, &str); 10] = [
    ("ipv4", "rp_filter", "0"),
    ("ipv4", "arp_ignore", "0"),
    ("ipv4", "arp_announce", "0"),
    ("ipv4", "arp_filter", "0"),
    ("ipv4", "arp_notify", "0"),
    ("ipv4", "proxy_arp", "0"),
    ("ipv4", "accept_local", "0"),
    ("ipv6", "disable_ipv6", "0"),
    ("ipv6", "accept_dad", "1"),
    ("ipv6", "dad_transmits", "1"),
];

/// Forwarding: key and value follow from whose namespace it is.
const FORWARDING: [&str; 3] =
    ["net.ipv4.conf.all.forwarding", "net.ipv4.conf.default.forwarding", "net.ipv6.conf.all.forwarding"];

/// Sets the sysctls of the namespace this thread is in, as befits the target.
///
/// # Errors
/// The sysctl that could not be written and why. One that the kernel does not have (no IPv6) is left out.
pub fn set(target: &Target) -> Result<(), String> {
    for (name, value) in wanted(matches!(target, Target::Node)) {
        let path = path(&name);
        match fs::write(&path, value) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(format!("write {value} to {path}: {error}")),
        }
    }
    Ok(())
}

/// Reads the sysctls of the namespace this thread is in, by name with dots; those that are not there are left out.
#[must_use]
pub fn read() -> BTreeMap<String, String> {
    wanted(false)
        .into_iter()
        .map(|(name, _)| (path(&name), name))
        .filter_map(|(path, name)| Some((name, fs::read_to_string(path).ok()?.trim().to_owned())))
        .collect()
}

fn wanted(node: bool) -> Vec<(String, &'static str)> {
    let mut list: Vec<(String, &'static str)> = Vec::new();
    for (family, key, value) in DEVICE {
        for device in ["all", "default"] {
            list.push((format!("net.{family}.conf.{device}.{key}"), value));
        }
    }
    // Written first: changing forwarding resets others to what they are for a host or a router (`ip-sysctl`).
    let forwarding = if node { "1" } else { "0" };
    list.splice(0..0, FORWARDING.iter().map(|name| ((*name).to_owned(), forwarding)));
    list
}

fn path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}
