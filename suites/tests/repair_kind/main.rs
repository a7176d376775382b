//! Clusters that a test damages: the test holds the cluster alone, repairs it, and checks it again.
//!
//! The tests change the same cluster one after another, so each holds an exclusive lease.

mod breakage;

use anyhow::Context as _;
use futures::future::BoxFuture;
use plumbline::{registry, root, select, session};
use plumbline_cluster::{self as cluster, Cluster};
use plumbline_core::finding::FindingCode;
use plumbline_core::judge::verdict;
use plumbline_core::verdict::Verdict;
use plumbline_lanes::context::{Context, Options};
use plumbline_lanes::kind::OpenKind;
use plumbline_lanes::lane::{OpenLane, StagedScenario};
use plumbline_suites::trials::{self, TestTarget};
use plumbline_testbed::error::TestbedError;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const SEED: &str = "suites/scenarios/openshift/chain-example.yaml";

fn context(options: Options) -> anyhow::Result<Context> {
    let profile = std::env::var("PLUMBLINE_PROFILE").ok();
    let options = Options { profile, ..options };
    let root = root::find()?;
    // Paths of scenario files are relative to this folder, in whatever folder the test runner starts a test.
    std::env::set_current_dir(&root)?;
    Ok(session::context(&root, options, Arc::new(|_| {}), CancellationToken::new(), "test")?)
}

/// The cluster with an exclusive lease for this test.
async fn take_exclusive_cluster(cx: &Context) -> anyhow::Result<Cluster> {
    Ok(cluster::lock_exclusively(cluster::up(cx, registry::PROVIDERS).await?).await?)
}

/// Stages the seed, calls `look` with the staged scenario, and takes it down in any case.
async fn with_seed<T>(
    lane: &OpenKind,
    cx: &Context,
    look: impl for<'a> FnOnce(&'a mut Box<dyn StagedScenario>) -> BoxFuture<'a, anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let plan = select::plan(Some(&cx.root), Path::new(SEED))?;
    let mut scene = lane.stage(cx, &plan).await?;
    let looked = look(&mut scene).await;
    let left = scene.close().await.lines();
    anyhow::ensure!(left.is_empty(), "left behind: {left:?}");
    looked
}

#[tokio::test]
async fn a_node_without_multus_is_an_error_and_without_the_check_a_fail() -> anyhow::Result<()> {
    let cx = context(Options::default())?;
    let lane = OpenKind::on(take_exclusive_cluster(&cx).await?).await?;
    let node = lane.cluster().nodes[0].clone();

    breakage::disable_multus(&node).await?;
    let checked = cluster::repair(&cx, lane.cluster()).await;
    let unchecked = judge_without_check(&lane).await;
    let repaired = breakage::enable_multus(&node).await;
    repaired?;
    cluster::repair(&cx, lane.cluster()).await?;

    let error = checked.expect_err("a cluster without Multus in force is refused");
    assert_eq!(error.stage, "install-multus");
    assert!(error.cause().contains(&node.name) && error.cause().contains("not in force"), "{error}");
    match unchecked? {
        Verdict::Fail { findings, .. } => {
            let unattached = findings.iter().filter(|f| f.message.contains("not attached")).count();
            assert_eq!(unattached, 2, "both networks were requested and not attached: {findings:?}");
        }
        other => panic!("a pod with eth0 alone must fail: {other:?}"),
    }
    close(lane).await
}

#[tokio::test]
async fn a_stopped_node_is_started_and_its_multus_checked_again() -> anyhow::Result<()> {
    let cx = context(Options::default())?;
    let cluster = take_exclusive_cluster(&cx).await?;
    let proof = |cluster: &Cluster| cluster.home.record().and_then(|record| record.proof);
    let before = proof(&cluster).context("a cluster that is up has a proof")?;
    let node = async || cluster.engine().container(&cluster.nodes[0].name).await?.context("its container");
    let stopped = node().await?;
    cluster.engine().stop(&stopped.name, 1).await?;
    cluster::repair(&cx, &cluster).await?;
    let started = node().await?;
    assert_eq!(started.id, stopped.id, "the cluster was made again, and the node not started");
    let after = proof(&cluster).context("and after it was started again too")?;
    assert_ne!(after.of, before.of, "a restarted node was accepted without a canary");
    drop(cluster);
    // A second bring-up has nothing to do.
    let lane = OpenKind::on(cluster::up(&cx, registry::PROVIDERS).await?).await?;
    assert_eq!(lane.cluster().home.record().and_then(|record| record.proof), Some(after));
    close(lane).await
}

/// The seed's verdict without the check of Multus, as on a foreign cluster.
async fn judge_without_check(lane: &OpenKind) -> anyhow::Result<Verdict> {
    judge_seed(lane, Options { skip_multus_check: true, ..Options::default() }).await
}

async fn judge_seed(lane: &OpenKind, options: Options) -> anyhow::Result<Verdict> {
    let cx = context(options)?;
    let plan = select::plan(Some(&cx.root), Path::new(SEED))?;
    let of = cx.clone();
    let seen = with_seed(lane, &cx, |scene| Box::pin(async move { Ok(scene.observe(&of).await?) })).await?;
    Ok(verdict(&plan, &seen, false))
}

#[tokio::test]
async fn the_canary_finds_a_configuration_that_the_runtime_does_not_use() -> anyhow::Result<()> {
    let cx = context(Options::default())?;
    let cluster = take_exclusive_cluster(&cx).await?;
    let node = cluster.nodes[0].clone();

    breakage::disable_multus(&node).await?;
    breakage::restore_multus_files(&node).await?;
    let checked = cluster::repair(&cx, &cluster).await;
    breakage::disable_multus(&node).await?;
    breakage::enable_multus(&node).await?;
    cluster::repair(&cx, &cluster).await?;

    let error = checked.expect_err("every file is in place, and pods come up with eth0 alone");
    assert_eq!(error.stage, "install-multus");
    assert!(error.cause().contains(&node.name) && error.cause().contains("did not attach"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_pod_deleted_during_observation_is_an_error() -> anyhow::Result<()> {
    let cx = context(Options::default())?;
    let lane = OpenKind::on(cluster::up(&cx, registry::PROVIDERS).await?).await?;
    let held = lane.cluster().clone();
    let of = cx.clone();
    let observed: Result<_, TestbedError> = with_seed(&lane, &cx, |scene| {
        Box::pin(async move {
            let door = scene.entry_commands().first().cloned().context("a door to the pod")?;
            let namespace =
                door.command.split_whitespace().skip_while(|word| *word != "-n").nth(1).context("its namespace")?;
            breakage::delete_pods(&held, namespace).await?;
            Ok(scene.observe(&of).await)
        })
    })
    .await?;
    let error = observed.expect_err("a pod that is gone gives no verdict");
    assert!(error.cause().contains("gone"), "{error}");
    close(lane).await
}

#[tokio::test]
async fn bring_up_restores_a_missing_plugin_and_bridge() -> anyhow::Result<()> {
    let cx = context(Options::default())?;
    let cluster = take_exclusive_cluster(&cx).await?;
    let node = cluster.nodes[0].clone();
    breakage::remove_plugin(&node, "tuning").await?;
    breakage::remove_bridge(&node, "br-ex").await?;
    cluster::repair(&cx, &cluster).await?;
    let plugin = node.run(&["test", "-x", "/opt/cni/bin/tuning"]).await?;
    let bridge = node.run(&["test", "-d", "/sys/class/net/br-ex"]).await?;
    assert_eq!((plugin.code, bridge.code), (Some(0), Some(0)));
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_cannot_start_on_the_node_is_refused() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("sbr");
    std::fs::write(&path, "#!/no/such/interpreter\n")?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;

    let cluster = take_exclusive_cluster(&context(Options::default())?).await?;
    let plugins = std::collections::BTreeMap::from([("sbr".to_owned(), path)]);
    let refused = cluster::repair(&context(Options { plugins, ..Options::default() })?, &cluster).await;
    let error = refused.expect_err("what can't start is refused");
    assert_eq!(error.stage, "install-plugins");
    assert!(error.cause().contains("sbr"), "{error}");
    cluster::repair(&context(Options::default())?, &cluster).await?;
    Ok(())
}

/// Routes and addresses are as expected. Only the comparison with the prediction shows the other queue length.
#[tokio::test]
async fn a_plugin_that_sets_what_was_not_requested_is_found() -> anyhow::Result<()> {
    let cx = context(Options::default())?;
    let lane = OpenKind::on(take_exclusive_cluster(&cx).await?).await?;
    for node in &lane.cluster().nodes {
        breakage::bend_plugin(node, "macvlan").await?;
    }
    let bent = judge_seed(&lane, Options::default()).await;
    cluster::repair(&cx, lane.cluster()).await?;
    let repaired = judge_seed(&lane, Options::default()).await?;
    let Verdict::Fail { findings, .. } = bent? else { anyhow::bail!("expected a fail") };
    let failures: Vec<String> = findings
        .iter()
        .filter(|finding| finding.is_failure())
        .map(|finding| format!("{} {}", finding.code, finding.message))
        .collect();
    assert_eq!(
        failures,
        ["eth1", "eth2"].map(|interface| format!(
            "PL350 txqueuelen of {interface} in the pod differs with plugin 1 of 2 (macvlan)"
        ))
    );
    assert!(matches!(repaired, Verdict::Pass { .. }), "{repaired:?}");
    close(lane).await
}

/// The pod and its deletion are as expected. No object of Kubernetes shows that its address is never released.
#[test]
fn a_plugin_whose_del_does_nothing_leaks_an_address() -> anyhow::Result<()> {
    let root = root::find()?;
    std::env::set_current_dir(&root)?;
    let plan = select::plan(Some(&root), Path::new("suites/tests/no-del/del-does-nothing.yaml"))?;
    let plugins = BTreeMap::from([("no-del-macvlan".to_owned(), root.join("suites/tests/no-del/no-del-macvlan"))]);
    let ran = trials::run_with(TestTarget::lane("kind"), plan, Options { plugins, ..Options::default() });
    // The range has one address: the next pod would get none.
    let repaired: anyhow::Result<()> = tokio::runtime::Runtime::new()?.block_on(async {
        let cluster = cluster::up(&context(Options::default())?, registry::PROVIDERS).await?;
        for node in &cluster.nodes {
            let things = ["rm", "-rf", "/var/lib/cni/networks/no-del", "/opt/cni/bin/no-del-macvlan"];
            node.run_ok("put right", &things).await?;
        }
        Ok(())
    });
    let report = ran?;
    repaired?;
    let Verdict::Fail { findings, .. } = report.verdict else { anyhow::bail!("expected a fail: {:?}", report.verdict) };
    assert_eq!(findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), [FindingCode::PL501]);
    let found = findings[0].found.as_deref().unwrap_or_default();
    assert!(found.contains("192.168.77.10 of network no-del"), "{found}");
    Ok(())
}

async fn close(lane: OpenKind) -> anyhow::Result<()> {
    let left = Box::new(lane).close().await;
    anyhow::ensure!(left.is_empty(), "left behind: {left:?}");
    Ok(())
}
