//! Users' files without a scenario: each shape of public networks (`bare/shapes.yaml`) gets its verdict on the netns lane with
//! nothing but a file. Where this host lacks what a shape needs, the lane that is chosen is tested, and nothing is run.

use anyhow::Context as _;
use plumbline::bare::{UserFiles, choose_lanes};
use plumbline::runner::{self, RunConfig};
use plumbline::{root, session};
use plumbline_core::bare::{Nodes, Selection, make_plans};
use plumbline_core::lint::InputFile;
use plumbline_core::plan::Plan;
use plumbline_core::verdict::{ScenarioReport, Verdict};
use plumbline_lanes::context::{EventSink, Options};
use plumbline_lanes::lane::Lane as _;
use plumbline_lanes::netns::NetnsLane;
use plumbline_report::paint;
use plumbline_report::text::{self, Transcripts};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const SHAPES: &str = include_str!("bare/shapes.yaml");
const FILE: &str = "shape.yaml";

/// A line of the list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    shape: String,
    /// The configuration; none for a network without one.
    #[serde(default)]
    config: Option<serde_json::Value>,
    /// A configuration that is no JSON.
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    needs: Vec<String>,
    verdict: String,
    #[serde(default)]
    assumed: Vec<String>,
    #[serde(default)]
    says: Option<String>,
}

/// The file of a network. Public files have the configuration in several forms, so the forms take turns: a block with and
/// without a newline at the end of the file, a quoted text over many lines, and beside other objects.
fn manifest(shape: &Shape, number: usize) -> anyhow::Result<String> {
    let head =
        "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata:\n  name: shape # the name\n";
    let config = match (&shape.text, &shape.config) {
        (Some(text), _) => text.clone(),
        (None, Some(config)) => serde_json::to_string_pretty(config)?,
        (None, None) => return Ok(head.to_owned()),
    };
    let indented = |by: &str| config.lines().map(|line| format!("{by}{line}")).collect::<Vec<_>>().join("\n");
    Ok(match number % 4 {
        0 => format!("{head}spec:\n  config: |\n{}\n", indented("    ")),
        1 => format!("{head}spec:\n  config: |-\n{}", indented("      ")),
        2 => format!("---\n{head}spec:\n  config: '{}'\n", indented("      ").trim_start().replace('\'', "''")),
        _ => {
            let others = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: other }\n---\n";
            let pod =
                "apiVersion: v1\nkind: Pod\nmetadata: { name: other }\nspec: { containers: [{ name: a, image: b }] }\n";
            format!("{others}{head}spec:\n  config: |\n{}\n---\n{pod}", indented("    "))
        }
    })
}

fn plan(shape: &Shape, number: usize) -> anyhow::Result<Plan> {
    let file = InputFile::new(FILE, manifest(shape, number)?);
    let run = make_plans(&[file], &Selection::default(), Nodes::Own).map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    let mut plans = run.plans;
    anyhow::ensure!(plans.len() == 1, "{} plans", plans.len());
    let plan = plans.remove(0);
    Ok(Plan { name: format!("shape-{number}"), ..plan })
}

/// Runs plans on the lanes that they need, without those that need another one than netns; gives the reports by name.
async fn run(mut plans: Vec<Plan>) -> anyhow::Result<(Vec<Plan>, BTreeMap<String, ScenarioReport>)> {
    let root = root::find()?;
    let events: EventSink = Arc::new(|_| {});
    let evidence = tempfile::tempdir()?;
    let cx = session::context(&root, Options::default(), events.clone(), CancellationToken::new(), "test")?;
    let chosen = choose_lanes(&cx, &mut plans).await;
    let left = session::close(&cx).await;
    anyhow::ensure!(left.is_empty(), "left behind: {left:?}");
    chosen?;
    let config = RunConfig {
        root,
        scenarios: plans.clone(),
        lanes: vec![&NetnsLane],
        jobs: 2,
        overlap: true,
        strict: false,
        options: Options::default(),
        events,
        evidence: Some(evidence.path().to_owned()),
        cancel: CancellationToken::new(),
    };
    let summary = runner::run(config).await?;
    anyhow::ensure!(summary.left_behind.is_empty(), "left behind: {:?}", summary.left_behind);
    let reports = summary.reports.into_iter().map(|report| (report.scenario.clone(), report)).collect();
    Ok((plans, reports))
}

fn describe(report: &ScenarioReport) -> String {
    paint::strip(&text::scenario(report, Transcripts::Never))
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass { .. } => "pass",
        Verdict::Fail { .. } => "fail",
        Verdict::Skip { .. } => "skip",
        Verdict::Error { .. } => "error",
    }
}

/// What is wrong with the report of a shape.
fn check(shape: &Shape, plan: &Plan, report: Option<&ScenarioReport>) -> Result<(), String> {
    for wanted in &shape.assumed {
        if !plan.assumed.iter().any(|line| line.starts_with(wanted.as_str())) {
            return Err(format!("nothing assumed begins with {wanted:?}: {:?}", plan.assumed));
        }
    }
    if let Some(need) = shape.needs.iter().find(|need| !plan.requires.contains(need)) {
        return Err(format!("{need} is not among {:?}", plan.requires));
    }
    let Some(report) = report else {
        // Only what the list names may be missing here.
        return match plan.lanes.as_slice() {
            [lane] if lane == "vm" && !shape.needs.is_empty() => Ok(()),
            lanes => Err(format!("not run on netns; chosen: {lanes:?}")),
        };
    };
    let text = describe(report);
    if word(&report.verdict) != shape.verdict {
        return Err(format!("expected {}\n{text}", shape.verdict));
    }
    // The place of a mistake: line and column of the file.
    let place = |text: &str| {
        let rest = text.split_once("shape.yaml:").map(|(_, rest)| rest);
        rest.is_some_and(|rest| rest.split([':', ' ', '\n']).take(2).all(|part| part.parse::<usize>().is_ok()))
    };
    match shape.says.as_deref() {
        Some(says) if says.contains("LINE") => place(&text).then_some(()).ok_or(format!("no place in: {text}")),
        Some(says) if !text.contains(says) => Err(format!("{says:?} is not in: {text}")),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn each_shape_of_public_networks_has_its_verdict() -> anyhow::Result<()> {
    let shapes: Vec<Shape> = serde_yaml::from_str(SHAPES)?;
    let plans: Vec<Plan> = shapes
        .iter()
        .enumerate()
        .map(|(number, shape)| plan(shape, number).with_context(|| shape.shape.clone()))
        .collect::<Result<_, _>>()?;
    let (plans, reports) = run(plans).await?;
    let mut problems = String::new();
    for (shape, plan) in shapes.iter().zip(&plans) {
        if let Err(problem) = check(shape, plan, reports.get(&plan.name)) {
            writeln!(problems, "{}: {problem}", shape.shape)?;
        }
    }
    anyhow::ensure!(problems.is_empty(), "{problems}");
    Ok(())
}

/// The manifests of the user's document, with nothing beside them.
#[tokio::test]
async fn the_documents_manifests_pass_as_they_are() -> anyhow::Result<()> {
    let folder = root::find()?.join("suites/scenarios/openshift/chain-example");
    let files = UserFiles::read(&[folder], &[], &[])?;
    let (_, reports) = run(files.plans(&[])?.plans).await?;
    let reports: Vec<ScenarioReport> = reports.into_values().collect();
    let [report] = reports.as_slice() else { anyhow::bail!("expected one report, found {reports:?}") };
    let text = describe(report);
    anyhow::ensure!(text.starts_with("PASS"), "{text}");
    anyhow::ensure!(text.contains("2 warnings: PL601 management-net, PL601 sip-net"), "{text}");
    anyhow::ensure!(text.contains("facts predicted"), "{text}");
    anyhow::ensure!(text.contains("assumed: bridge "), "{text}");
    Ok(())
}

/// A program that the user names takes the place of a plugin that the lane does not have.
#[tokio::test]
async fn a_plugin_that_the_user_gives_is_no_skip() -> anyhow::Result<()> {
    let shapes: Vec<Shape> = serde_yaml::from_str(SHAPES)?;
    let shape = shapes.iter().find(|shape| shape.shape == "flannel").context("no such shape")?;
    let root = root::find()?;
    let open = async |options: Options| -> anyhow::Result<Option<String>> {
        let cx = session::context(&root, options, Arc::new(|_| {}), CancellationToken::new(), "test")?;
        let lane = NetnsLane.open(&cx).await?;
        let lack = lane.lack(&plan(shape, 0)?);
        lane.close().await;
        session::close(&cx).await;
        Ok(lack)
    };
    let missing = open(Options::default()).await?.context("flannel is no plugin of the lane")?;
    anyhow::ensure!(missing.contains("--plugin flannel=PATH"), "{missing}");
    let cx = session::context(&root, Options::default(), Arc::new(|_| {}), CancellationToken::new(), "test")?;
    let folder = cx.images.plugins_dir().await?;
    session::close(&cx).await;
    let given = Options { plugins: [("flannel".to_owned(), folder.join("bridge"))].into(), ..Options::default() };
    let lack = open(given).await?;
    anyhow::ensure!(lack.is_none(), "{lack:?}");
    Ok(())
}
