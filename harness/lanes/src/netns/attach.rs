//! Attaches a pod to its networks one after another, as Multus does, and detaches it.

use super::networks::NetworkConfig;
use crate::agent::NodeAgent;
use plumbline_core::cni::{ChainOutcome, CniCommand};
use plumbline_core::plan::{Attachment, Pod};
use plumbline_core::protocol::CniRequest;
use plumbline_testbed::error::TestbedError;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Deadline of a DEL. On a busy emulated processor portmap's DEL took more than 10 s, and rules that it
/// had not removed by then would be reported as a leak.
const DEL_DEADLINE_MS: u64 = 40_000;

/// A network of a pod, attached or failed.
#[derive(Debug, Clone)]
pub struct Delegate {
    /// The network.
    pub config: NetworkConfig,
    /// The interface.
    pub interface: String,
    /// Whether it is one of the node's networks (`lo`, `eth0`), which no pod requests.
    pub own: bool,
    request: CniRequest,
}

/// Identity of a pod, for `CNI_ARGS`.
#[derive(Debug, Clone)]
pub struct PodIdentity {
    /// Pod name.
    pub pod: String,
    /// Kubernetes namespace.
    pub namespace: String,
    /// The node it is on, from 1.
    pub node: usize,
    /// Container id of its sandbox.
    pub container_id: String,
    /// Deadline of one plugin call.
    pub deadline: Duration,
    /// The `hostPort`s of its containers, as a runtime gives them to plugins that declare the capability.
    pub port_mappings: Vec<Value>,
}

impl PodIdentity {
    /// The arguments as kubelet's runtime and Multus pass them (`pkg/types/conf.go`,
    /// `createRuntimeConf`). A pod of this lane has no UID of Kubernetes; its container id stands for it.
    fn cni_args(&self) -> Vec<(String, String)> {
        [
            ("IgnoreUnknown", "true"),
            ("K8S_POD_NAMESPACE", &self.namespace),
            ("K8S_POD_NAME", &self.pod),
            ("K8S_POD_INFRA_CONTAINER_ID", &self.container_id),
            ("K8S_POD_UID", &self.container_id),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    fn capabilities(&self) -> BTreeMap<String, Value> {
        let mappings = Some(&self.port_mappings).filter(|mappings| !mappings.is_empty());
        mappings.map(|mappings| ("portMappings".to_owned(), json!(mappings))).into_iter().collect()
    }

    fn request(&self, config: &NetworkConfig, interface: &str) -> CniRequest {
        CniRequest {
            command: CniCommand::Add,
            pod: self.pod.clone(),
            container_id: self.container_id.clone(),
            ifname: interface.to_owned(),
            config: config.config.clone(),
            // The runtime passes them with the default network, and Multus passes them to every other network that does not
            // have its own (multus-cni, `mergeCNIRuntimeConfig`).
            capability_args: self.capabilities(),
            cni_args: self.cni_args(),
            args_cni: None,
            deadline_ms: u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX),
            with_state: true,
        }
    }

    /// A network of the node.
    pub fn node_network(&self, config: &NetworkConfig, interface: &str) -> Delegate {
        let request = self.request(config, interface);
        Delegate { config: config.clone(), interface: interface.to_owned(), own: true, request }
    }

    /// A network that the pod requests.
    ///
    /// # Errors
    /// [`TestbedError`] for what only Multus does.
    pub fn requested_network(
        &self,
        pod: &Pod,
        requested: &Attachment,
        config: NetworkConfig,
    ) -> Result<Delegate, TestbedError> {
        if requested.default_route.is_some() {
            let cause = format!("pod {}: default-route of {} is done by Multus itself", pod.name, config.network);
            return Err(TestbedError::new("attach", cause).with_hint("run this scenario on a lane with Multus"));
        }
        let mut request = self.request(&config, &requested.interface);
        // Both are passed twice: as arguments always, and as runtime data to plugins that declare the capability
        // (multus-cni, `DelegateAdd` and `newCNIRuntimeConf`).
        if let Some(mac) = &requested.mac {
            request.cni_args.push(("MAC".to_owned(), mac.clone()));
            request.capability_args.insert("mac".to_owned(), json!(mac));
        }
        if !requested.ips.is_empty() {
            request.cni_args.push(("IP".to_owned(), requested.ips.join(",")));
            request.capability_args.insert("ips".to_owned(), json!(requested.ips));
        }
        let mut capability = |name: &str, value: &Option<Value>| {
            request.capability_args.extend(value.iter().map(|value| (name.to_owned(), value.clone())));
        };
        capability("portMappings", &requested.port_mappings);
        capability("bandwidth", &requested.bandwidth);
        request.args_cni.clone_from(&requested.cni_args);
        Ok(Delegate { config, interface: requested.interface.clone(), own: false, request })
    }
}

impl Delegate {
    /// Runs the chain with a command.
    ///
    /// # Errors
    /// [`TestbedError`].
    pub async fn run(&self, command: CniCommand, agent: &mut NodeAgent) -> Result<ChainOutcome, TestbedError> {
        let mut request = CniRequest { command, ..self.request.clone() };
        if command == CniCommand::Del {
            request.deadline_ms = request.deadline_ms.min(DEL_DEADLINE_MS);
        }
        agent.run_chain(request, self.config.plugins).await
    }

    /// The reason why the pod is not Ready, with its parts in Multus's order.
    pub fn failure(&self, outcome: &ChainOutcome) -> Option<String> {
        let error = outcome.error.as_ref()?;
        let (network, interface) = (&self.config.network, &self.interface);
        Some(format!("error adding the pod to network {network} as {interface}: {}", error.message))
    }
}
