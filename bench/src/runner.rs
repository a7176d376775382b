//! The scenario by the library's runner, in this process.

use crate::args::Args;
use crate::table;
use anyhow::Context as _;
use plumbline::runner::RunConfig;
use plumbline::{registry, root, runner, select};
use plumbline_core::event::Event;
use plumbline_core::plan::Plan;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_lanes::context::{EventSink, Options};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Shared by all measurements.
pub struct Bench {
    /// The folder with `clusters/`, `images/` and `suites/`.
    pub root: PathBuf,
    /// The scenario.
    pub plan: Plan,
    /// Options of the lanes.
    pub options: Options,
    /// Cancelled on Ctrl-C and SIGTERM.
    pub cancel: CancellationToken,
    /// The folder of the evidence, removed at the end.
    pub evidence: tempfile::TempDir,
}

/// One measured scenario.
pub struct Measured {
    /// The runner's report, its own times included.
    pub report: ScenarioReport,
    /// Name and duration of each phase, in order; `clean up` is the last.
    pub phases: Vec<(String, Duration)>,
}

impl Measured {
    /// The duration of a phase; zero when there is none of that name.
    pub fn phase(&self, name: &str) -> Duration {
        self.phases.iter().find(|(phase, _)| phase == name).map_or(Duration::ZERO, |(_, duration)| *duration)
    }
}

impl Bench {
    /// Reads the scenario.
    ///
    /// # Errors
    /// When it, or the folder of the project, is missing or invalid.
    pub fn open(args: &Args, cancel: CancellationToken) -> anyhow::Result<Self> {
        let root = root::find()?;
        let mut plans = select::plans(Some(&root), std::slice::from_ref(&args.scenario))?;
        anyhow::ensure!(plans.len() == 1, "{}: expected one scenario, found {}", args.scenario.display(), plans.len());
        let options = Options { profile: args.profile.clone(), ..Options::default() };
        let evidence = tempfile::tempdir().context("make a folder for evidence")?;
        Ok(Self { plan: plans.remove(0), root, options, cancel, evidence })
    }

    /// Opens a lane, runs the scenario `times` in sequence, and closes the lane. Returns each measured scenario and the whole
    /// time. With `overlap` a scenario may begin while the previous one is torn down; there are no phases then.
    ///
    /// # Errors
    /// When one does not pass, or leaves something behind.
    pub async fn run_scenarios(
        &self,
        lane: &str,
        times: usize,
        overlap: bool,
    ) -> anyhow::Result<(Vec<Measured>, Duration)> {
        let received: Arc<Mutex<Vec<(Instant, Event)>>> = Arc::default();
        let events: EventSink = {
            let received = received.clone();
            Arc::new(move |event| {
                if let Event::StepFinished { scope, step, millis, .. } = &event {
                    table::print_progress(&format!("{scope}: {step}, {millis} ms"));
                }
                received.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), event));
            })
        };
        let config = RunConfig {
            root: self.root.clone(),
            scenarios: vec![self.plan.clone(); times],
            lanes: vec![registry::find(lane).with_context(|| format!("there is no lane {lane}"))?],
            jobs: 1,
            overlap,
            strict: false,
            options: self.options.clone(),
            events,
            evidence: Some(self.evidence.path().to_owned()),
            cancel: self.cancel.clone(),
        };
        let start = Instant::now();
        let summary = runner::run(config).await?;
        let took = start.elapsed();
        anyhow::ensure!(!summary.cancelled, "interrupted");
        anyhow::ensure!(summary.left_behind.is_empty(), "left behind: {}", summary.left_behind.join("; "));
        for report in &summary.reports {
            check_passed(report)?;
        }
        let received = std::mem::take(&mut *received.lock().unwrap_or_else(PoisonError::into_inner));
        let phases = if overlap { vec![Vec::new(); times] } else { split_phases(&received) };
        anyhow::ensure!(
            phases.len() == summary.reports.len(),
            "phases: expected one list for each scenario, found {}",
            phases.len()
        );
        let measured = summary.reports.into_iter().zip(phases);
        Ok((measured.map(|(report, phases)| Measured { report, phases }).collect(), took))
    }
}

/// Checks that the verdict is a pass: times of anything else mean nothing.
///
/// # Errors
/// The verdict.
pub fn check_passed(report: &ScenarioReport) -> anyhow::Result<()> {
    match &report.verdict {
        Verdict::Pass { .. } => Ok(()),
        other => anyhow::bail!("{} on {} did not pass: {other:?}", report.scenario, report.lane),
    }
}

/// The phases of each scenario of a sequence. A phase ends with the next phase or with the verdict.
fn split_phases(events: &[(Instant, Event)]) -> Vec<Vec<(String, Duration)>> {
    let mut all: Vec<Vec<(String, Duration)>> = Vec::new();
    let mut open: Option<(String, Instant)> = None;
    for (at, event) in events {
        let next = match event {
            Event::ScenarioStarted { .. } => {
                end_phase(&mut all, open.take(), *at);
                all.push(Vec::new());
                None
            }
            Event::ScenarioPhase { phase, .. } => Some((phase.clone(), *at)),
            Event::ScenarioFinished { .. } | Event::RunFinished { .. } => None,
            _ => continue,
        };
        end_phase(&mut all, open.take(), *at);
        open = next;
    }
    all
}

fn end_phase(all: &mut [Vec<(String, Duration)>], open: Option<(String, Instant)>, at: Instant) {
    if let (Some((phase, since)), Some(last)) = (open, all.last_mut()) {
        last.push((phase, at - since));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_ends_with_the_next_one_or_the_verdict() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let (scenario, lane) = ("s".to_owned(), "l".to_owned());
        let started = || Event::ScenarioStarted { scenario: scenario.clone(), lane: lane.clone() };
        let phase = |phase: &str| Event::ScenarioPhase {
            scenario: scenario.clone(),
            lane: lane.clone(),
            phase: phase.to_owned(),
        };
        let events = [
            (at(0), started()),
            (at(1), phase("create")),
            (at(11), phase("observe")),
            (at(14), phase("clean up")),
            (at(20), started()),
            (at(20), phase("create")),
            (at(25), Event::RunFinished { millis: 25, left_behind: vec![] }),
        ];
        let ms = |name: &str, length| (name.to_owned(), Duration::from_millis(length));
        let expected = vec![vec![ms("create", 10), ms("observe", 3), ms("clean up", 6)], vec![ms("create", 5)]];
        assert_eq!(split_phases(&events), expected);
    }
}
