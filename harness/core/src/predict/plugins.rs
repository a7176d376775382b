//! The models, one for each plugin. A model names the upstream file that it follows.

mod bridge;
mod host_device;
mod loopback;
mod macvlan;
mod portmap;
mod ptp;
mod route_override;
mod tuning;

use super::case::PluginCase;
use super::model::Unpredicted;
use super::world::World;
use crate::cni::CniCommand;
use crate::state::Subject;

/// A model's function for one command.
type Model = fn(&PluginCase<'_>, &mut World<'_>) -> Result<(), Unpredicted>;

/// The plugins that have a model: type, ADD, DEL.
const MODELS: [(&str, Model, Model); 8] = [
    ("bridge", bridge::add, bridge::del),
    ("host-device", host_device::add, host_device::del),
    ("loopback", loopback::add, loopback::del),
    ("macvlan", macvlan::add, macvlan::del),
    ("portmap", portmap::add, portmap::del),
    ("ptp", ptp::add, ptp::del),
    ("route-override", route_override::add, route_override::del),
    ("tuning", tuning::add, tuning::del),
];

/// The plugins that have a model, by type.
pub fn modelled() -> impl Iterator<Item = &'static str> {
    MODELS.iter().map(|(plugin, ..)| *plugin)
}

/// Why a second DEL of a plugin fails, where it does by design of its release.
pub fn fails_at_second_del(plugin: &str) -> Option<&'static str> {
    // 1.0 to 1.9.1 at least.
    (plugin == "host-device").then_some("the device is gone from the pod (moveLinkOut of host-device)")
}

/// Predicts one call.
///
/// # Errors
/// What can't be predicted.
pub fn predict(case: &PluginCase<'_>, world: &mut World<'_>) -> Result<(), Unpredicted> {
    let unknown = || Unpredicted::plugin(&case.call.plugin);
    let (_, add, del) = MODELS.iter().find(|(plugin, ..)| *plugin == case.call.plugin).ok_or_else(unknown)?;
    let is_given_interface = case.call.position > 0 && case.interface() != "lo";
    match case.call.command {
        // What a plugin does with the result of one that did not make the interface can't be known.
        CniCommand::Add if is_given_interface && !world.has_link(Subject::Pod, case.interface()) => {
            Err(Unpredicted::value("prevResult/interfaces"))
        }
        CniCommand::Add => add(case, world),
        CniCommand::Del => del(case, world),
        // CHECK changes nothing.
        CniCommand::Check => Ok(()),
    }
}
