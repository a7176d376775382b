//! Leaks of pods on a cluster's nodes: leases of host-local, and traces, which are found as on private nodes.

use super::pods::StagedPod;
use crate::traces::{self, NodeTraces};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use plumbline_cluster::Cluster;
use plumbline_cluster::node::{Node, in_scenario_order};
use plumbline_core::observe::traces::RemovedPod;
use plumbline_core::observe::{Leak, LeakKind};
use plumbline_core::plan::Plan;
use plumbline_core::protocol::{Lease, Op, Outcome};
use plumbline_kube::readiness::{node_of, uid_of};
use plumbline_testbed::error::TestbedError;

const STAGE: &str = "read leaks";
/// Part of the names of rules and chains of CNI plugins. Rules of kube-proxy, which change at any time, don't contain it.
const OF_PLUGINS: [&str; 2] = ["CNI-", "cni_"];

/// The leases of a pod.
pub(super) struct PodLeases {
    pod: String,
    node: String,
    leases: Vec<Lease>,
}

/// Reads the leases of the pods that are Ready. What can't be read becomes a line of `unread`.
pub(super) async fn read_leases(cluster: &Cluster, pods: &[StagedPod], unread: &mut Vec<String>) -> Vec<PodLeases> {
    let all = join_all(pods.iter().filter_map(|staged| Some((staged, staged.ready()?))).map(|(staged, pod)| async {
        let (name, node) = (staged.pod.name.clone(), node_of(pod));
        let op = Op::Leases { namespace: staged.namespace.clone(), name: pod.name_any(), uid: uid_of(pod) };
        call_for_leases(cluster, &name, &node, op).await.map(|leases| PodLeases { pod: name, node, leases })
    }));
    all.await.into_iter().filter_map(|read| read.map_err(|error| unread.push(error.cause())).ok()).collect()
}

/// The leases that are still there. None if there was no lease at all, or no lease could be read.
pub(super) async fn find_leases(cluster: &Cluster, held: &[PodLeases], unread: &mut Vec<String>) -> Option<Vec<Leak>> {
    let all = join_all(held.iter().filter(|held| !held.leases.is_empty()).map(|held| async move {
        let kept = call_for_leases(cluster, &held.pod, &held.node, Op::LeasesKept(held.leases.clone())).await?;
        Ok::<_, TestbedError>(kept.into_iter().map(|lease| leak(cluster, held, &lease)).collect::<Vec<_>>())
    }));
    let mut found: Option<Vec<Leak>> = None;
    for kept in all.await {
        match kept {
            Ok(leaks) => found.get_or_insert_default().extend(leaks),
            Err(error) => unread.push(error.cause()),
        }
    }
    found
}

async fn call_for_leases(cluster: &Cluster, pod: &str, node: &str, op: Op) -> Result<Vec<Lease>, TestbedError> {
    let fail =
        |why: String| TestbedError::new(STAGE, format!("pod {pod}: its leases on node {node} can't be read: {why}"));
    let on = cluster.node(node).map_err(|error| fail(error.cause()))?;
    match on.call(op).await.map_err(|error| fail(error.cause()))? {
        Outcome::Leases(leases) => Ok(leases),
        Outcome::Fault(fault) => Err(fail(format!("{}: {}", fault.doing, fault.cause))),
        other => Err(fail(format!("the agent answered {other:?}"))),
    }
}

/// The leak of a lease, with the scenario's number of the node, if it has one.
fn leak(cluster: &Cluster, held: &PodLeases, lease: &Lease) -> Leak {
    let place = in_scenario_order(&cluster.nodes).iter().position(|place| place.name == held.node);
    let node = place.map_or_else(|| held.node.clone(), |place| (place + 1).to_string());
    Leak {
        kind: LeakKind::Lease,
        pod: Some(held.pod.clone()),
        what: format!("{} of network {}", lease.address, lease.network),
        place: format!("{} on node {node}", lease.folder),
    }
}

fn nodes(cluster: &Cluster, count: usize) -> Vec<Node> {
    in_scenario_order(&cluster.nodes).into_iter().take(count.max(1)).cloned().collect()
}

/// Reads the plan's nodes before any of its pods is made. Reads nothing if its pods can leave no traces.
///
/// # Errors
/// `TestbedError` when a node can't be read.
pub(super) async fn read_traces(cluster: &Cluster, plan: &Plan) -> Result<NodeTraces, TestbedError> {
    if !traces::are_expected(plan) {
        return Ok(NodeTraces::default());
    }
    let nodes = nodes(cluster, plan.topology.nodes);
    NodeTraces::read_traces(nodes.len(), &mut nodes.as_slice()).await
}

/// The new traces that are still there, and a line for each failed reading.
pub(super) async fn find_traces(
    before: &NodeTraces,
    cluster: &Cluster,
    removed: &[RemovedPod],
) -> (Vec<Leak>, Vec<String>) {
    let nodes = nodes(cluster, before.nodes());
    let (mut leaks, unread) = before.find_leaks(removed, &mut nodes.as_slice()).await;
    leaks.retain(is_plugins);
    (leaks, unread)
}

/// Whether the leak belongs to a pod or was made by a plugin.
fn is_plugins(leak: &Leak) -> bool {
    leak.kind != LeakKind::Firewall || leak.pod.is_some() || OF_PLUGINS.iter().any(|mark| leak.what.contains(mark))
}

/// What identifies a pod's traces on a node: its id and its addresses, as Kubernetes has them.
pub(super) fn removed_pod(name: &str, pod: &Pod) -> RemovedPod {
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
    fn rules_of_kube_proxy_are_no_leaks() {
        let leak = |kind, pod: Option<&str>, what: &str| Leak {
            kind,
            pod: pod.map(str::to_owned),
            what: what.to_owned(),
            place: String::new(),
        };
        assert!(!is_plugins(&leak(LeakKind::Firewall, None, "chain KUBE-SEP-AB of table nat")));
        assert!(is_plugins(&leak(LeakKind::Firewall, None, "chain CNI-DN-12 of table nat")));
        assert!(is_plugins(&leak(LeakKind::Firewall, Some("web"), "-A KUBE-SEP-AB -d 10.77.0.17/32")));
        assert!(is_plugins(&leak(LeakKind::Routing, None, "link cali12")));
    }

    #[test]
    fn a_pod_is_identified_by_its_id_and_addresses() {
        let pod: Pod = serde_json::from_value(serde_json::json!({
            "metadata": { "uid": "u-1" }, "status": { "podIPs": [{ "ip": "10.77.0.17" }, { "ip": "fd77::11" }] },
        }))
        .unwrap();
        let removed = removed_pod("web", &pod);
        assert_eq!(removed.marks, ["u-1", "10.77.0.17", "fd77::11"]);
        assert_eq!(removed.addresses.len(), 2);
    }
}
