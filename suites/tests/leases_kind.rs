//! Multus thick 4.3.0 over a default network that is a list: every pod that goes leaves its lease behind. The pod, its
//! networks and its deletion all look well; only the look at what stays when it is gone tells (`PL501`).
//!
//! On a cluster of the test's own: nobody else wants one that loses addresses.

use anyhow::Context as _;
use plumbline::root;
use plumbline_core::verdict::ScenarioReport;
use plumbline_suites::golden;
use plumbline_suites::host::Host;
use plumbline_suites::own_cluster::Own;
use plumbline_testbed::exec::Ending;

const SEED: &str = "openshift/chain-example";
/// The seed's own golden file is that of a pass; this one is of the same scenario on a cluster that leaks.
const GOLDEN: &str = "kind/leases/thick-over-a-list";
/// What makes one node with Multus thick over a list out of the profile of three over a single plugin.
const EDITS: [(&str, &str); 2] = [
    ("  - role: worker\n  - role: worker\n", ""),
    ("../common/default-network.conf.j2", "../common/default-network.conflist.j2"),
];

#[tokio::test]
async fn a_lease_that_multus_thick_does_not_give_back_is_a_finding() -> anyhow::Result<()> {
    let before = Host::look()?;
    let own = Own::other("three-nodes", &EDITS).await?;
    let (report, files) = (ran(&own).await, format!("{}/", own.root()));
    own.end().await?;
    golden::compare(&root::find()?, GOLDEN, &any_address(&golden::report(&report?).replace(&files, ""))?)?;
    assert_eq!(Host::look()?, before);
    Ok(())
}

async fn ran(own: &Own) -> anyhow::Result<ScenarioReport> {
    // Its canaries leave a lease too. That is no reason to refuse the cluster: scenarios are to tell.
    own.up().await?;
    let folder = tempfile::tempdir()?;
    let evidence = folder.path().display().to_string();
    let run = ["run", SEED, "--lane", "kind", "--profile", own.profile(), "--evidence", &evidence];
    let ran = own.run(&run).await?;
    anyhow::ensure!(ran.ending == Ending::Code(1), "{:?}\n{} {}", ran.ending, ran.stdout, ran.stderr);
    let file = folder.path().join("kind").join(SEED).join("report.json");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}

/// A report's text without the last part of the address that stays: how many were given away before, canaries decide.
fn any_address(text: &str) -> anyhow::Result<String> {
    const FOUND: &str = "+ found    100.64.0.";
    let (before, rest) = text.split_once(FOUND).with_context(|| format!("no {FOUND:?} in\n{text}"))?;
    Ok(format!("{before}{FOUND}N{}", rest.trim_start_matches(|c: char| c.is_ascii_digit())))
}
