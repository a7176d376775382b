//! What pods leave on a cluster's nodes: looked for as on private nodes, among rules that others change meanwhile.

use crate::traces::{self, NodeTraces};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use plumbline_cluster::Cluster;
use plumbline_cluster::node::{Node, in_scenario_order};
use plumbline_core::observe::traces::RemovedPod;
use plumbline_core::observe::{Leak, LeakKind};
use plumbline_core::plan::Plan;
use plumbline_testbed::error::TestbedError;

const STAGE: &str = "look for traces";
/// In a rule or chain that a CNI plugin made; kube-proxy, which changes its own at any time, makes none with it.
const OF_PLUGINS: [&str; 2] = ["CNI-", "cni_"];

fn nodes(cluster: &Cluster, count: usize) -> Vec<Node> {
    in_scenario_order(&cluster.nodes).into_iter().take(count.max(1)).cloned().collect()
}

/// The plan's nodes before any of its pods; nothing where its pods leave nothing that is worth looking for.
///
/// # Errors
/// `TestbedError` when a node can't be read.
pub(super) async fn before(cluster: &Cluster, plan: &Plan) -> Result<NodeTraces, TestbedError> {
    if !traces::are_expected(plan) {
        return Ok(NodeTraces::default());
    }
    let nodes = nodes(cluster, plan.topology.nodes);
    let testbed_error = |why: String| TestbedError::new(STAGE, format!("look at the nodes: {why}"));
    NodeTraces::read_traces(nodes.len(), &mut nodes.as_slice()).await.map_err(testbed_error)
}

/// What came since and stayed; and what could not be read, each a line.
pub(super) async fn stayed(before: &NodeTraces, cluster: &Cluster, gone: &[RemovedPod]) -> (Vec<Leak>, Vec<String>) {
    let nodes = nodes(cluster, before.nodes());
    let (mut left, lines) = before.find_leaks(gone, &mut nodes.as_slice()).await;
    left.retain(is_plugins);
    (left, lines)
}

/// Whether it is a pod's, or was made by a plugin.
fn is_plugins(left: &Leak) -> bool {
    left.kind != LeakKind::Firewall || left.pod.is_some() || OF_PLUGINS.iter().any(|mark| left.what.contains(mark))
}

/// By what a pod's traces on a node are known: its id and its addresses, as Kubernetes has them.
pub(super) fn gone(name: &str, pod: &Pod) -> RemovedPod {
    let status = pod.status.as_ref();
    let listed = status.and_then(|status| status.pod_ips.as_deref()).unwrap_or_default();
    let addresses: Vec<std::net::IpAddr> = listed.iter().filter_map(|ip| ip.ip.parse().ok()).collect();
    let marks = pod.uid().into_iter().chain(addresses.iter().map(ToString::to_string)).collect();
    RemovedPod { pod: name.to_owned(), marks, addresses }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_kube_proxy_makes_meanwhile_are_no_pods() {
        let left = |kind, pod: Option<&str>, what: &str| Leak {
            kind,
            pod: pod.map(str::to_owned),
            what: what.to_owned(),
            place: String::new(),
        };
        assert!(!is_plugins(&left(LeakKind::Firewall, None, "chain KUBE-SEP-AB of table nat")));
        assert!(is_plugins(&left(LeakKind::Firewall, None, "chain CNI-DN-12 of table nat")));
        assert!(is_plugins(&left(LeakKind::Firewall, Some("web"), "-A KUBE-SEP-AB -d 10.77.0.17/32")));
        assert!(is_plugins(&left(LeakKind::Routing, None, "link cali12")));
    }

    #[test]
    fn a_pod_is_known_by_its_addresses() {
        let pod: Pod = serde_json::from_value(serde_json::json!({
            "metadata": { "uid": "u-1" }, "status": { "podIPs": [{ "ip": "10.77.0.17" }, { "ip": "fd77::11" }] },
        }))
        .unwrap();
        let gone = gone("web", &pod);
        assert_eq!(gone.marks, ["u-1", "10.77.0.17", "fd77::11"]);
        assert_eq!(gone.addresses.len(), 2);
    }
}
