//! Restarting Terway's DaemonSet, and awaiting it on every node: by watch, and no longer than its pods allow.

use super::handle::ClusterHandle;
use super::state::{self, SET};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use plumbline_core::terway::NAMESPACE;
use plumbline_kube::objects::{is_absent, words};
use plumbline_kube::rollout;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline, Look};
use serde_json::json;
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
    for pod in state::pods_of(handle, &set)
        .await?
        .into_values()
        .filter(|pod| !rollout::is_of_generation(pod, wanted.unwrap_or_default()))
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
    rollout::wait_for_daemon_set(&handle.client, &state::daemon_set(handle).await?, STAGE, deadline, failing).await
}

/// Why a pod's init container goes on failing, with the last line of its message; none while it does not.
fn failing(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.init_container_statuses.as_ref()?;
    statuses.iter().find_map(|status| {
        let (code, line) = rollout::last_failure(status)?;
        let is_down = status.state.as_ref()?.terminated.is_some();
        let failures = status.restart_count + i32::from(is_down);
        (failures >= FAILURES)
            .then(|| format!("init container {} ended {failures} times with {code}{line}", status.name))
    })
}
