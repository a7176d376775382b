//! Restarting Terway's DaemonSet, and awaiting it on every node: by watch, and no longer than its pods allow.

use super::handle::ClusterHandle;
use super::state::{self, SET, selector};
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use plumbline_core::terway::NAMESPACE;
use plumbline_kube::objects::{is_absent, words};
use plumbline_kube::rollout::daemon_set_lacks;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline, Look};
use serde_json::json;
use std::pin::pin;
use std::time::Duration;

/// What does not come up by the chain.
pub(super) const STAGE: &str = "restart Terway";
/// What the cluster does not do of what it is asked.
const ASK: &str = "ask for a restart of Terway";
/// What `kubectl rollout restart` sets.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";
/// For the controller to see a patch, and how often it is asked.
const SEEN: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_millis(50);
/// How often an init container may fail before it is not waited for any longer: kubelet repeats it for ever.
const FAILURES: i32 = 2;

/// Restarts it, as `kubectl rollout restart` does. On a cluster of ours its old pods are deleted besides, so that all nodes
/// begin at once: the DaemonSet's own strategy, which goes node after node, stays as it is.
///
/// # Errors
/// `TestbedError` when the server refuses.
pub(super) async fn restart(handle: &ClusterHandle) -> Result<(), TestbedError> {
    let sets: Api<DaemonSet> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let now = Timestamp::now().to_string();
    let patch = json!({ "spec": { "template": { "metadata": { "annotations": { RESTARTED: now } } } } });
    let set = sets.patch(SET, &PatchParams::default(), &Patch::Strategic(&patch)).await;
    let set = set.map_err(|e| TestbedError::new(ASK, format!("patch daemonset {NAMESPACE}/{SET}: {}", words(&e))))?;
    if handle.engine.is_none() {
        return Ok(());
    }
    let seen = |seen: &DaemonSet| seen.status.as_ref().and_then(|status| status.observed_generation);
    let wanted = set.metadata.generation;
    let look = || async {
        // A pod that goes before its controller has seen the new template comes again with the old one.
        let now = state::daemon_set(handle).await?;
        Ok(if seen(&now) >= wanted { Look::There(()) } else { Look::NotYet(format!("{:?}", seen(&now))) })
    };
    let deadline = Deadline::after(SEEN);
    wait::until(ASK, "the controller to see the new template", deadline, EVERY, look).await?;
    let pods: Api<Pod> = Api::namespaced(handle.client.clone(), NAMESPACE);
    for pod in
        state::pods_of(handle, &set).await?.into_values().filter(|pod| !of_generation(pod, wanted.unwrap_or_default()))
    {
        match pods.delete(&pod.name_any(), &DeleteParams::default()).await {
            Err(error) if !is_absent(&error) => {
                return Err(TestbedError::new(ASK, format!("delete pod {}: {}", pod.name_any(), words(&error))));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Awaits that every node runs it as it is now.
///
/// # Errors
/// `TestbedError` at the deadline, with what it lacks; before it, when an init container of a new pod goes on failing.
pub(super) async fn rolled_out(handle: &ClusterHandle, deadline: Deadline) -> Result<(), TestbedError> {
    let set = state::daemon_set(handle).await?;
    let generation = set.metadata.generation.unwrap_or_default();
    let sets: Api<DaemonSet> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let of_set = watcher::Config::default().fields(&format!("metadata.name={SET}"));
    let of_pods = watcher::Config::default().labels(&selector(&set));
    let mut sets = pin!(watcher(sets, of_set).default_backoff().applied_objects());
    let mut pods = pin!(watcher(pods, of_pods).default_backoff().applied_objects());
    let mut lacks = "nothing seen of it yet".to_owned();
    loop {
        tokio::select! {
            seen = sets.next() => match seen {
                Some(Ok(set)) if set.metadata.generation.unwrap_or_default() < generation => {}
                Some(Ok(set)) => match daemon_set_lacks(&set) {
                    None => return Ok(()),
                    Some(what) => lacks = what,
                },
                Some(Err(error)) => lacks = error.to_string(),
                None => return Err(TestbedError::new(ASK, format!("the watch of {SET} ended"))),
            },
            Some(seen) = pods.next() => {
                if let Ok(pod) = seen
                    && of_generation(&pod, generation)
                    && let Some(why) = failing(&pod)
                {
                    return Err(TestbedError::new(STAGE, format!("{} on {}: {why}", pod.name_any(), node_of(&pod))));
                }
            },
            () = wait::over(deadline) => {
                return Err(wait::late(STAGE, &format!("daemonset {SET} on every node"), deadline, &lacks));
            },
        }
    }
}

fn node_of(pod: &Pod) -> String {
    pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default()
}

/// Whether a pod is of this generation of the DaemonSet's template or of a later one.
fn of_generation(pod: &Pod, generation: i64) -> bool {
    let of = pod.labels().get("pod-template-generation").and_then(|text| text.parse::<i64>().ok());
    of.is_none_or(|of| of >= generation) && pod.metadata.deletion_timestamp.is_none()
}

/// Why a pod's init container goes on failing, with what it said last; none while it does not.
fn failing(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.init_container_statuses.as_ref()?;
    statuses.iter().find_map(|status| {
        let state = status.state.as_ref()?;
        let ended =
            state.terminated.as_ref().or(status.last_state.as_ref().and_then(|last| last.terminated.as_ref()))?;
        let again = status.restart_count + i32::from(state.terminated.is_some());
        if ended.exit_code == 0 || again < FAILURES {
            return None;
        }
        let said = ended.message.as_deref().unwrap_or_default();
        let said = said.lines().rfind(|line| !line.trim().is_empty()).map(|line| format!(": {}", line.trim()));
        Some(format!(
            "init container {} ended {again} times with {}{}",
            status.name,
            ended.exit_code,
            said.unwrap_or_default()
        ))
    })
}
