//! Restoring the old chain: after a kill at each step, by `gc`, and not over a chain that others wrote.

use crate::testbed::{ChainTestbed, PROFILE, chain, code};
use anyhow::{Context as _, ensure};
use plumbline::{registry, session};
use plumbline_cluster as cluster;
use plumbline_cluster::naming::{OWNER, OWNER_LABEL, RUN_LABEL};
use plumbline_suites::chain::{read_first_plugin, set_chain};
use plumbline_suites::context;
use plumbline_terway::chain::saved::SavedChain;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::exec::ProcessEnd;
use plumbline_testbed::folders;
use plumbline_testbed::journal::Effect;
use plumbline_testbed::wait::{self, Deadline, Look};
use serde_json::json;
use std::time::Duration;

/// Kills an apply that is stopped after a step.
async fn kill(testbed: &ChainTestbed, step: &str) -> anyhow::Result<()> {
    let killed = testbed.start_and_stop_after(step).await?.send("-KILL").await?;
    ensure!(killed.ending != ProcessEnd::Code(0), "the apply was not killed: {killed:?}");
    Ok(())
}

pub async fn check_kill_after(testbed: &ChainTestbed, step: &str) -> anyhow::Result<()> {
    kill(testbed, step).await?;
    ensure!((testbed.read_config_map().await? == testbed.before) == (step == "keep"), "the ConfigMap after {step}");
    ensure!(testbed.list_copies().await?.len() == 1, "no backup of the old chain");
    let again = chain(&["apply", &testbed.write_portmap_file()?]).await?;
    ensure!(code(&again)? == 2 && again.stderr.contains("plumbline chain restore"), "{}", again.stderr);
    let planned = chain(&["plan", &testbed.write_portmap_file()?]).await?;
    ensure!(code(&planned)? == 1 && planned.stdout.contains("is not finished"), "{}", planned.stdout);
    let back = chain(&["restore"]).await?;
    ensure!(code(&back)? == 0 && back.stdout.contains("3 nodes compared"), "{}{}", back.stdout, back.stderr);
    ensure!(testbed.read_config_map().await? == testbed.before, "byte for byte");
    ensure!(testbed.list_copies().await?.is_empty(), "a backup of the old chain remains");
    Ok(())
}

/// A kill in the middle of the last step: canary pods are on the nodes, and their run has ended.
pub async fn check_kill_during_canaries(testbed: &ChainTestbed) -> anyhow::Result<()> {
    let applying = testbed.start_until(": prove ...").await?;
    let look = || async {
        match testbed.count_canaries().await {
            Ok(0) => Ok(Look::NotYet("none".to_owned())),
            Ok(_) => Ok(Look::There(())),
            Err(error) => Err(TestbedError::new("canaries", error)),
        }
    };
    wait::until("canaries", "one to come", Deadline::after(LONG), Duration::from_millis(20), look).await?;
    let killed = applying.send("-KILL").await?;
    ensure!(killed.ending != ProcessEnd::Code(0), "the apply was not killed: {killed:?}");
    ensure!(testbed.count_canaries().await? > 0, "the canary pods ended before the restore");
    let back = chain(&["restore"]).await?;
    ensure!(code(&back)? == 0, "{}{}", back.stdout, back.stderr);
    ensure!(testbed.read_config_map().await? == testbed.before, "byte for byte");
    ensure!(testbed.count_canaries().await? == 0, "canary pods remain");
    Ok(())
}

/// Undoes that one effect of a dead run's journal as `gc` does. `gc` itself is for the whole host.
pub async fn check_gc(testbed: &ChainTestbed) -> anyhow::Result<()> {
    kill(testbed, "restart").await?;
    let name = testbed.list_copies().await?.pop().context("a copy")?;
    let run = name.trim_start_matches("eni-config-kept-").to_owned();
    let journal = std::fs::read_to_string(folders::state()?.join("runs").join(&run).join("journal.jsonl"))?;
    ensure!(journal.contains("\"chain\"") && !journal.contains("\"done\""), "an open entry of the run: {journal}");
    let effect = Effect::Chain { cluster: String::new(), kept: SavedChain::path(&run)? };
    for _ in 0..2 {
        // Undoing twice is no error.
        let work =
            registry::UNDOERS.iter().find_map(|undoer| undoer.undo(&effect)).context("no undoer for the effect")?;
        work.await?;
        ensure!(testbed.read_config_map().await? == testbed.before, "byte for byte");
    }
    Ok(())
}

const LONG: Duration = Duration::from_secs(60);
const CANARY: &str = "plumbline-chain-canary-left";

/// A scenario's chain over an open change of a killed run: `gc` must not request an impossible action.
pub async fn check_open_change(testbed: &ChainTestbed) -> anyhow::Result<()> {
    kill(testbed, "restart").await?;
    let copy = testbed.list_copies().await?.pop().context("a copy")?;
    let run = copy.trim_start_matches("eni-config-kept-");
    let kept = SavedChain::path(run)?;
    // The state after a kill while canary pods are up.
    let labels = format!("--labels={OWNER_LABEL}={OWNER},{RUN_LABEL}={run},plumbline.dev/role=chain-canary");
    testbed.kubectl(&["run", CANARY, "--image=none.invalid/none", "--image-pull-policy=Never", &labels]).await?;
    let cx = context::open(PROFILE, "chain test")?;
    let cluster = cluster::lock_exclusively(Box::pin(cluster::up(&cx, registry::PROVIDERS)).await?).await?;
    let own = json!({ "plugins": [read_first_plugin(&cluster).await?, { "type": "tuning" }] }).to_string();
    let settled = set_chain(&cx, &cluster, Some(&own)).await;
    let (copies, now) = (testbed.list_copies().await?, testbed.read_config_map().await?);
    let canary = testbed.kubectl(&["get", "pod", CANARY, "--ignore-not-found", "-o", "name"]).await?;
    let back = set_chain(&cx, &cluster, None).await;
    drop(cluster);
    let left = session::close(&cx).await;
    settled.and(back)?;
    ensure!(canary.is_empty(), "the canary pod of the killed run remains");
    ensure!(left.is_empty() && copies.is_empty(), "leaks: {left:?} {copies:?}");
    ensure!(now["10-terway.conflist"] == own, "{now:?}");
    let effect = Effect::Chain { cluster: String::new(), kept };
    registry::UNDOERS.iter().find_map(|undoer| undoer.undo(&effect)).context("no undoer for the effect")?.await?;
    Ok(())
}

/// A dead run of another machine: its journal lacks later changes. And a run whose cluster was removed and
/// made again with the same name.
pub async fn check_closed_elsewhere(testbed: &ChainTestbed) -> anyhow::Result<()> {
    kill(testbed, "write").await?;
    let copy = testbed.list_copies().await?.pop().context("a copy")?;
    let kept = SavedChain::path(copy.trim_start_matches("eni-config-kept-"))?;
    let (written, generation) = (testbed.read_config_map().await?, testbed.read_generation().await?);
    let effect = Effect::Chain { cluster: String::new(), kept: kept.clone() };
    let undo = || registry::UNDOERS.iter().find_map(|undoer| undoer.undo(&effect)).context("no undoer for the effect");
    let text = std::fs::read_to_string(&kept)?;
    let uid = testbed.kubectl(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]).await?;
    ensure!(text.contains(uid.trim()), "the file does not name its cluster: {text}");
    std::fs::write(&kept, text.replace(uid.trim(), "of-the-one-before"))?;
    undo()?.await?;
    let of_another = testbed.read_config_map().await? == written && !kept.exists();
    std::fs::write(&kept, text)?;
    testbed.kubectl(&["delete", "configmap", &copy]).await?;
    undo()?.await?;
    let untouched = testbed.read_config_map().await? == written && testbed.read_generation().await? == generation;
    // No node has read it, so only the ConfigMap must be restored.
    testbed.write_chain(None).await?;
    ensure!(of_another, "a change of a removed cluster was checked again, or restored on the next one");
    ensure!(untouched, "a chain was restored over one in force");
    ensure!(!kept.exists(), "the journal would be checked again");
    Ok(())
}

/// The rights to change the chain without the right to exec in pods.
const RIGHTS: [(&str, &str); 3] = [
    ("get,list,watch", "nodes,namespaces"),
    ("get,list,watch,create,delete", "pods"),
    ("get,list,watch,create,patch,delete", "configmaps,daemonsets.apps"),
];

/// A user without the right to read nodes: Plumbline reports no chain as in force, and none as restored.
pub async fn check_unreadable_nodes(testbed: &ChainTestbed) -> anyhow::Result<()> {
    let tested = with_rights(testbed).await;
    let mut names = vec!["serviceaccount/blind".to_owned()];
    for index in 0..RIGHTS.len() {
        names.extend([format!("clusterrole/blind-{index}"), format!("clusterrolebinding/blind-{index}")]);
    }
    let delete: Vec<&str> = ["delete"].into_iter().chain(names.iter().map(String::as_str)).collect();
    testbed.kubectl(&delete).await?;
    tested
}

async fn with_rights(testbed: &ChainTestbed) -> anyhow::Result<()> {
    testbed.kubectl(&["create", "serviceaccount", "blind"]).await?;
    for (index, (verbs, resources)) in RIGHTS.iter().enumerate() {
        let (name, verbs) = (format!("blind-{index}"), format!("--verb={verbs}"));
        testbed.kubectl(&["create", "clusterrole", &name, &verbs, &format!("--resource={resources}")]).await?;
        let (role, account) = (format!("--clusterrole={name}"), "--serviceaccount=kube-system:blind");
        testbed.kubectl(&["create", "clusterrolebinding", &name, &role, account]).await?;
    }
    let token = testbed.kubectl(&["create", "token", "blind"]).await?;
    let config = std::fs::read_to_string(&testbed.kubeconfig)?;
    let user = |line: &str| match line.trim_start() {
        key if key.starts_with("client-key-data:") => Some(format!("    token: {}", token.trim())),
        key if key.starts_with("client-certificate-data:") => None,
        _ => Some(line.to_owned()),
    };
    let lines: Vec<String> = config.lines().filter_map(user).collect();
    let own = testbed.dir.path().join("blind.yaml");
    std::fs::write(&own, lines.join("\n"))?;

    let same = testbed.dir.path().join("same.yaml").display().to_string();
    std::fs::write(&same, "kind: ConfigMap\nmetadata: { name: eni-config }\ndata: { 10-terway.conflist: null }\n")?;
    let nothing = testbed.run_with_context(&own, &["apply", &same, "--yes"]).await?;
    ensure!(
        code(&nothing)? == 3 && nothing.stderr.contains("cannot compare the conflist"),
        "{}{}",
        nothing.stdout,
        nothing.stderr
    );

    kill(testbed, "write").await?;
    let back = testbed.run_with_context(&own, &["restore", "--yes"]).await?;
    ensure!(
        code(&back)? == 3 && back.stderr.contains("not every node could be read"),
        "{}{}",
        back.stdout,
        back.stderr
    );
    ensure!(testbed.list_copies().await?.len() == 1, "the backup is missing, which a user who can read nodes needs");
    let back = chain(&["restore"]).await?;
    ensure!(code(&back)? == 0 && back.stdout.contains("3 nodes compared"), "{}{}", back.stdout, back.stderr);
    Ok(())
}

pub async fn check_chain_of_others(testbed: &ChainTestbed) -> anyhow::Result<()> {
    kill(testbed, "write").await?;
    let written = testbed.read_config_map().await?;
    testbed.write_chain(Some("{ \"plugins\": [] }")).await?;
    let refused = chain(&["restore"]).await?;
    ensure!(
        code(&refused)? == 3 && refused.stderr.contains("another client wrote it"),
        "{}{}",
        refused.stdout,
        refused.stderr
    );
    ensure!(
        testbed.read_config_map().await?["10-terway.conflist"] == "{ \"plugins\": [] }",
        "the chain of others was changed"
    );
    testbed.write_chain(written.get("10-terway.conflist").map(String::as_str)).await
}
