//! The document: "The first CNI configuration in plugins must be the configuration within 10-terway.conf." Its own
//! example for public access adds `symmetric_routing`, so: every key is there and equal, and keys that Terway knows may be
//! added.

use super::{Chain, Linter};
use crate::finding::FindingCode;
use crate::suggestion::suggest;
use crate::terway::eni_config::{CONF, CONFLIST};
use crate::terway::expected::TERWAY;
use serde_json::Value;

/// Keys that Terway reads of its entry: the CNI binary's (`plugin/driver/types`, `CNIConf`, case does not matter) and
/// those that every CNI plugin may have.
const OF_PLUGIN: &str = "cniVersion name type capabilities ipam dns args prevResult runtimeConfig veth_prefix \
    eniip_virtual_type host_stack_cidrs disable_host_peer vlan_strip_type mtu enable_network_priority \
    debug";
/// Keys that terway-cli reads, in these very letters (`cmd/terway-cli/cni.go`, `node.go`, `policy.go`).
const OF_CLI: &str = "bandwidth_mode network_policy_provider symmetric_routing symmetric_routing_config cilium_args \
    cilium_enable_hubble cilium_hubble_metrics cilium_hubble_listen_address cilium_hubble_metrics_server \
    datapath";
/// Keys that terway-cli drops from every entry, so that nothing comes of another value.
const DROPPED: [&str; 2] = ["cniVersion", "name"];

const RULE: &str =
    "the document: the first CNI configuration in plugins must be the configuration within 10-terway.conf";
const UNCHECKED: &str =
    "terway-cli does not look whether it is (cmd/terway-cli/cni.go): pods fail, or lack a setting, later";

const NO_EFFECT: &str = "the sources: terway-cli drops cniVersion and name of every plugin, so nothing comes of it";

pub(super) fn lint(chain: &Chain<'_>, linter: &mut Linter<'_>) {
    let Some(first) = chain.links.first() else { return };
    let conf = linter.config.json(CONF).and_then(|json| json.value.ok());
    if chain.key == CONFLIST
        && let Some(Value::Object(conf)) = &conf
    {
        linter.check();
        let wanted = conf.get("type").and_then(Value::as_str).unwrap_or(TERWAY);
        if first.plugin != wanted {
            let message = format!("the first plugin is `{}`, and must be `{wanted}`", first.plugin);
            linter.add(FindingCode::PL623, chain.at(first, "type"), message).note(RULE).note(UNCHECKED);
            return;
        }
        for (key, value) in conf.iter().filter(|(key, _)| *key != "type") {
            linter.check();
            let (code, message) = match first.conf.get(key) {
                Some(other) if same(other, value) => continue,
                other if DROPPED.contains(&key.as_str()) => {
                    let found = other.map_or("is missing".to_owned(), |other| format!("is {other}"));
                    (FindingCode::PL627, format!("`{key}` of the first plugin {found}; {CONF} has {value}"))
                }
                Some(other) => {
                    (FindingCode::PL623, format!("`{key}` of the first plugin is {other}; {CONF} has {value}"))
                }
                None => (FindingCode::PL623, format!("`{key}` is missing in the first plugin; {CONF} has {value}")),
            };
            let note = if code == FindingCode::PL627 { NO_EFFECT } else { UNCHECKED };
            linter.add(code, chain.at(first, key), message).note(RULE).note(note);
        }
    }
    if first.plugin != TERWAY {
        // Without 10-terway.conf beside it the rule is not known; that Terway has to be there is.
        if chain.key == CONF || conf.is_none() {
            linter.check();
            let message = format!("the first plugin is `{}`, and must be `{TERWAY}`", first.plugin);
            linter.add(FindingCode::PL623, chain.at(first, "type"), message).note(RULE).note(UNCHECKED);
        }
        return;
    }
    for key in first.conf.keys() {
        let of_conf = chain.key == CONFLIST && conf.as_ref().is_some_and(|conf| conf.get(key).is_some());
        let all = || OF_CLI.split_whitespace().chain(OF_PLUGIN.split_whitespace());
        let known = OF_CLI.split_whitespace().any(|known| known == key)
            || OF_PLUGIN.split_whitespace().any(|known| known.eq_ignore_ascii_case(key));
        linter.check();
        if !known && !of_conf {
            let near = suggest(key, all());
            let message = format!("Terway has no key `{key}`: it is kept in the conflist, and nothing reads it");
            linter.add(FindingCode::PL624, chain.at(first, key), message).notes(near);
        }
    }
}

/// Equal as Go's decoder sees them: every number is a float.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (a, b) => a == b,
    }
}
