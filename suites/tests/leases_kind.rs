//! Multus thick 4.3.0 with a conflist as default network: every deleted pod leaks its lease. The pod, its
//! networks and its deletion look correct. Only the check for leaks after tear-down reports it (`PL501`).
//!
//! On the test's own cluster, because the cluster loses addresses.

use anyhow::Context as _;
use plumbline_core::finding::FindingCode;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_suites::host::HostState;
use plumbline_suites::own_cluster::OwnCluster;
use plumbline_testbed::exec::ProcessEnd;

const SEED: &str = "openshift/chain-example";
/// Edits that turn the profile of three nodes with a single plugin into one node with a conflist.
const EDITS: [(&str, &str); 2] = [
    ("  - role: worker\n  - role: worker\n", ""),
    ("../common/default-network.conf.j2", "../common/default-network.conflist.j2"),
];

#[tokio::test]
async fn a_lease_that_multus_thick_does_not_release_is_a_finding() -> anyhow::Result<()> {
    let before = HostState::read()?;
    let own = OwnCluster::with_edits("three-nodes", &EDITS).await?;
    let report = run_seed(&own).await;
    own.end().await?;
    let Verdict::Fail { findings, .. } = report?.verdict else { anyhow::bail!("expected a fail") };
    let codes: Vec<FindingCode> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [FindingCode::PL501, FindingCode::PL601, FindingCode::PL601], "{findings:?}");
    let found = findings[0].found.as_deref().unwrap_or_default();
    assert!(found.starts_with("100.64.0.") && found.ends_with(" of network plumbline-default"), "{found}");
    let place = findings[0].notes.join("\n");
    assert!(place.contains("/run/cni-ipam-state/plumbline-default on node 1"), "{place}");
    assert_eq!(HostState::read()?, before);
    Ok(())
}

async fn run_seed(own: &OwnCluster) -> anyhow::Result<ScenarioReport> {
    // Its canary pods leak a lease too. The cluster is not refused for that, because scenarios report it.
    own.up().await?;
    let folder = tempfile::tempdir()?;
    let evidence = folder.path().display().to_string();
    let run = ["run", SEED, "--lane", "kind", "--profile", own.profile(), "--evidence", &evidence];
    let ran = own.run(&run).await?;
    anyhow::ensure!(ran.ending == ProcessEnd::Code(1), "{:?}\n{} {}", ran.ending, ran.stdout, ran.stderr);
    let file = folder.path().join("kind").join(SEED).join("report.json");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}
