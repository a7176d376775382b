//! `host-device` (plugins 1.9.1, `plugins/main/host-device/host-device.go`).

use crate::predict::case::PluginCase;
use crate::predict::expected::Expected;
use crate::predict::ipam::{self, DnsSource};
use crate::predict::kernel;
use crate::predict::model::Unpredicted;
use crate::predict::result::{Dns, PredictedInterface, PredictedResult};
use crate::predict::sysctls;
use crate::predict::world::World;
use crate::state::format::{link_of, name_of_link};
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
    // In the state after ADD the device is in the pod already, and what it was before is not known.
    if !world.has_link(Subject::Node, device) {
        return Err(Unpredicted::value("device"));
    }
    // The other end of such a veth gets the name of a peer, and so a new identity.
    let is_other_end = |link: &String| world.attribute(Subject::Node, link, "parent").as_deref() == Some(device);
    if world.links(Subject::Node).iter().any(is_other_end) {
        return Err(Unpredicted::value("device"));
    }
    world.because("device", "the device moves from the node into the pod");
    move_attributes(world, (Subject::Node, device), (Subject::Pod, interface));
    world.set_attribute(Subject::Pod, interface, "alias", device);
    world.because("device", "the device is no longer on the node");
    kernel::remove_link(world, Subject::Node, device);
    world.because("device", "the device is set up in the pod");
    kernel::set_up(world, Subject::Pod, interface);
    let link = PredictedInterface::in_pod(interface);
    match ipam::add(case, world)? {
        Some(result) => {
            ipam::configure(world, interface, &result);
            ipam::report(case, world, vec![link], Some(&result), DnsSource::Configuration);
        }
        // Only the interface (`printLink`).
        None => {
            let dns = Some((Dns::default(), ""));
            world.report(PredictedResult { interfaces: vec![link], dns, ..PredictedResult::default() });
        }
    }
    Ok(())
}

/// The attributes of a device that moves to another namespace: it goes down, and a port leaves its bridge.
fn move_attributes(world: &mut World<'_>, (from, device): (Subject, &str), (to, name): (Subject, &str)) {
    let is_port = world.attribute(from, device, "master").is_some();
    for key in world.keys_of_link(from, FactKind::Link, device) {
        let expected = match key.item.as_str() {
            "alias" | "master" => continue,
            attribute if kernel::PORT_FLAGS.iter().any(|(flag, _)| *flag == attribute) => continue,
            "parent" => world.text(from, &key).map_or(Expected::Some, |parent| moved_parent(&parent, to)),
            "promiscuity" | "allmulti" => match world.text(from, &key) {
                // What counted a device that is no port is not reported, and may have gone.
                Some(count) if count != "0" && !is_port => Expected::OneOf(vec![count, "0".to_owned()]),
                _ => Expected::value("0"),
            },
            "up" => Expected::value("off"),
            _ => world.expected(from, &key),
        };
        world.set(to, FactKey::link(name, &*key.item), expected);
    }
    let mtu = world.attribute(from, device, "mtu").and_then(|mtu| mtu.parse().ok());
    sysctls::add_device_sysctls(world, to, name, mtu);
}

/// The parent, or the other end, of a link that has moved.
fn moved_parent(parent: &str, to: Subject) -> Expected {
    match (name_of_link(parent, Subject::Node), to) {
        _ if parent == "a link elsewhere" => Expected::value(parent),
        (None, Subject::Pod) => Expected::Value(link_of(parent, Subject::Node)),
        (Some(parent), Subject::Node) => Expected::value(parent),
        _ => Expected::Some,
    }
}

/// DEL moves the device back to the node, with the name that is its alias. It is down there.
///
/// # Errors
/// What can't be predicted.
pub fn del(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    ipam::del(case, world)?;
    let interface = case.interface();
    let device = world.attribute(Subject::Pod, interface, "alias").ok_or_else(|| Unpredicted::value("device"))?;
    world.because("device", "DEL moves the device back to the node");
    move_attributes(world, (Subject::Pod, interface), (Subject::Node, &device));
    kernel::remove_link(world, Subject::Pod, interface);
    Ok(())
}
