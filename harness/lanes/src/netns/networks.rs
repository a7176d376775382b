//! The networks of a pod: those of the node, and those that the pod requests.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use plumbline_core::plan::{Attachment, Network, Plan, Pod, Topology};
use plumbline_testbed::error::TestbedError;
use serde_json::{Map, Value};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// The folder of this lane's node, below the root of the checkout.
const FOLDER: &str = "clusters/netns";

/// A CNI configuration that is ready to run.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkConfig {
    /// The network's name in reports: `namespace/name`, or the name alone.
    pub network: String,
    /// The configuration's text.
    pub config: String,
    /// How many plugins it has, for deadlines.
    pub plugins: usize,
}

/// The networks that every pod of a node gets first.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeNetworks {
    /// For `lo`.
    pub loopback: NetworkConfig,
    /// For `eth0`, as the first node has it.
    first: NetworkConfig,
}

impl NodeNetworks {
    /// Reads them from `clusters/netns` below `root`.
    ///
    /// # Errors
    /// [`TestbedError`] with the path.
    pub fn read(root: &Path) -> Result<Self, TestbedError> {
        Ok(Self {
            loopback: read_conflist(root, "loopback.conflist")?,
            first: read_conflist(root, "default-network.conflist")?,
        })
    }

    /// The node networks of a scenario, which may have a default network of its own.
    pub fn for_topology(&self, topology: &Topology) -> Self {
        let Some(own) = &topology.default_network else { return self.clone() };
        let whole: Map<String, Value> = serde_json::from_str(&own.config).unwrap_or_default();
        let first =
            NetworkConfig { network: own.name.clone(), config: own.config.clone(), plugins: count_plugins(&whole) };
        Self { loopback: self.loopback.clone(), first }
    }

    /// The default network of a node, counted from 1: as written, with the node's own part of the pods' range.
    ///
    /// # Errors
    /// [`TestbedError`] where a node after the first has no part of the range.
    pub fn default(&self, node: usize) -> Result<NetworkConfig, TestbedError> {
        if node <= 1 {
            return Ok(self.first.clone());
        }
        on_node(&self.first, node)
    }
}

fn read_conflist(root: &Path, name: &str) -> Result<NetworkConfig, TestbedError> {
    const STAGE: &str = "read the node's networks";
    let path = root.join(FOLDER).join(name);
    let testbed_error =
        |error: &dyn std::fmt::Display| TestbedError::new(STAGE, format!("{}: {error}", path.display()));
    let config = std::fs::read_to_string(&path).map_err(|error| testbed_error(&error))?;
    let whole: Map<String, Value> = serde_json::from_str(&config).map_err(|error| testbed_error(&error))?;
    let network = whole.get("name").and_then(Value::as_str).unwrap_or(name).to_owned();
    Ok(NetworkConfig { network, plugins: count_plugins(&whole), config })
}

/// Another default network for one pod (multus-cni, docs/how-to-use.md).
const OTHER_DEFAULT: &str = "v1.multus-cni.io/default-network";

/// Refuses pods that request a feature that only Multus has.
///
/// # Errors
/// [`TestbedError`] with what the pod requests.
pub fn check_pod(pod: &Pod) -> Result<(), TestbedError> {
    if pod.manifest["metadata"]["annotations"][OTHER_DEFAULT].is_null() {
        return Ok(());
    }
    let cause = format!("pod {} requests its own default network ({OTHER_DEFAULT})", pod.name);
    Err(TestbedError::new("attach", cause).with_hint("run this scenario on a lane with Multus"))
}

/// Why a requested network can't be attached.
#[derive(Debug, thiserror::Error)]
pub enum FindNetworkError {
    /// There is no such network.
    #[error("{message}")]
    Missing {
        /// The network as the pod names it.
        network: String,
        /// Multus's message.
        message: String,
    },
    /// This lane can't attach it.
    #[error(transparent)]
    Testbed(#[from] TestbedError),
}

/// Finds the network of an attachment.
///
/// # Errors
/// [`FindNetworkError`].
pub fn find_network(plan: &Plan, pod: &Pod, requested: &Attachment) -> Result<NetworkConfig, FindNetworkError> {
    let namespace = requested.namespace.as_deref().or(pod.namespace.as_deref());
    let network = namespace.map_or_else(|| requested.network.clone(), |space| format!("{space}/{}", requested.network));
    let found = plan.networks.iter().find(|one| one.name == requested.network && is_in(one, namespace, pod));
    let Some(Network { manifest: Some(_), config, .. }) = found else {
        // `GetNetAttachDef` fails (multus-cni, pkg/k8sclient/k8sclient.go); the last part is the API server's.
        let (name, space) = (&requested.network, namespace.unwrap_or("default"));
        let message = format!(
            "cannot find a network-attachment-definition ({name}) in namespace ({space}): \
             network-attachment-definitions.k8s.cni.cncf.io \"{name}\" not found"
        );
        return Err(FindNetworkError::Missing { network, message });
    };
    let Some(config) = config else {
        // An empty spec means a file on the node, which a private node does not have.
        let cause = format!("network {network} has no spec.config: Multus would look for a file on the node");
        let error =
            TestbedError::new("attach", cause).with_hint("write spec.config, or run it on a lane with a cluster");
        return Err(error.into());
    };
    Ok(with_name(network, config, &requested.network))
}

fn is_in(network: &Network, namespace: Option<&str>, pod: &Pod) -> bool {
    match (network.namespace.as_deref(), namespace) {
        (Some(one), Some(other)) => one == other,
        (None, None) => true,
        // A missing namespace means the scenario's namespace, which is the pod's.
        (None, Some(other)) => pod.namespace.as_deref() == Some(other),
        (Some(_), None) => false,
    }
}

/// Adds the object's name to a configuration without a name (`GetCNIConfigFromSpec` of Multus).
fn with_name(network: String, config: &str, object: &str) -> NetworkConfig {
    let Ok(Value::Object(mut whole)) = serde_json::from_str::<Value>(config) else {
        // Running it reports the mistake, as libcni does.
        return NetworkConfig { network, config: config.to_owned(), plugins: 1 };
    };
    // One with a `type` is a single plugin for Multus, also beside `plugins` (multus-cni, `LoadDelegateNetConf`).
    let has_type = whole.get("type").and_then(Value::as_str).is_some_and(|plugin| !plugin.is_empty());
    let drops_list = has_type && whole.remove("plugins").is_some();
    let plugins = count_plugins(&whole);
    let unnamed = whole.get("name").and_then(Value::as_str).unwrap_or_default().is_empty();
    if !unnamed && !drops_list {
        return NetworkConfig { network, config: config.to_owned(), plugins };
    }
    if unnamed {
        whole.insert("name".to_owned(), Value::from(object));
    }
    NetworkConfig { network, config: Value::Object(whole).to_string(), plugins }
}

fn count_plugins(whole: &Map<String, Value>) -> usize {
    whole.get("plugins").and_then(Value::as_array).map_or(1, Vec::len)
}

/// Replaces every `subnet` of host-local's `ranges` by a node's own subnet, as a cluster gives each
/// node a podCIDR. Node 1 has the written subnet, node 2 the next subnet of the same size.
///
/// # Errors
/// [`TestbedError`] when there is no subnet, or none of that number.
fn on_node(first: &NetworkConfig, node: usize) -> Result<NetworkConfig, TestbedError> {
    let testbed_error = |cause: String| {
        TestbedError::new("read the node's networks", format!("network {} on node {node}: {cause}", first.network))
            .with_hint("give its ipam host-local ranges with subnets, which each node can have its own of")
    };
    let mut whole: Value = serde_json::from_str(&first.config).map_err(|error| testbed_error(error.to_string()))?;
    let mut found = 0;
    let plugins = whole.get_mut("plugins").and_then(Value::as_array_mut).into_iter().flatten();
    for sets in plugins.filter_map(|plugin| plugin.pointer_mut("/ipam/ranges")?.as_array_mut()) {
        for range in sets.iter_mut().filter_map(Value::as_array_mut).flatten() {
            let Some(subnet) = range.get_mut("subnet") else { continue };
            let written = subnet.as_str().unwrap_or_default().to_owned();
            let parsed: IpNet = written.parse().map_err(|_| testbed_error(format!("{written:?} is not a subnet")))?;
            let next = subnet_of_node(parsed, node)
                .ok_or_else(|| testbed_error(format!("no subnet after {written} for node {node}")))?;
            *subnet = Value::from(next.to_string());
            found += 1;
        }
    }
    if found == 0 {
        return Err(testbed_error("it has no subnet to divide between nodes".to_owned()));
    }
    Ok(NetworkConfig { config: whole.to_string(), ..first.clone() })
}

/// The subnet of a node: as large as the first node's, and right after that of the node before.
fn subnet_of_node(first: IpNet, node: usize) -> Option<IpNet> {
    let steps = u32::try_from(node.checked_sub(1)?).ok()?;
    match first {
        IpNet::V4(net) => {
            let size = 1_u32.checked_shl(32 - u32::from(net.prefix_len()))?;
            let start = u32::from(net.network()).checked_add(size.checked_mul(steps)?)?;
            Ipv4Net::new(Ipv4Addr::from(start), net.prefix_len()).ok().map(IpNet::V4)
        }
        IpNet::V6(net) => {
            let size = 1_u128.checked_shl(128 - u32::from(net.prefix_len()))?;
            let start = u128::from(net.network()).checked_add(size.checked_mul(u128::from(steps))?)?;
            Ipv6Net::new(Ipv6Addr::from(start), net.prefix_len()).ok().map(IpNet::V6)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_without_a_name_gets_the_name_of_its_object() {
        let named = with_name("ns/n".into(), r#"{"cniVersion":"1.0.0","plugins":[{"type":"a"},{"type":"b"}]}"#, "n");
        assert!(named.config.contains(r#""name":"n""#), "{}", named.config);
        assert_eq!(named.plugins, 2);
        let kept = with_name("ns/n".into(), r#"{"name": "own", "type": "a"}"#, "n");
        assert_eq!(kept.config, r#"{"name": "own", "type": "a"}"#);
    }

    #[test]
    fn a_type_beside_plugins_is_a_single_plugin() {
        let both = with_name("ns/n".into(), r#"{"name":"n","type":"a","plugins":[{"type":"b"},{"type":"c"}]}"#, "n");
        assert_eq!((both.plugins, both.config.as_str()), (1, r#"{"name":"n","type":"a"}"#));
    }

    fn network(ipam: &str) -> NetworkConfig {
        let config = format!(r#"{{"name":"n","plugins":[{{"type":"ptp","ipam":{ipam}}},{{"type":"portmap"}}]}}"#);
        NetworkConfig { network: "n".into(), config, plugins: 2 }
    }

    #[test]
    fn each_node_has_the_next_subnet_of_both_families() {
        let ranges = r#"{"ranges":[[{"subnet":"10.132.0.0/23"}],[{"subnet":"fd00:1::/64"}]]}"#;
        let third = on_node(&network(ranges), 3).unwrap().config;
        assert!(third.contains(r#""10.132.4.0/23""#) && third.contains(r#""fd00:1:0:2::/64""#), "{third}");
    }

    #[test]
    fn a_network_without_subnets_for_nodes_is_an_error() {
        assert!(on_node(&network(r#"{"type":"static"}"#), 2).unwrap_err().cause().contains("no subnet to divide"));
        let last = r#"{"ranges":[[{"subnet":"255.255.255.0/24"}]]}"#;
        assert!(on_node(&network(last), 2).unwrap_err().cause().contains("no subnet after"));
        assert!(on_node(&network(r#"{"ranges":[[{"subnet":"x"}]]}"#), 2).unwrap_err().cause().contains("not a subnet"));
    }
}
