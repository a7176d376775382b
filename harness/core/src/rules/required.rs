//! Rules about what a plugin needs and the configuration lacks (`PL643`): the plugin ends with an error for every pod.

use super::known_plugins;
use super::view::{PluginView, finding, host_local_objects};
use crate::chain::go_key;
use crate::finding::{Finding, FindingCode};
use crate::plan::Network;
use serde_json::Value;

/// Main plugins that always call an IPAM plugin, with the place in the sources of v1.9.1. ipvlan may take the addresses of
/// an earlier plugin instead.
const CALL_IPAM: [(&str, &str); 4] = [
    ("ptp", "plugins/main/ptp/ptp.go:191"),
    ("vlan", "plugins/main/vlan/vlan.go:187"),
    ("dummy", "plugins/main/dummy/dummy.go:84"),
    ("ipvlan", "plugins/main/ipvlan/ipvlan.go:267"),
];

/// Keys of a device of which host-device needs one (`plugins/main/host-device/host-device.go:110`).
const DEVICE: [&str; 4] = ["device", "hwaddr", "kernelpath", "pciBusID"];

/// Texts that a plugin needs: `plugins/main/vlan/vlan.go:57`, `plugins/meta/vrf/main.go:192`.
const TEXTS: [(&str, &str); 2] = [("vlan", "master"), ("vrf", "vrfname")];

/// Checks what one plugin needs.
pub(super) fn check(network: &Network, plugin: &PluginView<'_>, findings: &mut Vec<Finding>) {
    let name = plugin.plugin;
    let mut add = |key: &str, message: String, note: String| {
        findings.push(finding(network, FindingCode::PL643, &plugin.path(key), message).notes([note]));
    };
    let no_type = plugin.get("ipam").is_none_or(|ipam| {
        ipam.is_null() || ipam.as_object().is_some_and(|ipam| go_key(ipam, "type").is_none_or(is_empty))
    });
    if let Some((_, source)) = CALL_IPAM.iter().find(|(known, _)| *known == name)
        && no_type
        && (name != "ipvlan" || plugin.position == 0)
    {
        let key = if plugin.get("ipam").is_some() { "ipam" } else { "type" };
        let message = format!("{name} needs an IPAM plugin, and `ipam` names none");
        add(key, message, format!("it calls the IPAM plugin in any case, and ends with an error ({source})"));
    }
    for (_, key) in TEXTS.iter().filter(|(known, key)| *known == name && plugin.get(key).is_none_or(is_empty)) {
        let at = if plugin.get(key).is_some() { key } else { "type" };
        add(at, format!("{name} needs the key `{key}`"), "it ends with an error for every pod".to_owned());
    }
    if name == "host-device"
        && !plugin.declares("deviceID")
        && DEVICE.iter().all(|key| plugin.get(key).is_none_or(is_empty))
    {
        let message = format!("host-device needs one of the keys {}", DEVICE.map(|key| format!("`{key}`")).join(", "));
        add("type", message, "or the capability `deviceID`, by which the runtime hands a device over".to_owned());
    }
    // Plugins of other projects may add ranges before they call the IPAM plugin.
    if known_plugins::is_of_plugins(name) {
        check_ipam(plugin, &mut add);
    }
}

/// Ranges of IPAM plugins.
fn check_ipam(plugin: &PluginView<'_>, add: &mut dyn FnMut(&str, String, String)) {
    let Some(ipam) = plugin.ipam() else { return };
    let lacks = |key: &str| go_key(ipam, key).is_none_or(is_empty);
    match plugin.ipam_type() {
        "host-local" if lacks("subnet") && lacks("ranges") && !plugin.declares("ipRanges") => {
            let note = "it ends with the error `no IP ranges specified` for every pod".to_owned();
            add("ipam", "host-local needs `ranges`, or `subnet`".to_owned(), note);
        }
        "host-local" => {
            for (path, range) in host_local_objects(ipam, "ipam") {
                if go_key(range, "subnet").is_none_or(is_empty) {
                    let note = "it ends with an error for every pod".to_owned();
                    add(&path, "a range of host-local needs `subnet`".to_owned(), note);
                }
            }
        }
        "whereabouts" if lacks("range") && lacks("ipRanges") => {
            let note = "no address is assigned, unless the flat file of whereabouts on the node has one".to_owned();
            add("ipam", "whereabouts needs `range`, or `ipRanges`".to_owned(), note);
        }
        _ => {}
    }
}

/// Whether a value holds nothing for a decoder of a text or a list.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}
