//! Every scenario file as a test of its own, for one lane or one cluster profile of it.
//!
//! Whether a lane can run a scenario is decided when tests are listed, from the capability file: what the file says is
//! absent is *ignored*. A test that is named to be run is never ignored, because nextest shows an ignored one that it
//! asked for as passed: a scenario that turns out to be skipped then fails its test.

use crate::context;
use crate::expected::{self, Expected, Kind, Wanted};
use crate::golden;
use anyhow::Context as _;
use libtest_mimic::{Arguments, Failed, Trial};
use plumbline::capability::{self, Known};
use plumbline::runner::{self, RunConfig, meant_for};
use plumbline::{root, select, session};
use plumbline_core::finding::{Finding, FindingCode};
use plumbline_core::plan::Plan;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_lanes::context::Options;
use plumbline_report::paint;
use plumbline_report::text::{self, Transcripts};
use plumbline_testbed::lease::{self, Lease};
use plumbline_testbed::wait::Deadline;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Where evidence of tests goes, below the project's folder.
pub const EVIDENCE: &str = "target/evidence";

/// Where the tests of one binary run.
#[derive(Debug, Clone, Copy)]
pub struct Bed {
    /// The lane's name.
    pub lane: &'static str,
    /// The name by which the capability file knows it: the binary's.
    pub name: &'static str,
    /// The cluster profile; none for the one that the lane chooses, or that PLUMBLINE_PROFILE names.
    pub profile: Option<&'static str>,
    /// Which scenarios are meant for it, of those that are meant for its lane.
    pub takes: fn(&Plan) -> bool,
    /// A lease that its scenarios share, where other tests want the bed for themselves between their commands.
    pub lease: Option<&'static str>,
}

impl Bed {
    /// A lane on which every scenario runs that is meant for it.
    #[must_use]
    pub fn lane(lane: &'static str) -> Self {
        Self { lane, name: lane, profile: None, takes: |_| true, lease: None }
    }

    fn meant(&self, plan: &Plan) -> bool {
        meant_for(plan, self.lane) && (self.takes)(plan)
    }
}

/// How long those are waited for who have a bed for themselves.
const OTHERS: Duration = Duration::from_secs(900);
/// The lane that needs neither engine nor emulator.
const NETNS: &str = "netns";
/// Scenarios that must pass, and those that must not.
const SCENARIOS: &str = "suites/scenarios";
const ERROR: &str = "suites/negative";

/// The tests of a bed, as far as the command line can mean them: nextest starts a process for each test, and reading
/// every other scenario too would take longer than most of them.
///
/// # Errors
/// When the suite itself can't be read, or `expected.yaml` names what is not there.
pub fn on(bed: Bed, arguments: &Arguments) -> anyhow::Result<Vec<Trial>> {
    let root = root::find()?;
    // Reports name files as seen from here, whatever folder the test runner starts a test in.
    std::env::set_current_dir(&root)?;
    let expected = Arc::new(expected::read(&root)?);
    let known = known(bed, &root, arguments);
    let mut trials = Vec::new();

    for file in select::scenario_files(Path::new(SCENARIOS))? {
        if !meant(arguments, &name_of(&file, SCENARIOS)?) {
            continue;
        }
        let plan = select::plan(Some(&root), &file)?;
        anyhow::ensure!(
            file.with_extension("").ends_with(&plan.name),
            "{}: its name is {}; a test is found by its file",
            file.display(),
            plan.name
        );
        if !bed.meant(&plan) {
            continue;
        }
        let absent = known.as_ref().is_some_and(|known| known.offers.lack(&plan.requires).is_some());
        let warnings = expected.warnings(bed.lane, &plan.name);
        let name = plan.name.clone();
        let test = move || passes(bed, plan, &warnings).map_err(failed);
        trials.push(Trial::test(name, test).with_ignored_flag(absent));
    }
    for file in select::scenario_files(Path::new(ERROR))? {
        let name = name_of(&file, ERROR)?;
        let wanted = expected.negative.get(&name).cloned();
        let wanted = wanted.with_context(|| format!("{}: not in suites/expected.yaml", file.display()))?;
        if !meant(arguments, &format!("negative/{name}")) {
            continue;
        }
        if let Some(trial) = testbed_error(bed, &root, file, name, wanted, known.as_ref())? {
            trials.push(trial);
        }
    }
    all_there(&expected)?;
    Ok(trials)
}

fn testbed_error(
    bed: Bed,
    root: &Path,
    file: PathBuf,
    name: String,
    wanted: Wanted,
    known: Option<&Known>,
) -> anyhow::Result<Option<Trial>> {
    let title = format!("negative/{name}");
    if wanted.verdict == Kind::Refused {
        // What is refused when it is read needs no bed: the lane's own binary looks at it.
        if bed.name != bed.lane {
            return Ok(None);
        }
        let root = root.to_owned();
        return Ok(Some(Trial::test(title, move || refused(&root, &file, &name).map_err(failed))));
    }
    let plan = select::plan(Some(root), &file)?;
    if !bed.meant(&plan) {
        return Ok(None);
    }
    let absent = known.is_some_and(|known| known.offers.lack(&plan.requires).is_some());
    let test = move || fails(bed, plan, &name, &wanted).map_err(failed);
    Ok(Some(Trial::test(title, test).with_ignored_flag(absent)))
}

/// What is known of a bed when tests are listed; none where nothing may be ignored: when one test is named to be run, when
/// the bed could not be opened, and when nothing was probed yet. The lane without engine or emulator is opened then, so
/// that the first `cargo nextest run` on a machine knows what is absent.
fn known(bed: Bed, root: &Path, arguments: &Arguments) -> Option<Known> {
    if arguments.exact && !arguments.list {
        return None;
    }
    let noted = || capability::read().and_then(|mut beds| beds.remove(bed.name));
    let known = noted().or_else(|| {
        // What keeps it from being opened is told by the set-up script, and by each test of it.
        (bed.lane == NETNS).then(|| probe(bed.lane, root).ok()).flatten()
    });
    known.filter(|known| known.error.is_none())
}

fn probe(lane: &str, root: &Path) -> anyhow::Result<Known> {
    let cx = session::context(root, Options::default(), Arc::new(|_| {}), CancellationToken::new(), "list")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let known = runtime.block_on(capability::probe(&cx, lane))?;
    capability::note(lane, &known)?;
    Ok(known)
}

/// A name in `expected.yaml` without its file would be an expectation that nobody checks.
fn all_there(expected: &Expected) -> anyhow::Result<()> {
    let here = |folder: &str, name: &String| Path::new(folder).join(format!("{name}.yaml")).is_file();
    for name in expected.warnings.keys().chain(expected.warnings_on.values().flat_map(|lane| lane.keys())) {
        anyhow::ensure!(here(SCENARIOS, name), "suites/expected.yaml: no scenario {name}");
    }
    for name in expected.negative.keys() {
        anyhow::ensure!(here(ERROR, name), "suites/expected.yaml: no broken scenario {name}");
    }
    Ok(())
}

/// Whether a test of this title can be meant: all of them, but where one is named exactly.
fn meant(arguments: &Arguments, title: &str) -> bool {
    let exactly = arguments.filter.as_ref().filter(|_| arguments.exact && !arguments.list);
    exactly.is_none_or(|name| name == title)
}

fn name_of(file: &Path, folder: &str) -> anyhow::Result<String> {
    let below = file.strip_prefix(folder)?.with_extension("");
    Ok(below.to_str().context("the path is not UTF-8")?.to_owned())
}

fn passes(bed: Bed, plan: Plan, warnings: &[FindingCode]) -> anyhow::Result<()> {
    let report = run(bed, plan)?;
    match &report.verdict {
        Verdict::Pass { checked, warnings: found } => {
            anyhow::ensure!(*checked > 0, "a pass of no fact\n{}", whole(&report));
            anyhow::ensure!(codes(found) == warnings, "wanted warnings {warnings:?}\n{}", whole(&report));
            Ok(())
        }
        Verdict::Skip { reason } => anyhow::bail!("{}", late(bed, reason)),
        _ => anyhow::bail!("wanted a pass\n{}", whole(&report)),
    }
}

fn fails(bed: Bed, plan: Plan, name: &str, wanted: &Wanted) -> anyhow::Result<()> {
    // A twin may have its scenario's name; its evidence is found by its file.
    let report = run_below(bed, plan, Options::default(), &Path::new(EVIDENCE).join("negative").join(name))?;
    match &report.verdict {
        Verdict::Fail { findings, .. } => {
            let codes = codes(findings);
            anyhow::ensure!(
                codes == wanted.codes(bed.lane),
                "wanted {:?}, got {codes:?}\n{}",
                wanted.codes(bed.lane),
                whole(&report)
            );
            golden::compare(&root::find()?, &format!("{}/{name}", bed.lane), &golden::report(&report))
        }
        Verdict::Skip { reason } => anyhow::bail!("{}", late(bed, reason)),
        _ => anyhow::bail!("wanted a fail\n{}", whole(&report)),
    }
}

/// What is said of a skip that nobody knew of when the tests were listed.
fn late(bed: Bed, reason: &str) -> String {
    format!("skipped, and it was not known when tests were listed: {reason}. To do: plumbline up --lane {}", bed.lane)
}

fn refused(root: &Path, file: &Path, name: &str) -> anyhow::Result<()> {
    match select::plan(Some(root), file) {
        Ok(_) => anyhow::bail!("{} was taken; it must be refused", file.display()),
        Err(refused) => golden::compare(root, &format!("refused/{name}"), &format!("{refused}\n")),
    }
}

/// Runs one scenario on one bed in this process, evidence kept.
///
/// # Errors
/// When the lane is known to be broken, no report comes, or something is left behind.
pub fn run(bed: Bed, plan: Plan) -> anyhow::Result<ScenarioReport> {
    run_with(bed, plan, Options::default())
}

/// The same with other options; what the environment says of installing and of the profile is added to them.
///
/// # Errors
/// As [`run`].
pub fn run_with(bed: Bed, plan: Plan, options: Options) -> anyhow::Result<ScenarioReport> {
    run_below(bed, plan, options, Path::new(EVIDENCE))
}

/// The same with its evidence in a folder below the project's.
fn run_below(bed: Bed, plan: Plan, options: Options, evidence: &Path) -> anyhow::Result<ScenarioReport> {
    context::opened(bed.name)?;
    let root = root::find()?;
    let profile = bed.profile.map(str::to_owned).or_else(|| std::env::var("PLUMBLINE_PROFILE").ok());
    let options = Options { may_install: context::may_install(), profile, ..options };
    let config = RunConfig {
        evidence: Some(root.join(evidence)),
        root,
        scenarios: vec![plan],
        lanes: vec![bed.lane.to_owned()],
        jobs: 1,
        overlap: false,
        strict: false,
        options,
        events: Arc::new(|_| {}),
        cancel: CancellationToken::new(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // Boxed: unoptimised it is larger than the stack of a test's thread bears.
    let mut summary = runtime.block_on(Box::pin(async {
        let _shared = match bed.lease {
            Some(name) => Some(Lease::take(name, lease::Kind::Shared, Deadline::after(OTHERS)).await?),
            None => None,
        };
        Box::pin(runner::run(config)).await
    }))?;
    let report = summary.reports.pop().context("the runner gave no report")?;
    anyhow::ensure!(
        summary.left_behind.is_empty(),
        "left behind: {}\n{}",
        summary.left_behind.join("; "),
        whole(&report)
    );
    Ok(report)
}

/// Codes of findings, sorted, each once.
fn codes(findings: &[Finding]) -> Vec<FindingCode> {
    let mut codes: Vec<FindingCode> = findings.iter().map(|finding| finding.code).collect();
    codes.sort();
    codes.dedup();
    codes
}

fn whole(report: &ScenarioReport) -> String {
    paint::strip(&text::scenario(report, Transcripts::OnFailure))
}

fn failed(error: anyhow::Error) -> Failed {
    plumbline_testbed::error::causes(error.as_ref()).into()
}
