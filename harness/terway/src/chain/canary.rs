//! Canary pods: one on each node, created after the new chain was written. Each must get its network. Its image is Terway's
//! own, which every node has. Whether its program runs does not matter.

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
use plumbline_kube::objects::{self, AtRequest as _, FIELD_MANAGER};
use plumbline_kube::runtime_log::Sandbox;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline};
use serde_json::{Value, json};
use std::pin::pin;
use std::time::Duration;

const STAGE: &str = "canary";
/// The limit for the network of a pod on a ready node.
const DEADLINE: Duration = Duration::from_secs(60);
/// The number of failed attempts at a sandbox after which the wait ends.
const ATTEMPTS: usize = 2;
/// The number of canaries on a node while its runtime still uses the old chain.
const RELOADED: usize = 5;
/// Label of canaries.
const ROLE: (&str, &str) = ("plumbline.dev/role", "chain-canary");

/// The result of the canary on a node.
pub(super) struct CanaryResult {
    /// The node.
    pub node: String,
    /// The reason why it did not get its network from the new chain; none if it did.
    pub trouble: Option<String>,
    /// Its creation time, from the API server's clock.
    pub made: Option<Timestamp>,
}

/// Runs a canary on each node concurrently, and removes them. Nodes that ignore every chain get none. On Plumbline's own nodes
/// the runtime's record contains the chain of the canary. On other nodes the canary is created after the new conflist was read
/// there.
///
/// # Errors
/// `TestbedError` when the server or a node refuses a canary, and no other canary failed because of the chain.
pub(super) async fn run_canaries(
    handle: &ClusterHandle,
    terway: &TerwayState,
    wanted: &EniConfig,
    run: &str,
) -> Result<Vec<CanaryResult>, TestbedError> {
    let spec = terway.set.spec.template.spec.as_ref();
    let image = spec.and_then(|spec| spec.containers.first()).and_then(|container| container.image.clone());
    let image = image.unwrap_or_default();
    let eligible = terway.seen.nodes.iter().filter(|node| !node.facts.exclusive).enumerate();
    let each = eligible.map(|(number, node)| {
        let lists = alternatives(wanted, &node.facts).unwrap_or_default();
        let (image, name) = (image.as_str(), &node.name);
        async move { run_canary(handle, name, &format!("{run}-{number}"), image, run, &lists).await }
    });
    let all = join_all(each).await;
    remove_canaries(handle, run).await?;
    let (mut result, mut fault) = (Vec::new(), None);
    for canary in all {
        match canary {
            Ok(canary) => result.push(canary),
            Err(why) => fault = Some(why),
        }
    }
    match fault {
        // A node that refuses its canary does not hide a failure of the chain on another node.
        Some(fault) if result.iter().all(|result| result.trouble.is_none()) => Err(fault),
        _ => Ok(result),
    }
}

/// Runs canaries on a node until one is conclusive. A runtime loads a new conflist shortly after it was written. If a pod still
/// gets the old one, another pod is created.
async fn run_canary(
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
        let pod = create_pod(handle, node, &name, image, run).await?;
        result.made = pod.creation_timestamp().map(|time| time.0);
        let uid = pod.uid().unwrap_or_default();
        result.trouble = await_network(handle, &name, &uid).await?;
        if result.trouble.is_some() {
            break;
        }
        result.trouble = compare_record(handle, node, &uid, lists).await?;
        if result.trouble.is_none() {
            break;
        }
        wait::pause(Duration::from_secs(1)).await;
    }
    Ok(result)
}

/// The difference between these conflists and the runtime's own record of a pod's network; none if there is none, or if the
/// record can't be read.
async fn compare_record(
    handle: &ClusterHandle,
    node: &str,
    uid: &str,
    lists: &[Value],
) -> Result<Option<String>, TestbedError> {
    let Some(records) = node_files::read_records(handle, node, uid).await? else { return Ok(None) };
    for (file, text) in records {
        if let Some(found) = parse_record(&text) {
            return Ok(compare(lists, &found).first().map(|difference| {
                let at = if difference.path.is_empty() { "the chain" } else { &difference.path };
                format!("the runtime used another chain: {at} differs in its record {file}")
            }));
        }
    }
    Ok(Some(format!("the runtime has no record of it in {RECORDS}")))
}

/// The conflist in a record of libcni (`libcni/api.go`, `cachedInfo`), if the record is that of a pod's eth0.
fn parse_record(text: &str) -> Option<String> {
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

/// Creates a canary pod.
async fn create_pod(
    handle: &ClusterHandle,
    node: &str,
    name: &str,
    image: &str,
    run: &str,
) -> Result<Pod, TestbedError> {
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
    pods.create(&params, &pod).await.at_request(STAGE, format_args!("pod {name} on {node}"))
}

/// Waits for a pod's network. Returns the reason why the pod did not get it; none if it did.
///
/// # Errors
/// `TestbedError` when its node refuses the pod, or it was deleted: then the chain was not used.
async fn await_network(handle: &ClusterHandle, name: &str, uid: &str) -> Result<Option<String>, TestbedError> {
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
                if let Some(why) = find_refusal(&pod) {
                    return Err(TestbedError::new(STAGE, format!("pod {name}: {why}"))
                        .with_hint("make room for one more pod on each node, then repeat the command"));
                }
                if has_network(&pod) {
                    return Ok(None);
                }
            },
            Some(seen) = events.next() => {
                seen.iter().for_each(|event| sandbox.add_event(event));
                if sandbox.attempts() >= ATTEMPTS {
                    return Ok(Some(sandbox.last()));
                }
            },
            () = wait::over(deadline) => {
                let last = sandbox.last();
                return Ok(Some(wait::late(STAGE, &format!("an address for pod {name}"), deadline, &last).cause()));
            },
        }
    }
}

/// The reason why a pod gets no network with any chain: its node refused it (`OutOfpods`, for example), or it is being
/// deleted.
fn find_refusal(pod: &Pod) -> Option<String> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Some("another client deleted it".to_owned());
    }
    let status = pod.status.as_ref().filter(|status| status.phase.as_deref() == Some("Failed"))?;
    // A pod with an address had its network.
    let refused = status.pod_ip.as_deref().is_none_or(str::is_empty);
    let texts = [status.reason.as_deref(), status.message.as_deref()].into_iter().flatten();
    refused.then(|| texts.collect::<Vec<_>>().join(": "))
}

fn has_network(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    status.and_then(|status| status.pod_ip.as_deref()).is_some_and(|ip| !ip.is_empty())
}

/// Deletes every canary of a run.
///
/// # Errors
/// `TestbedError` when the server refuses.
pub(super) async fn remove_canaries(handle: &ClusterHandle, run: &str) -> Result<(), TestbedError> {
    let pods: Api<Pod> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let labels = format!("{}={},{RUN_LABEL}={run}", ROLE.0, ROLE.1);
    let removal = "remove canaries";
    for pod in pods.list(&ListParams::default().labels(&labels)).await.at_request(STAGE, removal)?.items {
        let deleted = objects::delete(&pods, &pod.name_any(), &DeleteParams::default().grace_period(0)).await;
        deleted.at_request(STAGE, removal)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of libcni 1.3 with the list `{"name": "terway-chainer", "plugins": [{"type": "terway"}]}`.
    const RECORD: &str = r#"{"kind":"cniCacheV1","containerId":"6f55","config":"eyJuYW1lIjogInRlcndheS1jaGFpbmVyIiwgInBsdWdpbnMiOiBbeyJ0eXBlIjogInRlcndheSJ9XX0=","ifName":"eth0","networkName":"terway-chainer"}"#;

    #[test]
    fn a_pod_that_its_node_refuses_is_no_fault_of_the_chain() {
        let pod = |status: Value| -> Pod { serde_json::from_value(json!({ "status": status })).unwrap() };
        let full =
            json!({ "phase": "Failed", "reason": "OutOfpods", "message": "Node didn't have enough resource: pods" });
        assert_eq!(find_refusal(&pod(full)).unwrap(), "OutOfpods: Node didn't have enough resource: pods");
        assert_eq!(find_refusal(&pod(json!({ "phase": "Pending" }))), None);
        assert_eq!(find_refusal(&pod(json!({ "phase": "Failed", "podIP": "10.77.16.2" }))), None);
        let deleted = json!({ "metadata": { "deletionTimestamp": "2026-11-30T08:00:00Z" } });
        assert!(find_refusal(&serde_json::from_value(deleted).unwrap()).is_some());
    }

    #[test]
    fn the_runtimes_record_contains_the_chain_of_a_pod() {
        let found = parse_record(RECORD).unwrap();
        let list = json!({ "name": "terway-chainer", "plugins": [{ "type": "terway" }] });
        assert!(compare(std::slice::from_ref(&list), &found).is_empty());
        let other = json!({ "name": "terway-chainer", "plugins": [{ "type": "terway" }, { "type": "portmap" }] });
        assert_eq!(compare(&[other], &found)[0].path, "plugins[1]");
        assert_eq!(parse_record(&RECORD.replace("eth0", "lo")), None);
        assert_eq!(parse_record("no record"), None);
    }
}
