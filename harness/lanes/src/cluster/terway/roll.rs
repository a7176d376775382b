//! Making another chain the one in force, on a cluster of ours: the ConfigMap changed as ACK's users change it, then all of
//! Terway's pods started anew at once, and what came of it read on every node.
//!
//! All at once, where a rolling restart goes node by node: nobody else's pods are on a cluster of ours. What is asked for
//! is not judged here, and pods that run stay on the chain that they came up by.

use super::super::node::Node;
use super::super::objects::words;
use super::super::rollout;
use super::deploy::in_force;
use super::{CONFIG_MAP, CONFLIST, DAEMON_SET, NAMESPACE};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use plumbline_bed::broken::Broken;
use plumbline_bed::wait::{self, Deadline, Look};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const STAGE: &str = "terway-chain";
/// The key of the ConfigMap with a custom chain.
pub const KEY: &str = "10-terway.conflist";
/// How long all of Terway's pods may take to be there anew.
const ANEW: Duration = Duration::from_secs(90);
/// There is no event for a pod's successor being ready.
const LOOK: Duration = Duration::from_millis(100);

/// The data of Terway's ConfigMap.
///
/// # Errors
/// `Broken` when the server does not answer, or there is none.
pub async fn config(client: &Client) -> Result<BTreeMap<String, String>, Broken> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let map = api.get(CONFIG_MAP).await;
    let map = map.map_err(|e| Broken::new(STAGE, format!("config map {NAMESPACE}/{CONFIG_MAP}: {}", words(&e))))?;
    Ok(map.data.unwrap_or_default())
}

/// Puts a chain into Terway's ConfigMap, or takes the custom one out, and starts all of its pods anew.
///
/// # Errors
/// `Broken` when the server refuses, or when a pod is not ready in time, with what it said.
pub async fn put(client: &Client, nodes: &[Node], chain: Option<&str>) -> Result<Vec<Value>, Broken> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let patch = json!({ "data": { KEY: chain } });
    let put = api.patch(CONFIG_MAP, &PatchParams::default(), &Patch::Merge(&patch)).await;
    put.map_err(|e| Broken::new(STAGE, format!("config map {NAMESPACE}/{CONFIG_MAP}: {}", words(&e))))?;
    restart(client, Deadline::after(ANEW)).await?;
    on_nodes(nodes).await
}

/// The chain that the runtime takes on every node.
///
/// # Errors
/// `Broken` naming a node on which it takes none of Terway's.
pub async fn on_nodes(nodes: &[Node]) -> Result<Vec<Value>, Broken> {
    let texts = try_join_all(nodes.iter().map(in_force)).await?;
    let read = |(node, text): (&Node, Result<String, String>)| {
        let broken = |what: String| Broken::new(STAGE, format!("node {}: {what}", node.name));
        serde_json::from_str(&text.map_err(broken)?).map_err(|e| broken(format!("{CONFLIST}: {e}")))
    };
    nodes.iter().zip(texts).map(read).collect()
}

/// Starts all of Terway's pods anew at once, and waits until each node has a ready one again.
///
/// # Errors
/// `Broken` at the deadline, with what the pods said.
pub async fn restart(client: &Client, deadline: Deadline) -> Result<(), Broken> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let of = ListParams::default().labels(&format!("app={DAEMON_SET}"));
    let refused = |e: kube::Error| Broken::new(STAGE, format!("pods of {DAEMON_SET}: {}", words(&e)));
    let old: Vec<Pod> = pods.list(&of).await.map_err(refused)?.items;
    let before: BTreeSet<String> = old.iter().filter_map(ResourceExt::uid).collect();
    for pod in &old {
        match pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await {
            Err(e) if !super::super::objects::is_absent(&e) => return Err(refused(e)),
            _ => {}
        }
    }
    let look = async || {
        let now = pods.list(&of).await.map_err(refused)?.items;
        let anew = now.iter().filter(|pod| pod.uid().is_some_and(|uid| !before.contains(&uid)));
        let ready = anew.filter(|pod| is_ready(pod)).count();
        let stale = now.iter().any(|pod| pod.uid().is_some_and(|uid| before.contains(&uid)));
        Ok(if ready == before.len() && !stale {
            Look::There(())
        } else {
            Look::NotYet(format!("{ready} of {} are ready", before.len()))
        })
    };
    let what = format!("the pods of {DAEMON_SET} to be there anew");
    match wait::until(STAGE, &what, deadline, LOOK, look).await {
        Ok(()) => Ok(()),
        Err(mut broken) => {
            let said = rollout::pods_of(client, DAEMON_SET).await;
            if !said.is_empty() {
                broken.cause = format!("{}; its pods: {}", broken.cause, said.join("; "));
            }
            Err(broken)
        }
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
