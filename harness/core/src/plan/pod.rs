//! Pods and workloads, their attachments, and the ports of the node that a pod requests (`hostPort`).

use super::network::Network;
use super::probe::Protocol;
use crate::source::Source;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::IpAddr;

/// The annotation key that Multus 4.3.0 reads where `interface` is absent, and announced to remove
/// (`pkg/types/types.go`, `DeprecatedInterfaceRequest`).
pub const DEPRECATED_INTERFACE: &str = "interfaceRequest";

/// The annotation that replaces a pod's default network (Multus, `pkg/k8sclient`).
pub const DEFAULT_NETWORK: &str = "v1.multus-cni.io/default-network";

/// One attachment that a pod requests: one element of `k8s.v1.cni.cncf.io/networks`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Network name.
    pub network: String,
    /// Network's namespace as written; none means the pod's.
    pub namespace: Option<String>,
    /// Interface name in the pod; `net<N>` with N from 1 if none is requested.
    pub interface: String,
    /// Requested addresses (`ips`), as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<String>,
    /// Requested MAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// `cni-args`: goes to every plugin as `args.cni`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cni_args: Option<Value>,
    /// `default-route`; for Multus an empty list is a request, and not an absence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_route: Option<Vec<IpAddr>>,
    /// `portMappings`, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_mappings: Option<Value>,
    /// `bandwidth`, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Value>,
    /// Other keys of the element: Multus ignores them, but for the deprecated `interfaceRequest`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_keys: Vec<String>,
}

impl Attachment {
    /// A request for a network of the pod's own namespace, with nothing but an interface and addresses (`ips`).
    pub fn new(network: &str, interface: impl Into<String>, ips: Vec<String>) -> Self {
        Self {
            network: network.to_owned(),
            namespace: None,
            interface: interface.into(),
            ips,
            mac: None,
            cni_args: None,
            default_route: None,
            port_mappings: None,
            bandwidth: None,
            other_keys: Vec::new(),
        }
    }

    /// Whether it names a network, for a pod in the pod's own namespace.
    pub fn names(&self, pod: &Pod, network: &Network) -> bool {
        let namespace = self.namespace.as_ref().or(pod.namespace.as_ref());
        network.name == self.network && network.namespace.as_ref() == namespace
    }
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Object name.
    pub name: String,
    /// Namespace as written.
    pub namespace: Option<String>,
    /// The object as it would be applied, before adaptations.
    pub manifest: Value,
    /// Attachments in the annotation's order, the default network not counted.
    pub attachments: Vec<Attachment>,
    /// The node it is to run on, from 1, where the scenario says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<usize>,
    /// Where it was written.
    pub source: Source,
}

/// A workload: an object whose controller makes pods of its template (Deployment, StatefulSet, Job and their like).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Its `kind`.
    pub kind: String,
    /// Object name.
    pub name: String,
    /// Namespace as written.
    pub namespace: Option<String>,
    /// The object as it would be applied, before adaptations.
    pub manifest: Value,
    /// Names of its pods in the plan. A StatefulSet's are those that its controller gives.
    pub pods: Vec<String>,
}

/// A port of the node that leads to one of the pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortMapping {
    /// On the node.
    pub host_port: u16,
    /// In the pod.
    pub container_port: u16,
    /// `TCP`, `UDP` or `SCTP`, as written; TCP where nothing is.
    pub protocol: String,
    /// The address of the node that it is for, as written; empty for all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host_ip: String,
}

impl PortMapping {
    /// The protocol, if probes can use it.
    pub fn by(&self) -> Option<Protocol> {
        match self.protocol.to_ascii_lowercase().as_str() {
            "tcp" => Some(Protocol::Tcp),
            "udp" => Some(Protocol::Udp),
            _ => None,
        }
    }

    /// As a container runtime hands it to plugins in `runtimeConfig.portMappings` (containerd,
    /// `internal/cri/server/sandbox_run.go`, `toCNIPortMappings`).
    pub fn runtime(&self) -> Value {
        json!({
            "hostPort": self.host_port, "containerPort": self.container_port,
            "protocol": self.protocol.to_ascii_lowercase(), "hostIP": self.host_ip,
        })
    }
}

impl Pod {
    /// The name of the network that the pod requests in place of the default one, its namespace left out (Multus,
    /// annotation `v1.multus-cni.io/default-network`).
    pub fn default_network(&self) -> Option<&str> {
        let annotations = &self.manifest["metadata"]["annotations"];
        annotations[DEFAULT_NETWORK].as_str().and_then(|text| text.rsplit('/').next())
    }

    /// Every `hostPort` of its containers, in the order written. One that is no port number is left out, as kubelet's own
    /// validation would refuse the pod.
    pub fn port_mappings(&self) -> Vec<PortMapping> {
        let containers = self.manifest["spec"]["containers"].as_array().into_iter().flatten();
        let ports = containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
        let number =
            |port: &Value, key: &str| port[key].as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0);
        let text = |port: &Value, key: &str, usual: &str| port[key].as_str().unwrap_or(usual).to_owned();
        ports
            .filter_map(|port| {
                Some(PortMapping {
                    host_port: number(port, "hostPort")?,
                    container_port: number(port, "containerPort")?,
                    protocol: text(port, "protocol", "TCP"),
                    host_ip: text(port, "hostIP", ""),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_ports_are_read_from_all_containers_and_given_as_the_runtime_does() {
        let manifest = json!({ "spec": { "containers": [
            { "ports": [{ "containerPort": 80, "hostPort": 8080 }, { "containerPort": 81 }] },
            { "ports": [{ "containerPort": 53, "hostPort": 5353, "protocol": "UDP", "hostIP": "10.0.0.1" }] },
        ] } });
        let source = Source { file: String::new(), line: 0, column: 0 };
        let (name, attachments) = (String::new(), Vec::new());
        let pod = Pod { name, namespace: None, manifest, attachments, node: None, source };
        let mappings = pod.port_mappings();
        assert_eq!(mappings.len(), 2);
        assert_eq!(mappings[0].by(), Some(Protocol::Tcp));
        let expected = json!({ "hostPort": 5353, "containerPort": 53, "protocol": "udp", "hostIP": "10.0.0.1" });
        assert_eq!(mappings[1].runtime(), expected);
    }
}
