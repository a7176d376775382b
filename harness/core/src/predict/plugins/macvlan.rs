//! `macvlan` (plugins 1.9.1, `plugins/main/macvlan/macvlan.go`).

use crate::predict::case::PluginCase;
use crate::predict::expected::Expected;
use crate::predict::kernel::{self, NewLink};
use crate::predict::model::Unpredicted;
use crate::predict::world::World;
use crate::predict::{ipam, settings};
use crate::state::{FactKind, Subject};

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
    world.because(if case.text(&["master"]).is_some() { "master" } else { "" }, "a macvlan on the master");
    let parents = world.attribute(Subject::Node, &master, "mtu").and_then(|mtu| mtu.parse().ok());
    let mtu = settings::mtu(case)?.or(parents);
    // An own queue length, else the kernel's (`MACVLAN_DEFAULT_BC_QUEUE_LEN`); older kernels report none.
    let queue = case.number(&["bcqueuelen"]).filter(|length| *length != 0);
    let broadcast_queue = queue.map_or(Expected::Free, |length| Expected::Value(length.to_string()));
    let link = NewLink {
        kind: "macvlan",
        mtu,
        mac: settings::mac(case),
        queue_length: Expected::value("1000"),
        attributes: vec![
            ("parent", Expected::Value(format!("{master} of the node"))),
            ("mode", Expected::value(mode)),
            ("macvlan flags", Expected::value("0")),
            ("broadcast queue length", broadcast_queue),
        ],
    };
    let link = match mode {
        // The parent's own address.
        "passthru" => NewLink { mac: None, ..link },
        _ => link,
    };
    kernel::add_link(world, Subject::Pod, interface, &link);
    match ipam::add(case, world)? {
        Some(result) => {
            world.because("ipam", "changes of the address are announced (arp_notify, ndisc_notify)");
            kernel::set_device_sysctl(world, Subject::Pod, "ipv4", interface, "arp_notify", "1");
            kernel::set_device_sysctl(world, Subject::Pod, "ipv6", interface, "ndisc_notify", "1");
            ipam::configure(world, interface, &result);
        }
        None => {
            world.because("", "macvlan sets its interface up");
            kernel::set_up(world, Subject::Pod, interface);
        }
    }
    kernel::count_macvlan(world, &master);
    Ok(())
}

/// The link of the node's first default route (`getDefaultRouteInterfaceName`).
fn default_route_link(world: &World<'_>) -> Option<String> {
    let routes = world.keys_of_kind(Subject::Node, FactKind::Route);
    let first = routes.iter().find(|key| key.item == "0.0.0.0/0" || key.item.starts_with("0.0.0.0/0 metric"));
    first.map(|key| key.link.clone())
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
