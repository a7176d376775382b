//! Rules about the sysctls of tuning (`PL617`; `plugins/meta/tuning/tuning.go`).

use super::context::Context;
use super::view::{PluginView, finding};
use crate::finding::{Finding, FindingCode};
use crate::plan::Network;
use serde_json::Value;
use std::collections::BTreeMap;

/// Names in place of an interface's that are always there.
const NOT_INTERFACES: [&str; 4] = ["all", "default", "lo", "IFNAME"];

/// The interface that a sysctl is of, and whether its name has a dot, which no form of the key can state.
pub(super) struct SysctlInterface<'a> {
    /// Its name as written, up to the first dot in the form with dots.
    pub interface: &'a str,
    /// Whether there are more parts than `FAMILY.conf.INTERFACE.NAME`.
    pub has_dots: bool,
}

/// The interface of a sysctl such as `net.ipv4.conf.eth1.rp_filter`; none for one that is of no single interface.
pub(super) fn interface_of(key: &str) -> Option<SysctlInterface<'_>> {
    let separator = if key.contains('/') { '/' } else { '.' };
    let parts: Vec<&str> = key.split(separator).collect();
    let ["net", "ipv4" | "ipv6", "conf" | "neigh", interface, rest @ ..] = parts.as_slice() else { return None };
    let has_dots = interface.contains('.') || (separator == '.' && rest.len() > 1);
    (!NOT_INTERFACES.contains(interface)).then_some(SysctlInterface { interface, has_dots })
}

/// The sysctls of a tuning plugin.
pub(super) fn sysctls<'a>(plugin: &PluginView<'a>) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let found = if plugin.plugin == "tuning" { plugin.get("sysctl").and_then(Value::as_object) } else { None };
    found.into_iter().flatten()
}

/// Checks the sysctls of one plugin.
pub(super) fn check(network: &Network, plugin: &PluginView<'_>, context: &Context<'_>, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<String, &String> = BTreeMap::new();
    for (key, _) in sysctls(plugin) {
        let at = plugin.path(&format!("sysctl/{key}"));
        let mut add = |message: String, note: &str| {
            findings.push(finding(network, FindingCode::PL617, &at, message).notes([note]));
        };
        let with_dots = key.replace('/', ".");
        if let Some(first) = seen.insert(with_dots.clone(), key) {
            let note = "tuning writes sysctls in random order, so the last value is random too";
            add(format!("sysctl `{key}` is the same as `{first}`"), note);
        }
        if !with_dots.starts_with("net.") {
            add(format!("sysctl `{key}` is not below `net`: tuning refuses it"), "a pod has its own `net` alone");
            continue;
        }
        if interface_of(key).is_some_and(|of| of.has_dots) {
            let note = "write IFNAME in its place: tuning puts the attachment's interface there, dots included";
            add(
                format!("sysctl `{key}` has an interface with a dot in its name: tuning takes the dot for a slash"),
                note,
            );
        }
        if !is_allowed(key, context) {
            let note = "/etc/cni/tuning/allowlist.conf has one regular expression in each line; the key is compared as written";
            add(format!("sysctl `{key}` is refused by the allow-list of tuning"), note);
        }
    }
}

/// Whether the allow-list, if there is one, has an expression for a sysctl (`validateSysctlConf`). An expression that cannot
/// be read allows nothing, and an empty list neither.
fn is_allowed(key: &str, context: &Context<'_>) -> bool {
    let Some(list) = &context.cluster.tuning_allow_list else { return true };
    let mut lines = list.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
    lines.any(|line| regex::Regex::new(line).is_ok_and(|expression| expression.is_match(key)))
}
