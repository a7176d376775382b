//! Changing the chain as one operation: keep, write, restart, await, compare, prove; put back where any of it fails.

use super::canary;
use super::handle::ClusterHandle;
use super::restart;
use super::restore::{ROLLOUT, compared, put_back, whole, write};
use super::saved::{SavedChain, copies, mark};
use super::state::{self, TerwayState};
use futures::future::BoxFuture;
use k8s_openapi::jiff::Timestamp;
use plumbline_core::event::Event;
use plumbline_core::terway::{Applied, CONFLIST, Change, ClusterSeen, NodeSeen, Rollout, rollout};
use plumbline_testbed::context::{Context, EventSink};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{Effect, Run};
use plumbline_testbed::wait::Deadline;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// For a daemon to copy its conflist to the node, once it is Ready.
const COPIED: Duration = Duration::from_secs(20);

/// Awaited after each step that succeeded, with the step's name: a test stops a change there. The command has none.
pub type AfterStep<'a> = &'a (dyn Fn(&str) -> BoxFuture<'static, ()> + Send + Sync);

/// The steps, in order, by their names in reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Keep,
    Write,
    Restart,
    Await,
    Compare,
    Prove,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Write => "write",
            Self::Restart => "restart",
            Self::Await => "await",
            Self::Compare => "compare",
            Self::Prove => "prove",
        }
    }
}

/// Puts a change into force. The change was checked: nothing of it is looked at here again.
///
/// # Errors
/// `TestbedError` when the old chain can't be kept: then nothing was written.
pub async fn apply(
    reach: &ClusterHandle,
    looked: &TerwayState,
    change: &Change,
    run: &Run,
    events: &EventSink,
    cancel: &CancellationToken,
    after_step: Option<AfterStep<'_>>,
) -> Result<Applied, TestbedError> {
    let begun = Instant::now();
    let mut book = StepLog { events, after_step, scope: reach.name.clone(), steps: Vec::new() };
    let mut kept = SavedChain {
        run: run.id().to_owned(),
        way: reach.way.clone(),
        cluster: state::identity(reach).await?,
        data: looked.map.data.clone().unwrap_or_default(),
        new_chain: mark(change.to.as_deref()),
        generation: looked.set.metadata.generation.unwrap_or_default(),
        at: Timestamp::now().to_string(),
        applied_at: None,
    };
    let keep = async {
        let path = kept.keep_on_disk()?;
        let id = run.intend(Effect::Chain { cluster: reach.name.clone(), kept: path })?;
        kept.keep_in_cluster(reach).await.map(|()| id)
    };
    let id = book.step(Step::Keep, keep).await?;
    let mut state = Rollout::default();
    let worked = tokio::select! {
        worked = work(reach, looked, change, run, &mut book, &mut state) => worked.map_err(FailureCause::of),
        () = cancel.cancelled() => Err(FailureCause { stage: None, cause: "interrupted".to_owned() }),
    };
    // What can't be written down as in force would be taken for open, and taken back some day.
    let worked = match worked {
        Ok(since) => in_force(reach, &mut kept, since).await.map(|()| since).map_err(FailureCause::of),
        Err(why) => Err(why),
    };
    let mut applied = Applied {
        cluster: reach.name.clone(),
        rollout: state,
        failed: None,
        put_back: None,
        left: None,
        interrupted: cancel.is_cancelled(),
        error: false,
        kept: kept.copy(),
        steps: book.steps.clone(),
        millis: millis(begun),
        stand_ins: Vec::new(),
    };
    match worked {
        Ok(since) => {
            run.done(id)?;
            let nodes: Vec<String> = looked.pods.keys().cloned().collect();
            match state::old_pods(reach, &nodes, Some(since)).await {
                Ok(old_pods) => {
                    let pods = rollout(&change.merged, &ClusterSeen { nodes: Vec::new(), old_pods });
                    applied.rollout.findings.extend(pods.findings);
                }
                Err(fault) => {
                    applied.rollout.untold.push(format!("which pods run on the old chain: {}", fault.cause()))
                }
            }
        }
        Err(why) => {
            applied.failed = Some(why.cause);
            // Errors among the findings are the chain's, and what keeps Terway from starting is taken for that too.
            let chains = applied.rollout.findings.iter().any(|finding| finding.is_failure());
            applied.error = !applied.interrupted && !chains && why.stage.as_deref() != Some(restart::STAGE);
            match put_back(reach, &kept).await {
                Ok(done) => {
                    run.done(id)?;
                    applied.put_back = Some(done);
                }
                Err(fault) => applied.left = Some(told(&fault)),
            }
        }
    }
    Ok(applied)
}

/// Writes down that the new chain is in force. The old one stays where `chain restore` finds it; a run that dies from here
/// on leaves nothing undone.
async fn in_force(reach: &ClusterHandle, kept: &mut SavedChain, since: Timestamp) -> Result<(), TestbedError> {
    kept.applied_at = Some(since.to_string());
    kept.keep_in_cluster(reach).await?;
    kept.keep_on_disk().map(drop)
}

/// Why it failed.
struct FailureCause {
    /// Where; none where it was interrupted.
    stage: Option<String>,
    cause: String,
}

impl FailureCause {
    fn of(error: TestbedError) -> Self {
        Self { cause: told(&error), stage: Some(error.stage) }
    }
}

fn told(error: &TestbedError) -> String {
    format!("{}: {}", error.stage, error.cause())
}

/// Puts a change into force whose old chain nobody will want back: it is kept only as long as this takes.
///
/// # Errors
/// `TestbedError` when the chain does not come into force; the old one was put back then, or it says that it could not be.
pub async fn settle(
    reach: &ClusterHandle,
    looked: &TerwayState,
    change: &Change,
    cx: &Context,
) -> Result<(), TestbedError> {
    let applied = apply(reach, looked, change, &cx.run, &cx.events, &cx.cancel, None).await?;
    if let Some(why) = applied.failed {
        let left = applied.left.map_or_else(String::new, |left| format!("; the old one could not be put back: {left}"));
        return Err(TestbedError::new("settle the chain", format!("the chain does not come into force: {why}{left}")));
    }
    // What a run that died has left open is over too: nobody can put that back over this chain.
    let over = |kept: &&SavedChain| kept.run == cx.run.id() || kept.applied_at.is_none();
    for kept in copies(reach).await?.iter().filter(over) {
        canary::remove(reach, &kept.run).await?;
        kept.forget(reach).await?;
    }
    Ok(())
}

/// From the write to the last canary. Gives since when the chain is in force.
async fn work(
    reach: &ClusterHandle,
    looked: &TerwayState,
    change: &Change,
    run: &Run,
    book: &mut StepLog<'_>,
    state: &mut Rollout,
) -> Result<Timestamp, TestbedError> {
    book.step(Step::Write, write(reach, &looked.map, change.to.as_deref())).await?;
    book.step(Step::Restart, restart::restart(reach)).await?;
    book.step(Step::Await, restart::rolled_out(reach, Deadline::after(ROLLOUT))).await?;
    *state = book.step(Step::Compare, compared(reach, &change.merged, COPIED)).await?;
    refuse(state, "compare")?;
    whole(state, "compare")?;
    let result = book.step(Step::Prove, canary::run_canaries(reach, looked, &change.merged, run.id())).await?;
    state.checked += result.len();
    // By the API server's clock, which tells the age of pods too; this host's may be another.
    let since = result.iter().filter_map(|result| result.made).max();
    let nodes = result.into_iter().map(|result| NodeSeen {
        unread: Some("compared before".to_owned()),
        name: result.node,
        canary: result.trouble,
        ..NodeSeen::default()
    });
    let canaries = rollout(&change.merged, &ClusterSeen { nodes: nodes.collect(), old_pods: Vec::new() });
    state.findings.extend(canaries.findings);
    if reach.engine.is_none() {
        let what = "whether the canaries were made by the new chain: they were made after every node had it; the runtime's own record is on nodes that are not ours";
        state.untold.push(what.to_owned());
    }
    refuse(state, "prove")?;
    // What was compared with is what Terway reads at its next start only if nobody has written meanwhile.
    let map = state::config_map(reach).await?;
    if map.data.as_ref().and_then(|data| data.get(CONFLIST)) != change.to.as_ref() {
        return Err(TestbedError::new(
            "prove",
            "somebody has written another chain into the ConfigMap meanwhile".to_owned(),
        ));
    }
    Ok(since.unwrap_or_else(Timestamp::now))
}

/// An error among the findings ends the operation; which are errors is said by the catalogue.
fn refuse(state: &Rollout, stage: &str) -> Result<(), TestbedError> {
    let error = state.findings.iter().find(|finding| finding.is_failure());
    error.map_or(Ok(()), |finding| Err(TestbedError::new(stage, format!("{}: {}", finding.code, finding.message))))
}

/// Tells of steps, and how long each took.
struct StepLog<'a> {
    events: &'a EventSink,
    after_step: Option<AfterStep<'a>>,
    scope: String,
    steps: Vec<(String, u64)>,
}

impl StepLog<'_> {
    async fn step<T>(
        &mut self,
        step: Step,
        work: impl Future<Output = Result<T, TestbedError>>,
    ) -> Result<T, TestbedError> {
        let (scope, name) = (self.scope.clone(), step.name().to_owned());
        (self.events)(Event::StepStarted { scope: scope.clone(), step: name.clone() });
        let begun = Instant::now();
        let done = work.await;
        let millis = millis(begun);
        let error = done.as_ref().err().map(|fault| fault.cause());
        (self.events)(Event::StepFinished { scope, step: name.clone(), millis, error, unchanged: false });
        self.steps.push((name.clone(), millis));
        if done.is_ok()
            && let Some(after_step) = self.after_step
        {
            after_step(&name).await;
        }
        done
    }
}

fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
