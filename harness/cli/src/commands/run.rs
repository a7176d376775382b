//! `plumbline run`.

use super::{consent, find_lane, reporters};
use crate::args::{MessageFormat, RunArgs};
use crate::options;
use plumbline::bare::{self, Arguments, UserFiles};
use plumbline::registry::DEFAULT_LANE;
use plumbline::runner::{self, RunConfig};
use plumbline::select::{self, Refused};
use plumbline::{exit, interrupt, root, session};
use plumbline_core::event::Event;
use plumbline_core::plan::Plan;
use plumbline_lanes::context::{EventSink, Options};
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
    let Plans { mut scenarios, bare, passed_over } = read_plans(root.as_deref().ok(), args)?;
    if scenarios.is_empty() && bare.is_empty() {
        return report_nothing(args, &passed_over);
    }
    let mut options = options::read(&args.testbed)?;
    options.keep = args.keep;
    options.verbatim = args.verbatim;
    options.skip_multus_check = args.skip_multus_check;
    if options.verbatim {
        bare::refuse_system_namespaces(&bare)?;
    }
    let mut lanes = check_lanes(&args.lane)?;
    check_report_path(args.junit.as_deref())?;
    let is_meant = |plan: &Plan| lanes.iter().any(|lane| runner::meant_for(plan, lane.name()));
    if bare.is_empty() && !scenarios.iter().any(is_meant) {
        let names: Vec<&str> = lanes.iter().map(|lane| lane.name()).collect();
        writeln!(anstream::stderr(), "nothing selected: {} on {}", describe(&scenarios), names.join(", "))?;
        return Ok(exit::NOTHING);
    }
    let root = root.map_err(|error| Refused::one(error.to_string()))?;

    let cancel = CancellationToken::new();
    interrupt::watch(cancel.clone())?;
    let (reporters, events) = reporters::start(make_reporters(args));
    if !passed_over.is_empty() {
        let reason = "they are no networks, and request none".to_owned();
        events(Event::Chosen { what: format!("to pass over {passed_over}"), reason });
    }
    let mut plans = bare;
    if args.lane.is_empty() && !plans.is_empty() {
        lanes = choose_lanes(&root, &options, &events, &cancel, &mut plans, &mut scenarios).await?;
    }
    plans.splice(0..0, scenarios);
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

/// What the arguments come to.
struct Plans {
    scenarios: Vec<Plan>,
    /// Plans of files without a scenario.
    bare: Vec<Plan>,
    /// What the run has no use for, in words.
    passed_over: String,
}

fn read_plans(root: Option<&Path>, args: &RunArgs) -> Result<Plans, Refused> {
    let Arguments { scenarios, files } = Arguments::sort(&args.scenarios);
    if files.is_empty() && !(args.pod.is_empty() && args.nad.is_empty()) {
        return Err(Refused::one("--pod and --nad select in files with networks and pods; scenarios have neither"));
    }
    let scenarios = select::plans(root, &scenarios)?;
    if files.is_empty() {
        return Ok(Plans { scenarios, bare: Vec::new(), passed_over: String::new() });
    }
    let mut run = UserFiles::read(&files, &args.pod, &args.nad)?.plans(&args.lane)?;
    for plan in &mut run.plans {
        // Reports and evidence go by the name.
        while scenarios.iter().any(|scenario| scenario.name == plan.name) {
            plan.name.push_str("-files");
        }
    }
    let passed_over = bare::describe_passed_over(&run);
    Ok(Plans { scenarios, bare: run.plans, passed_over })
}

fn report_nothing(args: &RunArgs, passed_over: &str) -> anyhow::Result<u8> {
    let Arguments { scenarios, files } = Arguments::sort(&args.scenarios);
    if files.is_empty() {
        return super::report_empty(&scenarios);
    }
    let passed_over = if passed_over.is_empty() { String::new() } else { format!("; passed over: {passed_over}") };
    writeln!(anstream::stderr(), "nothing selected: no network, and no pod that requests one{passed_over}")?;
    Ok(exit::NOTHING)
}

fn make_reporters(args: &RunArgs) -> Vec<Box<dyn Reporter>> {
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
    readers
}

/// The lanes where the user names none: each plan of users' files goes where it can run, a scenario to the default lane.
async fn choose_lanes(
    root: &Path,
    options: &Options,
    events: &EventSink,
    cancel: &CancellationToken,
    plans: &mut [Plan],
    scenarios: &mut Vec<Plan>,
) -> anyhow::Result<Vec<&'static dyn Lane>> {
    let cx = session::context(root, options.clone(), events.clone(), cancel.clone(), "choice of lanes")?;
    let chosen = bare::choose_lanes(&cx, plans).await;
    session::close(&cx).await;
    let mut names = chosen?;
    scenarios.retain(|plan| runner::meant_for(plan, DEFAULT_LANE));
    for scenario in scenarios.iter_mut() {
        scenario.lanes = vec![DEFAULT_LANE.to_owned()];
    }
    if !scenarios.is_empty() && names.iter().all(|name| name != DEFAULT_LANE) {
        names.insert(0, DEFAULT_LANE.to_owned());
    }
    for name in names.iter().filter(|name| *name != DEFAULT_LANE) {
        let those = plans.iter().filter(|plan| runner::meant_for(plan, name)).map(|plan| plan.name.as_str());
        let reason = format!("this host lacks what these need: {}", those.collect::<Vec<_>>().join(", "));
        events(Event::Chosen { what: format!("lane {name}"), reason });
    }
    Ok(check_lanes(&names)?)
}

/// The requested lanes, each once; the default one where none is named.
fn check_lanes(requested: &[String]) -> Result<Vec<&'static dyn Lane>, Refused> {
    let default = [DEFAULT_LANE.to_owned()];
    let requested = if requested.is_empty() { &default } else { requested };
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
