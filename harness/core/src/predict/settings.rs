//! Settings that several plugins read alike.

use super::case::PluginCase;
use super::model::Unpredicted;
use super::result::read_mac;
use super::world::World;
use crate::state::{Subject, peer_name};

/// The MTU of the configuration; none where it leaves it to the kernel.
///
/// # Errors
/// A value that is no MTU.
pub fn mtu(case: &PluginCase<'_>) -> Result<Option<u32>, Unpredicted> {
    match case.number(&["mtu"]) {
        None | Some(0) => Ok(None),
        Some(number) => u32::try_from(number).map(Some).map_err(|_| Unpredicted::value("mtu")),
    }
}

/// Says that the MTU of both ends of a veth is the requested one.
pub fn set_veth_mtu(world: &mut World<'_>, interface: &str, mtu: Option<u32>) {
    let Some(mtu) = mtu else { return };
    world.because("mtu", "the MTU of both ends");
    for (subject, end) in [(Subject::Pod, interface), (Subject::Node, &peer_name(interface))] {
        world.set_attribute(subject, end, "mtu", mtu.to_string());
    }
}

/// Where a plugin takes a MAC address from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacSource {
    /// `runtimeConfig`.
    Runtime,
    /// `args.cni`.
    Args,
    /// `CNI_ARGS`.
    Environment,
    /// The key `mac` of the configuration.
    Configuration,
}

/// The MAC address that is requested, with the key that requests it: of the first source that has one. Plugins differ in
/// the sources that they read.
///
/// # Errors
/// A text that is no MAC address.
pub fn mac(case: &PluginCase<'_>, sources: &[MacSource]) -> Result<Option<(String, &'static str)>, Unpredicted> {
    let requested = sources.iter().find_map(|source| match source {
        MacSource::Runtime => case.text(&["runtimeConfig", "mac"]).map(|text| (text, "runtimeConfig/mac")),
        MacSource::Args => case.text(&["args", "cni", "mac"]).map(|text| (text, "args/cni/mac")),
        MacSource::Environment => case.argument("MAC").map(|text| (text, "CNI_ARGS MAC")),
        MacSource::Configuration => case.text(&["mac"]).map(|text| (text, "mac")),
    });
    requested.map(|(text, key)| Ok((read_mac(text).ok_or_else(|| Unpredicted::value(key))?, key))).transpose()
}

/// A folder of the node as its files are read: without a slash at its end, and below `/run` where `/var/run` leads to it.
pub fn folder(path: &str) -> String {
    let path = path.trim_end_matches('/');
    path.strip_prefix("/var/run/").map_or_else(|| path.to_owned(), |below| format!("/run/{below}"))
}
