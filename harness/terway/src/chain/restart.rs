//! Restarts Terway's DaemonSet and watches it until every node runs the new pods, or a pod keeps failing.

use super::handle::ClusterHandle;
use super::state::{self, SET};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use plumbline_core::terway::NAMESPACE;
use plumbline_kube::objects::{self, AtRequest as _};
use plumbline_kube::rollout;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline, Look};
use serde_json::json;
use std::time::Duration;

/// The stage of errors when Terway does not start with the chain.
pub(super) const STAGE: &str = "restart Terway";
/// The stage of errors when the API server does not start the restart.
const REQUEST: &str = "request a restart of Terway";
/// The annotation that `kubectl rollout restart` sets.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";
/// The limit for the controller to observe a patch, and the pause between two requests.
const SEEN: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_millis(50);
/// The number of failures of an init container after which the wait ends. The kubelet repeats it without end.
const FAILURES: i32 = 2;

/// Restarts the DaemonSet, like `kubectl rollout restart`. On a cluster of Plumbline it also deletes the old pods, so that all
/// nodes restart at once. The DaemonSet's own strategy, which restarts one node after the other, stays unchanged.
///
/// # Errors
/// `TestbedError` when the server refuses.
pub(super) async fn restart(handle: &ClusterHandle) -> Result<(), TestbedError> {
    let sets: Api<DaemonSet> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let now = Timestamp::now().to_string();
    let patch = json!({ "spec": { "template": { "metadata": { "annotations": { RESTARTED: now } } } } });
    let set = sets.patch(SET, &PatchParams::default(), &Patch::Strategic(&patch)).await;
    let set = set.at_request(REQUEST, format_args!("patch daemonset {NAMESPACE}/{SET}"))?;
    if handle.engine.is_none() {
        return Ok(());
    }
    let seen = |seen: &DaemonSet| seen.status.as_ref().and_then(|status| status.observed_generation);
    let wanted = set.metadata.generation;
    let look = || async {
        // If a pod is deleted before the controller observes the new template, its successor has the old template.
        let now = state::read_daemon_set(handle).await?;
        Ok(if seen(&now) >= wanted { Look::There(()) } else { Look::NotYet(format!("{:?}", seen(&now))) })
    };
    let deadline = Deadline::after(SEEN);
    wait::until(REQUEST, "the controller to observe the new template", deadline, EVERY, look).await?;
    let pods: Api<Pod> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let all = state::list_pods(handle, &set).await?.into_values();
    for pod in all.filter(|pod| !rollout::is_of_generation(pod, wanted.unwrap_or_default())) {
        let name = pod.name_any();
        let deleted = objects::delete(&pods, &name, &DeleteParams::default()).await;
        deleted.at_request(REQUEST, format_args!("delete pod {name}"))?;
    }
    Ok(())
}

/// Waits until every node runs the current generation of the DaemonSet.
///
/// # Errors
/// `TestbedError` at the deadline, with the missing condition; earlier, when an init container of a new pod keeps failing.
pub(super) async fn await_rollout(handle: &ClusterHandle, deadline: Deadline) -> Result<(), TestbedError> {
    let set = state::read_daemon_set(handle).await?;
    rollout::wait_for_daemon_set(&handle.client, &set, STAGE, deadline, find_failing_container).await
}

/// The reason why a pod's init container keeps failing, with the last line of its message; none if it does not.
fn find_failing_container(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.init_container_statuses.as_ref()?;
    statuses.iter().find_map(|status| {
        let (code, line) = rollout::last_failure(status)?;
        let is_down = status.state.as_ref()?.terminated.is_some();
        let failures = status.restart_count + i32::from(is_down);
        (failures >= FAILURES)
            .then(|| format!("init container {} failed {failures} times, exit code {code}{line}", status.name))
    })
}
