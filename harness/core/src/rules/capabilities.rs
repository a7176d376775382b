//! Rules about capabilities (`PL614`): those that a chain declares and no plugin reads, and addresses that static lacks.

use super::keys::reads_runtime_key;
use super::view::{Addressing, PluginView, finding};
use crate::finding::{Finding, FindingCode};
use crate::plan::Network;
use crate::suggestion::did_you_mean;
use serde_json::Value;

/// Checks the capabilities that one network declares.
pub(super) fn check(network: &Network, plugins: &[PluginView<'_>], findings: &mut Vec<Finding>) {
    for plugin in plugins {
        let declared = plugin.get("capabilities").and_then(Value::as_object).into_iter().flatten();
        for (capability, _) in declared.filter(|(_, value)| **value == Value::Bool(true)) {
            let reads = [plugin.plugin, plugin.ipam_type()]
                .map(|name| if name.is_empty() { Some(false) } else { reads_runtime_key(name, capability) });
            // A plugin that is not known may read anything.
            if reads.iter().all(|reads| *reads == Some(false)) {
                let message = format!("{} does not read the capability `{capability}`", plugin.plugin);
                let path = plugin.path(&format!("capabilities/{capability}"));
                let note = "the runtime hands the request to this plugin, which drops it";
                findings.push(finding(network, FindingCode::PL614, &path, message).notes([note]));
            }
        }
    }
}

/// Reports static without addresses, and without the capability by which pods choose them. For networks of which no pod is
/// known that requests `ips`: then Multus hands the addresses over in `CNI_ARGS` too.
pub(super) fn check_static(
    network: &Network,
    plugins: &[PluginView<'_>],
    addressing: &Addressing,
    findings: &mut Vec<Finding>,
) {
    if addressing.is_by_pod {
        return;
    }
    for plugin in plugins.iter().filter(|plugin| plugin.ipam_type() == "static") {
        let ipam = plugin.ipam().and_then(|ipam| crate::chain::go_key(ipam, "addresses"));
        // A value of a wrong type and a misspelt key are reported as that.
        let is_empty = |addresses: &Value| addresses.is_null() || addresses.as_array().is_some_and(Vec::is_empty);
        let is_misspelt =
            || plugin.ipam().into_iter().flatten().any(|(key, _)| did_you_mean(key, ["addresses"]).is_some());
        let by_args = || plugin.get("args").and_then(|args| args.get("cni")?.get("ips")).is_some();
        if ipam.is_none_or(is_empty) && (ipam.is_some() || !is_misspelt()) && !by_args() {
            let message = "static has no address, and the network does not declare the capability `ips`";
            let notes = ["declare `\"capabilities\": {\"ips\": true}`, or give `ipam` a list `addresses`"];
            findings.push(finding(network, FindingCode::PL614, &plugin.path("ipam"), message).notes(notes));
        }
    }
}
