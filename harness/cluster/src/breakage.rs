//! Breaking a cluster on purpose and putting it right, for tests of what Plumbline says then.
//!
//! Only for a cluster that is held alone (see [`crate::alone`]). Whatever was broken, the next [`crate::up`] finds it
//! wanting and makes it good again; these functions put it right at once.

use crate::cluster::Cluster;
use crate::multus::{CONF, DAEMON_SET};
use crate::node::Node;
use crate::plugins::FOLDER;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};
use kube::runtime::wait::{await_condition, conditions};
use plumbline_kube::objects::words;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline};
use std::time::Duration;

const STAGE: &str = "mend";
const GONE: Duration = Duration::from_secs(60);
/// Where things are kept while they are away. Not a suffix: a runtime reads every file with a known one.
const AWAY: &str = "/opt/plumbline/away";

/// Takes Multus' configuration away on one node: the runtime takes the default network alone from then on. Multus'
/// pod runs on, so its daemon set still looks well.
///
/// # Errors
/// `TestbedError` when the node refuses, or has no such configuration.
pub async fn multus_out_of_force(node: &Node) -> Result<(), TestbedError> {
    let script =
        format!("mkdir -p {AWAY}; set -e; ls {CONF}/00-multus.conf* >/dev/null; mv {CONF}/00-multus.conf* {AWAY}/");
    node.must(STAGE, &["sh", "-c", &script]).await.map(drop)
}

/// Puts it back, so that the runtime takes notice: containerd reads its configuration again when a file is written,
/// renamed or removed in the folder, and not when one only appears there (its watch in
/// `internal/cri/server/cni_conf_syncer.go`). So the file is renamed once more within the folder.
///
/// # Errors
/// `TestbedError` when the node refuses, or there is nothing to put back.
pub async fn multus_in_force(node: &Node) -> Result<(), TestbedError> {
    let script = format!(
        "set -e; cd {CONF}; for f in {AWAY}/00-multus.conf*; do mv \"$f\" .back; mv .back \"${{f##*/}}\"; done"
    );
    node.must(STAGE, &["sh", "-c", &script]).await.map(drop)
}

/// Puts it back so that the runtime does not take notice: the file is there, and the default network alone in force.
///
/// # Errors
/// `TestbedError` when the node refuses, or there is nothing to put back.
pub async fn multus_back_unseen(node: &Node) -> Result<(), TestbedError> {
    let script = format!("set -e; mv {AWAY}/00-multus.conf* {CONF}/");
    node.must(STAGE, &["sh", "-c", &script]).await.map(drop)
}

/// Takes a plugin away on one node.
///
/// # Errors
/// `TestbedError` when the node refuses, or has no such plugin.
pub async fn plugin_away(node: &Node, plugin: &str) -> Result<(), TestbedError> {
    let script = format!("set -e; mkdir -p {AWAY}; mv {FOLDER}/{plugin} {AWAY}/");
    node.must(STAGE, &["sh", "-c", &script]).await.map(drop)
}

/// Puts it back.
///
/// # Errors
/// `TestbedError` when the node refuses, or there is nothing to put back.
pub async fn plugin_back(node: &Node, plugin: &str) -> Result<(), TestbedError> {
    let script = format!("set -e; mv {AWAY}/{plugin} {FOLDER}/");
    node.must(STAGE, &["sh", "-c", &script]).await.map(drop)
}

/// Removes a bridge on one node.
///
/// # Errors
/// `TestbedError` when the node refuses.
pub async fn bridge_away(node: &Node, bridge: &str) -> Result<(), TestbedError> {
    node.must(STAGE, &["ip", "link", "delete", bridge]).await.map(drop)
}

/// Deletes every pod of a namespace, as somebody else might, and waits until the server has none of them.
///
/// # Errors
/// `TestbedError` when the server refuses, or one is still there after a minute.
pub async fn pods_away(cluster: &Cluster, namespace: &str) -> Result<(), TestbedError> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let refused = |e: kube::Error| TestbedError::new(STAGE, format!("pods of namespace {namespace}: {}", words(&e)));
    for pod in pods.list(&ListParams::default()).await.map_err(refused)? {
        let (name, uid) = (pod.name_any(), pod.uid().unwrap_or_default());
        pods.delete(&name, &DeleteParams::default().grace_period(1)).await.map_err(refused)?;
        let gone = await_condition(pods.clone(), &name, conditions::is_deleted(&uid));
        let what = format!("pod {name} to be gone");
        let gone = wait::by(STAGE, &what, Deadline::after(GONE), gone, || "it is there".to_owned()).await?;
        gone.map_err(|e| TestbedError::new(STAGE, format!("{what}: {e}")))?;
    }
    Ok(())
}

/// Name of Multus' daemon set, for tests that look at it.
#[must_use]
pub fn daemon_set() -> &'static str {
    DAEMON_SET
}
