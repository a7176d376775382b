//! What the command line looks like.

mod chain;

pub use chain::*;

use clap::{Args, Parser, Subcommand, ValueEnum};
use plumbline::exit;
use plumbline::registry;
use std::path::PathBuf;

/// Test what a chain of CNI plugins did to a pod.
#[derive(Debug, Parser)]
#[command(name = "plumbline", version, after_help = exit::TABLE, arg_required_else_help = true)]
pub struct Cli {
    /// When to use colours; auto follows NO_COLOR, CLICOLOR_FORCE and the terminal.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Colour,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// Follow the environment and the terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios on lanes and print their verdicts.
    Run(Box<RunArgs>),
    /// Run the scenarios behind each requirement and print a table.
    Requirements(Box<RequirementsArgs>),
    /// List scenarios with their lanes and requirements.
    List(ListArgs),
    /// Print the objects that a scenario applies. Changes nothing.
    Render(RenderArgs),
    /// Draw the topology and the pods of a scenario; after a run also the observed state and the paths of packets.
    Graph(GraphArgs),
    /// Check, show or change Terway's custom CNI chain (the ConfigMap eni-config of ACK).
    Chain(ChainArgs),
    /// Bring up a cluster, or check one that runs.
    Up(UpArgs),
    /// Take clusters down.
    Down(DownArgs),
    /// Check what this host can do, and print a fix for what it cannot do.
    Doctor(DoctorArgs),
    /// Build, list or verify images, tools and plugins.
    Images(ImagesArgs),
    /// Remove what dead runs have left behind.
    Gc(GcArgs),
    /// Explain a finding code.
    Explain(ExplainArgs),
    /// Print the jobs of continuous integration: one for each lane and cluster profile.
    Matrix(MatrixArgs),
    /// Show the version.
    Version(VersionArgs),
}

/// What names scenarios.
#[derive(Debug, Args)]
pub struct Selection {
    /// Scenario files, folders with scenario files, or names such as openshift/chain-example.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
}

/// What names parts to be used in place of ours.
#[derive(Debug, Args)]
pub struct Parts {
    /// Use the binary PATH for the plugin NAME, on every lane.
    #[arg(long, value_name = "NAME=PATH")]
    pub plugin: Vec<String>,
    /// Search DIR for plugins before Plumbline's own plugins.
    #[arg(long, value_name = "DIR")]
    pub cni_path: Vec<PathBuf>,
    /// Cluster profile (a folder of clusters/). Without it, a probe of the host chooses one.
    #[arg(long, value_name = "NAME", env = "PLUMBLINE_PROFILE")]
    pub profile: Option<String>,
    /// Install what is missing on this host without a question: a container engine (Debian package docker.io).
    #[arg(long, env = "PLUMBLINE_YES", value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub selection: Selection,
    /// Lanes to run on, in order; `plumbline doctor` lists all.
    #[arg(long, value_name = "LANE", value_delimiter = ',', default_value = registry::DEFAULT_LANE)]
    pub lane: Vec<String>,
    #[command(flatten)]
    pub parts: Parts,
    /// When to keep the pods, networks and namespaces of a scenario.
    #[arg(long, value_enum, default_value = "never")]
    pub keep: KeepWhen,
    /// Number of scenarios that run at the same time on one lane; 0 means one per processor. A scenario in tear-down
    /// does not count.
    #[arg(short, long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub jobs: u16,
    /// Fail a scenario that has warnings.
    #[arg(long)]
    pub strict: bool,
    /// Write a JUnit report to FILE.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Use the namespaces that the files name, instead of an own namespace per run.
    #[arg(long)]
    pub verbatim: bool,
    /// When to show `ip a` and `ip route` of the pods.
    #[arg(long, value_enum, default_value = "on-failure")]
    pub transcripts: TranscriptsWhen,
    /// Format of standard output: text, or one JSON object per event.
    #[arg(long, value_enum, default_value = "human")]
    pub message_format: MessageFormat,
    /// Folder for the evidence of the run. Without it, a folder in the user's state folder.
    #[arg(long, value_name = "DIR")]
    pub evidence: Option<PathBuf>,
    /// Do not prove that Multus is in force before pods are made. For tests of foreign clusters.
    #[arg(long, hide = true)]
    pub skip_multus_check: bool,
}

/// `--keep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeepWhen {
    /// Always clean up.
    Never,
    /// Keep the scenarios that failed or ended with an error.
    OnFailure,
    /// Keep everything.
    Always,
}

/// `--transcripts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TranscriptsWhen {
    /// With every verdict.
    Always,
    /// With FAIL and ERROR.
    OnFailure,
    /// Never.
    Never,
}

/// `--message-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    /// Text.
    Human,
    /// JSON: one object per event while something runs, else one document.
    Json,
}

/// `requirements`.
#[derive(Debug, Args)]
pub struct RequirementsArgs {
    /// Requirements, for example R03. Without any, all requirements of suites/requirements.yaml.
    #[arg(value_name = "REQUIREMENT")]
    pub requirements: Vec<String>,
    /// Lanes to run on. Without any, every lane that a requirement names.
    #[arg(long, value_name = "LANE", value_delimiter = ',')]
    pub lane: Vec<String>,
    #[command(flatten)]
    pub parts: Parts,
    /// Number of scenarios that run at the same time on one lane; 0 means one per processor. A scenario in tear-down
    /// does not count.
    #[arg(short, long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub jobs: u16,
    /// Folder for the evidence. Without it, a folder in the user's state folder.
    #[arg(long, value_name = "DIR")]
    pub evidence: Option<PathBuf>,
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
    pub parts: Parts,
    /// Write the settings of tests to the file that NEXTEST_ENV names (for the set-up script of cargo-nextest).
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

/// `images`.
#[derive(Debug, Args)]
pub struct ImagesArgs {
    /// The action.
    #[command(subcommand)]
    pub command: ImagesCommand,
}

/// What `images` can do.
#[derive(Debug, Subcommand)]
pub enum ImagesCommand {
    /// Build what is missing in the cache.
    Build {
        /// Recipes of images/, for example node. Without any, all recipes that are not built on demand.
        name: Vec<String>,
        /// Accept artifacts that the lock file does not have, and add them to it.
        #[arg(long)]
        update_lock: bool,
    },
    /// List them with versions and whether they are in the cache.
    List,
    /// Check the cache against the lock file.
    Verify,
}

/// `gc`.
#[derive(Debug, Args)]
pub struct GcArgs {}

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
    #[arg(long, value_enum, default_value = "github")]
    pub format: MatrixFormat,
    /// Print one job for each lane, for pull requests.
    #[arg(long)]
    pub small: bool,
}

/// `matrix --format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MatrixFormat {
    /// A JSON object for `strategy.matrix` of GitHub Actions.
    Github,
}

/// `version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Text or JSON.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}

/// The help text of `up --lane`: what making each lane ready does.
fn preparations() -> String {
    let lanes = registry::lanes();
    let lines: Vec<String> = lanes.iter().map(|lane| format!("{} {}", lane.name(), lane.preparation())).collect();
    format!("The lane to make ready: {}", lines.join(", "))
}
