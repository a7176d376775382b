//! `plumbline graph`: a drawing of a scenario as requested, or as a run observed it. Changes nothing.

use crate::args::{GraphArgs, GraphFormat};
use plumbline::select::{self, Refused};
use plumbline::stored_evidence::{self, StoredEvidence};
use plumbline::{exit, root};
use plumbline_core::plan::Plan;
use plumbline_report::graph::{self, Graph, mermaid, svg, text};
use plumbline_report::paint;
use std::io::Write as _;
use std::path::Path;

/// Draws it.
pub fn run(args: &GraphArgs) -> anyhow::Result<u8> {
    let root = root::find();
    let scenario = std::slice::from_ref(&args.scenario);
    let mut plans = select::plans(root.as_deref().ok(), scenario)?;
    if plans.len() != 1 {
        let why = format!("{} names {} scenarios, expected one", args.scenario.display(), plans.len());
        return Err(Refused::one(why).into());
    }
    let lane = args.lane.as_deref();
    let picture = match (&args.evidence, args.last) {
        (Some(folder), _) => of_run(&stored_evidence::below(folder, &plans[0].name, lane)?, &plans[0])?,
        (None, true) => of_run(&stored_evidence::last(&plans[0], lane)?, &plans[0])?,
        (None, false) => graph::build_graph(&plans.remove(0), None),
    };
    let format = match (args.format, &args.output) {
        (Some(format), _) => format,
        (None, Some(file)) => by_ending(file)?,
        (None, None) => GraphFormat::Text,
    };
    let written = match format {
        GraphFormat::Text => text::write(&picture),
        GraphFormat::Mermaid => mermaid::write(&picture),
        GraphFormat::Svg => svg::write(&picture),
    };
    match &args.output {
        Some(file) => {
            let refused = |error: std::io::Error| Refused::one(format!("--output {}: {error}", file.display()));
            std::fs::write(file, paint::strip(&written)).map_err(refused)?;
        }
        None => write!(anstream::stdout(), "{written}")?,
    }
    Ok(exit::PASS)
}

/// The picture of what a run kept.
fn of_run(kept: &StoredEvidence, named: &Plan) -> Result<Graph, Refused> {
    if kept.plan.name != named.name {
        let folder = kept.folder.display();
        return Err(Refused::one(format!("{folder}: this is evidence of {}, not of {}", kept.plan.name, named.name)));
    }
    let mut picture = graph::build_graph(&kept.plan, kept.observation.as_ref());
    picture.verdict = kept.report.as_ref().map(|report| {
        let verdict = paint::strip(&plumbline_report::text::verdict(&report.verdict));
        let run = run_of(&kept.folder).map(|run| format!("; run {run}")).unwrap_or_default();
        let changed = if kept.is_of(named) { "" } else { "; the scenario has changed since" };
        format!("{verdict}; lane {}{run} of {}{changed}", report.lane, kept.plan.file)
    });
    Ok(picture)
}

/// The run whose evidence a folder is, if it is in the state folder: `runs/RUN/evidence/LANE/SCENARIO`.
fn run_of(folder: &Path) -> Option<String> {
    let mut parts = folder.components().map(|part| part.as_os_str().to_string_lossy());
    parts.find(|part| part == "runs")?;
    let run = parts.next()?;
    (parts.next()? == "evidence").then(|| run.into_owned())
}

/// The format that a file's ending stands for.
fn by_ending(file: &Path) -> Result<GraphFormat, Refused> {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => Ok(GraphFormat::Svg),
        Some("mmd" | "mermaid") => Ok(GraphFormat::Mermaid),
        None | Some("txt") => Ok(GraphFormat::Text),
        Some(other) => {
            let why = format!("--output {}: no drawing has the extension {other}", file.display());
            Err(Refused::one(format!("{why}; expected svg, mmd or txt, or --format")))
        }
    }
}
