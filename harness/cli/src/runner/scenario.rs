//! One scenario on one open lane: stage, observe, judge, take down, report.
//!
//! There are two steps, so that the runner can begin the next scenario during a tear-down: [`judge_scenario`] ends with the
//! judgement, [`JudgedScenario::take_down`] takes down, compares what is left, and reports the verdict.

use super::evidence::Evidence;
use crate::fault::{self, Fault};
use crate::registry;
use crate::releases::read_releases;
use plumbline_core::event::Event;
use plumbline_core::judge;
use plumbline_core::observe::Observation;
use plumbline_core::plan::Plan;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_lanes::context::{Context, Keep};
use plumbline_lanes::host::{Capabilities, HostCheck};
use plumbline_lanes::lane::{OpenLane, StagedScenario, Staging};
use plumbline_testbed::error::TestbedError;
use std::time::Instant;

/// The result of one scenario on one lane.
pub(super) struct ScenarioResult {
    pub report: ScenarioReport,
    pub left_behind: Vec<String>,
}

/// A scenario that was judged and not yet reported.
pub(super) struct JudgedScenario<'a> {
    progress: ProgressEvents<'a>,
    plan: &'a Plan,
    strict: bool,
    evidence: Evidence,
    start: Instant,
    report: ScenarioReport,
    /// The staged scenario; none if nothing was staged, or it is kept.
    scene: Option<Box<dyn StagedScenario>>,
    /// The observation, to be judged again with the leaks.
    seen: Option<Observation>,
}

/// Stages `plan` on `lane`, observes and judges. An error becomes the verdict.
pub(super) async fn judge_scenario<'a>(
    cx: &'a Context,
    lane_name: &'a str,
    lane: &dyn OpenLane,
    plan: &'a Plan,
    strict: bool,
    evidence: Evidence,
) -> JudgedScenario<'a> {
    let start = Instant::now();
    let progress = ProgressEvents { cx, scenario: &plan.name, lane: lane_name };
    progress.started();
    let mut report = ScenarioReport::blank(plan, lane_name);
    report.profile = lane.profile();
    report.evidence = Some(evidence.path());
    evidence.keep("plan.json", plan);
    let mut judged_scenario =
        JudgedScenario { progress, plan, strict, evidence, start, report, scene: None, seen: None };

    if let Some(reason) = lane.lack(plan) {
        let fix = fix_of(lane_name, lane.offers(), plan).map(|fix| format!("; fix: {fix}"));
        judged_scenario.report.verdict = Verdict::Skip { reason: reason + &fix.unwrap_or_default() };
        return judged_scenario;
    }
    judged_scenario.progress.phase("create");
    match caught(&plan.file, or_cancelled(cx, lane.stage(cx, plan))).await {
        Ok(mut scene) => {
            describe(&mut judged_scenario.report, scene.staging());
            let observed = fault::catch(&plan.file, judged_scenario.observe_and_judge(scene.as_mut())).await;
            if let Err(fault) = observed {
                judged_scenario.fail(&fault);
            }
            judged_scenario.scene = Some(scene);
        }
        Err(error) => judged_scenario.report.verdict = error_verdict(error),
    }
    judged_scenario.report.timing.verdict_us = micros(start);
    judged_scenario
}

/// How to get the first capability that a plan requires and the lane lacks, as `plumbline doctor` says it.
pub(super) fn fix_of(lane: &str, offers: &Capabilities, plan: &Plan) -> Option<String> {
    let lane = registry::find(lane)?;
    let need = plan.requires.iter().find(|need| offers.0.get(*need).is_some_and(|offer| !offer.there))?;
    HostCheck::capability(lane.name(), need, offers.0.get(need)?, lane.capability_hint()).hint
}

impl JudgedScenario<'_> {
    /// Observes a scene and judges it.
    async fn observe_and_judge(&mut self, scene: &mut dyn StagedScenario) {
        self.progress.phase("observe");
        let observation = match or_cancelled(self.progress.cx, scene.observe(self.progress.cx)).await {
            Ok(observation) => Observation { releases: read_releases(&self.progress.cx.options), ..observation },
            Err(error) => {
                self.report.verdict = error_verdict(error);
                return;
            }
        };
        self.progress.phase("judge");
        set_verdict(&mut self.report, self.plan, &observation, self.strict);
        self.report.timing.plugins_us = plugin_time(&observation);
        self.report.transcripts = observation.pods.iter().flat_map(|pod| pod.transcripts.clone()).collect();
        self.evidence.keep_wire(observation.wire.as_ref());
        self.evidence.keep("observation.json", &observation);
        self.seen = Some(observation);
    }

    /// Takes the scenario down and reports the verdict: after the clean-up, since a leak can turn a pass into a fail.
    pub(super) async fn take_down(mut self) -> ScenarioResult {
        let Some(scene) = self.scene.take() else { return self.finish(vec![]) };
        if keeps(self.progress.cx.options.keep, &self.report.verdict) {
            let progress = self.progress;
            let ended = self.finish(vec![]);
            for entry in scene.entry_commands() {
                progress.phase(&format!("kept; enter {} with: {}", entry.target, entry.command));
            }
            progress.phase("kept; remove it and every other kept run with: plumbline gc");
            return ended;
        }
        self.progress.phase("clean up");
        let plan = self.plan;
        let closed = fault::catch(&plan.file, async {
            let mut closed = scene.close().await;
            if let (Some(leaks), Some(mut observation)) = (closed.leaks.take(), self.seen.take()) {
                observation.leaks = Some(leaks);
                for (name, removals) in std::mem::take(&mut closed.removals) {
                    let pod = observation.pods.iter_mut().find(|pod| pod.pod == name);
                    pod.into_iter().for_each(|pod| pod.removals.clone_from(&removals));
                }
                set_verdict(&mut self.report, self.plan, &observation, self.strict);
                self.evidence.keep("observation.json", &observation);
            }
            closed.lines()
        });
        // After a panic the journal has what is left; the end of the run undoes it.
        let left_behind = closed.await.unwrap_or_else(|fault| {
            self.fail(&fault);
            vec![]
        });
        self.report.timing.total_us = micros(self.start);
        self.finish(left_behind)
    }

    /// A panic is no verdict about the plugins: it replaces the judgement.
    fn fail(&mut self, fault: &Fault) {
        self.report.verdict = error_verdict(fault::error_of(fault));
    }

    fn finish(self, left_behind: Vec<String>) -> ScenarioResult {
        finish(self.progress, &self.evidence, self.report, left_behind)
    }
}

fn set_verdict(report: &mut ScenarioReport, plan: &Plan, observation: &Observation, strict: bool) {
    let judgement = judge::judge(plan, observation);
    report.notes.clone_from(&judgement.notes);
    report.verdict = judge::fold(judgement, strict);
}

/// The report of a scenario whose lane could not be opened.
pub(super) fn lane_error(
    cx: &Context,
    lane_name: &str,
    plan: &Plan,
    error: &TestbedError,
    evidence: &Evidence,
) -> ScenarioReport {
    let progress = ProgressEvents { cx, scenario: &plan.name, lane: lane_name };
    let report = ScenarioReport { verdict: error_verdict(error.clone()), ..ScenarioReport::blank(plan, lane_name) };
    finish(progress, evidence, report, vec![]).report
}

fn finish(
    progress: ProgressEvents<'_>,
    evidence: &Evidence,
    report: ScenarioReport,
    left_behind: Vec<String>,
) -> ScenarioResult {
    evidence.keep("report.json", &report);
    (progress.cx.events)(Event::ScenarioFinished { report: Box::new(report.clone()) });
    ScenarioResult { report, left_behind }
}

/// A panic of the work becomes its error.
pub(super) async fn caught<T>(
    file: &str,
    work: impl Future<Output = Result<T, TestbedError>>,
) -> Result<T, TestbedError> {
    fault::catch(file, work).await.unwrap_or_else(|fault| Err(fault::error_of(&fault)))
}

async fn or_cancelled<T>(cx: &Context, work: impl Future<Output = Result<T, TestbedError>>) -> Result<T, TestbedError> {
    tokio::select! {
        done = work => done,
        () = cx.cancel.cancelled() => Err(TestbedError::new("run", "interrupted before the verdict")),
    }
}

fn keeps(keep: Keep, verdict: &Verdict) -> bool {
    match keep {
        Keep::Never => false,
        Keep::Always => true,
        Keep::OnFailure => matches!(verdict, Verdict::Fail { .. } | Verdict::Error { .. }),
    }
}

fn describe(report: &mut ScenarioReport, staging: &Staging) {
    report.adaptations.extend(staging.adaptations.iter().cloned());
    report.isolation = staging.isolation.clone();
    report.stand_ins = staging.stand_ins.clone();
    report.timing.ready_us = staging.ready_us;
}

fn error_verdict(error: TestbedError) -> Verdict {
    Verdict::Error { cause: error.cause(), stage: error.stage, hint: error.hint }
}

/// The sum of all plugins' own times, in microseconds.
fn plugin_time(observation: &Observation) -> u64 {
    let pods = observation.pods.iter();
    let calls =
        pods.flat_map(|pod| pod.outcomes.iter().flat_map(|(_, outcome)| outcome.calls.iter()).chain(pod.calls.iter()));
    calls.map(|call| call.duration_us).sum()
}

fn micros(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// The progress of one scenario, as events.
#[derive(Clone, Copy)]
struct ProgressEvents<'a> {
    cx: &'a Context,
    scenario: &'a str,
    lane: &'a str,
}

impl ProgressEvents<'_> {
    fn started(&self) {
        (self.cx.events)(Event::ScenarioStarted { scenario: self.scenario.into(), lane: self.lane.into() });
    }

    fn phase(&self, phase: &str) {
        (self.cx.events)(Event::ScenarioPhase {
            scenario: self.scenario.into(),
            lane: self.lane.into(),
            phase: phase.into(),
        });
    }
}
