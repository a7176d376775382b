//! Settings that several plugins read alike.

use super::case::PluginCase;
use super::model::Unpredicted;
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

/// A MAC address as the kernel prints it, of each form of six bytes that Go reads (`net.ParseMAC`): `0A:00:00:00:00:01`,
/// `0a-00-00-00-00-01`, `0a00.0000.0001`.
pub fn read_mac(text: &str) -> Option<String> {
    let is_dotted = text.as_bytes().get(4) == Some(&b'.');
    let (separator, digits) = match text.as_bytes().get(2)? {
        _ if is_dotted => ('.', 4),
        b':' => (':', 2),
        b'-' => ('-', 2),
        _ => return None,
    };
    let groups: Vec<&str> = text.split(separator).collect();
    let is_group = |group: &&str| group.len() == digits && group.bytes().all(|byte| byte.is_ascii_hexdigit());
    if groups.len() * digits != 12 || !groups.iter().all(is_group) {
        return None;
    }
    let hex = groups.concat().to_ascii_lowercase();
    let bytes: Vec<&str> = (0..12).step_by(2).filter_map(|at| hex.get(at..at + 2)).collect();
    Some(bytes.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_go_gives_the_kernels() {
        for text in ["0A:00:00:00:00:01", "0a-00-00-00-00-01", "0a00.0000.0001"] {
            assert_eq!(read_mac(text).as_deref(), Some("0a:00:00:00:00:01"), "{text}");
        }
        for text in
            ["", "0a", "0a:00:00:00:00", "0a:00-00:00:00:01", "0a:00:00:00:00:0g", "0a:00:00:00:00:00:00:01", "é:0"]
        {
            assert_eq!(read_mac(text), None, "{text}");
        }
    }
}
