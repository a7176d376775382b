//! Putting the old chain back: when an operation failed or was interrupted, when the user asks, and when a run died.

use super::canary;
use super::handle::{ClusterAccess, ClusterHandle};
use super::restart;
use super::saved::{SavedChain, copies, mark};
use super::state;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use plumbline_core::terway::{self, CONFLIST, EniConfig, NAME, NAMESPACE, PutBack, Rollout};
use plumbline_kube::objects::words;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{Effect, Undo};
use plumbline_testbed::lease::Kind;
use plumbline_testbed::wait::{self, Deadline, Look};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

const STAGE: &str = "put the old chain back";
/// For the DaemonSet on every node, where a large cluster takes node after node.
pub(super) const ROLLOUT: Duration = Duration::from_secs(900);
/// For a daemon to copy its conflist to the node, once it is Ready.
const COPIED: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_millis(150);

/// Puts the old chain back, byte for byte, restarts Terway where a node may have the new one, and awaits every node.
/// What is back already is left alone.
///
/// # Errors
/// `TestbedError` when somebody else has written another chain meanwhile, or the cluster does not follow.
pub async fn put_back(reach: &ClusterHandle, kept: &SavedChain) -> Result<PutBack, TestbedError> {
    is_its(reach, kept).await?;
    canary::remove(reach, &kept.run).await?;
    let map = state::config_map(reach).await?;
    let data = map.data.clone().unwrap_or_default();
    let now = data.get(CONFLIST).map(String::as_str);
    let written = now != kept.chain();
    if written {
        if mark(now) != kept.new_chain {
            return Err(TestbedError::new(
                STAGE,
                format!(
                    "{NAMESPACE}/{NAME} has a chain that is neither the old nor the new one: somebody else wrote it"
                ),
            )
            .with_hint(format!(
                "the old one is in the ConfigMap {NAMESPACE}/{}; put back what you want, then delete that copy",
                kept.copy()
            )));
        }
        write(reach, &map, kept.chain()).await?;
    }
    // Read again, and not taken for granted.
    let map = state::config_map(reach).await?;
    let data = map.data.clone().unwrap_or_default();
    if data.get(CONFLIST).map(String::as_str) != kept.chain() {
        return Err(TestbedError::new(STAGE, "the chain was written, and is not there".to_owned()));
    }
    let others = kept.data.keys().chain(data.keys()).filter(|key| kept.data.get(*key) != data.get(*key));
    let mut others: Vec<String> = others.cloned().collect();
    others.sort();
    others.dedup();
    let config = EniConfig::of_cluster(data);
    let set = state::daemon_set(reach).await?;
    let untouched = set.metadata.generation == Some(kept.generation);
    // Where nothing was restarted, the nodes still have what they had; they are asked all the same, since a node may have
    // joined, or Terway's pod on one been made anew. One that can't be read may have the new chain.
    let restarted = !untouched || !fits(&compared(reach, &config, Duration::ZERO).await?);
    if restarted {
        restart::restart(reach).await?;
        restart::rolled_out(reach, Deadline::after(ROLLOUT)).await?;
    }
    let rollout = compared(reach, &config, COPIED).await?;
    if !rollout.findings.is_empty() {
        let first = rollout.findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
        return Err(TestbedError::new(STAGE, format!("the ConfigMap is back, and a node is not: {first}")));
    }
    whole(&rollout, STAGE)?;
    kept.forget(reach).await?;
    Ok(PutBack { run: kept.run.clone(), written, restarted, others, rollout })
}

/// Whether every node was read, and is as it must be.
fn fits(rollout: &Rollout) -> bool {
    rollout.findings.is_empty() && rollout.untold.is_empty()
}

/// Refuses a look at the nodes that has not seen each: what nobody has read is not there.
pub(super) fn whole(rollout: &Rollout, stage: &str) -> Result<(), TestbedError> {
    match rollout.untold.first() {
        None => Ok(()),
        Some(first) => Err(TestbedError::new(stage, format!("not every node could be read: {first}"))
            .with_hint("the right to exec in pods of kube-system: the conflist is read by `cat` in Terway's own pod")),
    }
}

/// Refuses another cluster than the one that was changed: contexts get new names, and names new contexts.
async fn is_its(reach: &ClusterHandle, kept: &SavedChain) -> Result<(), TestbedError> {
    if !is_another(reach, kept).await? {
        return Ok(());
    }
    let cause = format!("{} is another cluster than the one that {} has changed", reach.name, kept.run);
    Err(TestbedError::new(STAGE, cause)
        .with_hint(format!("the old chain is in {}", SavedChain::path(&kept.run)?.display())))
}

/// Whether it is known to be another cluster than the one that was changed.
async fn is_another(reach: &ClusterHandle, kept: &SavedChain) -> Result<bool, TestbedError> {
    let now = state::identity(reach).await?;
    Ok(kept.cluster.as_ref().zip(now).is_some_and(|(then, now)| *then != now))
}

/// Writes the chain, and no other key; not over a change that somebody made since `seen`.
pub(super) async fn write(reach: &ClusterHandle, seen: &ConfigMap, chain: Option<&str>) -> Result<(), TestbedError> {
    let maps: Api<ConfigMap> = Api::namespaced(reach.client.clone(), NAMESPACE);
    let version = seen.metadata.resource_version.clone();
    let patch = json!({ "metadata": { "resourceVersion": version }, "data": { CONFLIST: chain } });
    let done = maps.patch(NAME, &PatchParams::default(), &Patch::Merge(&patch)).await;
    done.map(drop)
        .map_err(|e| TestbedError::new("write the chain", format!("patch configmap {NAMESPACE}/{NAME}: {}", words(&e))))
}

/// Each node's conflist beside what terway-cli must have made; looked at again until it fits, at most `patience`, since
/// a daemon copies it a moment after it is Ready.
pub(super) async fn compared(
    reach: &ClusterHandle,
    config: &EniConfig,
    patience: Duration,
) -> Result<Rollout, TestbedError> {
    let once = || async {
        let looked = state::look(reach, true).await?;
        Ok(terway::rollout(config, &looked.seen))
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

/// What was kept in a cluster and not put back, the newest first.
///
/// # Errors
/// `TestbedError` when the server does not answer.
pub async fn kept(reach: &ClusterHandle) -> Result<Vec<SavedChain>, TestbedError> {
    copies(reach).await
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
    if way.is_gone() {
        return std::fs::remove_file(path).map_err(|error| TestbedError::new(STAGE, error));
    }
    let ours = way.ours.is_some();
    let reach = ClusterHandle::by(way, Kind::Exclusive).await?;
    // A cluster of ours that was made again has the name of the one that went, and nothing of what was changed in that.
    if ours && is_another(&reach, &kept).await? {
        return std::fs::remove_file(path).map_err(|error| TestbedError::new(STAGE, error));
    }
    is_its(&reach, &kept).await?;
    let copies = copies(&reach).await?;
    match copies.iter().find(|copy| copy.run == kept.run) {
        Some(copy) if copy.applied_at.is_none() => put_back(&reach, &kept).await.map(drop),
        // In force on every node; only the journal did not come to know.
        Some(_) => Ok(()),
        // Nothing was written before the copy was made, and it goes when the change was seen to: on another machine, or by
        // hand. What is in force now is nobody's business here; its canaries are.
        None => {
            canary::remove(&reach, &kept.run).await?;
            std::fs::remove_file(path).map_err(|error| TestbedError::new(STAGE, error))
        }
    }
}
