//! Restoring the old chain: after a failed or interrupted change, by `chain restore`, and by `gc` for a dead run.

use super::handle::{ClusterAccess, ClusterHandle};
use super::saved::{SavedChain, copies, mark};
use super::{canary, restart, state};
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use plumbline_core::terway::{self, CONFLIST, EniConfig, NAME, NAMESPACE, PutBack, Rollout};
use plumbline_kube::objects::words;
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::journal::{Effect, Undo};
use plumbline_testbed::lease::Kind;
use plumbline_testbed::wait::{self, Deadline, Look};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

const STAGE: &str = "put the old chain back";
/// For the DaemonSet on every node, where a large cluster takes node after node.
pub(super) const ROLLOUT: Duration = Duration::from_secs(900);
/// How long a Ready daemon may take to copy its conflist to the node.
pub(super) const COPIED: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_millis(150);
/// What a user needs so that every node can be read.
pub(super) const CAT_HINT: &str =
    "get the right to exec in pods of kube-system: Plumbline reads the conflist by `cat` in Terway's own pod";

/// Restores the old chain byte for byte, restarts Terway if a node may have the new one, and awaits every node.
///
/// # Errors
/// `TestbedError` when the ConfigMap has a third chain, or a node does not get the old one.
pub async fn put_back(handle: &ClusterHandle, kept: &SavedChain) -> Result<PutBack, TestbedError> {
    is_its(handle, kept).await?;
    canary::remove(handle, &kept.run).await?;
    let map = state::config_map(handle).await?;
    let data = map.data.clone().unwrap_or_default();
    let now = data.get(CONFLIST).map(String::as_str);
    let written = now != kept.chain();
    if written {
        if mark(now) != kept.new_chain {
            let cause = format!(
                "{NAMESPACE}/{NAME} has a chain that is neither the old nor the new one: somebody else wrote it"
            );
            return Err(TestbedError::new(STAGE, cause).with_hint(format!(
                "the old one is in the ConfigMap {NAMESPACE}/{}; put back what you want, then delete that copy",
                kept.copy()
            )));
        }
        write(handle, &map, kept.chain()).await?;
    }
    let map = state::config_map(handle).await?;
    let data = map.data.clone().unwrap_or_default();
    if data.get(CONFLIST).map(String::as_str) != kept.chain() {
        return Err(TestbedError::new(STAGE, "the chain was written, and is not there"));
    }
    let others = kept.data.keys().chain(data.keys()).filter(|key| kept.data.get(*key) != data.get(*key));
    let mut others: Vec<String> = others.cloned().collect();
    others.sort();
    others.dedup();
    let config = EniConfig::of_cluster(data);
    let set = state::daemon_set(handle).await?;
    let untouched = set.metadata.generation == Some(kept.generation);
    // Without a restart the nodes have their old chain. They are compared all the same: a node may have joined, or Terway's
    // pod may be new. A node that can't be read may have the new chain.
    let restarted = !untouched || !fits(&compared(handle, &config, Duration::ZERO).await?);
    if restarted {
        restart::restart(handle).await?;
        restart::rolled_out(handle, Deadline::after(ROLLOUT)).await?;
    }
    let rollout = compared(handle, &config, COPIED).await?;
    if !rollout.findings.is_empty() {
        let first = rollout.findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
        return Err(TestbedError::new(STAGE, format!("the ConfigMap is back, and a node is not: {first}")));
    }
    whole(&rollout, STAGE)?;
    kept.forget(handle).await?;
    Ok(PutBack { run: kept.run.clone(), written, restarted, others, rollout })
}

/// Whether every node was read, and is as it must be.
fn fits(rollout: &Rollout) -> bool {
    rollout.findings.is_empty() && rollout.untold.is_empty()
}

/// Refuses a comparison that lacks a node.
pub(super) fn whole(rollout: &Rollout, stage: &str) -> Result<(), TestbedError> {
    match rollout.untold.first() {
        None => Ok(()),
        Some(first) => {
            Err(TestbedError::new(stage, format!("not every node could be read: {first}")).with_hint(CAT_HINT))
        }
    }
}

/// Refuses another cluster than the one that was changed: contexts get new names, and names new contexts.
async fn is_its(handle: &ClusterHandle, kept: &SavedChain) -> Result<(), TestbedError> {
    if !is_another(handle, kept).await? {
        return Ok(());
    }
    let cause = format!("{} is another cluster than the one that {} has changed", handle.name, kept.run);
    Err(TestbedError::new(STAGE, cause)
        .with_hint(format!("the old chain is in {}", SavedChain::path(&kept.run)?.display())))
}

/// Whether it is known to be another cluster than the one that was changed.
async fn is_another(handle: &ClusterHandle, kept: &SavedChain) -> Result<bool, TestbedError> {
    let now = state::identity(handle).await?;
    Ok(kept.cluster.as_ref().zip(now).is_some_and(|(then, now)| *then != now))
}

/// Writes the chain, and no other key; not over a change that somebody made since `seen`.
pub(super) async fn write(handle: &ClusterHandle, seen: &ConfigMap, chain: Option<&str>) -> Result<(), TestbedError> {
    let maps: Api<ConfigMap> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let version = seen.metadata.resource_version.clone();
    let patch = json!({ "metadata": { "resourceVersion": version }, "data": { CONFLIST: chain } });
    let done = maps.patch(NAME, &PatchParams::default(), &Patch::Merge(&patch)).await;
    done.map(drop)
        .map_err(|e| TestbedError::new("write the chain", format!("patch configmap {NAMESPACE}/{NAME}: {}", words(&e))))
}

/// Each node's conflist beside what terway-cli must have made; looked at again until it fits, at most `patience`, since
/// a daemon copies it a moment after it is Ready.
pub(super) async fn compared(
    handle: &ClusterHandle,
    config: &EniConfig,
    patience: Duration,
) -> Result<Rollout, TestbedError> {
    let once = || async {
        let terway = state::look(handle, true).await?;
        Ok(terway::rollout(config, &terway.seen))
    };
    let looks = || async {
        let rollout: Rollout = once().await?;
        Ok(if fits(&rollout) { Look::There(rollout) } else { Look::NotYet("another conflist, or none".to_owned()) })
    };
    if patience.is_zero() {
        return once().await;
    }
    match wait::until(STAGE, "the conflist on every node", Deadline::after(patience), EVERY, looks).await {
        Ok(rollout) => Ok(rollout),
        // Late, or the server did not answer: what is there now says which.
        Err(_) => once().await,
    }
}

/// Undoes what a run that died left of a change.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChainUndo;

impl Undo for ChainUndo {
    fn undo<'a>(&'a self, effect: &'a Effect) -> Option<BoxFuture<'a, Result<(), TestbedError>>> {
        match effect {
            Effect::Chain { kept, .. } => Some(Box::pin(undo(kept))),
            _ => None,
        }
    }
}

async fn undo(path: &Path) -> Result<(), TestbedError> {
    // Put back already, by `chain restore`.
    let Some(kept) = SavedChain::read(path)? else { return Ok(()) };
    let way: ClusterAccess = kept.way.clone();
    let ours = way.ours.is_some();
    if way.is_gone() {
        return std::fs::remove_file(path).at_stage(STAGE);
    }
    let handle = ClusterHandle::by(way, Kind::Exclusive).await?;
    // A cluster of ours that was made again has the name of the one that went, and nothing of what was changed in that.
    if ours && is_another(&handle, &kept).await? {
        return std::fs::remove_file(path).at_stage(STAGE);
    }
    is_its(&handle, &kept).await?;
    let copies = copies(&handle).await?;
    match copies.iter().find(|copy| copy.run == kept.run) {
        Some(copy) if copy.applied_at.is_none() => put_back(&handle, &kept).await.map(drop),
        // In force on every node; the process ended before it wrote that to the journal.
        Some(_) => Ok(()),
        // The copy is made before the chain is written, and removed when the change is resolved, on another machine or by
        // hand. So the chain stays as it is; canaries are removed.
        None => {
            canary::remove(&handle, &kept.run).await?;
            std::fs::remove_file(path).at_stage(STAGE)
        }
    }
}
