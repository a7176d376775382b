//! Watches nodes and DaemonSets until they are ready.

use crate::objects::AtRequest as _;
use crate::readiness::{is_ready, statuses};
use futures::StreamExt;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Node, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ListParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline};
use std::pin::pin;

/// Waits until `lacking` returns none for a node.
///
/// # Errors
/// `TestbedError` at `stage` at the deadline, with the last missing condition.
pub async fn wait_for_node(
    client: &Client,
    name: &str,
    stage: &str,
    deadline: Deadline,
    lacking: impl Fn(&Node) -> Option<String>,
) -> Result<(), TestbedError> {
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut nodes = pin!(watcher(Api::<Node>::all(client.clone()), config).default_backoff().applied_objects());
    let mut lacks = "nothing".to_owned();
    loop {
        tokio::select! {
            Some(seen) = nodes.next() => match seen.map(|node| lacking(&node)) {
                Ok(None) => return Ok(()),
                Ok(Some(what)) => lacks = what,
                Err(error) => lacks = error.to_string(),
            },
            () = wait::over(deadline) => {
                return Err(wait::late(stage, &format!("{name} to be ready"), deadline, &lacks));
            },
        }
    }
}

/// The missing condition for a finished rollout of a DaemonSet; none if it is finished.
pub fn daemon_set_lacks(set: &DaemonSet) -> Option<String> {
    let Some(status) = &set.status else { return Some("no status yet".to_owned()) };
    let generation = set.metadata.generation.unwrap_or_default();
    if status.observed_generation.unwrap_or_default() < generation {
        return Some(format!("its controller has not yet observed generation {generation}"));
    }
    let desired = status.desired_number_scheduled;
    let updated = status.updated_number_scheduled.unwrap_or_default();
    let ready = status.number_ready;
    if desired == 0 {
        return Some("no node is selected yet".to_owned());
    }
    (updated < desired || ready < desired).then(|| format!("{updated} of {desired} pods updated, {ready} ready"))
}

/// The reason why a node is not ready; none if it is ready.
pub fn node_lacks(node: &Node) -> Option<String> {
    let conditions = node.status.as_ref().and_then(|s| s.conditions.as_ref());
    let ready = conditions.into_iter().flatten().find(|c| c.type_ == "Ready");
    match ready {
        Some(condition) if condition.status == "True" => None,
        Some(condition) => {
            Some(format!("Ready is {}: {}", condition.status, condition.message.as_deref().unwrap_or_default()))
        }
        None => Some("no condition Ready yet".to_owned()),
    }
}

/// Reads a DaemonSet.
///
/// # Errors
/// `TestbedError` at `stage` when it does not exist, or the server does not answer.
pub async fn read_daemon_set(
    client: &Client,
    namespace: &str,
    name: &str,
    stage: &str,
) -> Result<DaemonSet, TestbedError> {
    let set = Api::<DaemonSet>::namespaced(client.clone(), namespace).get(name).await;
    set.at_request(stage, format_args!("daemonset {namespace}/{name}"))
}

/// Waits until a DaemonSet is rolled out, in the generation that was read or a later one. `failure` returns the reason why a
/// pod can never become ready.
///
/// # Errors
/// `TestbedError` at `stage` at the deadline, with the missing condition and the problems of its containers; earlier, when a
/// pod of this generation has a failure.
pub async fn wait_for_daemon_set(
    client: &Client,
    set: &DaemonSet,
    stage: &str,
    deadline: Deadline,
    failure: impl Fn(&Pod) -> Option<String>,
) -> Result<(), TestbedError> {
    let (name, namespace) = (set.name_any(), set.namespace().unwrap_or_default());
    let generation = set.metadata.generation.unwrap_or_default();
    let sets: Api<DaemonSet> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let of_set = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let of_pods = watcher::Config::default().labels(&selector(set));
    // Boxed, because a watch is large, and the thread of a test has a stack of 2 MiB.
    let mut sets = watcher(sets, of_set).default_backoff().applied_objects().boxed();
    let mut watched = watcher(pods.clone(), of_pods).default_backoff().applied_objects().boxed();
    let mut lacks = "nothing".to_owned();
    loop {
        tokio::select! {
            Some(seen) = sets.next() => match seen {
                Ok(set) if set.metadata.generation.unwrap_or_default() < generation => {}
                Ok(set) => match daemon_set_lacks(&set) {
                    None => return Ok(()),
                    Some(what) => lacks = what,
                },
                Err(error) => lacks = error.to_string(),
            },
            Some(seen) = watched.next() => {
                if let Ok(pod) = seen
                    && is_of_generation(&pod, generation)
                    && let Some(why) = failure(&pod)
                {
                    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
                    return Err(TestbedError::new(stage, format!("{} on {node}: {why}", pod.name_any())));
                }
            },
            () = wait::over(deadline) => break,
        }
    }
    let error = wait::late(stage, &format!("{name} to be ready"), deadline, &lacks);
    let problems = container_problems(&pods, &selector(set)).await;
    if !problems.is_empty() {
        return Err(error.with_remark(&format!("its pods: {}", problems.join("; "))));
    }
    Err(match read_controller_lease(client).await {
        Some(at) => error.with_remark(&format!("the cluster's controllers last renewed their lease at {at}")),
        None => error,
    })
}

/// The label selector of a DaemonSet's pods.
pub fn selector(set: &DaemonSet) -> String {
    let labels = set.spec.selector.match_labels.iter().flatten();
    labels.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Whether a pod is of this generation of the DaemonSet's template or of a later one, and is not being deleted.
pub fn is_of_generation(pod: &Pod, generation: i64) -> bool {
    let of = pod.labels().get("pod-template-generation").and_then(|text| text.parse::<i64>().ok());
    of.is_none_or(|of| of >= generation) && pod.metadata.deletion_timestamp.is_none()
}

/// The time when the controller manager last renewed its lease. It is long ago if the controller manager does not run or does
/// not reach the API server.
async fn read_controller_lease(client: &Client) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-system");
    let lease = leases.get("kube-controller-manager").await.ok()?;
    Some(lease.spec?.renew_time?.0.to_string())
}

/// The reasons why containers of the pods with these labels do not run.
async fn container_problems(pods: &Api<Pod>, labels: &str) -> Vec<String> {
    let Ok(all) = pods.list(&ListParams::default().labels(labels)).await else { return Vec::new() };
    let problems = all.items.iter().flat_map(|pod| {
        statuses(pod)
            .filter_map(|status| Some(format!("{}: {}", pod.name_any(), container_problem(status)?)))
            .collect::<Vec<_>>()
    });
    problems.collect()
}

/// The last exit of a container with an exit code other than 0, and the last line of its message after a separator.
pub fn last_failure(status: &ContainerStatus) -> Option<(i32, String)> {
    let ended = |state: &Option<ContainerState>| state.as_ref().and_then(|state| state.terminated.clone());
    let ended = ended(&status.state).or_else(|| ended(&status.last_state)).filter(|ended| ended.exit_code != 0)?;
    let message = ended.message.unwrap_or_default();
    let line = message.lines().rfind(|line| !line.trim().is_empty());
    Some((ended.exit_code, line.map(|line| format!(": {}", line.trim())).unwrap_or_default()))
}

/// The reason why a container does not run; none if it runs or has succeeded.
fn container_problem(status: &ContainerStatus) -> Option<String> {
    let state = status.state.as_ref()?;
    let failure = last_failure(status).map(|(code, line)| format!("exit code {code}{line}"));
    match &state.waiting {
        Some(waiting) => {
            let (reason, message) = (waiting.reason.as_deref(), waiting.message.as_deref());
            let texts = [reason, message, failure.as_deref()];
            Some(texts.into_iter().flatten().collect::<Vec<_>>().join("; "))
        }
        None if state.running.is_none() => failure,
        None => None,
    }
}

async fn list_nodes(client: &Client, stage: &str) -> Result<Vec<Node>, TestbedError> {
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await;
    Ok(nodes.at_request(stage, "list nodes")?.items)
}

/// The first node that is not ready, with the reason; none if all are ready.
///
/// # Errors
/// `TestbedError` at `stage` when the server does not answer.
pub async fn find_unready_node(client: &Client, stage: &str) -> Result<Option<String>, TestbedError> {
    let nodes = list_nodes(client, stage).await?;
    Ok(nodes.iter().find_map(|node| Some(format!("node {}: {}", node.name_any(), node_lacks(node)?))))
}

/// A pod of a node whose status Ready is older than `since`, because the kubelet has not updated it. It does not count as
/// ready. None if there is no such pod.
///
/// # Errors
/// `TestbedError` at `stage` when the server does not answer.
pub async fn find_stale_pod(
    client: &Client,
    node: &str,
    since: Timestamp,
    stage: &str,
) -> Result<Option<String>, TestbedError> {
    let of_node = ListParams::default().fields(&format!("spec.nodeName={node}"));
    let pods = Api::<Pod>::all(client.clone()).list(&of_node).await;
    let pods = pods.at_request(stage, format_args!("list pods of {node}"))?;
    Ok(pods.items.iter().find(|pod| is_stale(pod, since)).map(ResourceExt::name_any))
}

fn is_stale(pod: &Pod, since: Timestamp) -> bool {
    let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let started = |status: &ContainerStatus| Some(status.state.as_ref()?.running.as_ref()?.started_at.as_ref()?.0);
    is_ready(pod) && containers.filter_map(started).any(|started| started < since)
}

/// The difference between the InternalIP of a node and `own`; none if they are equal.
pub fn address_lacks(node: &Node, own: &str) -> Option<String> {
    let found = internal_ip(node).unwrap_or_default();
    (found != own).then(|| format!("expected InternalIP {own}, found {found:?}"))
}

fn internal_ip(node: &Node) -> Option<&str> {
    let addresses = node.status.as_ref()?.addresses.as_ref()?;
    addresses.iter().find(|a| a.type_ == "InternalIP").map(|a| a.address.as_str())
}

/// The missing pod CIDR of a node, which a controller sets shortly after the node joins; none if the node has it.
pub fn pod_cidr_lacks(node: &Node) -> Option<String> {
    let has_cidr = node.spec.as_ref().is_some_and(|spec| spec.pod_cidr.is_some());
    (!has_cidr).then(|| "no pod CIDR yet".to_owned())
}

/// The pod CIDRs of all nodes, with the nodes' addresses: `(name, pod CIDR, InternalIP)`.
///
/// # Errors
/// `TestbedError` at `stage` when the server does not answer, or a node has no pod CIDR yet.
pub async fn read_pod_cidrs(client: &Client, stage: &str) -> Result<Vec<(String, String, String)>, TestbedError> {
    let read = |node: &Node| {
        let cidr = node.spec.as_ref()?.pod_cidr.clone()?;
        Some((node.name_any(), cidr, internal_ip(node)?.to_owned()))
    };
    let missing =
        |node: &Node| TestbedError::new(stage, format!("node {} has no pod CIDR or address yet", node.name_any()));
    list_nodes(client, stage).await?.iter().map(|node| read(node).ok_or_else(|| missing(node))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_ready_status_from_before_the_restart_is_stale() {
        let since: Timestamp = "2026-11-30T09:00:00Z".parse().unwrap();
        let pod = |ready: &str, started: &str| {
            let state = json!({ "running": { "startedAt": started } });
            let container =
                json!({ "name": "a", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": state });
            serde_json::from_value::<Pod>(json!({ "status": {
                "conditions": [{ "type": "Ready", "status": ready }], "containerStatuses": [container] } }))
            .unwrap()
        };
        assert!(is_stale(&pod("True", "2026-11-30T08:59:59Z"), since));
        assert!(!is_stale(&pod("False", "2026-11-30T08:59:59Z"), since));
        assert!(!is_stale(&pod("True", "2026-11-30T09:00:00Z"), since));
        assert!(!is_stale(&Pod::default(), since));
    }

    #[test]
    fn a_rollout_is_finished_when_its_controller_reports_this_generation() {
        let set = |value| serde_json::from_value::<DaemonSet>(value).unwrap();
        let status = |seen: i64, updated: i32, ready: i32| {
            set(json!({ "metadata": { "generation": 2 }, "status": { "observedGeneration": seen,
                "currentNumberScheduled": 1, "numberMisscheduled": 0, "desiredNumberScheduled": 1,
                "updatedNumberScheduled": updated, "numberReady": ready } }))
        };
        assert_eq!(daemon_set_lacks(&status(2, 1, 1)), None);
        assert!(daemon_set_lacks(&status(1, 1, 1)).is_some());
        assert_eq!(daemon_set_lacks(&status(2, 1, 0)).unwrap(), "1 of 1 pods updated, 0 ready");
        assert!(daemon_set_lacks(&set(json!({}))).is_some());
    }
}
