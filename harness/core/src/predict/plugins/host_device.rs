//! `host-device` (plugins 1.9.1, `plugins/main/host-device/host-device.go`).

use crate::predict::case::PluginCase;
use crate::predict::expected::Expected;
use crate::predict::model::Unpredicted;
use crate::predict::world::World;
use crate::predict::{ipam, kernel};
use crate::state::{FactKey, FactKind, Subject};

/// ADD moves a device of the node into the pod and keeps its name as alias.
///
/// # Errors
/// What can't be predicted.
pub fn add(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    let others = [&["pciBusID"][..], &["runtimeConfig", "deviceID"]];
    if let Some(path) = others.iter().find(|path| case.text(path).is_some()) {
        return Err(Unpredicted::key(&path.join("/")));
    }
    let device = case.text(&["device"]).ok_or_else(|| Unpredicted::key("hwaddr"))?;
    let interface = case.interface();
    // The other end of such a veth gets the name of a peer, and so a new identity.
    let is_other_end = |link: &String| world.attribute(Subject::Node, link, "parent").as_deref() == Some(device);
    if world.links(Subject::Node).iter().any(is_other_end) {
        return Err(Unpredicted::value("device"));
    }
    world.because("device", "the device moves from the node into the pod");
    for key in world.keys_of_link(Subject::Node, FactKind::Link, device) {
        let expected = match key.item.as_str() {
            "parent" => world.text(Subject::Node, &key).map_or(Expected::Some, |parent| moved_parent(&parent)),
            // A port leaves its bridge.
            "master"
            | "hairpin"
            | "isolated"
            | "learning"
            | "locked"
            | "bpdu guard"
            | "port priority"
            | "unicast flood"
            | "multicast flood"
            | "broadcast flood"
            | "neighbour suppression" => continue,
            "promiscuity" | "allmulti" => Expected::value("0"),
            "up" => Expected::value("off"),
            _ => world.expected(Subject::Node, &key),
        };
        world.set(Subject::Pod, FactKey::link(interface, &*key.item), expected);
    }
    world.set_attribute(Subject::Pod, interface, "alias", device);
    let mtu = world.attribute(Subject::Node, device, "mtu").and_then(|mtu| mtu.parse().ok());
    kernel::add_device_sysctls(world, Subject::Pod, interface, mtu);
    world.because("device", "the device is no longer on the node");
    kernel::delete_link(world, Subject::Node, device);
    world.because("device", "the device is set up in the pod");
    kernel::set_up(world, Subject::Pod, interface);
    if let Some(result) = ipam::add(case, world)? {
        ipam::configure(world, interface, &result);
    }
    Ok(())
}

/// The parent, or the other end, of a link that has moved into the pod.
fn moved_parent(parent: &str) -> Expected {
    match parent {
        "a link elsewhere" => Expected::value(parent),
        _ => Expected::Value(format!("{parent} of the node")),
    }
}
