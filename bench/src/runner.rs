//! Scenarios by the library's runner, in this process.

use crate::args::Args;
use crate::table;
use anyhow::Context as _;
use plumbline::runner::RunConfig;
use plumbline::{root, runner, select};
use plumbline_core::event::Event;
use plumbline_core::plan::Plan;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_lanes::context::{EventSink, Options};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// What all rows share.
pub struct Bench {
    /// The folder with `clusters/`, `images/` and `suites/`.
    pub root: PathBuf,
    /// The scenario.
    pub plan: Plan,
    /// Options for the lanes.
    pub options: Options,
    /// Cancelled on Ctrl-C and SIGTERM.
    pub cancel: CancellationToken,
    /// Where evidence goes; removed at the end.
    pub evidence: tempfile::TempDir,
}

/// One scenario, measured.
pub struct Measured {
    /// The runner's report, its own times included.
    pub report: ScenarioReport,
    /// Phases in their order, with how long each one lasted; `clean up` is the last.
    pub phases: Vec<(String, Duration)>,
}

impl Measured {
    /// How long a phase lasted; zero when there was none of that name.
    #[must_use]
    pub fn phase(&self, name: &str) -> Duration {
        self.phases.iter().find(|(phase, _)| phase == name).map_or(Duration::ZERO, |(_, lasted)| *lasted)
    }
}

impl Bench {
    /// Reads the scenario.
    ///
    /// # Errors
    /// When it, or the folder of the project, is not there or not right.
    pub fn open(args: &Args, cancel: CancellationToken) -> anyhow::Result<Self> {
        let root = root::find()?;
        let mut plans = select::plans(Some(&root), std::slice::from_ref(&args.scenario))?;
        anyhow::ensure!(plans.len() == 1, "{} is not one scenario but {}", args.scenario.display(), plans.len());
        let options = Options { profile: args.profile.clone(), ..Options::default() };
        let evidence = tempfile::tempdir().context("make a folder for evidence")?;
        Ok(Self { plan: plans.remove(0), root, options, cancel, evidence })
    }

    /// Runs the scenario `times` on one opening of a lane, one after another. Gives each one measured, and how long it
    /// all took, opening and closing included. With `overlap` the next one may begin while one is being taken down, and
    /// phases are not distinguished.
    ///
    /// # Errors
    /// When one does not pass, or something was left behind.
    pub async fn run(&self, lane: &str, times: usize, overlap: bool) -> anyhow::Result<(Vec<Measured>, Duration)> {
        let received: Arc<Mutex<Vec<(Instant, Event)>>> = Arc::default();
        let events: EventSink = {
            let received = received.clone();
            Arc::new(move |event| {
                if let Event::StepFinished { scope, step, millis, .. } = &event {
                    table::aside(&format!("{scope}: {step}, {millis} ms"));
                }
                received.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), event));
            })
        };
        let config = RunConfig {
            root: self.root.clone(),
            scenarios: vec![self.plan.clone(); times],
            lanes: vec![lane.to_owned()],
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
            passed(report)?;
        }
        let received = std::mem::take(&mut *received.lock().unwrap_or_else(PoisonError::into_inner));
        let phases = if overlap { vec![Vec::new(); times] } else { phases(&received) };
        anyhow::ensure!(phases.len() == summary.reports.len(), "{} scenarios reported phases", phases.len());
        let measured = summary.reports.into_iter().zip(phases);
        Ok((measured.map(|(report, phases)| Measured { report, phases }).collect(), took))
    }
}

/// Wants a Pass: times of anything else say nothing.
///
/// # Errors
/// The verdict.
pub fn passed(report: &ScenarioReport) -> anyhow::Result<()> {
    match &report.verdict {
        Verdict::Pass { .. } => Ok(()),
        other => anyhow::bail!("{} on {} did not pass: {other:?}", report.scenario, report.lane),
    }
}

/// The phases of each scenario, which ran one after another. The verdict ends a phase as well as the next one does.
fn phases(events: &[(Instant, Event)]) -> Vec<Vec<(String, Duration)>> {
    let mut all: Vec<Vec<(String, Duration)>> = Vec::new();
    let mut open: Option<(String, Instant)> = None;
    for (at, event) in events {
        let next = match event {
            Event::ScenarioStarted { .. } => {
                close(&mut all, open.take(), *at);
                all.push(Vec::new());
                None
            }
            Event::ScenarioPhase { phase, .. } => Some((phase.clone(), *at)),
            Event::ScenarioFinished { .. } | Event::RunFinished { .. } => None,
            _ => continue,
        };
        close(&mut all, open.take(), *at);
        open = next;
    }
    all
}

fn close(all: &mut [Vec<(String, Duration)>], open: Option<(String, Instant)>, at: Instant) {
    if let (Some((phase, since)), Some(last)) = (open, all.last_mut()) {
        last.push((phase, at - since));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_end_with_the_next_one_and_with_the_verdict() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let (scenario, lane) = ("s".to_owned(), "l".to_owned());
        let begun = || Event::ScenarioStarted { scenario: scenario.clone(), lane: lane.clone() };
        let phase = |phase: &str| Event::ScenarioPhase {
            scenario: scenario.clone(),
            lane: lane.clone(),
            phase: phase.to_owned(),
        };
        let events = [
            (at(0), begun()),
            (at(1), phase("create")),
            (at(11), phase("observe")),
            (at(14), phase("clean up")),
            (at(20), begun()),
            (at(20), phase("create")),
            (at(25), Event::RunFinished { millis: 25, left_behind: vec![] }),
        ];
        let ms = |name: &str, length| (name.to_owned(), Duration::from_millis(length));
        let wanted = vec![vec![ms("create", 10), ms("observe", 3), ms("clean up", 6)], vec![ms("create", 5)]];
        assert_eq!(phases(&events), wanted);
    }
}
