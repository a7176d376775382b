//! Waiting, by watch, for what a cluster has to bring up: nodes and daemon sets.

use crate::objects::words;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ContainerStatus, Node, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ListParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline};
use std::pin::pin;
use std::sync::Mutex;

/// Waits until `wanted` is content with an object of that name; it gives what is lacking.
///
/// # Errors
/// `TestbedError` at `stage` at the deadline, with what was last lacking.
async fn until<K>(
    api: Api<K>,
    name: &str,
    stage: &str,
    deadline: Deadline,
    lacking: impl Fn(&K) -> Option<String>,
) -> Result<K, TestbedError>
where
    K: kube::Resource + Clone + std::fmt::Debug + Send + serde::de::DeserializeOwned + 'static,
    K::DynamicType: Default,
{
    let seen = Mutex::new("nothing".to_owned());
    let see = |what: String| *seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = what;
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut objects = pin!(watcher(api, config).default_backoff().applied_objects());
    let work = async {
        loop {
            match objects.next().await {
                Some(Ok(object)) => match lacking(&object) {
                    None => return Ok(object),
                    Some(what) => see(what),
                },
                Some(Err(e)) => see(e.to_string()),
                None => return Err(TestbedError::new(stage, format!("the watch of {name} ended"))),
            }
        }
    };
    let last = || seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    wait::by(stage, &format!("{name} to be ready"), deadline, work, last).await?
}

/// What a daemon set lacks to be rolled out; none when it is.
#[must_use]
pub fn daemon_set_lacks(set: &DaemonSet) -> Option<String> {
    let Some(status) = &set.status else { return Some("no status yet".to_owned()) };
    let generation = set.metadata.generation.unwrap_or_default();
    if status.observed_generation.unwrap_or_default() < generation {
        return Some(format!("generation {generation} not seen by its controller yet"));
    }
    let desired = status.desired_number_scheduled;
    let updated = status.updated_number_scheduled.unwrap_or_default();
    let ready = status.number_ready;
    if desired == 0 {
        return Some("it is wanted on no node yet".to_owned());
    }
    (updated < desired || ready < desired).then(|| format!("{updated} of {desired} pods updated, {ready} ready"))
}

/// What a node lacks to be ready; none when it is.
#[must_use]
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

/// Waits until a daemon set of `kube-system` is rolled out.
///
/// # Errors
/// `TestbedError` at the deadline, with what it lacks and what its pods say.
pub async fn daemon_set(client: &Client, name: &str, stage: &str, deadline: Deadline) -> Result<(), TestbedError> {
    let api: Api<DaemonSet> = Api::namespaced(client.clone(), "kube-system");
    match until(api, name, stage, deadline, daemon_set_lacks).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let said = pods_of(client, name).await;
            if !said.is_empty() {
                return Err(error.with_remark(&format!("its pods: {}", said.join("; "))));
            }
            Err(match controllers_seen(client).await {
                Some(at) => error.with_remark(&format!("the cluster's controllers last renewed their lease at {at}")),
                None => error,
            })
        }
    }
}

/// When the controller manager last renewed its lease: long ago where it does not run or does not find the API server,
/// which nothing else tells.
async fn controllers_seen(client: &Client) -> Option<String> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-system");
    let lease = leases.get("kube-controller-manager").await.ok()?;
    Some(lease.spec?.renew_time?.0.to_string())
}

/// What the containers of a daemon set's pods say that do not run.
pub async fn pods_of(client: &Client, set: &str) -> Vec<String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), "kube-system");
    let Ok(all) = pods.list(&ListParams::default()).await else { return Vec::new() };
    let of_set = all.items.into_iter().filter(|p| p.owner_references().iter().any(|o| o.name == set));
    let statuses = of_set.flat_map(|pod| {
        let name = pod.name_any();
        let status = pod.status.unwrap_or_default();
        let all = status.init_container_statuses.into_iter().chain(status.container_statuses).flatten();
        all.map(move |s| (name.clone(), s)).collect::<Vec<_>>()
    });
    statuses.filter_map(|(name, status)| Some(format!("{name}: {}", trouble(&status)?))).collect()
}

/// Why a container does not run, with the last line of what it said before it ended; none when it runs or is done.
fn trouble(status: &ContainerStatus) -> Option<String> {
    let state = status.state.as_ref()?;
    let ended = state.terminated.as_ref().or(status.last_state.as_ref().and_then(|last| last.terminated.as_ref()));
    let ended = ended.filter(|ended| ended.exit_code != 0);
    let said = ended.and_then(|ended| ended.message.as_deref()).unwrap_or_default();
    let said = said.lines().rfind(|line| !line.trim().is_empty()).map(|line| format!("; it said: {}", line.trim()));
    let (reason, message) = match (&state.waiting, ended) {
        (Some(waiting), _) => (waiting.reason.clone(), waiting.message.clone()),
        (None, Some(ended)) if state.running.is_none() => {
            (ended.reason.clone(), Some(format!("exit code {}", ended.exit_code)))
        }
        _ => return None,
    };
    Some(format!("{} {}{}", reason.unwrap_or_default(), message.unwrap_or_default(), said.unwrap_or_default()))
}

/// The first node that is not ready, with what it lacks; none when all are.
///
/// # Errors
/// `TestbedError` at `stage` when the server does not answer.
pub async fn unready(client: &Client, stage: &str) -> Result<Option<String>, TestbedError> {
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await;
    let nodes = nodes.map_err(|e| TestbedError::new(stage, format!("list nodes: {}", words(&e))))?;
    Ok(nodes.items.iter().find_map(|node| Some(format!("node {}: {}", node.name_any(), node_lacks(node)?))))
}

/// Waits until a node is ready.
///
/// # Errors
/// `TestbedError` at the deadline, with what it lacks.
pub async fn node(client: &Client, name: &str, stage: &str, deadline: Deadline) -> Result<(), TestbedError> {
    until(Api::<Node>::all(client.clone()), name, stage, deadline, node_lacks).await.map(|_| ())
}

/// A pod of a node that is told as ready by what ran there before `since`: the kubelet has not come to tell of it yet, and
/// whoever counts ready pods would count it. None where there is none.
///
/// # Errors
/// `TestbedError` at `stage` when the server does not answer.
pub async fn from_before(
    client: &Client,
    node: &str,
    since: Timestamp,
    stage: &str,
) -> Result<Option<String>, TestbedError> {
    let of_node = ListParams::default().fields(&format!("spec.nodeName={node}"));
    let pods = Api::<Pod>::all(client.clone()).list(&of_node).await;
    let pods = pods.map_err(|e| TestbedError::new(stage, format!("list pods of {node}: {}", words(&e))))?;
    Ok(pods.items.iter().find(|pod| is_from_before(pod, since)).map(ResourceExt::name_any))
}

fn is_from_before(pod: &Pod, since: Timestamp) -> bool {
    let Some(status) = &pod.status else { return false };
    let conditions = status.conditions.iter().flatten();
    let ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let mut begun = status.container_statuses.iter().flatten().filter_map(|status| {
        let running = status.state.as_ref()?.running.as_ref()?;
        Some(running.started_at.as_ref()?.0)
    });
    ready && begun.any(|begun| begun < since)
}

/// Waits until a node has told the address `own` for its internal one.
///
/// # Errors
/// `TestbedError` at the deadline, with the address that it has told.
pub async fn address(
    client: &Client,
    name: &str,
    own: &str,
    stage: &str,
    deadline: Deadline,
) -> Result<(), TestbedError> {
    let lacking = |node: &Node| {
        let told = internal(node).unwrap_or_default();
        (told != own).then(|| format!("it has told the address {told:?}, and has {own}"))
    };
    until(Api::<Node>::all(client.clone()), name, stage, deadline, lacking).await.map(|_| ())
}

fn internal(node: &Node) -> Option<&str> {
    let addresses = node.status.as_ref()?.addresses.as_ref()?;
    addresses.iter().find(|a| a.type_ == "InternalIP").map(|a| a.address.as_str())
}

/// Waits until a node has its range of pod addresses, which its cluster's controller gives it shortly after it joined.
///
/// # Errors
/// `TestbedError` at the deadline.
pub async fn range(client: &Client, name: &str, stage: &str, deadline: Deadline) -> Result<(), TestbedError> {
    let lacking = |node: &Node| {
        let has = node.spec.as_ref().is_some_and(|s| s.pod_cidr.is_some());
        (!has).then(|| "no range of pod addresses yet".to_owned())
    };
    until(Api::<Node>::all(client.clone()), name, stage, deadline, lacking).await.map(|_| ())
}

/// The ranges of pod addresses of all nodes, with their own addresses: `(name, pod CIDR, internal address)`.
///
/// # Errors
/// `TestbedError` at `stage` when the server does not answer, or a node has no range yet.
pub async fn ranges(client: &Client, stage: &str) -> Result<Vec<(String, String, String)>, TestbedError> {
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await;
    let nodes = nodes.map_err(|e| TestbedError::new(stage, format!("list nodes: {}", words(&e))))?;
    let of = |node: &Node| {
        let cidr = node.spec.as_ref()?.pod_cidr.clone()?;
        Some((node.name_any(), cidr, internal(node)?.to_owned()))
    };
    let wanting =
        |node: &Node| TestbedError::new(stage, format!("node {} has no range or address yet", node.name_any()));
    nodes.items.iter().map(|node| of(node).ok_or_else(|| wanting(node))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_told_of_before_a_start_is_not_of_after_it() {
        let since: Timestamp = "2026-11-30T09:00:00Z".parse().unwrap();
        let pod = |ready: &str, begun: &str| {
            let state = json!({ "running": { "startedAt": begun } });
            let container =
                json!({ "name": "a", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": state });
            serde_json::from_value::<Pod>(json!({ "status": {
                "conditions": [{ "type": "Ready", "status": ready }], "containerStatuses": [container] } }))
            .unwrap()
        };
        assert!(is_from_before(&pod("True", "2026-11-30T08:59:59Z"), since));
        assert!(!is_from_before(&pod("False", "2026-11-30T08:59:59Z"), since));
        assert!(!is_from_before(&pod("True", "2026-11-30T09:00:00Z"), since));
        assert!(!is_from_before(&Pod::default(), since));
    }

    #[test]
    fn a_rollout_is_done_when_its_controller_says_so_for_this_generation() {
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
