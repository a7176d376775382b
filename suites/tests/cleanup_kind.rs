//! Cleanup on the kind lane: `kill -9` in the middle of bring-up, of a scenario, of tear-down, each
//! followed by `plumbline gc`. On a cluster of the test's own, so that all of it can be compared.

use anyhow::Context as _;
use plumbline_suites::host::{HostState, processes_with, wait_for};
use plumbline_suites::own_cluster::OwnCluster;
use plumbline_testbed::exec::Cmd;
use std::collections::BTreeSet;

/// By name: a test process does not stand in the root of the checkout.
const SEED: &str = "openshift/chain-example";
/// The namespace that the seed's manifests name; its own one on the cluster begins so.
const NAMESPACE: &str = "chain-example-";
const NAMESPACES: &str = "kubectl --kubeconfig /etc/kubernetes/admin.conf get namespaces \
    -o jsonpath='{range .items[*]}{.metadata.name} {.status.phase}{\"\\n\"}{end}'";
const NAMES: &str = "cat /proc/[0-9]*/comm";
/// Two numbers: of the kubelet's pods, and of the server's.
const KUBELETS: &str = "ls /var/lib/kubelet/pods | wc -l; \
    kubectl --kubeconfig /etc/kubernetes/admin.conf get pods -A -o name | wc -l";
const PODS: &str = "kubectl --kubeconfig /etc/kubernetes/admin.conf get pods -A -o name";

#[tokio::test]
async fn gc_removes_a_cluster_whose_bring_up_was_killed() -> anyhow::Result<()> {
    let before = HostState::read()?;
    let own = OwnCluster::new().await?;
    let acted = half_made(&own).await;
    own.end().await?;
    acted?;
    assert_eq!(HostState::read()?, before);
    Ok(())
}

async fn half_made(own: &OwnCluster) -> anyhow::Result<()> {
    let up = own.start(&["up", "--yes"])?;
    // Without a reader kind dies at the next line that it writes. While kubeadm is at work it writes none for seconds.
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

    let said = own.gc().await?;
    anyhow::ensure!(said.contains("gone: process") && said.contains("gone: kind cluster"), "{said}");
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
    let acted = all_three(&own).await;
    own.end().await?;
    acted?;
    assert_eq!(HostState::read()?, before);
    Ok(())
}

async fn all_three(own: &OwnCluster) -> anyhow::Result<()> {
    in_bring_up(own).await.context("in the middle of bring-up")?;
    own.up().await?;
    // The canary's sandbox is gone by then; its folder is the kubelet's to take away, and that comes later.
    let forgotten = async || {
        let said = own.on_node(KUBELETS).await?;
        Ok(said.lines().next() == said.lines().nth(1))
    };
    wait_for("the kubelet to know as many pods as the server", forgotten).await?;
    let before = own.look().await?;
    anyhow::ensure!(before.iter().any(|line| line.ends_with("/br-ex")), "the look is blind: {before:?}");
    in_a_scenario(own, &before).await.context("in the middle of a scenario")?;
    in_tear_down(own, &before).await.context("in the middle of tear-down")?;
    let down = own.run(&["down", "--profile", own.profile()]).await?;
    anyhow::ensure!(down.ok(), "{} {}", down.stdout, down.stderr);
    anyhow::ensure!(own.containers().await?.is_empty() && own.files().is_empty(), "left: {:?}", own.files());
    Ok(())
}

/// The cluster is complete then and stays; the canary must not.
async fn in_bring_up(own: &OwnCluster) -> anyhow::Result<()> {
    let up = own.start(&["up", "--yes"])?;
    up.caught(own, "canary-", "the canary", async || Ok(has(own, PODS, "pod/canary-").await)).await?;
    up.kill().await?;
    anyhow::ensure!(has(own, PODS, "pod/canary-").await, "the canary was gone before gc");
    let said = own.gc().await?;
    anyhow::ensure!(said.contains("gone: Pod plumbline-system/canary-"), "{said}");
    anyhow::ensure!(!said.contains("gone: kind cluster"), "a cluster that was complete was taken away: {said}");
    wait_for("the canary to be gone", async || Ok(!own.on_node(PODS).await?.contains("pod/canary-"))).await
}

async fn in_a_scenario(own: &OwnCluster, before: &BTreeSet<String>) -> anyhow::Result<()> {
    let run = own.start(&["run", SEED, "--lane", "kind"])?;
    let pod = async || Ok(has(own, PODS, "pod/chain-test-pod").await);
    run.caught(own, NAMESPACE, "the scenario's pod", pod).await?;
    run.kill().await?;
    anyhow::ensure!(own.on_node(NAMESPACES).await?.contains(NAMESPACE), "its namespace was gone before gc");
    let said = own.gc().await?;
    anyhow::ensure!(said.contains(&format!("gone: namespace {NAMESPACE}")), "{said}");
    own.as_before(before).await
}

/// Kubernetes continues the deletion; only `gc` waits for its end and closes the journal.
async fn in_tear_down(own: &OwnCluster, before: &BTreeSet<String>) -> anyhow::Result<()> {
    let run = own.start(&["run", SEED, "--lane", "kind"])?;
    let going = async || {
        let all = own.on_node(NAMESPACES).await?;
        Ok(all.lines().any(|line| line.starts_with(NAMESPACE) && line.ends_with("Terminating")))
    };
    wait_for("its namespace to be going", going).await?;
    run.kill().await?;
    let said = own.gc().await?;
    anyhow::ensure!(said.contains(&format!("gone: namespace {NAMESPACE}")), "{said}");
    own.as_before(before).await?;
    let again = own.gc().await?;
    anyhow::ensure!(again.contains("nothing was left behind"), "{again}");
    Ok(())
}

/// Whether a line of shell on the node prints this; a node that can't be asked yet prints nothing.
async fn has(own: &OwnCluster, line: &str, what: &str) -> bool {
    own.on_node(line).await.is_ok_and(|said| said.contains(what))
}

async fn docker(args: &[&str]) -> anyhow::Result<String> {
    Ok(Cmd::new("docker").args(args.iter().copied()).run_ok().await?.stdout)
}
