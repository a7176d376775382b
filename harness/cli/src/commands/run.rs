//! `plumbline run`.

use super::{consent, telling};
use crate::args::{Colour, MessageFormat, RunArgs};
use crate::options;
use plumbline::registry;
use plumbline::runner::{self, RunConfig};
use plumbline::select::{self, Refused};
use plumbline::{exit, interrupt, root};
use plumbline_core::plan::Plan;
use plumbline_report::json::JsonLines;
use plumbline_report::junit::Junit;
use plumbline_report::reporter::Reporter;
use plumbline_report::terminal::Terminal;
use std::io::Write as _;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// Checks everything, then runs.
pub async fn run(args: &RunArgs, colour: Colour) -> anyhow::Result<u8> {
    let root = root::find();
    let plans = select::plans(root.as_deref().ok(), &args.selection.scenarios)?;
    let mut options = options::from_parts(&args.parts)?;
    options.keep = options::keep(args.keep);
    options.verbatim = args.verbatim;
    options.skip_multus_check = args.skip_multus_check;
    let lanes = lanes(&args.lane)?;
    writable(args.junit.as_deref())?;
    if !lanes.iter().any(|lane| plans.iter().any(|plan| runner::meant_for(plan, lane))) {
        let mut err = anstream::stderr();
        writeln!(err, "nothing selected: {} on {}", of(&plans), lanes.join(", "))?;
        return Ok(exit::NOTHING);
    }
    let root = root.map_err(|error| Refused::one(error.to_string()))?;

    let cancel = CancellationToken::new();
    interrupt::watch(cancel.clone())?;
    let mut settings = telling::settings(colour, options::transcripts(args.transcripts));
    let mut readers: Vec<Box<dyn Reporter>> = Vec::new();
    if args.message_format == MessageFormat::Json {
        settings.results_to_stderr = true;
        readers.push(Box::new(JsonLines::new(std::io::stdout())));
    }
    readers.push(Box::new(Terminal::new(settings)));
    if let Some(path) = &args.junit {
        readers.push(Box::new(Junit::new(path.clone())));
    }
    let (reporters, events) = telling::reporters(readers);

    options.may_install = consent::for_lanes(&root, &lanes, options.may_install).await;
    let jobs = match args.jobs {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => usize::from(n),
    };
    let config = RunConfig {
        root,
        scenarios: plans,
        lanes,
        jobs,
        overlap: true,
        strict: args.strict,
        options,
        events,
        evidence: args.evidence.clone(),
        cancel,
    };
    let summary = runner::run(config).await;
    let finished = reporters.finish();
    let summary = summary?;
    finished?;
    Ok(summary.exit_code())
}

/// The lanes asked for, each once and known.
fn lanes(asked: &[String]) -> Result<Vec<String>, Refused> {
    let known = registry::names();
    let mut lanes: Vec<String> = Vec::new();
    let mut problems = Vec::new();
    for lane in asked {
        if !known.contains(&lane.as_str()) {
            problems.push(format!("--lane {lane}: there is no such lane; there are {}", known.join(", ")));
        } else if !lanes.contains(lane) {
            lanes.push(lane.clone());
        }
    }
    if problems.is_empty() { Ok(lanes) } else { Err(Refused { problems }) }
}

/// A report that can't be written is told before anything runs.
fn writable(file: Option<&Path>) -> Result<(), Refused> {
    let Some(file) = file else { return Ok(()) };
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if file.is_dir() || !folder.is_dir() {
        return Err(Refused::one(format!("--junit {}: not a place for a file", file.display())));
    }
    Ok(())
}

fn of(plans: &[Plan]) -> String {
    match plans {
        [] => "no scenario".to_owned(),
        [one] => format!("{} is not meant for this lane", one.name),
        many => format!("none of {} scenarios is meant for these lanes", many.len()),
    }
}
