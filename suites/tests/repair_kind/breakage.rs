//! Damages a cluster, and repairs the damage. Only for a cluster with an exclusive lease.

use plumbline_cluster::Cluster;
use plumbline_cluster::multus::CONF;
use plumbline_cluster::node::Node;
use plumbline_cluster::plugins::FOLDER;
use plumbline_testbed::error::TestbedError;

const STAGE: &str = "repair";
/// The folder of removed files. Not a suffix of the name, because a runtime reads every file with a known suffix.
const AWAY: &str = "/opt/plumbline/away";

async fn run_script(node: &Node, script: &str) -> Result<(), TestbedError> {
    node.run_ok(STAGE, &["sh", "-c", script]).await.map(drop)
}

/// Removes Multus' configuration on one node: the runtime takes the default network alone from then on. Multus'
/// pod runs on, so its DaemonSet still looks ready.
pub async fn disable_multus(node: &Node) -> Result<(), TestbedError> {
    let script =
        format!("mkdir -p {AWAY}; set -e; ls {CONF}/00-multus.conf* >/dev/null; mv {CONF}/00-multus.conf* {AWAY}/");
    run_script(node, &script).await
}

/// Restores it so that the runtime reads it: containerd reads its configuration again when a file is written,
/// renamed or removed in the folder, but not when a file only appears there (its watch in
/// `internal/cri/server/cni_conf_syncer.go`). So the file is renamed once more within the folder.
pub async fn enable_multus(node: &Node) -> Result<(), TestbedError> {
    let script = format!(
        "set -e; cd {CONF}; for f in {AWAY}/00-multus.conf*; do mv \"$f\" .back; mv .back \"${{f##*/}}\"; done"
    );
    run_script(node, &script).await
}

/// Restores it so that the runtime does not read it: the file exists, but only the default network is in force.
pub async fn restore_multus_files(node: &Node) -> Result<(), TestbedError> {
    let script = format!("set -e; mv {AWAY}/00-multus.conf* {CONF}/");
    run_script(node, &script).await
}

/// Removes a plugin on one node.
pub async fn remove_plugin(node: &Node, plugin: &str) -> Result<(), TestbedError> {
    let script = format!("set -e; mkdir -p {AWAY}; mv {FOLDER}/{plugin} {AWAY}/");
    run_script(node, &script).await
}

/// Puts a script in a plugin's place on one node: it runs the plugin, and on ADD sets a queue length that no configuration
/// requests.
pub async fn bend_plugin(node: &Node, plugin: &str) -> Result<(), TestbedError> {
    remove_plugin(node, plugin).await?;
    let bend = "nsenter --net=\"$CNI_NETNS\" ip link set dev \"$CNI_IFNAME\" txqueuelen 500";
    let script = format!(
        "set -e; cd {FOLDER}; printf '%s\\n' '#!/bin/sh' '{AWAY}/{plugin} || exit' \\
        '[ \"$CNI_COMMAND\" != ADD ] || {bend}' > .{plugin}; chmod 755 .{plugin}; mv .{plugin} {plugin}"
    );
    run_script(node, &script).await
}

/// Removes a bridge on one node.
pub async fn remove_bridge(node: &Node, bridge: &str) -> Result<(), TestbedError> {
    node.run_ok(STAGE, &["ip", "link", "delete", bridge]).await.map(drop)
}

/// Deletes every pod of a namespace, and waits until the API server has none.
pub async fn delete_pods(cluster: &Cluster, namespace: &str) -> Result<(), TestbedError> {
    let kubectl = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "-n", namespace];
    let argv = [&kubectl[..], &["delete", "pods", "--all", "--grace-period=1"]].concat();
    cluster.nodes[0].run_ok(STAGE, &argv).await.map(drop)
}
