//! What the command line looks like.

use clap::{Args, Parser, Subcommand, ValueEnum};
use plumbline::exit;
use plumbline_core::terway::Version;
use std::path::PathBuf;

/// Proves what a chain of CNI plugins really did to a pod.
#[derive(Debug, Parser)]
#[command(name = "plumbline", disable_version_flag = true, after_help = exit::TABLE, arg_required_else_help = true)]
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
    /// Show the rows of the demand: run what proves each on the lanes that it wants, and print a table.
    Rows(Box<RowsArgs>),
    /// List scenarios: names to paste, with their lanes and rows.
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
    /// Lanes to run on, in order: netns, kind and what else `plumbline doctor` names.
    #[arg(long, value_name = "LANE", value_delimiter = ',', default_value = "netns")]
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
    /// With Fail and Broken.
    OnFailure,
    /// Never.
    Never,
}

/// `--message-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    /// Text.
    Human,
    /// One JSON object per event.
    Json,
}

/// `rows`.
#[derive(Debug, Args)]
pub struct RowsArgs {
    /// Rows such as R03; else every row of suites/rows.yaml.
    #[arg(value_name = "ROW")]
    pub rows: Vec<String>,
    /// Lanes to show them on; else every lane that a row wants.
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

/// `chain`.
#[derive(Debug, Args)]
#[command(after_help = CHAIN_HELP)]
pub struct ChainArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: ChainCommand,
}

/// What `chain --help` ends with.
const CHAIN_HELP: &str = "\
The chain is the key 10-terway.conflist of the ConfigMap kube-system/eni-config. A FILE holds that ConfigMap as YAML.
lint, show and plan only read. apply and restore change a cluster: the ConfigMap's chain and Terway's DaemonSet.

On a cluster of your own, reading only:
  plumbline chain show --context my-ack
  plumbline chain lint --context my-ack --access public
  plumbline chain plan new.yaml --context my-ack
Then, and only with --yes:
  plumbline chain apply new.yaml --context my-ack --yes
  plumbline chain restore --context my-ack --yes
Without any cluster:
  plumbline chain lint eni-config.yaml --access public --datapath-v2 no --terway-version 1.15.0
  plumbline chain plan new.yaml --from eni-config.yaml

docs/ack.md says what each of them reads and changes, and how to undo it.";

/// What `chain` can do.
#[derive(Debug, Subcommand)]
pub enum ChainCommand {
    /// Hold an eni-config against ACK's document and the sources: what is missing, superfluous, too old. Only reads.
    Lint(ChainLintArgs),
    /// Show the chain, what terway-cli makes of it, and what each node has. Only reads.
    Show(ChainShowArgs),
    /// Say what a change would do: the ConfigMap's difference, the conflist, what is restarted. Only reads.
    Plan(ChainPlanArgs),
    /// Change the chain: keep the old one, write, restart Terway, await and compare every node, prove it by canaries;
    /// put the old one back when anything fails or is interrupted.
    Apply(ChainApplyArgs),
    /// Put the chain back that the newest apply has kept, byte for byte, finished or not.
    Restore(ChainRestoreArgs),
}

/// Which cluster.
#[derive(Debug, Args)]
pub struct ChainAt {
    /// A context of your kubeconfig. It is never taken from the current one.
    #[arg(long, value_name = "CONTEXT", conflicts_with = "profile")]
    pub context: Option<String>,
    /// The cluster of ours of that profile, as `plumbline up` made it.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

/// How a cluster is used; what is not said is not known, and the report says what hangs on it.
#[derive(Debug, Args)]
pub struct ChainUse {
    /// Whether nodes run Datapath V2; else taken from the configuration where it tells.
    #[arg(long, value_enum, value_name = "YES|NO")]
    pub datapath_v2: Option<YesNo>,
    /// From where pods' hostPorts are asked for: the node's private address, a public one, both, or nowhere.
    #[arg(long, value_enum, value_name = "WHENCE")]
    pub access: Option<ChainAccess>,
    /// Terway's version, such as 1.15.0.
    #[arg(long, value_name = "VERSION")]
    pub terway_version: Option<Version>,
    /// The version of the portmap plugin on the nodes, such as 1.9.1.
    #[arg(long, value_name = "VERSION")]
    pub portmap_version: Option<Version>,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum YesNo {
    /// Yes.
    Yes,
    /// No.
    No,
}

/// `--access`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChainAccess {
    /// At the node's private address.
    Node,
    /// At a public address.
    Public,
    /// At both.
    Both,
    /// No pod has a hostPort.
    None,
}

/// `chain lint`.
#[derive(Debug, Args)]
pub struct ChainLintArgs {
    /// The ConfigMap as YAML; without it the cluster's own.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub at: ChainAt,
    #[command(flatten)]
    pub usage: ChainUse,
    /// Warnings fail too.
    #[arg(long)]
    pub strict: bool,
    /// Text or JSON.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}

/// `chain show`.
#[derive(Debug, Args)]
pub struct ChainShowArgs {
    /// The ConfigMap as YAML; without it the cluster's own.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub at: ChainAt,
    /// Read each node's conflist too, by `cat` in Terway's pod there; needs the right to exec in kube-system. On
    /// clusters of ours it is always read.
    #[arg(long)]
    pub nodes: bool,
    /// Text or JSON.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}

/// `chain plan`.
#[derive(Debug, Args)]
pub struct ChainPlanArgs {
    /// The ConfigMap with the chain that is wanted, as YAML. Its key 10-terway.conflist is what would be written;
    /// null there takes the chain away. Every other key must be as the cluster has it.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The ConfigMap as it is now, as YAML, in the place of a cluster's.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["context", "profile"])]
    pub from: Option<PathBuf>,
    #[command(flatten)]
    pub at: ChainAt,
    /// As of `show`.
    #[arg(long)]
    pub nodes: bool,
    #[command(flatten)]
    pub usage: ChainUse,
    /// Text or JSON.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}

/// `chain apply`.
#[derive(Debug, Args)]
pub struct ChainApplyArgs {
    /// The ConfigMap with the chain that is wanted, as YAML; as of `plan`.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub at: ChainAt,
    #[command(flatten)]
    pub usage: ChainUse,
    /// Yes to changing a cluster that is not ours.
    #[arg(long)]
    pub yes: bool,
    /// Text or JSON.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}

/// `chain restore`.
#[derive(Debug, Args)]
pub struct ChainRestoreArgs {
    #[command(flatten)]
    pub at: ChainAt,
    /// Yes to changing a cluster that is not ours.
    #[arg(long)]
    pub yes: bool,
    /// Text or JSON.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}

/// `up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    pub parts: Parts,
    /// For the set-up script of cargo-nextest: write what tests need to the file that NEXTEST_ENV names.
    #[arg(long)]
    pub for_nextest: bool,
    /// The lane to make ready: kind brings a cluster up, netns builds agent and plugins,
    /// vm builds and starts the virtual machine.
    #[arg(long, value_name = "LANE", default_value = "kind")]
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

/// `version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Text or JSON.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}
