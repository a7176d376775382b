//! What the command line looks like.

mod chain;

pub use chain::*;

use clap::{Args, Parser, Subcommand, ValueEnum};
use plumbline::exit;
use plumbline::registry;
use std::path::PathBuf;

/// Proves what a chain of CNI plugins really did to a pod.
#[derive(Debug, Parser)]
#[command(name = "plumbline", version, after_help = exit::TABLE, arg_required_else_help = true)]
pub struct Cli {
    /// Whether colours are shown; auto obeys NO_COLOR, CLICOLOR_FORCE and the terminal.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Colour,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// As the environment and the terminal say.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios on lanes and judge what they did.
    Run(Box<RunArgs>),
    /// Run the scenarios behind each requirement and print a table.
    Requirements(Box<RequirementsArgs>),
    /// List scenarios: names to paste, with their lanes and requirements.
    List(ListArgs),
    /// Show what a scenario would apply; touches nothing.
    Render(RenderArgs),
    /// Draw a scenario: its topology and pods, and after a run what was seen and which way packets went.
    Graph(GraphArgs),
    /// Terway's custom CNI chain (ACK's ConfigMap eni-config): check it, show it, say what a change would do.
    Chain(ChainArgs),
    /// Bring a cluster up, or check a warm one.
    Up(UpArgs),
    /// Take clusters down.
    Down(DownArgs),
    /// Probe what this host can do; say how to mend what it can't.
    Doctor(DoctorArgs),
    /// Build, list or verify images, tools and plugins.
    Images(ImagesArgs),
    /// Take away what runs that died have left behind.
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
    /// Put the binary PATH in the place of plugin NAME, on every lane.
    #[arg(long, value_name = "NAME=PATH")]
    pub plugin: Vec<String>,
    /// Search DIR for plugins before ours.
    #[arg(long, value_name = "DIR")]
    pub cni_path: Vec<PathBuf>,
    /// Cluster profile, a folder of clusters/; else chosen by a probe.
    #[arg(long, value_name = "NAME", env = "PLUMBLINE_PROFILE")]
    pub profile: Option<String>,
    /// Yes to installing what is missing on this host (a container engine).
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
    /// Whether to leave the scenario's things in place.
    #[arg(long, value_enum, default_value = "never")]
    pub keep: KeepWhen,
    /// Scenarios side by side on one lane; 0 means one per processor. One that is being taken down does not count.
    #[arg(short, long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub jobs: u16,
    /// Warnings fail a scenario.
    #[arg(long)]
    pub strict: bool,
    /// Write JUnit to FILE.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Keep the namespaces that the files name, under a lease, instead of one of its own per run.
    #[arg(long)]
    pub verbatim: bool,
    /// When `ip a` and `ip route` of the pods are shown.
    #[arg(long, value_enum, default_value = "on-failure")]
    pub transcripts: TranscriptsWhen,
    /// What goes to standard output: text for people, or one JSON object per event.
    #[arg(long, value_enum, default_value = "human")]
    pub message_format: MessageFormat,
    /// Folder for the run's evidence; else in the user's state folder.
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
    /// Keep what failed or broke.
    OnFailure,
    /// Keep everything.
    Always,
}

/// `--transcripts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TranscriptsWhen {
    /// With every verdict.
    Always,
    /// With Fail and error.
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
    /// Requirements such as R03; else every requirement of suites/requirements.yaml.
    #[arg(value_name = "REQUIREMENT")]
    pub requirements: Vec<String>,
    /// Lanes to show them on; else every lane that a requirement wants.
    #[arg(long, value_name = "LANE", value_delimiter = ',')]
    pub lane: Vec<String>,
    #[command(flatten)]
    pub parts: Parts,
    /// Scenarios side by side on one lane; 0 means one per processor. One that is being taken down does not count.
    #[arg(short, long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub jobs: u16,
    /// Folder for the evidence; else in the user's state folder.
    #[arg(long, value_name = "DIR")]
    pub evidence: Option<PathBuf>,
}

/// `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Scenario files, folders or names; else all of suites/scenarios.
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
    /// How it is drawn; else by the ending of --output, else text.
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub format: Option<GraphFormat>,
    /// Write to FILE; else to standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Draw what a run has seen: DIR is its evidence folder, as the run's report names it.
    #[arg(long, value_name = "DIR", conflicts_with = "last")]
    pub evidence: Option<PathBuf>,
    /// Draw what the newest run of the scenario has seen.
    #[arg(long)]
    pub last: bool,
    /// Of which lane, where a run had several; else the newest.
    #[arg(long, value_name = "LANE")]
    pub lane: Option<String>,
}

/// `graph --format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// A tree in words, for a terminal.
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
    /// For the set-up script of cargo-nextest: write what tests need to the file that NEXTEST_ENV names.
    #[arg(long)]
    pub for_nextest: bool,
    #[arg(long, value_name = "LANE", default_value = registry::DEFAULT_UP_LANE, help = preparations())]
    pub lane: String,
}

/// `down`.
#[derive(Debug, Args)]
pub struct DownArgs {
    /// Cluster profile; else every cluster that is ours.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// End the container engine too, where plumbline started it.
    #[arg(long)]
    pub engine: bool,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Lanes to probe for, such as netns,kind; else all.
    #[arg(long, value_name = "LANE", value_delimiter = ',')]
    pub lane: Vec<String>,
    /// Text or JSON.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}

/// `images`.
#[derive(Debug, Args)]
pub struct ImagesArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: ImagesCommand,
}

/// What `images` can do.
#[derive(Debug, Subcommand)]
pub enum ImagesCommand {
    /// Build what is missing in the cache.
    Build {
        /// Recipes of images/ such as node; else all but those that are built on demand alone.
        name: Vec<String>,
        /// Let through what the lock file does not have, and write it there.
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
    /// A code such as PL301; without one, all codes are listed.
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
