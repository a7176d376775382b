//! A pod on each node, made after the new chain: it must get its network. Its image is Terway's own, which is on every
//! node; whether its program runs is nobody's question.

use super::look::Looked;
use super::reach::Reach;
use crate::cluster::naming::{FIELD_MANAGER, OWNER, OWNER_LABEL, RUN_LABEL};
use crate::cluster::objects::{is_absent, words};
use crate::kind::heard::Sandbox;
use futures::StreamExt as _;
use futures::future::join_all;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use plumbline_bed::broken::Broken;
use plumbline_bed::wait::{self, Deadline};
use plumbline_core::terway::NAMESPACE;
use serde_json::json;
use std::pin::pin;
use std::time::Duration;

const STAGE: &str = "canary";
/// For a pod on a node that is up.
const DEADLINE: Duration = Duration::from_secs(60);
/// Failed attempts at a sandbox after which it is not waited for any longer.
const ATTEMPTS: usize = 2;
/// Label of canaries.
const ROLE: (&str, &str) = ("plumbline.dev/role", "chain-canary");

/// Makes one on each node, side by side, and takes them away. Gives per node why its canary did not come up.
///
/// # Errors
/// `Broken` when the server refuses one.
pub(super) async fn fly(reach: &Reach, looked: &Looked, run: &str) -> Result<Vec<(String, Option<String>)>, Broken> {
    let image = looked.set.spec.template.spec.as_ref().and_then(|spec| spec.containers.first());
    let image = image.and_then(|container| container.image.clone()).unwrap_or_default();
    let each = looked.pods.keys().enumerate().map(|(number, node)| one(reach, node, number, &image, run));
    let all = join_all(each).await;
    let gone = remove(reach, run).await;
    let all = all.into_iter().collect::<Result<Vec<_>, _>>()?;
    gone.map(|()| all)
}

async fn one(
    reach: &Reach,
    node: &str,
    number: usize,
    image: &str,
    run: &str,
) -> Result<(String, Option<String>), Broken> {
    let name = format!("plumbline-chain-canary-{run}-{number}");
    let pod: Pod = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": NAMESPACE, "labels": { OWNER_LABEL: OWNER, RUN_LABEL: run, ROLE.0: ROLE.1 } },
        "spec": {
            "nodeName": node, "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false,
            "restartPolicy": "Never", "tolerations": [{ "operator": "Exists" }],
            "containers": [{ "name": "canary", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"] }],
        },
    }))
    .map_err(|error| Broken::new(STAGE, error.to_string()))?;
    let pods: Api<Pod> = Api::namespaced(reach.client.clone(), NAMESPACE);
    let made =
        pods.create(&PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }, &pod).await;
    let made = made.map_err(|e| Broken::new(STAGE, format!("pod {name} on {node}: {}", words(&e))))?;
    Ok((node.to_owned(), came(reach, &name, &made.uid().unwrap_or_default()).await))
}

/// Why a pod did not get its network; none where it did.
async fn came(reach: &Reach, name: &str, uid: &str) -> Option<String> {
    let pods: Api<Pod> = Api::namespaced(reach.client.clone(), NAMESPACE);
    let events: Api<Event> = Api::namespaced(reach.client.clone(), NAMESPACE);
    let of_pod = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let of_events = watcher::Config::default().fields(&format!("involvedObject.uid={uid}"));
    let mut pods = pin!(watcher(pods, of_pod).default_backoff().applied_objects());
    let mut events = pin!(watcher(events, of_events).default_backoff().applied_objects());
    let mut sandbox = Sandbox::default();
    let deadline = Deadline::after(DEADLINE);
    loop {
        tokio::select! {
            Some(seen) = pods.next() => {
                if let Ok(pod) = seen && has_network(&pod) {
                    return None;
                }
            },
            Some(seen) = events.next() => {
                if let Ok(event) = seen {
                    sandbox.hear(&event);
                    if sandbox.attempts() >= ATTEMPTS {
                        return Some(sandbox.last());
                    }
                }
            },
            () = wait::over(deadline) => {
                let last = sandbox.last();
                return Some(wait::late(STAGE, &format!("an address for pod {name}"), deadline, &last).cause);
            },
        }
    }
}

fn has_network(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    status.and_then(|status| status.pod_ip.as_deref()).is_some_and(|ip| !ip.is_empty())
}

/// Takes every canary of a run away.
///
/// # Errors
/// `Broken` when the server refuses.
pub(super) async fn remove(reach: &Reach, run: &str) -> Result<(), Broken> {
    let pods: Api<Pod> = Api::namespaced(reach.client.clone(), NAMESPACE);
    let broken = |e: kube::Error| Broken::new(STAGE, format!("remove canaries: {}", words(&e)));
    let labels = format!("{}={},{RUN_LABEL}={run}", ROLE.0, ROLE.1);
    let all = pods.list(&ListParams::default().labels(&labels)).await.map_err(broken)?;
    for pod in all.items {
        match pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await {
            Err(error) if !is_absent(&error) => return Err(broken(error)),
            _ => {}
        }
    }
    Ok(())
}
