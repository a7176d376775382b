//! JUnit, one suite per lane, one case per scenario, for CI systems. Through quick-junit, which leaves out the
//! characters that XML forbids.

use crate::paint;
use crate::reporter::Reporter;
use crate::text::{self, Transcripts};
use anyhow::Context as _;
use plumbline_core::event::Event;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Collects verdicts and writes the file when the stream ends, by write and rename.
pub struct Junit {
    path: PathBuf,
    reports: Vec<ScenarioReport>,
    millis: u64,
}

impl Junit {
    /// The report goes to `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path, reports: Vec::new(), millis: 0 }
    }
}

impl Reporter for Junit {
    fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        match event {
            Event::ScenarioFinished { report } => self.reports.push((**report).clone()),
            Event::RunFinished { millis, .. } => self.millis = *millis,
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        let xml = document(&self.reports, self.millis)?;
        let part = self.path.with_extension("part");
        std::fs::write(&part, xml).with_context(|| format!("failed to write {}", part.display()))?;
        std::fs::rename(&part, &self.path).with_context(|| format!("failed to rename to {}", self.path.display()))
    }
}

/// The JUnit document of a run that took `millis` milliseconds.
///
/// # Errors
/// When quick-junit can't write it.
pub fn document(reports: &[ScenarioReport], millis: u64) -> anyhow::Result<String> {
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for report in reports {
        let suite = suites.entry(&report.lane).or_insert_with(|| TestSuite::new(report.lane.as_str()));
        suite.add_test_case(case(report));
    }
    let mut document = Report::new("plumbline");
    document.set_time(Duration::from_millis(millis));
    document.add_test_suites(suites.into_values());
    document.to_string().context("failed to write JUnit")
}

fn case(report: &ScenarioReport) -> TestCase {
    let mut status = match &report.verdict {
        Verdict::Pass { .. } => TestCaseStatus::success(),
        Verdict::Fail { .. } => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Skip { .. } => TestCaseStatus::skipped(),
        Verdict::Error { .. } => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    status.set_message(paint::strip(&text::verdict(&report.verdict)));
    let whole = paint::strip(&text::scenario(report, Transcripts::Never));
    if matches!(report.verdict, Verdict::Fail { .. } | Verdict::Error { .. }) {
        status.set_description(whole.as_str());
    }
    let mut case = TestCase::new(report.scenario.as_str(), status);
    case.set_classname(format!("plumbline.{}", report.lane));
    case.set_time(Duration::from_micros(report.timing.verdict_us));
    if let Verdict::Pass { checked, .. } | Verdict::Fail { checked, .. } = &report.verdict {
        case.set_assertions(*checked);
    }
    case.set_system_out(paint::strip(&text::scenario(report, Transcripts::Always)));
    let mut property = |name: &str, value: &str| {
        case.add_property(Property::new(name, value));
    };
    property("file", &report.file);
    if !report.covers.is_empty() {
        property("covers", &report.covers.join(" "));
    }
    if let Some(profile) = &report.profile {
        property("profile", profile);
    }
    if let Some(isolation) = &report.isolation {
        property("isolation", isolation);
    }
    for note in &report.notes {
        property("note", note);
    }
    for assumed in &report.assumed {
        property("assumed", assumed);
    }
    for stand_in in &report.stand_ins {
        property("stand-in", stand_in);
    }
    for a in &report.adaptations {
        property("adaptation", &format!("{} {} -> {} ({})", a.object, a.field, a.to, a.reason));
    }
    case
}
