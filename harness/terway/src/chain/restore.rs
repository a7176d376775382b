//! Restores the old chain: after a failed or interrupted change, for `chain restore`, and for `gc` after a dead run.

use super::handle::{ClusterAccess, ClusterHandle};
use super::saved::{SavedChain, hash_chain, list_copies};
use super::{canary, restart, state};
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use plumbline_core::terway::{self, CONFLIST, EniConfig, NAME, NAMESPACE, PutBack, Rollout};
use plumbline_kube::objects::AtRequest as _;
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::journal::{Effect, Undo};
use plumbline_testbed::lease::Kind;
use plumbline_testbed::wait::{self, Deadline, Look};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

const STAGE: &str = "restore the old chain";
/// The limit for the DaemonSet on every node. A large cluster restarts one node after the other.
pub(super) const ROLLOUT: Duration = Duration::from_secs(900);
/// The limit for a Ready daemon to copy its conflist to the node.
pub(super) const COPIED: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_millis(150);
/// The permission that a user needs so that every node can be read.
pub(super) const CAT_HINT: &str =
    "get the right to exec in pods of kube-system: Plumbline reads the conflist with `cat` in Terway's own pod";

/// Restores the old chain byte for byte, restarts Terway if a node may have the new one, and waits for every node.
///
/// # Errors
/// `TestbedError` when the ConfigMap has a third chain, or a node does not get the old one.
pub async fn put_back(handle: &ClusterHandle, kept: &SavedChain) -> Result<PutBack, TestbedError> {
    require_same_cluster(handle, kept).await?;
    canary::remove_canaries(handle, &kept.run).await?;
    let map = state::read_config_map(handle).await?;
    let data = map.data.clone().unwrap_or_default();
    let now = data.get(CONFLIST).map(String::as_str);
    let written = now != kept.chain();
    if written {
        if hash_chain(now) != kept.new_chain {
            let cause = format!(
                "{NAMESPACE}/{NAME} has a chain that is neither the old nor the new one: another client wrote it"
            );
            return Err(TestbedError::new(STAGE, cause).with_hint(format!(
                "the old chain is in the ConfigMap {NAMESPACE}/{}; restore the chain that you want, then delete that copy",
                kept.copy()
            )));
        }
        write_chain(handle, &map, kept.chain()).await?;
    }
    let map = state::read_config_map(handle).await?;
    let data = map.data.clone().unwrap_or_default();
    if data.get(CONFLIST).map(String::as_str) != kept.chain() {
        return Err(TestbedError::new(STAGE, "the chain was written, but the ConfigMap has another one"));
    }
    let others = kept.data.keys().chain(data.keys()).filter(|key| kept.data.get(*key) != data.get(*key));
    let mut others: Vec<String> = others.cloned().collect();
    others.sort();
    others.dedup();
    let config = EniConfig::of_cluster(data);
    let set = state::read_daemon_set(handle).await?;
    let untouched = set.metadata.generation == Some(kept.generation);
    // Without a restart the nodes have their old chain. They are compared anyway, because a node may have joined, or Terway's
    // pod may be new. A node that can't be read may have the new chain.
    let restarted = !untouched || !is_complete(&compare_nodes(handle, &config, Duration::ZERO).await?);
    if restarted {
        restart::restart(handle).await?;
        restart::await_rollout(handle, Deadline::after(ROLLOUT)).await?;
    }
    let rollout = compare_nodes(handle, &config, COPIED).await?;
    if !rollout.findings.is_empty() {
        let first = rollout.findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
        return Err(TestbedError::new(STAGE, format!("the ConfigMap is restored, but a node is not: {first}")));
    }
    require_all_nodes(&rollout, STAGE)?;
    kept.forget(handle).await?;
    Ok(PutBack { run: kept.run.clone(), written, restarted, others, rollout })
}

/// Whether every node was read, and has the right conflist.
fn is_complete(rollout: &Rollout) -> bool {
    rollout.findings.is_empty() && rollout.untold.is_empty()
}

/// Refuses a comparison without all nodes.
pub(super) fn require_all_nodes(rollout: &Rollout, stage: &str) -> Result<(), TestbedError> {
    match rollout.untold.first() {
        None => Ok(()),
        Some(first) => {
            Err(TestbedError::new(stage, format!("not every node could be read: {first}")).with_hint(CAT_HINT))
        }
    }
}

/// Refuses a cluster other than the changed one. A context can be renamed, and its name can be reused for another cluster.
async fn require_same_cluster(handle: &ClusterHandle, kept: &SavedChain) -> Result<(), TestbedError> {
    if !is_another(handle, kept).await? {
        return Ok(());
    }
    let cause = format!("{} is not the cluster that run {} changed", handle.name, kept.run);
    Err(TestbedError::new(STAGE, cause)
        .with_hint(format!("the old chain is in {}", SavedChain::path(&kept.run)?.display())))
}

/// Whether the cluster is certainly not the changed one.
async fn is_another(handle: &ClusterHandle, kept: &SavedChain) -> Result<bool, TestbedError> {
    let now = state::read_identity(handle).await?;
    Ok(kept.cluster.as_ref().zip(now).is_some_and(|(then, now)| *then != now))
}

/// Writes only the chain's key. It fails if another client changed the ConfigMap since `seen`.
pub(super) async fn write_chain(
    handle: &ClusterHandle,
    seen: &ConfigMap,
    chain: Option<&str>,
) -> Result<(), TestbedError> {
    let maps: Api<ConfigMap> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let version = seen.metadata.resource_version.clone();
    let patch = json!({ "metadata": { "resourceVersion": version }, "data": { CONFLIST: chain } });
    let done = maps.patch(NAME, &PatchParams::default(), &Patch::Merge(&patch)).await;
    done.map(drop).at_request("write the chain", format_args!("patch configmap {NAMESPACE}/{NAME}"))
}

/// Compares each node's conflist with the one that terway-cli must make. It repeats this until all are right, at most for
/// `patience`, because a daemon copies the conflist shortly after it is Ready.
pub(super) async fn compare_nodes(
    handle: &ClusterHandle,
    config: &EniConfig,
    patience: Duration,
) -> Result<Rollout, TestbedError> {
    let compare_once = || async {
        let terway = state::read_state(handle, true).await?;
        Ok(terway::rollout(config, &terway.seen))
    };
    let look = || async {
        let rollout: Rollout = compare_once().await?;
        Ok(if is_complete(&rollout) {
            Look::There(rollout)
        } else {
            Look::NotYet("another conflist, or none".to_owned())
        })
    };
    if patience.is_zero() {
        return compare_once().await;
    }
    match wait::until(STAGE, "the conflist on every node", Deadline::after(patience), EVERY, look).await {
        Ok(rollout) => Ok(rollout),
        // At the deadline, or if the server did not answer, one more comparison returns the state or the error.
        Err(_) => compare_once().await,
    }
}

/// Undoes the incomplete change of a dead run.
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
    // `chain restore` has already restored the old chain.
    let Some(kept) = SavedChain::read(path)? else { return Ok(()) };
    let way: ClusterAccess = kept.way.clone();
    let ours = way.ours.is_some();
    if way.is_gone() {
        return std::fs::remove_file(path).at_stage(STAGE);
    }
    let handle = ClusterHandle::connect(way, Kind::Exclusive).await?;
    // A recreated cluster of Plumbline has the name of the deleted one, but not its changes.
    if ours && is_another(&handle, &kept).await? {
        return std::fs::remove_file(path).at_stage(STAGE);
    }
    require_same_cluster(&handle, &kept).await?;
    let copies = list_copies(&handle).await?;
    match copies.iter().find(|copy| copy.run == kept.run) {
        Some(copy) if copy.applied_at.is_none() => put_back(&handle, &kept).await.map(drop),
        // The chain is in force on every node. The process ended before it recorded this in the journal.
        Some(_) => Ok(()),
        // The copy is created before the chain is written. It was removed when the change was resolved, on another machine or
        // manually. So the chain stays unchanged, and canaries are removed.
        None => {
            canary::remove_canaries(&handle, &kept.run).await?;
            std::fs::remove_file(path).at_stage(STAGE)
        }
    }
}
