//! Cleanup on the kind lane: `kill -9` in the middle of bring-up, of a scenario, of tear-down, each
//! followed by `plumbline gc`. The test has its own cluster, so that everything on it can be compared.

use anyhow::Context as _;
use plumbline_suites::host::{HostState, processes_with, wait_for};
use plumbline_suites::own_cluster::OwnCluster;
use plumbline_testbed::exec::Cmd;
use std::collections::BTreeSet;

/// By name, because a test process does not run in the root of the checkout.
const SEED: &str = "openshift/chain-example";
/// The namespace of the seed's manifests. The name of the own namespace on the cluster begins with it.
const NAMESPACE: &str = "chain-example-";
const NAMESPACES: &str = "kubectl --kubeconfig /etc/kubernetes/admin.conf get namespaces \
    -o jsonpath='{range .items[*]}{.metadata.name} {.status.phase}{\"\\n\"}{end}'";
const NAMES: &str = "cat /proc/[0-9]*/comm";
/// Prints two numbers: the kubelet's pods, and the API server's pods.
const KUBELETS: &str = "ls /var/lib/kubelet/pods | wc -l; \
    kubectl --kubeconfig /etc/kubernetes/admin.conf get pods -A -o name | wc -l";
const PODS: &str = "kubectl --kubeconfig /etc/kubernetes/admin.conf get pods -A -o name";

#[tokio::test]
async fn gc_removes_a_cluster_whose_bring_up_was_killed() -> anyhow::Result<()> {
    let before = HostState::read()?;
    let own = OwnCluster::new().await?;
    let acted = kill_during_bring_up(&own).await;
    own.end().await?;
    acted?;
    assert_eq!(HostState::read()?, before);
    Ok(())
}

async fn kill_during_bring_up(own: &OwnCluster) -> anyhow::Result<()> {
    let up = own.start(&["up", "--yes"])?;
    // Without a reader kind ends at its next line. While kubeadm works, it writes no line for seconds.
    wait_for("kubeadm to be at work", async || {
        Ok(!own.containers().await?.is_empty() && has(own, NAMES, "kubeadm").await)
    })
    .await?;
    up.kill().await?;
    let node = own.containers().await?.first().context("the killed run took nothing away itself")?.name.clone();
    let mounted = docker(&["inspect", "--format", "{{range .Mounts}}{{.Name}} {{end}}", &node]).await?;
    let mounted: BTreeSet<&str> = mounted.split_whitespace().collect();
    anyhow::ensure!(!mounted.is_empty(), "a node has a volume, and none was seen: the look is blind");
    anyhow::ensure!(!processes_with(own.profile()).is_empty(), "kind was killed with plumbline, or seen too late");

    let output = own.gc().await?;
    anyhow::ensure!(output.contains("gone: process") && output.contains("gone: kind cluster"), "{output}");
    wait_for("kind to be gone", async || Ok(processes_with(own.profile()).is_empty())).await?;
    anyhow::ensure!(own.containers().await?.is_empty(), "containers are left");
    let volumes = docker(&["volume", "ls", "--quiet"]).await?;
    let left: Vec<&str> = volumes.lines().filter(|volume| mounted.contains(volume)).collect();
    anyhow::ensure!(left.is_empty(), "volumes are left: {left:?}");
    anyhow::ensure!(own.files().is_empty(), "files are left: {:?}", own.files());
    let again = own.gc().await?;
    anyhow::ensure!(again.contains("nothing was left behind"), "{again}");
    Ok(())
}

#[tokio::test]
async fn gc_cleans_up_after_kills_in_bring_up_scenario_and_tear_down() -> anyhow::Result<()> {
    let before = HostState::read()?;
    let own = OwnCluster::new().await?;
    let acted = kill_in_each_phase(&own).await;
    own.end().await?;
    acted?;
    assert_eq!(HostState::read()?, before);
    Ok(())
}

async fn kill_in_each_phase(own: &OwnCluster) -> anyhow::Result<()> {
    kill_in_bring_up(own).await.context("in the middle of bring-up")?;
    own.up().await?;
    // The canary pod's sandbox is gone by then. The kubelet removes its folder later.
    let forgotten = async || {
        let output = own.on_node(KUBELETS).await?;
        Ok(output.lines().next() == output.lines().nth(1))
    };
    wait_for("the kubelet to know as many pods as the server", forgotten).await?;
    let before = own.read_state().await?;
    anyhow::ensure!(before.iter().any(|line| line.ends_with("/br-ex")), "the look is blind: {before:?}");
    kill_in_scenario(own, &before).await.context("in the middle of a scenario")?;
    kill_in_tear_down(own, &before).await.context("in the middle of tear-down")?;
    let down = own.run(&["down", "--profile", own.profile()]).await?;
    anyhow::ensure!(down.ok(), "{} {}", down.stdout, down.stderr);
    anyhow::ensure!(own.containers().await?.is_empty() && own.files().is_empty(), "left: {:?}", own.files());
    Ok(())
}

/// The cluster is complete at this moment and stays. The canary pod must not stay.
async fn kill_in_bring_up(own: &OwnCluster) -> anyhow::Result<()> {
    let up = own.start(&["up", "--yes"])?;
    up.stop_at(own, "canary-", "the canary", async || Ok(has(own, PODS, "pod/canary-").await)).await?;
    up.kill().await?;
    anyhow::ensure!(has(own, PODS, "pod/canary-").await, "the canary was gone before gc");
    let output = own.gc().await?;
    anyhow::ensure!(output.contains("gone: Pod plumbline-system/canary-"), "{output}");
    anyhow::ensure!(!output.contains("gone: kind cluster"), "a complete cluster was removed: {output}");
    wait_for("the canary to be gone", async || Ok(!own.on_node(PODS).await?.contains("pod/canary-"))).await
}

async fn kill_in_scenario(own: &OwnCluster, before: &BTreeSet<String>) -> anyhow::Result<()> {
    let run = own.start(&["run", SEED, "--lane", "kind"])?;
    let pod = async || Ok(has(own, PODS, "pod/chain-test-pod").await);
    run.stop_at(own, NAMESPACE, "the scenario's pod", pod).await?;
    run.kill().await?;
    anyhow::ensure!(own.on_node(NAMESPACES).await?.contains(NAMESPACE), "its namespace was gone before gc");
    let output = own.gc().await?;
    anyhow::ensure!(output.contains(&format!("gone: namespace {NAMESPACE}")), "{output}");
    own.wait_for_state(before).await
}

/// Kubernetes continues the deletion; only `gc` waits for its end and closes the journal.
async fn kill_in_tear_down(own: &OwnCluster, before: &BTreeSet<String>) -> anyhow::Result<()> {
    let run = own.start(&["run", SEED, "--lane", "kind"])?;
    let going = async || {
        let all = own.on_node(NAMESPACES).await?;
        Ok(all.lines().any(|line| line.starts_with(NAMESPACE) && line.ends_with("Terminating")))
    };
    wait_for("its namespace to be going", going).await?;
    run.kill().await?;
    let output = own.gc().await?;
    anyhow::ensure!(output.contains(&format!("gone: namespace {NAMESPACE}")), "{output}");
    own.wait_for_state(before).await?;
    let again = own.gc().await?;
    anyhow::ensure!(again.contains("nothing was left behind"), "{again}");
    Ok(())
}

/// Whether a shell line on the node prints this. A node that can't run it yet prints nothing.
async fn has(own: &OwnCluster, line: &str, what: &str) -> bool {
    own.on_node(line).await.is_ok_and(|output| output.contains(what))
}

async fn docker(args: &[&str]) -> anyhow::Result<String> {
    Ok(Cmd::new("docker").args(args.iter().copied()).run_ok().await?.stdout)
}
