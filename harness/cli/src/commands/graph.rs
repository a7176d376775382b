//! `plumbline graph`: a picture of a scenario, as asked or as a run has seen it. Touches nothing.

use crate::args::{GraphArgs, GraphFormat};
use plumbline::kept::{self, Kept};
use plumbline::select::{self, Refused};
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
        let why = format!("{} stands for {} scenarios; one is wanted", args.scenario.display(), plans.len());
        return Err(Refused::one(why).into());
    }
    let lane = args.lane.as_deref();
    let picture = match (&args.evidence, args.last) {
        (Some(folder), _) => of_run(&kept::below(folder, &plans[0].name, lane)?, &plans[0])?,
        (None, true) => of_run(&kept::last(&plans[0].name, lane)?, &plans[0])?,
        (None, false) => graph::graph(&plans.remove(0), None),
    };
    let format = args.format.or_else(|| args.output.as_deref().and_then(by_ending)).unwrap_or(GraphFormat::Text);
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
fn of_run(kept: &Kept, named: &Plan) -> Result<Graph, Refused> {
    if kept.plan.name != named.name {
        let folder = kept.folder.display();
        return Err(Refused::one(format!("{folder}: this is evidence of {}, not of {}", kept.plan.name, named.name)));
    }
    let mut picture = graph::graph(&kept.plan, kept.observation.as_ref());
    picture.verdict = kept.report.as_ref().map(|report| {
        let verdict = paint::strip(&plumbline_report::text::verdict(&report.verdict));
        format!("{verdict}; lane {}", report.lane)
    });
    Ok(picture)
}

/// The format that a file's ending stands for.
fn by_ending(file: &Path) -> Option<GraphFormat> {
    match file.extension()?.to_str()? {
        "svg" => Some(GraphFormat::Svg),
        "mmd" | "mermaid" => Some(GraphFormat::Mermaid),
        _ => None,
    }
}
