//! Changes the chain as one operation: keep, write, restart, await, compare, prove. If a step fails, the old chain is restored.

use super::handle::ClusterHandle;
use super::restore::{COPIED, ROLLOUT, compare_nodes, put_back, require_all_nodes, write_chain};
use super::saved::{SavedChain, hash_chain, list_copies};
use super::state::{self, TerwayState};
use super::{canary, restart};
use futures::future::BoxFuture;
use k8s_openapi::jiff::Timestamp;
use plumbline_core::event::Event;
use plumbline_core::terway::{Applied, CONFLIST, Change, ClusterSeen, NodeSeen, Rollout, rollout as check_rollout};
use plumbline_testbed::context::{Context, EventSink};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{Effect, Run};
use plumbline_testbed::wait::Deadline;
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// A callback after each successful step, with the step's name. Tests stop a change there; the command has none.
pub type AfterStep<'a> = &'a (dyn Fn(&str) -> BoxFuture<'static, ()> + Send + Sync);

/// Applies a checked change.
///
/// # Errors
/// `TestbedError` when the old chain can't be saved. Then nothing was written.
pub async fn apply(
    handle: &ClusterHandle,
    terway: &TerwayState,
    change: &Change,
    run: &Run,
    events: &EventSink,
    cancel: &CancellationToken,
    after_step: Option<AfterStep<'_>>,
) -> Result<Applied, TestbedError> {
    let started = Instant::now();
    let mut log = StepLog { events, after_step, scope: handle.name.clone(), steps: Vec::new() };
    let mut kept = SavedChain {
        run: run.id().to_owned(),
        way: handle.way.clone(),
        cluster: state::read_identity(handle).await?,
        data: terway.map.data.clone().unwrap_or_default(),
        new_chain: hash_chain(change.to.as_deref()),
        generation: terway.set.metadata.generation.unwrap_or_default(),
        at: Timestamp::now().to_string(),
        applied_at: None,
    };
    let keep = async {
        let path = kept.keep_on_disk()?;
        let id = run.intend(Effect::Chain { cluster: handle.name.clone(), kept: path })?;
        kept.keep_in_cluster(handle).await.map(|()| id)
    };
    let id = log.step("keep", keep).await?;
    let mut rollout = Rollout::default();
    let outcome = tokio::select! {
        outcome = run_steps(handle, terway, change, run, &mut log, &mut rollout) => outcome.map_err(Some),
        () = cancel.cancelled() => Err(None),
    };
    // A change that is not recorded as in force counts as open, and a later command would undo it.
    let outcome = match outcome {
        Ok(since) => record_in_force(handle, &mut kept, since).await.map(|()| since).map_err(Some),
        Err(error) => Err(error),
    };
    let mut applied = Applied {
        cluster: handle.name.clone(),
        rollout,
        interrupted: cancel.is_cancelled(),
        kept: kept.copy(),
        steps: log.steps.clone(),
        millis: millis(started),
        ..Applied::default()
    };
    match outcome {
        Ok(since) => {
            run.done(id)?;
            match state::list_old_pods(handle, &terway.pods, Some(since)).await {
                Ok(old_pods) => {
                    let pods = check_rollout(&change.merged, &ClusterSeen { nodes: Vec::new(), old_pods });
                    applied.rollout.findings.extend(pods.findings);
                }
                Err(error) => {
                    applied.rollout.untold.push(format!("which pods run on the old chain: {}", error.cause()))
                }
            }
        }
        Err(error) => {
            applied.failed = Some(error.as_ref().map_or_else(|| "interrupted".to_owned(), describe));
            // Failures among the findings are faults of the chain, and so is a Terway that does not start.
            let is_chain = applied.rollout.findings.iter().any(|finding| finding.is_failure())
                || error.is_some_and(|error| error.stage == restart::STAGE);
            applied.error = !applied.interrupted && !is_chain;
            match put_back(handle, &kept).await {
                Ok(done) => {
                    run.done(id)?;
                    applied.put_back = Some(done);
                }
                Err(error) => applied.left = Some(describe(&error)),
            }
        }
    }
    Ok(applied)
}

/// Records that the new chain is in force. `chain restore` still finds the old one. From now on nothing must be undone if the
/// process ends.
async fn record_in_force(handle: &ClusterHandle, kept: &mut SavedChain, since: Timestamp) -> Result<(), TestbedError> {
    kept.applied_at = Some(since.to_string());
    kept.keep_in_cluster(handle).await?;
    kept.keep_on_disk().map(drop)
}

fn describe(error: &TestbedError) -> String {
    format!("{}: {}", error.stage, error.cause())
}

/// Applies a scenario's chain. The old chain is saved only until the change is complete.
///
/// # Errors
/// `TestbedError` when the new chain fails, with a note if the old chain could not be restored.
pub async fn apply_for_scenario(
    handle: &ClusterHandle,
    terway: &TerwayState,
    change: &Change,
    cx: &Context,
) -> Result<(), TestbedError> {
    // Boxed, because it is large, and the thread of a test has a stack of 2 MiB.
    let applied = Box::pin(apply(handle, terway, change, &cx.run, &cx.events, &cx.cancel, None)).await?;
    if let Some(why) = applied.failed {
        let left =
            applied.left.map_or_else(String::new, |left| format!("; the old chain could not be restored: {left}"));
        return Err(TestbedError::new("apply the scenario's chain", format!("the new chain failed: {why}{left}")));
    }
    // An open change of a dead run ends too: its old chain must not replace this one.
    let is_over = |kept: &&SavedChain| kept.run == cx.run.id() || kept.applied_at.is_none();
    for kept in list_copies(handle).await?.iter().filter(is_over) {
        canary::remove_canaries(handle, &kept.run).await?;
        kept.forget(handle).await?;
    }
    Ok(())
}

/// Runs the steps from the write to the last canary. Returns the time since which the chain is in force.
async fn run_steps(
    handle: &ClusterHandle,
    terway: &TerwayState,
    change: &Change,
    run: &Run,
    log: &mut StepLog<'_>,
    rollout: &mut Rollout,
) -> Result<Timestamp, TestbedError> {
    log.step("write", write_chain(handle, &terway.map, change.to.as_deref())).await?;
    log.step("restart", restart::restart(handle)).await?;
    log.step("await", Box::pin(restart::await_rollout(handle, Deadline::after(ROLLOUT)))).await?;
    *rollout = log.step("compare", compare_nodes(handle, &change.merged, COPIED)).await?;
    refuse_failures(rollout, "compare")?;
    require_all_nodes(rollout, "compare")?;
    let canaries = Box::pin(canary::run_canaries(handle, terway, &change.merged, run.id()));
    let result = log.step("prove", canaries).await?;
    rollout.checked += result.len();
    // The API server's clock sets the creation times of pods. This host's clock may differ.
    let since = result.iter().filter_map(|result| result.made).max();
    let nodes = result.into_iter().map(|result| NodeSeen {
        unread: Some("compared before".to_owned()),
        name: result.node,
        canary: result.trouble,
        ..NodeSeen::default()
    });
    let canaries = check_rollout(&change.merged, &ClusterSeen { nodes: nodes.collect(), old_pods: Vec::new() });
    rollout.findings.extend(canaries.findings);
    if handle.engine.is_none() {
        let what = "whether the runtime used the new chain for the canaries: they were created after every node had it, but Plumbline \
                    does not read the runtime's record on nodes of a user's cluster";
        rollout.untold.push(what.to_owned());
    }
    refuse_failures(rollout, "prove")?;
    // Terway reads the compared chain at its next start only if no other chain was written since.
    let map = state::read_config_map(handle).await?;
    if map.data.as_ref().and_then(|data| data.get(CONFLIST)) != change.to.as_ref() {
        return Err(TestbedError::new("prove", "another client wrote another chain into the ConfigMap"));
    }
    Ok(since.unwrap_or_else(Timestamp::now))
}

/// Returns the first failure among the findings as an error.
fn refuse_failures(rollout: &Rollout, stage: &str) -> Result<(), TestbedError> {
    let error = rollout.findings.iter().find(|finding| finding.is_failure());
    error.map_or(Ok(()), |finding| Err(TestbedError::new(stage, format!("{}: {}", finding.code, finding.message))))
}

/// Records the steps with their times, and reports them as events.
struct StepLog<'a> {
    events: &'a EventSink,
    after_step: Option<AfterStep<'a>>,
    scope: String,
    steps: Vec<(String, u64)>,
}

impl StepLog<'_> {
    async fn step<T>(
        &mut self,
        step: &str,
        work: impl Future<Output = Result<T, TestbedError>>,
    ) -> Result<T, TestbedError> {
        let (done, millis) = run_step(self.events, &self.scope, step, work).await;
        self.steps.push((step.to_owned(), millis));
        if done.is_ok()
            && let Some(after_step) = self.after_step
        {
            after_step(step).await;
        }
        done
    }
}

/// Runs a step between its two events. Returns its result and its time in milliseconds.
pub(super) async fn run_step<T>(
    events: &EventSink,
    scope: &str,
    step: &str,
    work: impl Future<Output = Result<T, TestbedError>>,
) -> (Result<T, TestbedError>, u64) {
    events(Event::StepStarted { scope: scope.to_owned(), step: step.to_owned() });
    let started = Instant::now();
    let done = work.await;
    let millis = millis(started);
    let error = done.as_ref().err().map(|error| error.cause());
    events(Event::StepFinished { scope: scope.to_owned(), step: step.to_owned(), millis, error, unchanged: false });
    (done, millis)
}

pub(super) fn millis(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
