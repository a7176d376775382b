//! The sysctls of devices: what a new device inherits, and what follows from switching forwarding on.

use super::expected::Expected;
use super::world::World;
use crate::state::format::device_sysctl;
use crate::state::{FactKey, FactKind, Subject};

/// The smallest MTU of IPv6 (`IPV6_MIN_MTU`).
pub const V6_MIN_MTU: u32 = 1280;

/// A new device takes its sysctls from `default` (`inetdev_init`, net/ipv4/devinet.c; `ipv6_add_dev`, net/ipv6/addrconf.c).
/// Which of them are reported is read from `lo`.
pub fn add_device_sysctls(world: &mut World<'_>, subject: Subject, name: &str, mtu: Option<u32>) {
    let cause = world.therefore("sysctls of a new device (net/ipv4/devinet.c, net/ipv6/addrconf.c)");
    // IPv6 does not use a device below its smallest MTU (`addrconf_notify`, net/ipv6/addrconf.c).
    let has_v6 = mtu.is_none_or(|mtu| mtu >= V6_MIN_MTU);
    for key in world.keys_of_link(subject, FactKind::Sysctl, "lo") {
        if !has_v6 && is_v6_sysctl(&key) {
            continue;
        }
        let expected = match key.item.as_str() {
            "net/ipv6/conf/lo/mtu" => mtu.map_or(Expected::Some, |mtu| Expected::value(mtu.to_string())),
            _ => {
                let default = FactKey::new(FactKind::Sysctl, "default", key.item.replacen("/lo/", "/default/", 1));
                // A kernel that reports a value without a file has none to inherit from.
                world.text(subject, &default).map_or(Expected::Free, |value| Expected::Value(as_signed(&value)))
            }
        };
        world.set(subject, sysctl_of(&key.item, "lo", name), expected);
    }
    world.return_to(cause);
}

/// Whether a sysctl is one of IPv6.
pub fn is_v6_sysctl(key: &FactKey) -> bool {
    key.item.starts_with("net/ipv6/")
}

/// netlink reports values as signed numbers of 32 bits, files may have them unsigned.
fn as_signed(value: &str) -> String {
    match value.parse::<i64>() {
        Ok(number) if number > i64::from(i32::MAX) => (number - (1 << 32)).to_string(),
        _ => value.to_owned(),
    }
}

/// The same sysctl of another device.
pub fn sysctl_of(item: &str, from: &str, to: &str) -> FactKey {
    let item = item.replacen(&format!("/{from}/"), &format!("/{to}/"), 1);
    FactKey::new(FactKind::Sysctl, to, item)
}

/// Sets a sysctl of a device, if the kernel has it.
pub fn set_device_sysctl(world: &mut World<'_>, subject: Subject, family: &str, device: &str, name: &str, value: &str) {
    let key = device_sysctl(family, device, name);
    if world.expected(subject, &key) != Expected::Absent {
        world.set_value(subject, key, value);
    }
}

/// Switches forwarding on for a family; the kernel sets the value of every device (`inet_forward_change`,
/// net/ipv4/devinet.c; `addrconf_fixup_forwarding`, net/ipv6/addrconf.c).
pub fn enable_forwarding(world: &mut World<'_>, v6: bool) {
    let global = |item: &str, link: &str| FactKey::new(FactKind::Sysctl, link, item);
    let all = match v6 {
        true => global("net/ipv6/conf/all/forwarding", "all"),
        false => global("net/ipv4/ip_forward", ""),
    };
    if world.text(Subject::Node, &all).is_none_or(|value| value == "1") {
        return;
    }
    world.set_value(Subject::Node, all, "1");
    let cause = world.therefore("forwarding of all devices (net/ipv4/devinet.c, net/ipv6/addrconf.c)");
    let family = if v6 { "ipv6" } else { "ipv4" };
    if !v6 {
        world.set_value(Subject::Node, global("net/ipv4/conf/all/forwarding", "all"), "1");
        world.set_value(Subject::Node, global("net/ipv4/conf/all/accept_redirects", "all"), "0");
    }
    world.set_value(Subject::Node, global(&format!("net/{family}/conf/default/forwarding"), "default"), "1");
    for link in world.links(Subject::Node) {
        set_device_sysctl(world, Subject::Node, family, &link, "forwarding", "1");
    }
    world.return_to(cause);
}
