//! What pods have leased from host-local on their nodes, and what of it stays when they are gone.

use super::scene::Staged;
use futures::future::join_all;
use plumbline_cluster::Cluster;
use plumbline_cluster::node::in_scenario_order;
use plumbline_core::observe::{Leak, LeakKind};
use plumbline_core::protocol::{Lease, Op, Outcome};
use plumbline_kube::readiness::{PodOutcome, node_of, uid_of};

/// The leases of a pod.
pub(super) struct Held {
    pod: String,
    node: String,
    leases: Vec<Lease>,
}

/// What the pods that came up have. What can't be asked becomes a line of `unseen`.
pub(super) async fn held(cluster: &Cluster, pods: &[Staged], unseen: &mut Vec<String>) -> Vec<Held> {
    let asked = join_all(pods.iter().map(|staged| async move {
        let PodOutcome::Up(pod) = &staged.came else { return None };
        let (name, node) = (staged.pod.name.clone(), node_of(pod));
        let op = Op::Leases { namespace: staged.namespace.clone(), name: name.clone(), uid: uid_of(pod) };
        Some(ask(cluster, &name, &node, op).await.map(|leases| Held { pod: name, node, leases }))
    }));
    let mut found = Vec::new();
    for held in asked.await.into_iter().flatten() {
        match held {
            Ok(held) => found.push(held),
            Err(line) => unseen.push(line),
        }
    }
    found
}

/// What of it is still there; none where there was no lease at all, or nobody could look.
pub(super) async fn kept(cluster: &Cluster, held: &[Held], unseen: &mut Vec<String>) -> Option<Vec<Leak>> {
    let with_leases = held.iter().filter(|held| !held.leases.is_empty());
    let asked = join_all(with_leases.map(|held| async move {
        let op = Op::LeasesKept(held.leases.clone());
        let kept = ask(cluster, &held.pod, &held.node, op).await;
        kept.map(|kept| kept.into_iter().map(|lease| left(cluster, held, &lease)).collect::<Vec<_>>())
    }));
    let mut looked = None;
    for kept in asked.await {
        match kept {
            Ok(left) => looked.get_or_insert_with(Vec::new).extend(left),
            Err(line) => unseen.push(line),
        }
    }
    looked
}

async fn ask(cluster: &Cluster, pod: &str, node: &str, op: Op) -> Result<Vec<Lease>, String> {
    let fail = |why: String| format!("pod {pod}: its leases on node {node} can't be looked at: {why}");
    let on = cluster.node(node).map_err(|error| fail(error.cause()))?;
    match on.call(op).await.map_err(|error| fail(error.cause()))? {
        Outcome::Leases(leases) => Ok(leases),
        Outcome::Fault(fault) => Err(fail(format!("{}: {}", fault.doing, fault.cause))),
        other => Err(fail(format!("the agent answered {other:?}"))),
    }
}

/// In the scenario's own words, where the node is one of its nodes.
fn left(cluster: &Cluster, held: &Held, lease: &Lease) -> Leak {
    let place = in_scenario_order(&cluster.nodes).iter().position(|place| place.name == held.node);
    let node = place.map_or_else(|| held.node.clone(), |place| (place + 1).to_string());
    Leak {
        kind: LeakKind::Lease,
        pod: Some(held.pod.clone()),
        what: format!("{} of network {}", lease.address, lease.network),
        place: format!("{} on node {node}", lease.folder),
    }
}
