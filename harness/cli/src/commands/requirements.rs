//! `plumbline requirements`: every requirement of the demand on the lanes that it wants, as a table.

use super::{consent, telling};
use crate::args::{Colour, RequirementsArgs};
use crate::options;
use plumbline::registry;
use plumbline::requirements::{outcome, suite, wanted};
use plumbline::runner::{self, RunConfig};
use plumbline::select::Refused;
use plumbline::{exit, interrupt, root, session};
use plumbline_cluster as cluster;
use plumbline_core::event::Event;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_lanes::context::Options;
use plumbline_report::paint;
use plumbline_report::reporter::Reporter;
use plumbline_report::requirements::{Cell, ProofStatus, tables};
use plumbline_report::text::{self, Transcripts};
use std::collections::BTreeSet;
use std::io::Write as _;
use tokio_util::sync::CancellationToken;

/// Runs them, lane after lane.
pub async fn run(args: &RequirementsArgs, colour: Colour) -> anyhow::Result<u8> {
    let root = root::find().map_err(|error| Refused::one(error.to_string()))?;
    let requirements = wanted::read(&root, &args.requirements)?;
    let suite = suite::read(&root)?;
    let mut options = options::from_parts(&args.parts)?;
    let every: BTreeSet<String> = requirements.values().flatten().flat_map(|part| part.lanes.iter().cloned()).collect();
    let known = registry::names();
    if let Some(lane) = args.lane.iter().find(|lane| !every.contains(*lane) && !known.contains(&lane.as_str())) {
        return Err(
            Refused::one(format!("--lane {lane}: there is no such lane; there are {}", known.join(", "))).into()
        );
    }
    let lanes: Vec<String> =
        every.into_iter().filter(|lane| args.lane.is_empty() || args.lane.contains(lane)).collect();
    if lanes.is_empty() {
        writeln!(anstream::stderr(), "nothing selected: no requirement wants {}", args.lane.join(", "))?;
        return Ok(exit::NOTHING);
    }
    // Of all requirements those are meant that want the lanes; one that was named would vanish from the table.
    let wants = |parts: &[wanted::Part]| parts.iter().any(|part| part.lanes.iter().any(|lane| lanes.contains(lane)));
    if let Some((requirement, parts)) =
        requirements.iter().find(|(_, parts)| !args.requirements.is_empty() && !wants(parts))
    {
        let its: BTreeSet<&str> = parts.iter().flat_map(|part| part.lanes.iter().map(String::as_str)).collect();
        let its: Vec<&str> = its.into_iter().collect();
        let why =
            format!("requirement {requirement} is not shown on {}; it is on {}", lanes.join(", "), its.join(", "));
        return Err(Refused::one(why).into());
    }
    let cancel = CancellationToken::new();
    interrupt::watch(cancel.clone())?;
    let negatives = suite.negatives.iter().map(|plan| plan.name.clone()).collect();
    let settings = telling::settings(colour, Transcripts::Never);
    let (reporters, events) = telling::reporters(vec![Box::new(ProgressPrinter::new(settings.colour, negatives))]);
    options.may_install = consent::for_lanes(&root, &lanes, options.may_install).await;
    let jobs = match args.jobs {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => usize::from(n),
    };
    let mut reports: Vec<ScenarioReport> = Vec::new();
    let mut left_behind = Vec::new();
    // In the registry's order: the quick lane first. A lane that a requirement wants and that is not there stays missing.
    for lane in known.iter().filter(|lane| lanes.iter().any(|wanted| wanted == *lane)) {
        for (profile, scenarios) in suite.on_lane(&requirements, lane) {
            if cancel.is_cancelled() {
                break;
            }
            let mut options = options.clone();
            options.profile = profile.or(options.profile);
            let config = RunConfig {
                root: root.clone(),
                scenarios,
                lanes: vec![(*lane).to_owned()],
                jobs,
                overlap: true,
                strict: false,
                options,
                events: events.clone(),
                evidence: args.evidence.clone(),
                cancel: cancel.clone(),
            };
            let summary = runner::run(config).await?;
            left_behind.extend(summary.left_behind);
            reports.extend(summary.reports);
        }
    }
    let mut changes = Vec::new();
    for (profile, cases) in suite.changes(&requirements, &lanes) {
        if cancel.is_cancelled() {
            break;
        }
        let options = Options { profile: Some(profile.clone()), ..options.clone() };
        let cx = session::context(&root, options, events.clone(), cancel.clone(), "requirements")?;
        let up = cluster::up(&cx, registry::PROVIDERS).await;
        left_behind.extend(session::close(&cx).await);
        // Whoever does a change takes the cluster for himself.
        let up = up.map(drop);
        for case in cases {
            changes.push(match &up {
                Ok(()) => case.run(&profile, &events, &cancel).await,
                // What else was run is told all the same.
                Err(fault) => case.testbed_error(fault),
            });
        }
    }
    reporters.finish()?;
    let cells = outcome::cells(&requirements, &lanes, &suite, &reports, &changes);
    let mut out = anstream::stdout();
    write!(out, "{}", tables(&cells))?;
    for line in &left_behind {
        writeln!(out, "{} (plumbline gc takes it away): {line}", paint::paint(paint::BAD, "left behind"))?;
    }
    Ok(code(&cells, cancel.is_cancelled(), !left_behind.is_empty()))
}

/// The gravest cell decides; what is missing counts as failed.
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

/// Prints progress: a line per step and per scenario, the whole report of what is not as wanted.
struct ProgressPrinter {
    err: anstream::AutoStream<std::io::Stderr>,
    negatives: BTreeSet<String>,
}

impl ProgressPrinter {
    fn new(colour: anstream::ColorChoice, negatives: BTreeSet<String>) -> Self {
        Self { err: anstream::AutoStream::new(std::io::stderr(), colour), negatives }
    }
}

impl Reporter for ProgressPrinter {
    fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        match event {
            Event::StepFinished { scope, step, millis, error, .. } => {
                let failed = error.as_ref().map(|error| format!(", failed: {error}")).unwrap_or_default();
                writeln!(self.err, "{scope}: {step}, {}{failed}", text::duration(millis.saturating_mul(1000)))?;
            }
            Event::ScenarioFinished { report } => {
                // A negative case that fails does what it is there for; the table says whether with the right findings.
                let known = matches!(report.verdict, Verdict::Pass { .. } | Verdict::Skip { .. })
                    || (self.negatives.contains(&report.scenario) && matches!(report.verdict, Verdict::Fail { .. }));
                if known {
                    let negative =
                        if self.negatives.contains(&report.scenario) { "   (negative scenario)" } else { "" };
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
