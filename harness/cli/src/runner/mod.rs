//! The runner: plans over lanes, verdicts out. It knows no lane by name and decides no verdict.

mod config;
mod evidence;
mod scenario;
#[cfg(test)]
mod tests;

pub use config::{RunConfig, RunSummary};

use crate::{fault, registry, session};
use evidence::Evidence;
use futures::stream::{self, StreamExt};
use plumbline_core::event::Event;
use plumbline_core::plan::Plan;
use plumbline_lanes::context::Context;
use plumbline_lanes::lane::Lane;
use plumbline_testbed::error::TestbedError;
use std::time::Instant;
use tokio::sync::Semaphore;

/// How many scenarios may be on their way out for each that runs: a pod takes twice as long to go (its grace of a second,
/// the kubelet's own pace) as to come.
const ENDING: usize = 2;

/// Runs every scenario on every lane asked for, lane after lane, scenarios of a lane side by side.
///
/// # Errors
/// Only what stops the whole run before any scenario: an unknown lane, no place for the journal.
/// A lane that can't be opened is no error here: its scenarios are errors, and the other lanes run.
pub async fn run(config: RunConfig) -> Result<RunSummary, TestbedError> {
    let start = Instant::now();
    let lanes = select(&config.lanes)?;
    let cx =
        session::context(&config.root, config.options.clone(), config.events.clone(), config.cancel.clone(), "run")?;
    let evidence = Evidence::below(&config.evidence.clone().unwrap_or_else(|| cx.run.evidence()));
    (cx.events)(Event::RunStarted { run: cx.run.id().to_string(), total: lanes.len() * config.scenarios.len() });

    let mut summary = RunSummary::default();
    for lane in lanes {
        let plans: Vec<&Plan> = config.scenarios.iter().filter(|plan| meant_for(plan, lane.name())).collect();
        if plans.is_empty() || cx.cancel.is_cancelled() {
            continue;
        }
        on_lane(&cx, lane.as_ref(), &plans, &config, &evidence, &mut summary).await;
    }
    summary.cancelled = cx.cancel.is_cancelled();
    summary.left_behind.extend(session::close(&cx).await);
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    (cx.events)(Event::RunFinished { millis, left_behind: summary.left_behind.clone() });
    Ok(summary)
}

/// Whether a scenario is meant for a lane: it names the lane, or none at all.
#[must_use]
pub fn meant_for(plan: &Plan, lane: &str) -> bool {
    plan.lanes.is_empty() || plan.lanes.iter().any(|name| name == lane)
}

async fn on_lane(
    cx: &Context,
    lane: &dyn Lane,
    plans: &[&Plan],
    config: &RunConfig,
    evidence: &Evidence,
    summary: &mut RunSummary,
) {
    let opened = tokio::select! {
        opened = scenario::caught(lane.name(), lane.open(cx)) => opened,
        () = cx.cancel.cancelled() => Err(TestbedError::new("open lane", "interrupted")),
    };
    let open = match opened {
        Ok(open) => open,
        Err(error) => {
            let reports = plans.iter().map(|plan| scenario::lane_error(cx, lane.name(), plan, &error, evidence));
            summary.reports.extend(reports);
            return;
        }
    };
    let jobs = config.jobs.max(1);
    let (name, lane) = (lane.name(), open.as_ref());
    let slots = Semaphore::new(jobs);
    let one = async |plan| {
        let slot = slots.acquire().await;
        let judged = scenario::judge_scenario(cx, name, lane, plan, config.strict, evidence).await;
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

fn select(names: &[String]) -> Result<Vec<Box<dyn Lane>>, TestbedError> {
    names
        .iter()
        .map(|name| {
            registry::find(name).ok_or_else(|| {
                let all = registry::names().join(", ");
                TestbedError::new("select lane", format!("there is no lane {name:?}; there are {all}"))
            })
        })
        .collect()
}
