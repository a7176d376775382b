//! One scenario on one open lane: stage, observe, judge, tell, take down.

use super::evidence::Evidence;
use plumbline_bed::broken::Broken;
use plumbline_core::event::Event;
use plumbline_core::judge;
use plumbline_core::observe::Observation;
use plumbline_core::plan::Plan;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_lanes::context::{Context, Keep};
use plumbline_lanes::lane::{OpenLane, Staging};
use std::time::Instant;

/// What came of one scenario on one lane.
pub(super) struct Ended {
    pub report: ScenarioReport,
    pub left_behind: Vec<String>,
}

/// Runs `plan` on `lane`. Never fails: what goes wrong is in the verdict.
pub(super) async fn run(
    cx: &Context,
    lane_name: &str,
    lane: &dyn OpenLane,
    plan: &Plan,
    strict: bool,
    evidence: &Evidence,
) -> Ended {
    let start = Instant::now();
    let teller = Teller { cx, scenario: &plan.name, lane: lane_name };
    teller.started();
    let mut report = ScenarioReport::blank(plan, lane_name);
    report.profile = lane.profile();
    report.evidence = evidence.folder(lane_name, &plan.name);
    evidence.keep(lane_name, &plan.name, "plan.json", plan);

    if let Some(reason) = lane.lack(plan) {
        report.verdict = Verdict::Skip { reason };
        return finish(&teller, evidence, report, vec![]);
    }

    teller.phase("create");
    let mut scene = match or_cancelled(cx, lane.stage(cx, plan)).await {
        Ok(scene) => scene,
        Err(broken) => {
            report.verdict = broken_verdict(broken);
            report.timing.verdict_us = micros(start);
            return finish(&teller, evidence, report, vec![]);
        }
    };
    describe(&mut report, scene.staging());
    teller.phase("observe");
    let seen = match or_cancelled(cx, scene.observe(cx)).await {
        Ok(observation) => {
            teller.phase("judge");
            judged(&mut report, plan, &observation, strict);
            report.timing.verdict_us = micros(start);
            report.timing.plugins_us = plugin_time(&observation);
            report.transcripts = observation.pods.iter().flat_map(|pod| pod.transcripts.clone()).collect();
            evidence.keep_wire(lane_name, &plan.name, observation.wire.as_ref());
            evidence.keep(lane_name, &plan.name, "observation.json", &observation);
            Some(observation)
        }
        Err(broken) => {
            report.verdict = broken_verdict(broken);
            report.timing.verdict_us = micros(start);
            None
        }
    };
    if keeps(cx.options.keep, &report.verdict) {
        let ended = finish(&teller, evidence, report, vec![]);
        for door in scene.doors() {
            teller.phase(&format!("kept; to look in: {door}"));
        }
        return ended;
    }
    // The verdict is told after the clean-up: what stays of a pod that is gone can turn a pass into a fail.
    teller.phase("clean up");
    let mut closed = scene.close().await;
    match seen {
        Some(mut observation) if closed.left.is_some() => {
            observation.left = closed.left.take();
            judged(&mut report, plan, &observation, strict);
            evidence.keep(lane_name, &plan.name, "observation.json", &observation);
        }
        _ => {}
    }
    report.timing.total_us = micros(start);
    finish(&teller, evidence, report, closed.lines())
}

fn judged(report: &mut ScenarioReport, plan: &Plan, observation: &Observation, strict: bool) {
    let judgement = judge::judge(plan, observation);
    report.notes.clone_from(&judgement.notes);
    report.verdict = judge::fold(judgement, strict);
}

/// The report of a scenario that never came to run because its lane could not be opened.
pub(super) fn lane_broken(
    cx: &Context,
    lane_name: &str,
    plan: &Plan,
    broken: &Broken,
    evidence: &Evidence,
) -> ScenarioReport {
    let teller = Teller { cx, scenario: &plan.name, lane: lane_name };
    let mut report = ScenarioReport::blank(plan, lane_name);
    report.verdict = broken_verdict(broken.clone());
    finish(&teller, evidence, report, vec![]).report
}

fn finish(teller: &Teller<'_>, evidence: &Evidence, report: ScenarioReport, left_behind: Vec<String>) -> Ended {
    evidence.keep(&report.lane, &report.scenario, "report.json", &report);
    (teller.cx.events)(Event::ScenarioFinished { report: Box::new(report.clone()) });
    Ended { report, left_behind }
}

async fn or_cancelled<T>(cx: &Context, work: impl Future<Output = Result<T, Broken>>) -> Result<T, Broken> {
    tokio::select! {
        done = work => done,
        () = cx.cancel.cancelled() => Err(Broken::new("run", "interrupted before the verdict was there")),
    }
}

fn keeps(keep: Keep, verdict: &Verdict) -> bool {
    match keep {
        Keep::Never => false,
        Keep::Always => true,
        Keep::OnFailure => matches!(verdict, Verdict::Fail { .. } | Verdict::Broken { .. }),
    }
}

fn describe(report: &mut ScenarioReport, staging: &Staging) {
    report.adaptations = staging.adaptations.clone();
    report.isolation = staging.isolation.clone();
    report.stand_ins = staging.stand_ins.clone();
    report.timing.ready_us = staging.ready_us;
}

fn broken_verdict(broken: Broken) -> Verdict {
    Verdict::Broken { stage: broken.stage, cause: broken.cause, remedy: broken.remedy }
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

/// Tells the event stream what one scenario does.
struct Teller<'a> {
    cx: &'a Context,
    scenario: &'a str,
    lane: &'a str,
}

impl Teller<'_> {
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
