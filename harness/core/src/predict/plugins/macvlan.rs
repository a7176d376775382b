//! `macvlan` (plugins 1.9.1, `plugins/main/macvlan/macvlan.go`).

use crate::predict::case::PluginCase;
use crate::predict::expected::Expected;
use crate::predict::ipam::{self, DnsSource};
use crate::predict::kernel::{self, NewLink};
use crate::predict::model::Unpredicted;
use crate::predict::result::PredictedInterface;
use crate::predict::settings::{self, MacSource};
use crate::predict::sysctls;
use crate::predict::world::World;
use crate::state::format::link_of;
use crate::state::{FactKey, FactKind, Subject};

/// ADD makes a macvlan on a link of the node, in the pod.
///
/// # Errors
/// What can't be predicted.
pub fn add(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    if case.is_on(&["linkInContainer"]) {
        return Err(Unpredicted::key("linkInContainer"));
    }
    let interface = case.interface();
    let master = match case.text(&["master"]) {
        Some(master) => master.to_owned(),
        None => default_route_link(world).ok_or_else(|| Unpredicted::value("master"))?,
    };
    let mode = case.text(&["mode"]).unwrap_or("bridge");
    let master_key = if case.text(&["master"]).is_some() { "master" } else { "" };
    world.because(master_key, "a macvlan on the master");
    let parents = world.attribute(Subject::Node, &master, "mtu").and_then(|mtu| mtu.parse().ok());
    let mtu = settings::mtu(case)?.or(parents);
    let mac = settings::mac(case, &[MacSource::Runtime, MacSource::Environment, MacSource::Configuration])?;
    // An own queue length, else the kernel's (`MACVLAN_DEFAULT_BC_QUEUE_LEN`); older kernels report none.
    let queue = case.number(&["bcqueuelen"]).filter(|length| *length != 0);
    let broadcast_queue = queue.map_or(Expected::Free, |length| Expected::Value(length.to_string()));
    let link = NewLink {
        kind: "macvlan",
        mtu,
        mac: mac.as_ref().map(|(mac, _)| mac.as_str()),
        queue_length: Expected::value("1000"),
        attributes: vec![
            ("parent", Expected::Value(link_of(&master, Subject::Node))),
            ("mode", Expected::value(mode)),
            ("macvlan flags", Expected::value("0")),
            ("broadcast queue length", broadcast_queue),
        ],
    };
    kernel::add_link(world, Subject::Pod, interface, &link);
    if let Some((mac, key)) = &mac {
        world.because(*key, "the requested MAC address");
        world.set_attribute(Subject::Pod, interface, "mac", mac);
    }
    if let Some(mtu) = settings::mtu(case)? {
        world.because("mtu", "the requested MTU");
        world.set_attribute(Subject::Pod, interface, "mtu", mtu.to_string());
    }
    if mode == "passthru" {
        world.because("mode", "passthru has the parent's address (drivers/net/macvlan.c)");
        let parents = world.attribute(Subject::Node, &master, "mac");
        world.set(Subject::Pod, FactKey::link(interface, "mac"), parents.map_or(Expected::AnyMac, Expected::Value));
    }
    let result = ipam::add(case, world)?;
    let link = PredictedInterface::in_pod(interface);
    ipam::report(case, world, vec![link], result.as_ref(), DnsSource::Configuration);
    match result {
        Some(result) => {
            world.because("ipam", "changes of the address are announced (arp_notify, ndisc_notify)");
            sysctls::set_device_sysctl(world, Subject::Pod, "ipv4", interface, "arp_notify", "1");
            sysctls::set_device_sysctl(world, Subject::Pod, "ipv6", interface, "ndisc_notify", "1");
            ipam::configure(world, interface, &result);
        }
        None => {
            world.because("", "macvlan sets its interface up");
            kernel::set_up(world, Subject::Pod, interface);
        }
    }
    world.because(master_key, "a macvlan on the master");
    kernel::count_macvlan(world, &master);
    Ok(())
}

/// The link of the node's first default route (`getDefaultRouteInterfaceName`): of IPv4 before IPv6, and of the lowest
/// metric; none where two links have the same.
fn default_route_link(world: &World<'_>) -> Option<String> {
    let metric = |key: &FactKey| match key.item.split(' ').collect::<Vec<_>>()[1..] {
        [] => Some(0),
        ["metric", metric] => metric.parse::<u32>().ok(),
        _ => None,
    };
    let routes = world.keys_of_kind(Subject::Node, FactKind::Route);
    let defaults = |to: &str| -> Vec<(u32, String)> {
        let keys = routes.iter().filter(|key| key.item.split(' ').next() == Some(to));
        keys.filter_map(|key| Some((metric(key)?, key.link.clone()))).collect()
    };
    let defaults = [defaults("0.0.0.0/0"), defaults("::/0")].into_iter().find(|routes| !routes.is_empty())?;
    let lowest = defaults.iter().map(|(metric, _)| *metric).min()?;
    let mut first = defaults.into_iter().filter(|(metric, _)| *metric == lowest);
    let (_, link) = first.next()?;
    first.next().is_none().then_some(link)
}

/// DEL deletes the interface and gives its addresses back.
///
/// # Errors
/// What can't be predicted.
pub fn del(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    ipam::del(case, world)?;
    world.because("", "DEL deletes the interface");
    kernel::delete_link(world, Subject::Pod, case.interface());
    Ok(())
}
