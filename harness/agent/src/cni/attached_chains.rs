//! The chains that a container runtime ran for a pod of Kubernetes, rebuilt from the records that libcni caches.

use data_encoding::BASE64;
use plumbline_core::cni::{AttachedChain, CniCommand, Exit, PluginCall};

use serde_json::{Map, Value};

use super::config::{NetworkConfig, RuntimeValues};
use crate::runtime::result_cache::{CachedEntry, list_delegated_entries};

/// The chains that Multus ran for a pod. A chain whose configuration can't be read has no calls.
pub fn list_attached_chains(namespace: &str, name: &str, uid: &str) -> Vec<AttachedChain> {
    list_delegated_entries(namespace, name, uid).iter().map(attached_chain).collect()
}

fn attached_chain(entry: &CachedEntry) -> AttachedChain {
    let config = read_config(entry);
    let calls = |config: &NetworkConfig| (0..config.plugins.len()).map(|at| call(entry, config, at)).collect();
    AttachedChain {
        network: entry.network_name.clone(),
        ifname: entry.if_name.clone(),
        container_id: entry.container_id.clone(),
        calls: config.as_ref().map(calls).unwrap_or_default(),
    }
}

fn read_config(entry: &CachedEntry) -> Option<NetworkConfig> {
    let bytes = BASE64.decode(entry.config.as_bytes()).ok()?;
    let mut whole: Map<String, Value> = serde_json::from_slice(&bytes).ok()?;
    // One with a `type` is a single plugin for Multus, also beside `plugins` (multus-cni, `LoadDelegateNetConf`).
    if whole.get("type").and_then(Value::as_str).is_some_and(|plugin| !plugin.is_empty()) {
        whole.remove("plugins");
    }
    NetworkConfig::parse(&Value::Object(whole).to_string()).ok()
}

fn call(entry: &CachedEntry, config: &NetworkConfig, position: usize) -> PluginCall {
    let values = RuntimeValues {
        prev_result: (position > 0).then_some(&entry.result),
        capability_args: entry.capability_args.clone().unwrap_or_default(),
        args_cni: None,
    };
    let args: Vec<String> = entry.cni_args.iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    let env = [
        ("CNI_COMMAND", "ADD".to_owned()),
        ("CNI_CONTAINERID", entry.container_id.clone()),
        ("CNI_ARGS", args.join(";")),
        ("CNI_IFNAME", entry.if_name.clone()),
    ];
    PluginCall {
        network: entry.network_name.clone(),
        position,
        plugin: config.plugin_type(position).to_owned(),
        command: CniCommand::Add,
        ifname: entry.if_name.clone(),
        argv: Vec::new(),
        env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        stdin: config.plugin_config(position, &values),
        stdout: entry.result.to_string(),
        stderr: String::new(),
        exit: Exit::Code(0),
        duration_us: 0,
        changes: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(config: &str) -> CachedEntry {
        let entry = json!({ "kind": "cniCacheV1", "containerId": "c1", "ifName": "eth1", "networkName": "n",
            "config": BASE64.encode(config.as_bytes()), "cniArgs": [["IgnoreUnknown", "1"], ["IP", "10.1.1.1/24"]],
            "capabilityArgs": { "mac": "02:00:00:00:00:01" }, "result": { "cniVersion": "1.0.0" } });
        serde_json::from_value(entry).unwrap()
    }

    #[test]
    fn each_plugin_has_the_configuration_that_the_runtime_gave_it() {
        let config = json!({ "cniVersion": "1.0.0", "name": "n", "plugins": [
            { "type": "macvlan" }, { "type": "tuning", "capabilities": { "mac": true } } ] });
        let chain = attached_chain(&entry(&config.to_string()));
        assert_eq!((chain.network.as_str(), chain.ifname.as_str(), chain.container_id.as_str()), ("n", "eth1", "c1"));
        let [first, second] = chain.calls.as_slice() else { panic!("two calls expected: {chain:?}") };
        assert_eq!(first.stdin, json!({ "type": "macvlan", "name": "n", "cniVersion": "1.0.0" }));
        assert_eq!(second.stdin["runtimeConfig"], json!({ "mac": "02:00:00:00:00:01" }));
        assert_eq!(second.stdin["prevResult"], json!({ "cniVersion": "1.0.0" }));
        let args = second.env.iter().find(|(name, _)| name == "CNI_ARGS").map(|(_, value)| value.as_str());
        assert_eq!(args, Some("IgnoreUnknown=1;IP=10.1.1.1/24"));
        assert_eq!(second.stdout, r#"{"cniVersion":"1.0.0"}"#);
    }

    #[test]
    fn a_type_beside_plugins_is_the_only_plugin() {
        let chain = attached_chain(&entry(r#"{"name":"n","type":"ptp","plugins":[{"type":"bridge"}]}"#));
        assert_eq!(chain.calls.iter().map(|call| call.plugin.as_str()).collect::<Vec<_>>(), ["ptp"]);
    }

    #[test]
    fn a_record_that_cannot_be_read_has_no_calls() {
        for wrong in ["", "[]", "{\"name\":\"n\",\"plugins\":[{}]}"] {
            let chain = attached_chain(&entry(wrong));
            assert_eq!((chain.ifname.as_str(), chain.calls.len()), ("eth1", 0), "{wrong}");
        }
        let nulls = json!({ "kind": "cniCacheV1", "containerId": "c", "ifName": "e", "networkName": "n",
            "config": BASE64.encode(br#"{"name":"n","type":"a"}"#), "cniArgs": null, "capabilityArgs": null });
        let chain = attached_chain(&serde_json::from_value(nulls).unwrap());
        assert_eq!(chain.calls[0].stdout, Value::Null.to_string());
    }
}
