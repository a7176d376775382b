//! `plumbline chain` on a cluster: lint, show, plan, apply and restore.

use super::apply::{self, AfterStep, millis, run_step};
use super::handle::{ClusterHandle, ClusterTarget};
use super::restore::{CAT_HINT, put_back};
use super::saved::{SavedChain, list_copies};
use super::state::{self, TerwayState};
use plumbline_core::finding::{Finding, FindingCode};
use plumbline_core::terway::{
    self, Applied, CONFLIST, Change, EniConfig, LintReport, NodeFacts, Planned, PutBack, Shown, Usage, alternatives,
};
use plumbline_testbed::context::EventSink;
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::Run;
use plumbline_testbed::lease::Kind;
use std::collections::BTreeSet;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// A requested change of a cluster's chain.
#[derive(Debug, Clone, Copy)]
pub struct ChangeRequest<'a> {
    /// The cluster.
    pub target: &'a ClusterTarget,
    /// The file with the new chain, for reports.
    pub file: &'a str,
    /// Its content.
    pub new: &'a EniConfig,
    /// The use of the cluster. Missing values are read from the cluster.
    pub usage: &'a Usage,
    /// Whether the user confirmed a change of a cluster that Plumbline did not create.
    pub confirmed: bool,
}

/// A reason why no change may begin, even with a correct new chain.
#[derive(Debug, thiserror::Error)]
pub enum Obstacle {
    /// An earlier change is open.
    #[error("the change {0} is not finished; fix: restore the old chain first: plumbline chain restore")]
    Unfinished(String),
    /// The old chain could not be restored.
    #[error(
        "terway-cli refuses the chain in the ConfigMap ({0}); fix: don't restart Terway, because its nodes keep \
         the old chain until a restart; correct or remove the key with kubectl, then repeat the command"
    )]
    OldChainRefused(String),
    /// A node does not have the conflist that terway-cli makes from the current configuration.
    #[error(
        "before any change, {0}: the ConfigMap may have changed since Terway was restarted; fix: check it with `plumbline chain \
         lint`, run `kubectl rollout restart -n kube-system daemonset/terway-eniip`, then repeat the command. If the difference \
         remains, this Terway makes its conflist differently from version 1.17.5, and Plumbline cannot check a change"
    )]
    NodeDiffers(String),
    /// No node would use the chain.
    #[error("every node ignores custom chains (plumbline explain PL631), so the change would have no effect")]
    NodesExclusive,
    /// The cluster is the user's, and the change was not confirmed.
    #[error("Plumbline did not create this cluster; the command would {0}; fix: confirm with --yes")]
    NotConfirmed(&'static str),
}

/// The reason why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Nothing was changed.
    #[error("{cluster}: {obstacle}")]
    Obstacle {
        /// The cluster's name in reports.
        cluster: String,
        /// The reason.
        #[source]
        obstacle: Obstacle,
    },
    /// The testbed failed.
    #[error(transparent)]
    Testbed(#[from] TestbedError),
}

/// The outcome of [`apply`].
pub enum ApplyResult {
    /// The chain has failures, or the file would change other keys: nothing was changed.
    Refused(Box<Planned>),
    /// The chain is already in force.
    Unchanged(Box<Planned>),
    /// The change was made, or failed and was restored.
    Applied(Box<Applied>),
}

/// Lints the cluster's configuration; with a file, the file's chain in it. Also returns the cluster's name.
///
/// # Errors
/// `TestbedError` when the cluster can't be read.
pub async fn lint(
    target: &ClusterTarget,
    file: Option<&EniConfig>,
    usage: &Usage,
) -> Result<(String, LintReport), TestbedError> {
    let handle = ClusterHandle::open(target, Kind::Shared).await?;
    let terway = state::read_state(&handle, false).await?;
    let merged = file.map(|file| terway::change(&terway.config, file).merged);
    let config = merged.as_ref().unwrap_or(&terway.config);
    Ok((handle.name.clone(), terway::lint(config, &terway.complete(usage), Some(&terway.seen))))
}

/// The cluster's chain, the conflist that terway-cli makes from it, and the conflists of the nodes. With `nodes`, the nodes of
/// a user's cluster are read too.
///
/// # Errors
/// `TestbedError` when the cluster can't be read.
pub async fn show(target: &ClusterTarget, nodes: bool) -> Result<Shown, TestbedError> {
    let handle = ClusterHandle::open(target, Kind::Shared).await?;
    let mut terway = state::read_state(&handle, nodes || handle.engine.is_some()).await?;
    // The time since which a chain is in force is known only if Plumbline applied it.
    if let Some(since) = list_copies(&handle).await?.first().and_then(SavedChain::in_force_since) {
        terway.seen.old_pods = state::list_old_pods(&handle, &terway.pods, Some(since)).await?;
    }
    let shown = terway::show(&handle.name, &terway.config, Some(&terway.seen));
    Ok(Shown { stand_ins: handle.stand_ins(), ..shown })
}

/// The effect of a change.
///
/// # Errors
/// `TestbedError` when the cluster can't be read.
pub async fn plan(request: &ChangeRequest<'_>, nodes: bool) -> Result<Planned, TestbedError> {
    let handle = ClusterHandle::open(request.target, Kind::Shared).await?;
    let terway = state::read_state(&handle, nodes || handle.engine.is_some()).await?;
    let (change, mut planned) = plan_change(request, &handle, &terway).await?;
    if !planned.unfit() {
        let obstacle = find_obstacle(&handle, &terway, &change, &planned).await?;
        planned.obstacle = obstacle.map(|obstacle| format!("{}: {obstacle}", handle.name));
    }
    Ok(planned)
}

async fn plan_change(
    request: &ChangeRequest<'_>,
    handle: &ClusterHandle,
    terway: &TerwayState,
) -> Result<(Change, Planned), TestbedError> {
    let change = terway::change(&terway.config, request.new);
    let lint = terway::lint(&change.merged, &terway.complete(request.usage), Some(&terway.seen));
    let mut seen = terway.seen.clone();
    seen.old_pods = state::list_old_pods(handle, &terway.pods, None).await?;
    let planned = terway::plan((&handle.name, request.file), &change, lint, Some((&terway.config, &seen)));
    Ok((change, Planned { stand_ins: handle.stand_ins(), ..planned }))
}

async fn find_obstacle(
    handle: &ClusterHandle,
    terway: &TerwayState,
    change: &Change,
    planned: &Planned,
) -> Result<Option<Obstacle>, TestbedError> {
    if let Some(open) = list_copies(handle).await?.iter().find(|kept| kept.applied_at.is_none()) {
        return Ok(Some(Obstacle::Unfinished(open.run.clone())));
    }
    // If the new chain fails, the old one is restored. With a refused old chain, Terway would not start on any node.
    if let Err(why) = alternatives(&terway.config, &NodeFacts::default()) {
        return Ok(Some(Obstacle::OldChainRefused(why)));
    }
    if let Some(first) = planned.now.iter().flat_map(|now| &now.findings).next() {
        return Ok(Some(Obstacle::NodeDiffers(first.message.clone())));
    }
    let nodes = &terway.seen.nodes;
    let exclusive = !nodes.is_empty() && nodes.iter().all(|node| node.facts.exclusive);
    Ok((change.to.is_some() && exclusive).then_some(Obstacle::NodesExclusive))
}

/// Refuses a change if a node can't be checked.
fn require_readable_nodes(handle: &ClusterHandle, terway: &TerwayState) -> Result<(), TestbedError> {
    let stage = "read the nodes";
    if terway.seen.nodes.is_empty() {
        return Err(TestbedError::new(stage, format!("{}: Terway runs on no node", handle.name)));
    }
    let unread = terway.seen.nodes.iter().filter(|node| node.conflist.is_none());
    let unread: Vec<String> = unread
        .map(|node| format!("{}: {}", node.name, node.unread.as_deref().unwrap_or("there is no conflist")))
        .collect();
    if unread.is_empty() {
        return Ok(());
    }
    let cause = format!("cannot compare the conflist of every node, so nothing was changed: {}", unread.join("; "));
    Err(TestbedError::new(stage, cause).with_hint(CAT_HINT))
}

/// Applies a file's chain. A cluster that Plumbline did not create needs the user's confirmation. `after_step` is for tests.
///
/// # Errors
/// [`ChangeError`] when no change may begin, the cluster can't be read, or the old chain can't be saved.
pub async fn apply(
    request: &ChangeRequest<'_>,
    events: &EventSink,
    cancel: &CancellationToken,
    after_step: Option<AfterStep<'_>>,
) -> Result<ApplyResult, ChangeError> {
    let handle = ClusterHandle::open(request.target, Kind::Exclusive).await?;
    let terway = state::read_state(&handle, true).await?;
    let (change, planned) = plan_change(request, &handle, &terway).await?;
    if planned.unfit() {
        return Ok(ApplyResult::Refused(Box::new(planned)));
    }
    if let Some(obstacle) = find_obstacle(&handle, &terway, &change, &planned).await? {
        return Err(ChangeError::Obstacle { cluster: handle.name.clone(), obstacle });
    }
    // A chain counts as in force only if every node was read.
    require_readable_nodes(&handle, &terway)?;
    if change.is_none() {
        return Ok(ApplyResult::Unchanged(Box::new(planned)));
    }
    require_confirmation(request.target, request.confirmed, "change the chain and restart Terway on every node")?;
    let run = Run::begin("chain")?;
    let mut applied = apply::apply(&handle, &terway, &change, &run, events, cancel, after_step).await?;
    // The chain is in force with the lint's findings and unknowns, so the result contains them.
    applied.rollout.findings.extend(planned.lint.findings);
    applied.rollout.untold.extend(planned.lint.untold);
    applied.stand_ins = planned.stand_ins;
    Ok(ApplyResult::Applied(Box::new(applied)))
}

/// Restores the last saved chain. Returns the cluster's name, and no result if no chain was saved.
///
/// # Errors
/// [`ChangeError`] when the change is not confirmed, or the old chain can't be restored.
pub async fn restore(
    target: &ClusterTarget,
    confirmed: bool,
    events: &EventSink,
) -> Result<(String, Option<PutBack>), ChangeError> {
    require_confirmation(target, confirmed, "restore the saved chain and restart Terway on every node")?;
    let handle = ClusterHandle::open(target, Kind::Exclusive).await?;
    let name = handle.name.clone();
    let Some(kept) = list_copies(&handle).await?.into_iter().next() else { return Ok((name, None)) };
    let step = format!("restore the chain that run {} saved", kept.run);
    let (done, _) = run_step(events, &name, &step, put_back(&handle, &kept)).await;
    Ok((name, Some(done?)))
}

fn require_confirmation(target: &ClusterTarget, confirmed: bool, change: &'static str) -> Result<(), ChangeError> {
    match target {
        ClusterTarget::Context(context) if !confirmed => {
            let cluster = format!("context {context}");
            Err(ChangeError::Obstacle { cluster, obstacle: Obstacle::NotConfirmed(change) })
        }
        _ => Ok(()),
    }
}

/// How a change ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeEnd {
    /// The new chain is in force on every node.
    InForce,
    /// The new chain was refused, and nothing was changed.
    Refused,
    /// The old chain was restored.
    PutBack,
}

/// The result of a change that [`try_change`] made and restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeTrial {
    /// How the change ended.
    pub end: ChangeEnd,
    /// Codes of its failures.
    pub failures: BTreeSet<FindingCode>,
    /// Number of facts checked.
    pub checked: usize,
    /// Time in milliseconds.
    pub millis: u64,
    /// Differences from the state before the change, or from the required state.
    pub wrong: Vec<String>,
    /// The testbed's error.
    pub error: Option<String>,
}

/// Reads the exact content of the ConfigMap, and the DaemonSet's generation, which every restart raises.
async fn read_configuration(
    target: &ClusterTarget,
) -> Result<(std::collections::BTreeMap<String, String>, Option<i64>), TestbedError> {
    let handle = ClusterHandle::open(target, Kind::Shared).await?;
    let (map, set) = (state::read_config_map(&handle).await?, state::read_daemon_set(&handle).await?);
    Ok((map.data.unwrap_or_default(), set.metadata.generation))
}

/// Makes a change, restores the old chain if the new one came into force, and compares the cluster with its state before.
///
/// # Errors
/// As [`apply`] and [`restore`].
pub async fn try_change(
    request: &ChangeRequest<'_>,
    events: &EventSink,
    cancel: &CancellationToken,
) -> Result<ChangeTrial, ChangeError> {
    let (before, generation) = read_configuration(request.target).await?;
    let started = Instant::now();
    let ended = apply(request, events, cancel, None).await?;
    let millis = millis(started);
    let mut trial = match ended {
        ApplyResult::Unchanged(_) => {
            let cause = "the chain is already in force, so the change proves nothing";
            return Err(TestbedError::new("change the chain", cause).into());
        }
        ApplyResult::Refused(planned) => ChangeTrial {
            end: ChangeEnd::Refused,
            failures: failure_codes(planned.lint.findings.iter().chain(&planned.beside)),
            checked: planned.lint.checked,
            millis,
            wrong: Vec::new(),
            error: None,
        },
        ApplyResult::Applied(applied) => ChangeTrial::of(&applied),
    };
    if trial.end == ChangeEnd::InForce {
        let (now, _) = read_configuration(request.target).await?;
        if now.get(CONFLIST).map(String::as_str) != request.new.text(CONFLIST) {
            trial.wrong.push("the ConfigMap has another chain".to_owned());
        }
        if restore(request.target, request.confirmed, events).await?.1.is_none() {
            trial.wrong.push("the old chain was not saved".to_owned());
        }
    }
    let (after, generation_after) = read_configuration(request.target).await?;
    if after != before {
        trial.wrong.push("the ConfigMap differs from its content before the change".to_owned());
    }
    if trial.end == ChangeEnd::Refused && generation_after != generation {
        trial.wrong.push("Terway was restarted for a refused change".to_owned());
    }
    Ok(trial)
}

impl ChangeTrial {
    fn of(applied: &Applied) -> Self {
        let back = applied.put_back.as_ref().map_or(0, |back| back.rollout.checked);
        let mut wrong: Vec<String> = applied.left.iter().map(|left| format!("not restored: {left}")).collect();
        wrong.extend(applied.interrupted.then(|| "interrupted".to_owned()));
        Self {
            end: if applied.failed.is_some() { ChangeEnd::PutBack } else { ChangeEnd::InForce },
            failures: failure_codes(&applied.rollout.findings),
            checked: applied.rollout.checked + back,
            millis: applied.millis,
            wrong,
            error: applied.failed.clone().filter(|_| applied.error),
        }
    }
}

fn failure_codes<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> BTreeSet<FindingCode> {
    findings.into_iter().filter(|finding| finding.is_failure()).map(|finding| finding.code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_that_was_not_restored_is_reported() {
        let applied = Applied { failed: Some("x".into()), left: Some("y".into()), ..Applied::default() };
        let trial = ChangeTrial::of(&applied);
        assert_eq!((trial.end, trial.error), (ChangeEnd::PutBack, None));
        assert_eq!(trial.wrong, ["not restored: y"]);
        assert_eq!(ChangeTrial::of(&Applied { error: true, ..applied }).error.as_deref(), Some("x"));
    }
}
