//! The request and the result of a run.

use crate::{exit, fault};
use plumbline_core::plan::Plan;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_lanes::context::{EventSink, Options};
use plumbline_lanes::lane::Lane;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// The request of a run. Its plans were read and checked.
#[derive(Clone)]
pub struct RunConfig {
    /// The folder with `clusters/`, `images/` and `suites/`.
    pub root: PathBuf,
    /// The scenarios.
    pub scenarios: Vec<Plan>,
    /// Lanes, in the order in which they run.
    pub lanes: Vec<&'static dyn Lane>,
    /// How many scenarios of one lane run at the same time; at least 1.
    pub jobs: usize,
    /// Whether the next scenario may begin during a tear-down.
    pub overlap: bool,
    /// Whether warnings fail.
    pub strict: bool,
    /// Options of the lanes.
    pub options: Options,
    /// The sink of events.
    pub events: EventSink,
    /// The folder for evidence; none for the run's folder in the state folder.
    pub evidence: Option<PathBuf>,
    /// Cancelled on Ctrl-C and SIGTERM.
    pub cancel: CancellationToken,
}

/// The result of a run.
#[must_use = "an unread summary hides failures"]
#[derive(Debug, Clone, Default)]
pub struct RunSummary {
    /// One report for each scenario and lane, in the order in which they ended.
    pub reports: Vec<ScenarioReport>,
    /// What could not be cleaned up, a line each.
    pub left_behind: Vec<String>,
    /// Whether it was cancelled before its end.
    pub cancelled: bool,
}

impl RunSummary {
    /// The exit code: the gravest result decides. An error is graver than a failure, since an unsound testbed may cause the
    /// failure too.
    pub fn exit_code(&self) -> u8 {
        if self.reports.iter().any(|report| is_fault(&report.verdict)) {
            return exit::INTERNAL;
        }
        if self.cancelled {
            return exit::INTERRUPTED;
        }
        let (mut error, mut failed, mut ran) = (!self.left_behind.is_empty(), false, false);
        for report in &self.reports {
            match report.verdict {
                Verdict::Pass { .. } => ran = true,
                Verdict::Fail { .. } => (ran, failed) = (true, true),
                Verdict::Error { .. } => (ran, error) = (true, true),
                Verdict::Skip { .. } => {}
            }
        }
        match (error, failed, ran) {
            (true, _, _) => exit::ERROR,
            (_, true, _) => exit::FAILED,
            (_, _, false) => exit::NOTHING,
            _ => exit::PASS,
        }
    }
}

/// Whether a panic ended the scenario.
fn is_fault(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Error { stage, .. } if stage == fault::STAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdict: Verdict) -> ScenarioReport {
        ScenarioReport { verdict, ..ScenarioReport::blank(&Plan::default(), "netns") }
    }

    fn code(verdicts: Vec<Verdict>) -> u8 {
        RunSummary { reports: verdicts.into_iter().map(report).collect(), ..RunSummary::default() }.exit_code()
    }

    fn pass() -> Verdict {
        Verdict::Pass { checked: 1, warnings: vec![] }
    }
    fn fail() -> Verdict {
        Verdict::Fail { checked: 1, findings: vec![] }
    }
    fn skip() -> Verdict {
        Verdict::Skip { reason: "needs vlan".into() }
    }
    fn testbed_error() -> Verdict {
        Verdict::Error { stage: "observe".into(), cause: "gone".into(), hint: None }
    }

    #[test]
    fn the_gravest_part_decides() {
        assert_eq!(code(vec![pass()]), 0);
        assert_eq!(code(vec![pass(), skip()]), 0);
        assert_eq!(code(vec![pass(), fail()]), 1);
        assert_eq!(code(vec![pass(), fail(), testbed_error()]), 3);
    }

    #[test]
    fn a_run_without_a_scenario_has_its_own_code() {
        assert_eq!(code(vec![]), 4);
        assert_eq!(code(vec![skip()]), 4);
    }

    #[test]
    fn something_left_behind_is_an_error() {
        let summary =
            RunSummary { reports: vec![report(pass())], left_behind: vec!["link br-ex".into()], cancelled: false };
        assert_eq!(summary.exit_code(), 3);
    }

    #[test]
    fn cancelled_is_never_green() {
        let summary = RunSummary { reports: vec![report(pass())], left_behind: vec![], cancelled: true };
        assert_eq!(summary.exit_code(), 130);
    }
}
