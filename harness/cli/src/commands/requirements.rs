//! `plumbline requirements`: every requirement on its lanes, as a table.

use super::{consent, find_lane, find_root, reporters};
use crate::args::RequirementsArgs;
use crate::options;
use plumbline::requirements::{outcome, suite, wanted};
use plumbline::runner::{self, RunConfig};
use plumbline::select::Refused;
use plumbline::{exit, interrupt, registry, session};
use plumbline_cluster as cluster;
use plumbline_core::event::Event;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_lanes::context::Options;
use plumbline_lanes::lane::Lane;
use plumbline_report::paint;
use plumbline_report::reporter::Reporter;
use plumbline_report::requirements::{Cell, Line, ProofStatus, tables};
use plumbline_report::text::{self, Transcripts};
use std::collections::BTreeSet;
use std::io::Write as _;
use tokio_util::sync::CancellationToken;

/// Runs them, lane after lane.
pub async fn run(args: &RequirementsArgs) -> anyhow::Result<u8> {
    let root = find_root()?;
    let requirements = wanted::read(&root, &args.requirements)?;
    let suite = suite::read(&root)?;
    let mut options = options::read(&args.testbed)?;
    let every: BTreeSet<String> = requirements.values().flatten().flat_map(|part| part.lanes.iter().cloned()).collect();
    let unknown = args.lane.iter().filter(|lane| !every.contains(*lane));
    unknown.map(|lane| find_lane(lane)).try_for_each(|found| found.map(drop))?;
    let lanes: Vec<String> =
        every.into_iter().filter(|lane| args.lane.is_empty() || args.lane.contains(lane)).collect();
    if lanes.is_empty() {
        writeln!(anstream::stderr(), "nothing selected: no requirement is for {}", args.lane.join(", "))?;
        return Ok(exit::NOTHING);
    }
    // A named requirement without these lanes would be missing in the table.
    let wants = |parts: &[wanted::Part]| parts.iter().any(|part| part.lanes.iter().any(|lane| lanes.contains(lane)));
    if let Some((requirement, parts)) =
        requirements.iter().find(|(_, parts)| !args.requirements.is_empty() && !wants(parts))
    {
        let its: BTreeSet<&str> = parts.iter().flat_map(|part| part.lanes.iter().map(String::as_str)).collect();
        let (lanes, its) = (lanes.join(", "), Vec::from_iter(its).join(", "));
        let why = format!("requirement {requirement} is not for {lanes}; it is for {its}");
        return Err(Refused::one(why).into());
    }
    let cancel = CancellationToken::new();
    interrupt::watch(cancel.clone())?;
    let negatives = suite.negatives.iter().map(|plan| plan.name.clone()).collect();
    let printer = ProgressPrinter { err: anstream::stderr(), negatives };
    let (reporters, events) = reporters::start(vec![Box::new(printer)]);
    let is_requested = |lane: &&dyn Lane| lanes.iter().any(|name| name == lane.name());
    let run_on: Vec<&dyn Lane> = registry::LANES.iter().copied().filter(is_requested).collect();
    options.may_install = consent::for_lanes(&root, &run_on, options.may_install).await;
    let mut reports: Vec<ScenarioReport> = Vec::new();
    let mut left_behind = Vec::new();
    // In the registry's order, the quick lane first.
    for lane in run_on {
        for (profile, scenarios) in suite.on_lane(&requirements, lane.name()) {
            if cancel.is_cancelled() {
                break;
            }
            let mut options = options.clone();
            options.profile = profile.or(options.profile);
            let config = RunConfig {
                root: root.clone(),
                scenarios,
                lanes: vec![lane],
                jobs: options::jobs(&args.execution),
                overlap: true,
                strict: false,
                options,
                events: events.clone(),
                evidence: args.execution.evidence.clone(),
                cancel: cancel.clone(),
            };
            let summary = runner::run(config).await?;
            left_behind.extend(summary.left_behind);
            reports.extend(summary.reports);
        }
    }
    let mut changes = Vec::new();
    for (profile, cases) in suite.changes_of(&requirements, &lanes) {
        if cancel.is_cancelled() {
            break;
        }
        let options = Options { profile: Some(profile.clone()), ..options.clone() };
        let cx = session::context(&root, options, events.clone(), cancel.clone(), "requirements")?;
        let up = cluster::up(&cx, registry::PROVIDERS).await;
        left_behind.extend(session::close(&cx).await);
        // Each change holds the cluster exclusively, so it is released first.
        let up = up.map(drop);
        for case in cases {
            changes.push(match &up {
                Ok(()) => case.run(&profile, &events, &cancel).await,
                Err(error) => Line { shown: ProofStatus::Error(error.to_string()), ..case.line() },
            });
        }
    }
    reporters.finish()?;
    let cells = outcome::cells(&requirements, &lanes, &suite, &reports, &changes);
    let mut out = anstream::stdout();
    write!(out, "{}", tables(&cells))?;
    for line in &left_behind {
        writeln!(out, "{} (plumbline gc removes it): {line}", paint::paint(paint::BAD, "left behind"))?;
    }
    Ok(code(&cells, cancel.is_cancelled(), !left_behind.is_empty()))
}

/// The gravest cell decides; a missing proof counts as failed.
fn code(cells: &[Cell], cancelled: bool, left_behind: bool) -> u8 {
    if cancelled {
        exit::INTERRUPTED
    } else if left_behind || cells.iter().any(|cell| matches!(cell.shown, ProofStatus::Error(_))) {
        exit::ERROR
    } else if cells.iter().any(|cell| cell.shown != ProofStatus::Yes) {
        exit::FAILED
    } else {
        exit::PASS
    }
}

/// Prints a line for each step and scenario, and the whole report of each unexpected verdict.
struct ProgressPrinter {
    err: anstream::Stderr,
    negatives: BTreeSet<String>,
}

impl Reporter for ProgressPrinter {
    fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        match event {
            Event::StepFinished { scope, step, millis, error, .. } => {
                let failed = error.as_ref().map(|error| format!(", failed: {error}")).unwrap_or_default();
                writeln!(self.err, "{scope}: {step}, {}{failed}", text::duration(millis.saturating_mul(1000)))?;
            }
            Event::ScenarioFinished { report } => {
                // A negative scenario has to fail; the table says whether it has its findings.
                let is_negative = self.negatives.contains(&report.scenario);
                let is_expected = match report.verdict {
                    Verdict::Pass { .. } | Verdict::Skip { .. } => true,
                    Verdict::Fail { .. } => is_negative,
                    Verdict::Error { .. } => false,
                };
                if is_expected {
                    let negative = if is_negative { "   (negative scenario)" } else { "" };
                    let verdict = text::verdict(&report.verdict);
                    writeln!(self.err, "{}   {}   {verdict}{negative}", report.lane, report.scenario)?;
                } else {
                    write!(self.err, "{}", text::scenario(report, Transcripts::OnFailure))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_not_green() {
        let cell =
            |shown| Cell { requirement: "R01".into(), what: String::new(), lane: "vm".into(), shown, lines: vec![] };
        let yes = || cell(ProofStatus::Yes);
        assert_eq!(code(&[yes()], false, false), 0);
        assert_eq!(code(&[yes(), cell(ProofStatus::No("no scenario".into()))], false, false), 1);
        assert_eq!(code(&[yes(), cell(ProofStatus::Failed("PL321".into()))], false, false), 1);
        assert_eq!(
            code(&[cell(ProofStatus::Error("at observe".into())), cell(ProofStatus::No(String::new()))], false, false),
            3
        );
        assert_eq!(code(&[yes()], false, true), 3);
        assert_eq!(code(&[yes()], true, false), 130);
    }
}
