//! The chains that a container runtime ran for a pod of Kubernetes, rebuilt from the records that libcni caches.

use data_encoding::BASE64;
use plumbline_core::cni::{AttachedChain, CniCommand, Exit, PluginCall};

use super::config::{NetworkConfig, RuntimeValues};
use crate::error::{RequestError, fault};
use crate::runtime::result_cache::{CachedEntry, list_delegated_entries};

/// The chains that Multus ran for a pod.
///
/// # Errors
/// A fault for a record whose configuration can't be read.
pub fn list_attached_chains(namespace: &str, name: &str, uid: &str) -> Result<Vec<AttachedChain>, RequestError> {
    list_delegated_entries(namespace, name, uid).iter().map(attached_chain).collect()
}

fn attached_chain(entry: &CachedEntry) -> Result<AttachedChain, RequestError> {
    let action = || format!("read the cached configuration of network {}", entry.network_name);
    let bytes = BASE64.decode(entry.config.as_bytes()).map_err(|error| fault(action(), error))?;
    let config = NetworkConfig::parse(&String::from_utf8_lossy(&bytes)).map_err(|error| fault(action(), error))?;
    let calls = (0..config.plugins.len()).map(|position| call(entry, &config, position)).collect();
    let (network, ifname, container_id) =
        (entry.network_name.clone(), entry.if_name.clone(), entry.container_id.clone());
    Ok(AttachedChain { network, ifname, container_id, calls })
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
    use serde_json::{Value, json};

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
        let chain = attached_chain(&entry(&config.to_string())).unwrap();
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
    fn a_record_that_cannot_be_read_is_a_fault() {
        for wrong in ["", "[]", "{\"name\":\"n\",\"plugins\":[{}]}"] {
            assert!(attached_chain(&entry(wrong)).is_err(), "{wrong}");
        }
        let nulls = json!({ "kind": "cniCacheV1", "containerId": "c", "ifName": "e", "networkName": "n",
            "config": BASE64.encode(br#"{"name":"n","type":"a"}"#), "cniArgs": null, "capabilityArgs": null });
        let chain = attached_chain(&serde_json::from_value(nulls).unwrap()).unwrap();
        assert_eq!(chain.calls[0].stdout, Value::Null.to_string());
    }
}
