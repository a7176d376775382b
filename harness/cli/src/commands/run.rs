//! `plumbline run`.

use super::{consent, find_lane, reporters};
use crate::args::{MessageFormat, RunArgs};
use crate::options;
use plumbline::runner::{self, RunConfig};
use plumbline::select::{self, Refused};
use plumbline::{exit, interrupt, root};
use plumbline_core::plan::Plan;
use plumbline_lanes::lane::Lane;
use plumbline_report::json::JsonLines;
use plumbline_report::junit::Junit;
use plumbline_report::reporter::Reporter;
use plumbline_report::terminal::{Settings, Terminal};
use std::io::Write as _;
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// Checks the whole request, then runs.
pub async fn run(args: &RunArgs) -> anyhow::Result<u8> {
    let root = root::find();
    let plans = select::plans(root.as_deref().ok(), &args.selection.scenarios)?;
    if plans.is_empty() {
        return super::report_empty(&args.selection.scenarios);
    }
    let mut options = options::read(&args.testbed)?;
    options.keep = args.keep;
    options.verbatim = args.verbatim;
    options.skip_multus_check = args.skip_multus_check;
    let lanes = check_lanes(&args.lane)?;
    check_report_path(args.junit.as_deref())?;
    if !lanes.iter().any(|lane| plans.iter().any(|plan| runner::meant_for(plan, lane.name()))) {
        let names: Vec<&str> = lanes.iter().map(|lane| lane.name()).collect();
        writeln!(anstream::stderr(), "nothing selected: {} on {}", describe(&plans), names.join(", "))?;
        return Ok(exit::NOTHING);
    }
    let root = root.map_err(|error| Refused::one(error.to_string()))?;

    let cancel = CancellationToken::new();
    interrupt::watch(cancel.clone())?;
    let mut settings = Settings::from_environment(args.transcripts);
    let mut readers: Vec<Box<dyn Reporter>> = Vec::new();
    if args.message_format == MessageFormat::Json {
        settings.results_to_stderr = true;
        readers.push(Box::new(JsonLines(std::io::stdout())));
    }
    readers.push(Box::new(Terminal::new(settings)));
    if let Some(path) = &args.junit {
        readers.push(Box::new(Junit::new(path.clone())));
    }
    let (reporters, events) = reporters::start(readers);
    options.may_install = consent::for_lanes(&root, &lanes, options.may_install).await;
    let config = RunConfig {
        root,
        scenarios: plans,
        lanes,
        jobs: options::jobs(&args.execution),
        overlap: true,
        strict: args.strict,
        options,
        events,
        evidence: args.execution.evidence.clone(),
        cancel,
    };
    let summary = runner::run(config).await;
    let finished = reporters.finish();
    let summary = summary?;
    finished?;
    Ok(summary.exit_code())
}

/// The requested lanes, each once.
fn check_lanes(requested: &[String]) -> Result<Vec<&'static dyn Lane>, Refused> {
    let mut lanes: Vec<&dyn Lane> = Vec::new();
    let mut problems = Vec::new();
    for name in requested {
        match find_lane(name) {
            Ok(lane) if !lanes.iter().any(|known| known.name() == name) => lanes.push(lane),
            Ok(_) => {}
            Err(refused) => problems.extend(refused.problems),
        }
    }
    if problems.is_empty() { Ok(lanes) } else { Err(Refused { problems }) }
}

/// Refuses a path for a report that can't be written.
fn check_report_path(file: Option<&Path>) -> Result<(), Refused> {
    let Some(file) = file else { return Ok(()) };
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if file.is_dir() || !folder.is_dir() {
        return Err(Refused::one(format!("--junit {}: expected a file in an existing folder", file.display())));
    }
    Ok(())
}

fn describe(plans: &[Plan]) -> String {
    match plans {
        [one] => format!("{} is not meant for this lane", one.name),
        many => format!("none of {} scenarios is meant for these lanes", many.len()),
    }
}
