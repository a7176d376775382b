//! The command line: subcommands, options and their help.

mod chain;
mod lint;
mod write;

pub use chain::*;
pub use lint::*;
pub use write::*;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use plumbline::{exit, registry};
use plumbline_lanes::context::Keep;
use plumbline_report::terminal::ColourChoice;
use plumbline_report::text::Transcripts;
use std::path::PathBuf;

/// The section of a `--help` with command lines to copy.
macro_rules! examples {
    ($($line:literal),+ $(,)?) => {
        concat!("Examples:", $("\n  plumbline ", $line),+)
    };
}
use examples;

/// Words of an option, each with its help and its value.
type Words<T> = &'static [(&'static str, &'static str, T)];

const COLOURS: Words<ColourChoice> = &[
    ("auto", "Follow NO_COLOR, CLICOLOR_FORCE and the terminal", ColourChoice::Auto),
    ("always", "Always", ColourChoice::Always),
    ("never", "Never", ColourChoice::Never),
];
const KEEP: Words<Keep> = &[
    ("never", "Always clean up", Keep::Never),
    ("on-failure", "Keep the scenarios with FAIL or ERROR", Keep::OnFailure),
    ("always", "Keep everything", Keep::Always),
];
const TRANSCRIPTS: Words<Transcripts> = &[
    ("always", "With every verdict", Transcripts::Always),
    ("on-failure", "With FAIL and ERROR", Transcripts::OnFailure),
    ("never", "Never", Transcripts::Never),
];

/// A parser that takes one of some words.
fn one_of<T: Clone + Send + Sync + 'static>(words: Words<T>) -> impl TypedValueParser<Value = T> {
    let values = words.iter().map(|(word, help, _)| PossibleValue::new(*word).help(*help));
    PossibleValuesParser::new(values).try_map(move |word| {
        let found = words.iter().find(|(known, ..)| *known == word);
        found.map(|(.., value)| value.clone()).ok_or("unknown word")
    })
}

/// Test what a chain of CNI plugins did to a pod.
#[derive(Debug, Parser)]
#[command(name = "plumbline", version, after_help = main_help(), arg_required_else_help = true)]
pub struct Cli {
    /// When to use colours.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", value_parser = one_of(COLOURS))]
    pub color: ColourChoice,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios, or your networks and pods as they are, on lanes and print their verdicts.
    #[command(after_help = examples!(
        "run openshift/chain-example",
        "run nad.yaml pod.yaml",
        "run manifests/ --nad backend",
        "run sbr/own-table --lane netns,kind --junit report.xml",
        "run my-scenario.yaml --lane kind --profile three-nodes --keep on-failure",
    ))]
    Run(Box<RunArgs>),
    /// Run the scenarios behind each requirement and print a table.
    #[command(after_help = examples!("requirements", "requirements R03 R04 --lane netns"))]
    Requirements(Box<RequirementsArgs>),
    /// List scenarios with their lanes and requirements.
    #[command(after_help = examples!("list", "list suites/scenarios/sbr --output json"))]
    List(ListArgs),
    /// Print the objects that a scenario applies. Changes nothing.
    #[command(after_help = examples!("render openshift/chain-example", "render my-scenario.yaml --output json"))]
    Render(RenderArgs),
    /// Draw the topology and the pods of a scenario; after a run also the observed state and the paths of packets.
    #[command(after_help = examples!(
        "graph openshift/chain-example",
        "graph openshift/chain-example --last --output chain.svg",
    ))]
    Graph(GraphArgs),
    /// Check networks, pods, workloads and CNI configurations in files or in a cluster. Runs no plugin, changes nothing.
    #[command(after_help = LINT_HELP)]
    Lint(Box<LintArgs>),
    /// Check, show or change Terway's custom CNI chain (the ConfigMap eni-config of ACK).
    #[command(after_help = CHAIN_HELP)]
    Chain {
        /// The action.
        #[command(subcommand)]
        command: ChainCommand,
    },
    /// Prepare a lane: build plugins, start the virtual machine, or bring up the cluster.
    #[command(after_help = examples!("up", "up --profile three-nodes", "up --lane vm"))]
    Up(UpArgs),
    /// Take down clusters and virtual machines.
    #[command(after_help = examples!("down", "down --profile three-nodes", "down --engine"))]
    Down(DownArgs),
    /// Check what this host can do, and print a fix for each lack.
    #[command(after_help = examples!("doctor", "doctor --lane netns,kind --output json"))]
    Doctor(DoctorArgs),
    /// Build, list or verify images, tools and plugins.
    #[command(after_help = examples!("images list", "images build node", "images verify"))]
    Images {
        /// The action.
        #[command(subcommand)]
        command: ImagesCommand,
    },
    /// Remove what dead runs left behind: processes, containers, networks, namespaces, chain changes.
    #[command(after_help = examples!("gc"))]
    Gc,
    /// Explain a finding code.
    #[command(after_help = examples!("explain", "explain PL301"))]
    Explain(ExplainArgs),
    /// Write a scenario from networks and pods, with comments where a person must decide. Overwrites nothing.
    #[command(after_help = examples!("new nad.yaml pod.yaml -o my-scenario.yaml", "new manifests/ -o manifests.yaml"))]
    New(NewArgs),
    /// Print the JSON Schema of a kind of file, for editors.
    #[command(after_help = examples!("schema scenario > scenario.schema.json"))]
    Schema(SchemaArgs),
    /// Print completions for a shell.
    #[command(after_help = examples!(
        "completions bash > ~/.local/share/bash-completion/completions/plumbline",
        "completions zsh > ~/.zfunc/_plumbline",
    ))]
    Completions(CompletionsArgs),
    /// Print the manual page, or write a page for each command.
    #[command(after_help = examples!("man | man -l -", "man ~/.local/share/man/man1"))]
    Man(ManArgs),
    /// Print the jobs of continuous integration: one for each lane and cluster profile.
    #[command(after_help = examples!("matrix", "matrix --format github --small"))]
    Matrix(MatrixArgs),
    /// Show the version.
    #[command(after_help = examples!("version", "version --output json"))]
    Version(VersionArgs),
}

/// The scenarios of a command.
#[derive(Debug, Args)]
pub struct Selection {
    /// Scenario files, folders with scenario files, or names such as openshift/chain-example. `FILE[CASE]` and `NAME[CASE]`
    /// are one case of a matrix.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
}

/// Programs that replace Plumbline's plugins.
#[derive(Debug, Args)]
pub struct ProgramArgs {
    /// Use the program PATH for the plugin NAME, on every lane. The lint only reads the release that it was built from.
    #[arg(long, value_name = "NAME=PATH")]
    pub plugin: Vec<String>,
    /// Search DIR for plugins before Plumbline's own folder.
    #[arg(long, value_name = "DIR")]
    pub cni_path: Vec<PathBuf>,
}

/// Plugins, cluster profile and consent that replace the defaults.
#[derive(Debug, Args)]
pub struct TestbedArgs {
    #[command(flatten)]
    pub programs: ProgramArgs,
    /// Cluster profile (a folder of clusters/). Without it, Plumbline chooses one that this host can run.
    #[arg(long, value_name = "NAME", env = "PLUMBLINE_PROFILE")]
    pub profile: Option<String>,
    /// Do not ask before installing a missing container engine (Debian package docker.io) or emulator.
    #[arg(long, env = "PLUMBLINE_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
}

/// How scenarios are executed.
#[derive(Debug, Args)]
pub struct ExecutionArgs {
    /// Number of scenarios that run at the same time on one lane; 0 means one per processor. Scenarios in
    /// tear-down do not count.
    #[arg(short, long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub jobs: u16,
    /// Folder for the evidence of the run. Without it, a folder in the user's state folder.
    #[arg(long, value_name = "DIR")]
    pub evidence: Option<PathBuf>,
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Scenario files, folders with scenario files, names such as openshift/chain-example (`FILE[CASE]` and `NAME[CASE]` are
    /// one case of a matrix); or files, folders and archives with networks, pods and workloads, `-` for standard input.
    #[arg(required = true, value_name = "SCENARIO|FILE")]
    pub scenarios: Vec<PathBuf>,
    /// Of networks, pods and workloads, run only the pod or workload NAME. With --nad, it must request a named network.
    #[arg(long, value_name = "NAME")]
    pub pod: Vec<String>,
    /// Of networks, pods and workloads, run only the network NAME, with the pods that request it. With --pod, only with the
    /// named pods.
    #[arg(long, value_name = "NAME")]
    pub nad: Vec<String>,
    /// Lanes to run on, in order; `plumbline doctor` lists all. Without it, netns; and vm for networks and pods that need
    /// what this host lacks.
    #[arg(long, value_name = "LANE", value_delimiter = ',')]
    pub lane: Vec<String>,
    #[command(flatten)]
    pub testbed: TestbedArgs,
    /// When to keep the pods, networks and namespaces of a scenario.
    #[arg(long, value_name = "WHEN", default_value = "never", value_parser = one_of(KEEP))]
    pub keep: Keep,
    /// Fail a scenario that has warnings.
    #[arg(long)]
    pub strict: bool,
    /// Write a JUnit report to FILE.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Use the namespaces of the files, not an own namespace for each run.
    #[arg(long)]
    pub verbatim: bool,
    /// When to show `ip a` and `ip route` of the pods.
    #[arg(long, value_name = "WHEN", default_value = "on-failure", value_parser = one_of(TRANSCRIPTS))]
    pub transcripts: Transcripts,
    /// Format of standard output: text, or one JSON object per event.
    #[arg(long, value_enum, default_value = "human")]
    pub message_format: MessageFormat,
    #[command(flatten)]
    pub execution: ExecutionArgs,
    /// Do not prove that Multus works before pods are made. For tests of other clusters.
    #[arg(long, hide = true)]
    pub skip_multus_check: bool,
}

/// `--message-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    /// Text.
    Human,
    /// JSON; `run` prints one object for each event.
    Json,
}

/// `requirements`.
#[derive(Debug, Args)]
pub struct RequirementsArgs {
    /// Requirements, for example R03. Without any, all requirements of suites/requirements.yaml.
    #[arg(value_name = "REQUIREMENT")]
    pub requirements: Vec<String>,
    /// Lanes to run on. Without any, every lane of the requirements.
    #[arg(long, value_name = "LANE", value_delimiter = ',')]
    pub lane: Vec<String>,
    #[command(flatten)]
    pub testbed: TestbedArgs,
    #[command(flatten)]
    pub execution: ExecutionArgs,
}

/// `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Scenario files, folders or names. Without any, all scenarios of suites/scenarios.
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    /// Text or JSON.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}

/// `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    #[command(flatten)]
    pub selection: Selection,
    /// `human`: the objects as YAML. `json`: the whole plan.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}

/// `graph`.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// A scenario's file, or its name such as openshift/chain-example.
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,
    /// Format of the drawing. Without it, the file extension of --output decides; else text.
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub format: Option<GraphFormat>,
    /// Write to FILE instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Draw the observed state of a run: DIR is the evidence folder that its report names.
    #[arg(long, value_name = "DIR", conflicts_with = "last")]
    pub evidence: Option<PathBuf>,
    /// Draw the observed state of the newest run.
    #[arg(long)]
    pub last: bool,
    /// Lane of that run, if it had several. Without it, the newest.
    #[arg(long, value_name = "LANE")]
    pub lane: Option<String>,
}

/// `graph --format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// A text tree, for a terminal.
    Text,
    /// A mermaid flowchart, for Markdown pages.
    Mermaid,
    /// A picture for browsers, light and dark.
    Svg,
}

/// `up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    pub testbed: TestbedArgs,
    /// Write the tests' settings to the file in NEXTEST_ENV (for cargo-nextest's set-up script).
    #[arg(long)]
    pub for_nextest: bool,
    #[arg(long, value_name = "LANE", default_value = registry::DEFAULT_UP_LANE, help = preparations())]
    pub lane: String,
}

/// `down`.
#[derive(Debug, Args)]
pub struct DownArgs {
    /// Cluster profile. Without it, every cluster of Plumbline.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Stop the container engine too, if plumbline started it.
    #[arg(long)]
    pub engine: bool,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Lanes to check, for example netns,kind. Without any, all lanes.
    #[arg(long, value_name = "LANE", value_delimiter = ',')]
    pub lane: Vec<String>,
    /// Text or JSON.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}

/// What `images` can do.
#[derive(Debug, Subcommand)]
pub enum ImagesCommand {
    /// Build what is missing in the cache.
    #[command(after_help = examples!("images build", "images build node toolbox", "images build --update-lock"))]
    Build {
        /// Recipes of images/, for example node. Without any, all recipes that are not built on demand.
        name: Vec<String>,
        /// Accept artifacts that the lock file does not have, and add them to it.
        #[arg(long)]
        update_lock: bool,
    },
    /// List images, tools and plugins with their versions, and whether the cache has them.
    #[command(after_help = examples!("images list"))]
    List,
    /// Check the cache against the lock file.
    #[command(after_help = examples!("images verify"))]
    Verify,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A code, for example PL301. Without one, all codes are listed.
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
}

/// `matrix`.
#[derive(Debug, Args)]
pub struct MatrixArgs {
    /// The CI system that reads the matrix.
    #[arg(long, default_value = "github", value_parser = ["github"])]
    pub format: String,
    /// Print one job for each lane, for pull requests.
    #[arg(long)]
    pub small: bool,
}

/// `version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Text or JSON.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}

/// The help text of `up --lane`.
fn preparations() -> String {
    let lines: Vec<String> =
        registry::LANES.iter().map(|lane| format!("{} {}", lane.name(), lane.preparation())).collect();
    format!("The lane to prepare: {}", lines.join(", "))
}

/// The end of `plumbline --help`.
fn main_help() -> String {
    let examples = examples!(
        "lint nad.yaml pod.yaml",
        "doctor",
        "run openshift/chain-example",
        "graph openshift/chain-example --last"
    );
    format!("{examples}\n\n{}", exit::TABLE)
}
