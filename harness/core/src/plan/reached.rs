//! What a pod is reached by through a port of its node.

use super::{ProbeEndpoint, Protocol, Wanted};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Which of a node's addresses is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeAddress {
    /// The one on the link of its default route, as kubelet chooses it.
    #[default]
    Own,
    /// 127.0.0.1 or ::1.
    Localhost,
}

/// Whose address the pod sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SeenAs {
    /// This one.
    Address(IpAddr),
    /// Any that this party has.
    Endpoint(ProbeEndpoint),
}

/// A `reachedBy`: somebody asks the node that the pod is on, at a `hostPort` of the pod, and the pod answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReachedBy {
    /// Who asks; none for the node that the pod is on.
    pub sender: Option<ProbeEndpoint>,
    /// Which address of the node is asked.
    #[serde(default)]
    pub at: NodeAddress,
    /// UDP or TCP.
    pub by: Protocol,
    /// The port of the node.
    pub host_port: u16,
    /// The port of the pod that it leads to.
    pub container_port: u16,
    /// IPv6 instead of IPv4.
    #[serde(default)]
    pub v6: bool,
    /// Whose address the pod must see; the inner none is the node that the pod is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_from: Option<Wanted<Option<SeenAs>>>,
    /// The node's interface by which the answers must leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_by: Option<Wanted<String>>,
}

impl ReachedBy {
    /// Who asks a pod on this node.
    #[must_use]
    pub fn sender_at(&self, node: usize) -> ProbeEndpoint {
        self.sender.clone().unwrap_or(ProbeEndpoint::Node(node))
    }
}
