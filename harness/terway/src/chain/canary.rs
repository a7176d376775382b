//! A pod on each node, made after the new chain: it must get its network. Its image is Terway's own, which is on every
//! node; whether its program runs is nobody's question.

use super::handle::ClusterHandle;
use super::node_files::{self, RECORDS};
use super::state::TerwayState;
use futures::StreamExt as _;
use futures::future::join_all;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use plumbline_cluster::naming::{OWNER, OWNER_LABEL, RUN_LABEL};
use plumbline_core::terway::{EniConfig, NAMESPACE, alternatives, compare};
use plumbline_kube::objects::{FIELD_MANAGER, is_absent, words};
use plumbline_kube::runtime_log::Sandbox;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline};
use serde_json::{Value, json};
use std::pin::pin;
use std::time::Duration;

const STAGE: &str = "canary";
/// For a pod on a node that is up.
const DEADLINE: Duration = Duration::from_secs(60);
/// Failed attempts at a sandbox after which it is not waited for any longer.
const ATTEMPTS: usize = 2;
/// How often one is made anew that a runtime made by the old chain.
const RELOADED: usize = 5;
/// Label of canaries.
const ROLE: (&str, &str) = ("plumbline.dev/role", "chain-canary");

/// What came of the canary on a node.
pub(super) struct CanaryResult {
    /// The node.
    pub node: String,
    /// Why it did not come up on the new chain; none where it did.
    pub trouble: Option<String>,
    /// When it was made, by the API server's clock.
    pub made: Option<Timestamp>,
}

/// Makes one on each node, side by side, and takes them away; none on nodes that throw every chain away. Where the nodes
/// are ours the runtime's own record tells by which chain it was made; elsewhere it was made after the node's conflist was
/// seen to be the new one.
///
/// # Errors
/// `TestbedError` when the server refuses one, or its node does not take it, and the chain fails on no other.
pub(super) async fn run_canaries(
    handle: &ClusterHandle,
    terway: &TerwayState,
    wanted: &EniConfig,
    run: &str,
) -> Result<Vec<CanaryResult>, TestbedError> {
    let spec = terway.set.spec.template.spec.as_ref();
    let image = spec.and_then(|spec| spec.containers.first()).and_then(|container| container.image.clone());
    let image = image.unwrap_or_default();
    let flying = terway.seen.nodes.iter().filter(|node| !node.facts.exclusive).enumerate();
    let each = flying.map(|(number, node)| {
        let lists = alternatives(wanted, &node.facts).unwrap_or_default();
        let (image, name) = (image.as_str(), &node.name);
        async move { attempts(handle, name, &format!("{run}-{number}"), image, run, &lists).await }
    });
    let all = join_all(each).await;
    let gone = remove(handle, run).await;
    gone?;
    let (mut result, mut fault) = (Vec::new(), None);
    for one in all {
        match one {
            Ok(one) => result.push(one),
            Err(why) => fault = Some(why),
        }
    }
    match fault {
        // A node without a place for one does not hide that the chain fails on another.
        Some(fault) if result.iter().all(|result| result.trouble.is_none()) => Err(fault),
        _ => Ok(result),
    }
}

/// A runtime reads a new conflist a moment after it was written: a pod of that moment is made by the old one, and says
/// nothing of the new one. Then another is made.
async fn attempts(
    handle: &ClusterHandle,
    node: &str,
    mark: &str,
    image: &str,
    run: &str,
    lists: &[Value],
) -> Result<CanaryResult, TestbedError> {
    let mut result = CanaryResult { node: node.to_owned(), trouble: None, made: None };
    for attempt in 0..RELOADED {
        let name = format!("plumbline-chain-canary-{mark}-{attempt}");
        let made = one(handle, node, &name, image, run).await?;
        result.made = made.creation_timestamp().map(|time| time.0);
        let uid = made.uid().unwrap_or_default();
        result.trouble = network_failure(handle, &name, &uid).await?;
        if result.trouble.is_some() {
            break;
        }
        result.trouble = made_by(handle, node, &uid, lists).await?;
        if result.trouble.is_none() {
            break;
        }
        wait::pause(Duration::from_secs(1)).await;
    }
    Ok(result)
}

/// Why a pod was not made by one of these conflists, by the runtime's own record of its network; none where it was, or
/// nobody can look.
async fn made_by(
    handle: &ClusterHandle,
    node: &str,
    uid: &str,
    lists: &[Value],
) -> Result<Option<String>, TestbedError> {
    let Some(records) = node_files::records(handle, node, uid).await? else { return Ok(None) };
    for (file, text) in records {
        if let Some(found) = record(&text) {
            return Ok(compare(lists, &found).first().map(|difference| {
                let at = if difference.path.is_empty() { "the whole" } else { &difference.path };
                format!("it was made by another chain: {at} is not as it must be in the runtime's record {file}")
            }));
        }
    }
    Ok(Some(format!("the runtime keeps no record of it in {RECORDS}")))
}

/// The conflist in a record of libcni's (`libcni/api.go`, `cachedInfo`), where it is that of a pod's eth0.
fn record(text: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Record {
        if_name: String,
        config: ByteString,
    }
    let record: Record = serde_json::from_str(text).ok()?;
    if record.if_name != "eth0" {
        return None;
    }
    String::from_utf8(record.config.0).ok()
}

/// Makes one.
async fn one(handle: &ClusterHandle, node: &str, name: &str, image: &str, run: &str) -> Result<Pod, TestbedError> {
    let pod: Pod = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": NAMESPACE, "labels": { OWNER_LABEL: OWNER, RUN_LABEL: run, ROLE.0: ROLE.1 } },
        "spec": {
            "nodeName": node, "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false,
            "restartPolicy": "Never", "tolerations": [{ "operator": "Exists" }],
            "containers": [{ "name": "canary", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"] }],
        },
    }))
    .map_err(|error| TestbedError::new(STAGE, error))?;
    let pods: Api<Pod> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let made = pods.create(&params, &pod).await;
    made.map_err(|e| TestbedError::new(STAGE, format!("pod {name} on {node}: {}", words(&e))))
}

/// Why a pod did not get its network; none where it did.
///
/// # Errors
/// `TestbedError` when its node does not take it, or it was deleted: then nothing was asked of the chain.
async fn network_failure(handle: &ClusterHandle, name: &str, uid: &str) -> Result<Option<String>, TestbedError> {
    let pods: Api<Pod> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let events: Api<Event> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let of_pod = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let of_events = watcher::Config::default().fields(&format!("involvedObject.uid={uid}"));
    let mut pods = pin!(watcher(pods, of_pod).default_backoff().touched_objects());
    let mut events = pin!(watcher(events, of_events).default_backoff().applied_objects());
    let mut sandbox = Sandbox::default();
    let deadline = Deadline::after(DEADLINE);
    loop {
        tokio::select! {
            Some(seen) = pods.next() => {
                let Ok(pod) = seen else { continue };
                if let Some(why) = not_taken(&pod) {
                    return Err(TestbedError::new(STAGE, format!("pod {name}: {why}"))
                        .with_hint("a place for one more pod on each node, then again"));
                }
                if has_network(&pod) {
                    return Ok(None);
                }
            },
            Some(seen) = events.next() => {
                if let Ok(event) = seen {
                    sandbox.add_event(&event);
                    if sandbox.attempts() >= ATTEMPTS {
                        return Ok(Some(sandbox.last()));
                    }
                }
            },
            () = wait::over(deadline) => {
                let last = sandbox.last();
                return Ok(Some(wait::late(STAGE, &format!("an address for pod {name}"), deadline, &last).cause()));
            },
        }
    }
}

/// Why a pod will never get a network, whatever the chain is: its node refused it (`OutOfpods`, for one), or it goes.
fn not_taken(pod: &Pod) -> Option<String> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Some("somebody deleted it".to_owned());
    }
    let status = pod.status.as_ref().filter(|status| status.phase.as_deref() == Some("Failed"))?;
    // A container that ended had its network.
    let refused = status.pod_ip.as_deref().is_none_or(str::is_empty);
    let words = [status.reason.as_deref(), status.message.as_deref()].into_iter().flatten();
    refused.then(|| words.collect::<Vec<_>>().join(": "))
}

fn has_network(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    status.and_then(|status| status.pod_ip.as_deref()).is_some_and(|ip| !ip.is_empty())
}

/// Takes every canary of a run away.
///
/// # Errors
/// `TestbedError` when the server refuses.
pub(super) async fn remove(handle: &ClusterHandle, run: &str) -> Result<(), TestbedError> {
    let pods: Api<Pod> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let testbed_error = |e: kube::Error| TestbedError::new(STAGE, format!("remove canaries: {}", words(&e)));
    let labels = format!("{}={},{RUN_LABEL}={run}", ROLE.0, ROLE.1);
    let all = pods.list(&ListParams::default().labels(&labels)).await.map_err(testbed_error)?;
    for pod in all.items {
        match pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await {
            Err(error) if !is_absent(&error) => return Err(testbed_error(error)),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As libcni 1.3 writes it; the list in it is `{"name": "terway-chainer", "plugins": [{"type": "terway"}]}`.
    const RECORD: &str = r#"{"kind":"cniCacheV1","containerId":"6f55","config":"eyJuYW1lIjogInRlcndheS1jaGFpbmVyIiwgInBsdWdpbnMiOiBbeyJ0eXBlIjogInRlcndheSJ9XX0=","ifName":"eth0","networkName":"terway-chainer"}"#;

    #[test]
    fn a_pod_that_its_node_does_not_take_says_nothing_of_the_chain() {
        let pod = |status: Value| -> Pod { serde_json::from_value(json!({ "status": status })).unwrap() };
        let full =
            json!({ "phase": "Failed", "reason": "OutOfpods", "message": "Node didn't have enough resource: pods" });
        assert_eq!(not_taken(&pod(full)).unwrap(), "OutOfpods: Node didn't have enough resource: pods");
        assert_eq!(not_taken(&pod(json!({ "phase": "Pending" }))), None);
        assert_eq!(not_taken(&pod(json!({ "phase": "Failed", "podIP": "10.77.16.2" }))), None);
        let going = json!({ "metadata": { "deletionTimestamp": "2026-11-30T08:00:00Z" } });
        assert!(not_taken(&serde_json::from_value(going).unwrap()).is_some());
    }

    #[test]
    fn the_runtimes_record_tells_by_which_chain_a_pod_was_made() {
        let found = record(RECORD).unwrap();
        let list = json!({ "name": "terway-chainer", "plugins": [{ "type": "terway" }] });
        assert!(compare(std::slice::from_ref(&list), &found).is_empty());
        let other = json!({ "name": "terway-chainer", "plugins": [{ "type": "terway" }, { "type": "portmap" }] });
        assert_eq!(compare(&[other], &found)[0].path, "plugins[1]");
        assert_eq!(record(&RECORD.replace("eth0", "lo")), None);
        assert_eq!(record("no record"), None);
    }
}
