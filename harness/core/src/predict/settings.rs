//! Settings that several plugins read alike.

use super::case::PluginCase;
use super::model::Unpredicted;

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

/// The MAC address that is requested: of `runtimeConfig`, else of `args.cni`, else of `CNI_ARGS`, else of the configuration.
pub fn mac<'a>(case: &PluginCase<'a>) -> Option<&'a str> {
    let runtime = case.text(&["runtimeConfig", "mac"]);
    runtime
        .or_else(|| case.text(&["args", "cni", "mac"]))
        .or_else(|| case.argument("MAC"))
        .or_else(|| case.text(&["mac"]))
}
