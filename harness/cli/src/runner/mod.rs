//! The runner: from plans and lanes to verdicts. It knows no lane by name and decides no verdict.

mod config;
mod evidence;
mod scenario;
#[cfg(test)]
mod tests;

pub use config::{RunConfig, RunSummary};

use crate::{fault, session};
use evidence::Evidence;
use futures::stream::{self, StreamExt};
use plumbline_core::event::Event;
use plumbline_core::plan::Plan;
use plumbline_lanes::context::Context;
use plumbline_lanes::lane::Lane;
use plumbline_testbed::error::TestbedError;
use std::path::Path;
use std::time::Instant;
use tokio::sync::Semaphore;

/// Scenarios in tear-down for each that runs: a pod takes twice as long to stop as to start.
const ENDING: usize = 2;

/// Runs every scenario on every requested lane: lanes one after the other, the scenarios of a lane at the same time.
///
/// # Errors
/// When there is no place for the journal. If a lane can't be opened, its scenarios have the verdict
/// error, and the other lanes run.
pub async fn run(config: RunConfig) -> Result<RunSummary, TestbedError> {
    let start = Instant::now();
    let cx =
        session::context(&config.root, config.options.clone(), config.events.clone(), config.cancel.clone(), "run")?;
    let evidence = config.evidence.clone().unwrap_or_else(|| cx.run.evidence());
    (cx.events)(Event::RunStarted { run: cx.run.id().to_string(), total: config.lanes.len() * config.scenarios.len() });

    let mut summary = RunSummary::default();
    for lane in config.lanes.iter().copied() {
        let plans: Vec<&Plan> = config.scenarios.iter().filter(|plan| meant_for(plan, lane.name())).collect();
        if plans.is_empty() || cx.cancel.is_cancelled() {
            continue;
        }
        run_on_lane(&cx, lane, &plans, &config, &evidence, &mut summary).await;
    }
    summary.cancelled = cx.cancel.is_cancelled();
    summary.left_behind.extend(session::close(&cx).await);
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    (cx.events)(Event::RunFinished { millis, left_behind: summary.left_behind.clone() });
    Ok(summary)
}

/// Whether a scenario is meant for a lane: it names the lane, or none at all.
pub fn meant_for(plan: &Plan, lane: &str) -> bool {
    plan.lanes.is_empty() || plan.lanes.iter().any(|name| name == lane)
}

async fn run_on_lane(
    cx: &Context,
    lane: &dyn Lane,
    plans: &[&Plan],
    config: &RunConfig,
    evidence: &Path,
    summary: &mut RunSummary,
) {
    let opened = tokio::select! {
        opened = scenario::caught(lane.name(), lane.open(cx)) => opened,
        () = cx.cancel.cancelled() => Err(TestbedError::new("open lane", "interrupted")),
    };
    let open = match opened {
        Ok(open) => open,
        Err(error) => {
            for plan in plans {
                let evidence = Evidence::of(evidence, lane.name(), &plan.name);
                summary.reports.push(scenario::lane_error(cx, lane.name(), plan, &error, &evidence));
            }
            return;
        }
    };
    let jobs = config.jobs.max(1);
    let (name, lane) = (lane.name(), open.as_ref());
    let slots = Semaphore::new(jobs);
    let of_plan = |plan: &Plan| Evidence::of(evidence, name, &plan.name);
    let one = async |plan| {
        let slot = slots.acquire().await;
        let judged = scenario::judge_scenario(cx, name, lane, plan, config.strict, of_plan(plan)).await;
        drop(slot);
        judged.take_down().await
    };
    let at_once = jobs * if config.overlap { 1 + ENDING } else { 1 };
    let ran = stream::iter(plans).map(|plan| one(plan)).buffer_unordered(at_once).collect::<Vec<_>>().await;
    for ended in ran {
        summary.reports.push(ended.report);
        summary.left_behind.extend(ended.left_behind);
    }
    match fault::catch(name, open.close()).await {
        Ok(left_behind) => summary.left_behind.extend(left_behind),
        Err(fault) => summary.left_behind.push(format!("lane {name}: {}", fault::error_of(&fault))),
    }
}
