//! Every scenario file as a test of its own, for one lane or one cluster profile of it.
//!
//! When tests are listed, the capability file decides which scenarios a lane can run: a scenario that needs something
//! absent is *ignored*. A test that the command line names is never ignored, because nextest shows an ignored test that
//! it requested as passed. If its scenario is skipped, the test fails.

use crate::{context, golden};
use anyhow::Context as _;
use libtest_mimic::{Arguments, Failed, Trial};
use plumbline::capability::{self, Known};
use plumbline::expected::{self, Expected, Kind};
use plumbline::runner::{self, RunConfig, meant_for};
use plumbline::{registry, root, select, session};
use plumbline_core::finding::{Finding, FindingCode};
use plumbline_core::plan::{Plan, split_case};
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_lanes::context::Options;
use plumbline_report::paint;
use plumbline_report::text::{self, Transcripts};
use plumbline_testbed::lease::{self, Lease};
use plumbline_testbed::wait::Deadline;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Where evidence of tests goes, below the project's folder.
pub const EVIDENCE: &str = "target/evidence";

/// Where the tests of one binary run.
#[derive(Debug, Clone, Copy)]
pub struct TestTarget {
    /// The lane's name.
    pub lane: &'static str,
    /// The test binary; the capability file has what the lane offers under this name.
    pub binary: &'static str,
    /// The cluster profile; none for the one that the lane chooses, or that PLUMBLINE_PROFILE names.
    pub profile: Option<&'static str>,
    /// Selects scenarios of those that are meant for the lane.
    pub selects: fn(&Plan) -> bool,
    /// A lease that the scenarios share if another test needs the testbed exclusively between its commands.
    pub lease: Option<&'static str>,
}

impl TestTarget {
    /// A lane with every scenario that is meant for it.
    pub fn lane(lane: &'static str) -> Self {
        Self { lane, binary: lane, profile: None, selects: |_| true, lease: None }
    }

    fn runs(&self, plan: &Plan) -> bool {
        meant_for(plan, self.lane) && (self.selects)(plan)
    }
}

/// Deadline for the shared lease while another test holds the testbed exclusively.
const LEASE_DEADLINE: Duration = Duration::from_secs(900);
/// The lane that needs neither engine nor emulator.
const NETNS: &str = "netns";
/// Scenarios that must pass.
pub const SCENARIOS: &str = "suites/scenarios";
/// Scenarios that must fail or be refused.
pub const NEGATIVE: &str = "suites/negative";
/// Capabilities that the kernels of many hosts lack. Scenarios that require one run on lane vm too.
pub const NOT_IN_EVERY_KERNEL: [&str; 7] =
    ["vlan", "ipvlan", "dummy", "vrf", "bridge-vlan-filtering", "virtio-eni", "nftables-fib"];

/// The tests of a target. When the command line names one test, only its file is read: nextest starts a process for
/// each test, and reading every scenario takes longer than most tests.
///
/// # Errors
/// When the suite can't be read, or `expected.yaml` names a missing scenario.
pub fn trials(target: TestTarget, arguments: &Arguments) -> anyhow::Result<Vec<Trial>> {
    let root = root::find()?;
    // Paths in reports are relative to this folder, in whatever folder the test runner starts a test.
    std::env::set_current_dir(&root)?;
    let expected = Arc::new(expected::read(&root)?);
    let known = read_capabilities(target, &root, arguments);
    let mut trials = Vec::new();

    let mut names = BTreeSet::new();

    for file in select::scenario_files(Path::new(SCENARIOS))? {
        for plan in selected_plans(&root, &file, &name_of(&file, SCENARIOS)?, "", arguments)? {
            names.insert(plan.name.clone());
            if !target.runs(&plan) {
                continue;
            }
            let absent = known.as_ref().is_some_and(|known| known.offers.lack(&plan.requires).is_some());
            let name = plan.name.clone();
            let expected = expected.clone();
            let test = move || passes(target, plan, &expected).map_err(failed);
            trials.push(Trial::test(name, test).with_ignored_flag(absent));
        }
    }
    for file in select::scenario_files(Path::new(NEGATIVE))? {
        let name = name_of(&file, NEGATIVE)?;
        if expected.negative.get(&name).is_some_and(|wanted| wanted.verdict == Kind::Refused) {
            names.insert(format!("{NEGATIVE_TITLE}{name}"));
            // A file that is refused when it is read needs no testbed: only the lane's own binary tests it.
            if target.binary == target.lane {
                let (root, title) = (root.clone(), format!("{NEGATIVE_TITLE}{name}"));
                trials.push(Trial::test(title, move || refused(&root, &file, &name).map_err(failed)));
            }
            continue;
        }
        for plan in selected_plans(&root, &file, &name, NEGATIVE_TITLE, arguments)? {
            anyhow::ensure!(
                expected.negative.contains_key(&plan.name),
                "{}: {} is not in suites/expected.yaml",
                file.display(),
                plan.name
            );
            let title = format!("{NEGATIVE_TITLE}{}", plan.name);
            names.insert(title.clone());
            if !target.runs(&plan) {
                continue;
            }
            let absent = known.as_ref().is_some_and(|known| known.offers.lack(&plan.requires).is_some());
            let expected = expected.clone();
            let test = move || fails(target, plan, &expected).map_err(failed);
            trials.push(Trial::test(title, test).with_ignored_flag(absent));
        }
    }
    if exact_name(arguments).is_none() {
        check_all_names(&expected, &names)?;
    }
    Ok(trials)
}

/// What the titles of negative scenarios begin with.
const NEGATIVE_TITLE: &str = "negative/";

/// The scenarios of a file whose tests the command line can select: all, or the one whose test it names.
fn selected_plans(
    root: &Path,
    file: &Path,
    name: &str,
    title: &str,
    arguments: &Arguments,
) -> anyhow::Result<Vec<Plan>> {
    let plans = match exact_name(arguments) {
        Some(wanted) => match wanted.strip_prefix(title).map(split_case) {
            Some((wanted, case)) if wanted == name => match case {
                Some(case) => vec![select::case(Some(root), file, case)?],
                None => vec![select::plan(Some(root), file)?],
            },
            _ => Vec::new(),
        },
        None => select::cases(Some(root), file)?,
    };
    for plan in &plans {
        let own = split_case(&plan.name).0;
        anyhow::ensure!(own == name, "{}: its name is {own}; a test is found by its file", file.display());
    }
    Ok(plans)
}

/// What a target's lane offers, when tests are listed. None where no test may be ignored: when the command line names one
/// test, when the lane could not be opened, and when it was not probed yet. Lane netns is probed here, so that the first
/// `cargo nextest run` on a machine can ignore tests of missing capabilities.
fn read_capabilities(target: TestTarget, root: &Path, arguments: &Arguments) -> Option<Known> {
    if arguments.exact && !arguments.list {
        return None;
    }
    let noted = || capability::read().and_then(|mut lanes| lanes.remove(target.binary));
    let known = noted().or_else(|| {
        // The set-up script and each test report an error of the probe.
        (target.lane == NETNS).then(|| probe(target.lane, root).ok()).flatten()
    });
    known.filter(|known| known.error.is_none())
}

fn probe(lane: &str, root: &Path) -> anyhow::Result<Known> {
    let cx = session::context(root, Options::default(), Arc::new(|_| {}), CancellationToken::new(), "list")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let known = runtime.block_on(capability::probe(&cx, registry::find(lane).context("there is no such lane")?))?;
    capability::note(lane, &known)?;
    Ok(known)
}

/// Refuses a name in `expected.yaml` without its scenario: no test would check that expectation.
fn check_all_names(expected: &Expected, names: &BTreeSet<String>) -> anyhow::Result<()> {
    for name in expected.warnings.keys().chain(expected.warnings_on.values().flat_map(|lane| lane.keys())) {
        anyhow::ensure!(names.contains(name), "suites/expected.yaml: no scenario {name}");
    }
    for name in expected.negative.keys() {
        let title = format!("{NEGATIVE_TITLE}{name}");
        anyhow::ensure!(names.contains(&title), "suites/expected.yaml: no negative scenario {name}");
    }
    Ok(())
}

/// The one test that the command line names, if it names one exactly.
fn exact_name(arguments: &Arguments) -> Option<&String> {
    arguments.filter.as_ref().filter(|_| arguments.exact && !arguments.list)
}

fn name_of(file: &Path, folder: &str) -> anyhow::Result<String> {
    let below = file.strip_prefix(folder)?.with_extension("");
    Ok(below.to_str().context("the path is not UTF-8")?.to_owned())
}

fn passes(target: TestTarget, plan: Plan, expected: &Expected) -> anyhow::Result<()> {
    let name = plan.name.clone();
    let wanted = expected.warnings(target.lane, &name);
    let report = run(target, plan)?;
    match &report.verdict {
        Verdict::Pass { checked, warnings: found } => {
            anyhow::ensure!(*checked > 0, "a pass of no fact\n{}", whole(&report));
            anyhow::ensure!(codes(found) == wanted, "wanted warnings {wanted:?}\n{}", whole(&report));
            golden::check_findings(&root::find()?, expected, target.lane, &name, found)
        }
        Verdict::Skip { reason } => anyhow::bail!("{}", late_skip(target, reason)),
        _ => anyhow::bail!("wanted a pass\n{}", whole(&report)),
    }
}

fn fails(target: TestTarget, plan: Plan, expected: &Expected) -> anyhow::Result<()> {
    let name = &plan.name.clone();
    let wanted = expected.negative[name].codes(target.lane);
    // A negative scenario may have the name of a positive one, so its evidence has a folder named after its file.
    let report = run_below(target, plan, Options::default(), &Path::new(EVIDENCE).join("negative").join(name))?;
    match &report.verdict {
        Verdict::Fail { findings, .. } => {
            let codes = codes(findings);
            anyhow::ensure!(codes == wanted, "wanted {wanted:?}, got {codes:?}\n{}", whole(&report));
            golden::check_findings(&root::find()?, expected, target.lane, name, findings)
        }
        Verdict::Skip { reason } => anyhow::bail!("{}", late_skip(target, reason)),
        _ => anyhow::bail!("wanted a fail\n{}", whole(&report)),
    }
}

/// The message for a skip whose reason was not known when the tests were listed.
fn late_skip(target: TestTarget, reason: &str) -> String {
    format!("skipped for a reason not known when tests were listed: {reason}; fix: plumbline up --lane {}", target.lane)
}

fn refused(root: &Path, file: &Path, name: &str) -> anyhow::Result<()> {
    match select::plan(Some(root), file) {
        Ok(_) => anyhow::bail!("{} was accepted, expected a refusal", file.display()),
        Err(refused) => {
            golden::check_text(root, &format!("refused/{name}"), "", &refused.to_string());
            Ok(())
        }
    }
}

/// Runs one scenario on one target in this process, evidence kept.
///
/// # Errors
/// When the lane could not be opened, there is no report, or something is left behind.
pub fn run(target: TestTarget, plan: Plan) -> anyhow::Result<ScenarioReport> {
    run_with(target, plan, Options::default())
}

/// The same with other options. The environment adds consent to installing, and the profile.
///
/// # Errors
/// As [`run`].
pub fn run_with(target: TestTarget, plan: Plan, options: Options) -> anyhow::Result<ScenarioReport> {
    run_below(target, plan, options, Path::new(EVIDENCE))
}

/// The same with its evidence in a folder below the project's folder.
fn run_below(target: TestTarget, plan: Plan, options: Options, evidence: &Path) -> anyhow::Result<ScenarioReport> {
    context::read_probe(target.binary)?;
    let root = root::find()?;
    let profile = target.profile.map(str::to_owned).or_else(|| std::env::var("PLUMBLINE_PROFILE").ok());
    let options = Options { may_install: context::may_install(), profile, ..options };
    let config = RunConfig {
        evidence: Some(root.join(evidence)),
        root,
        scenarios: vec![plan],
        lanes: vec![registry::find(target.lane).context("there is no such lane")?],
        jobs: 1,
        overlap: false,
        strict: false,
        options,
        events: Arc::new(|_| {}),
        cancel: CancellationToken::new(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // Boxed, because without optimisation the future is larger than the stack of a test's thread.
    let mut summary = runtime.block_on(Box::pin(async {
        let _shared = match target.lease {
            Some(name) => Some(Lease::take(name, lease::Kind::Shared, Deadline::after(LEASE_DEADLINE)).await?),
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
