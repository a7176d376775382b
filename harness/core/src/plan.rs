//! The plan: what a scenario comes to, the same for every lane.

mod expectation;
mod needs;
mod network;
mod pod;
mod ports;
mod probe;
mod topology;

pub use expectation::{DefaultExpectation, InterfaceExpectation, PodExpectation, WantedGateway, WantedRoute};
pub use needs::{Adaptation, PluginNeed};
pub use network::Network;
pub use pod::{Attachment, DEFAULT_NETWORK, DEPRECATED_INTERFACE, Pod, PortMapping, Workload};
pub use ports::{
    Backend, CAPABILITIES, Device, Eni, NodePort, STAND_IN_LEASES, STAND_IN_SETTINGS, Symmetric, VIRTIO_ENI,
};
pub use probe::{
    Because, Destination, Lookup, NodeAddress, ProbeEndpoint, Protocol, ReachedBy, SeenAs, Unreachable, WantedReach,
};
pub use topology::{Bridge, DefaultNetwork, Host, HostPort, NodeLink, Topology, Uplink, VlanProtocol};

pub use crate::source::{Wanted, WantedList};

use serde::{Deserialize, Serialize};

/// The name of a scenario or a file without that of its case, and the name of the case: `a/b[ptp]` is `a/b` and `ptp`.
pub fn split_case(name: &str) -> (&str, Option<&str>) {
    match name.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
        Some((name, case)) => (name, Some(case)),
        None => (name, None),
    }
}

/// The lanes that a scenario may name: every lane of the registry (`plumbline::registry`), which a test there checks.
pub const LANES: [&str; 3] = ["netns", "vm", "kind"];

/// The whole plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Scenario name.
    pub name: String,
    /// One-line summary.
    pub summary: String,
    /// Scenario file.
    pub file: String,
    /// Requirements that it covers.
    pub covers: Vec<String>,
    /// Capabilities needed, for example `macvlan`.
    pub requires: Vec<String>,
    /// Lanes it is meant for; empty means every lane.
    pub lanes: Vec<String>,
    /// The nodes.
    pub topology: Topology,
    /// Networks.
    pub networks: Vec<Network>,
    /// Pods, those of workloads among them.
    pub pods: Vec<Pod>,
    /// Workloads, in the order written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<Workload>,
    /// Expectations.
    pub expect: Vec<PodExpectation>,
    /// Plugins without which the plan is skipped. Only plans of users' files have them: a chain of a scenario fails at a
    /// plugin that is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<PluginNeed>,
    /// Why no lane with nodes of its own can stage it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmet: Option<String>,
    /// What was made or chosen because the user's files need it and do not have it, each a line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<String>,
    /// Changes of the user's objects that were made before any lane saw them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adaptations: Vec<Adaptation>,
}

impl Plan {
    /// The pod of a name.
    pub fn pod(&self, name: &str) -> Option<&Pod> {
        self.pods.iter().find(|pod| pod.name == name)
    }

    /// The network that an attachment of a pod names.
    pub fn network_of(&self, pod: &Pod, attachment: &Attachment) -> Option<&Network> {
        self.networks.iter().find(|network| attachment.names(pod, network))
    }

    /// The sysctls that are expected of a pod, by name.
    pub fn sysctls_of(&self, pod: &str) -> Vec<String> {
        let wanted = self.expect.iter().find(|wanted| wanted.pod == pod);
        wanted.map(|wanted| wanted.sysctls.keys().cloned().collect()).unwrap_or_default()
    }

    /// Whether the nodes themselves have to be looked at.
    pub fn wants_nodes(&self) -> bool {
        self.expect.iter().any(|wanted| !wanted.reached_by.is_empty())
    }
}
