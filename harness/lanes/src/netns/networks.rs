//! The networks of a pod: those of the node, and those that it names.

use super::ranges;
use plumbline_core::plan::{Attachment, Network, Plan, Pod, Topology};
use plumbline_testbed::error::TestbedError;
use serde_json::{Map, Value};
use std::path::Path;

/// The folder of this lane's node, below the root of the checkout.
const FOLDER: &str = "clusters/netns";

/// A configuration that is ready to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Configured {
    /// The network as it is called in reports: `namespace/name`, or the name alone.
    pub network: String,
    /// The configuration's text.
    pub config: String,
    /// How many plugins it has, for deadlines.
    pub links: usize,
}

/// What every pod of a node gets first.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeNetworks {
    /// For `lo`.
    pub loopback: Configured,
    /// For `eth0`, as the first node has it.
    first: Configured,
}

impl NodeNetworks {
    /// Reads them from `clusters/netns` below `root`.
    ///
    /// # Errors
    /// [`TestbedError`] with the path.
    pub fn read(root: &Path) -> Result<Self, TestbedError> {
        Ok(Self { loopback: file(root, "loopback.conflist")?, first: file(root, "default-network.conflist")? })
    }

    /// The same for a scenario, which may have a default network of its own.
    #[must_use]
    pub fn of(&self, topology: &Topology) -> Self {
        let Some(own) = &topology.default_network else { return self.clone() };
        let whole: Map<String, Value> = serde_json::from_str(&own.config).unwrap_or_default();
        let first = Configured { network: own.name.clone(), config: own.config.clone(), links: links(&whole) };
        Self { loopback: self.loopback.clone(), first }
    }

    /// The default network of a node, counted from 1: as written, with the node's own part of the pods' range.
    ///
    /// # Errors
    /// [`TestbedError`] where no part of the range can be told for a node after the first.
    pub fn default(&self, node: usize) -> Result<Configured, TestbedError> {
        if node <= 1 {
            return Ok(self.first.clone());
        }
        ranges::moved(&self.first, node)
    }
}

fn file(root: &Path, name: &str) -> Result<Configured, TestbedError> {
    const STAGE: &str = "read the node's networks";
    let path = root.join(FOLDER).join(name);
    let testbed_error =
        |error: &dyn std::fmt::Display| TestbedError::new(STAGE, format!("{}: {error}", path.display()));
    let config = std::fs::read_to_string(&path).map_err(|error| testbed_error(&error))?;
    let whole: Map<String, Value> = serde_json::from_str(&config).map_err(|error| testbed_error(&error))?;
    let network = whole.get("name").and_then(Value::as_str).unwrap_or(name).to_owned();
    Ok(Configured { network, links: links(&whole), config })
}

/// Another default network for one pod (multus-cni, docs/how-to-use.md).
const OTHER_DEFAULT: &str = "v1.multus-cni.io/default-network";

/// Refuses pods whose networks this lane would make otherwise than a cluster does.
///
/// # Errors
/// [`TestbedError`] with what the pod asks for.
pub fn possible(pod: &Pod) -> Result<(), TestbedError> {
    if pod.manifest["metadata"]["annotations"][OTHER_DEFAULT].is_null() {
        return Ok(());
    }
    let cause = format!("pod {} asks for a default network of its own ({OTHER_DEFAULT})", pod.name);
    Err(TestbedError::new("attach", cause).with_hint("run this scenario on a lane with Multus"))
}

/// Why a network that a pod names can't be attached at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFound {
    /// The network as the pod names it.
    pub network: String,
    /// The words Multus has for it.
    pub words: String,
}

/// Finds the network that an attachment names.
///
/// # Errors
/// The outer one is [`TestbedError`] for what this lane can't do; the inner one says that there is no such network.
pub fn named(plan: &Plan, pod: &Pod, asked: &Attachment) -> Result<Result<Configured, NotFound>, TestbedError> {
    let namespace = asked.namespace.as_deref().or(pod.namespace.as_deref());
    let network = namespace.map_or_else(|| asked.network.clone(), |space| format!("{space}/{}", asked.network));
    let found = plan.networks.iter().find(|one| one.name == asked.network && is_in(one, namespace, pod));
    let Some(Network { manifest: Some(_), config, .. }) = found else {
        // `GetNetAttachDef` fails (multus-cni, pkg/k8sclient/k8sclient.go); the last part is the API server's.
        let (name, space) = (&asked.network, namespace.unwrap_or("default"));
        let words = format!(
            "cannot find a network-attachment-definition ({name}) in namespace ({space}): \
             network-attachment-definitions.k8s.cni.cncf.io \"{name}\" not found"
        );
        return Ok(Err(NotFound { network, words }));
    };
    let Some(config) = config else {
        // An empty spec means a file on the node, which a private node does not have.
        let cause = format!("network {network} has no spec.config: Multus would look for a file on the node");
        return Err(
            TestbedError::new("attach", cause).with_hint("write spec.config, or run it on a lane with a cluster")
        );
    };
    Ok(Ok(with_name(network, config, &asked.network)))
}

fn is_in(network: &Network, namespace: Option<&str>, pod: &Pod) -> bool {
    match (network.namespace.as_deref(), namespace) {
        (Some(one), Some(other)) => one == other,
        (None, None) => true,
        // Where one of them was not written, the scenario's own namespace is meant, which is the pod's.
        (None, Some(other)) => pod.namespace.as_deref() == Some(other),
        (Some(_), None) => false,
    }
}

/// The configuration with the object's name where it has none itself (`GetCNIConfigFromSpec` of Multus).
fn with_name(network: String, config: &str, object: &str) -> Configured {
    let Ok(Value::Object(mut whole)) = serde_json::from_str::<Value>(config) else {
        // The runner says what is wrong with it, as libcni would.
        return Configured { network, config: config.to_owned(), links: 1 };
    };
    let links = links(&whole);
    let unnamed = whole.get("name").and_then(Value::as_str).unwrap_or_default().is_empty();
    if !unnamed {
        return Configured { network, config: config.to_owned(), links };
    }
    whole.insert("name".to_owned(), Value::from(object));
    Configured { network, config: Value::Object(whole).to_string(), links }
}

fn links(whole: &Map<String, Value>) -> usize {
    whole.get("plugins").and_then(Value::as_array).map_or(1, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_without_a_name_gets_the_objects() {
        let named = with_name("ns/n".into(), r#"{"cniVersion":"1.0.0","plugins":[{"type":"a"},{"type":"b"}]}"#, "n");
        assert!(named.config.contains(r#""name":"n""#), "{}", named.config);
        assert_eq!(named.links, 2);
        let kept = with_name("ns/n".into(), r#"{"name": "own", "type": "a"}"#, "n");
        assert_eq!(kept.config, r#"{"name": "own", "type": "a"}"#);
    }
}
