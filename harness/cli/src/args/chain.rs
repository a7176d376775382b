//! The command line of `plumbline chain`.

use super::MessageFormat;
use clap::{Args, Subcommand, ValueEnum};
use plumbline_core::terway::Version;
use std::path::PathBuf;

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
The chain is the key 10-terway.conflist of the ConfigMap kube-system/eni-config. A FILE holds that ConfigMap as YAML
(`-`: standard input).
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
  kubectl get configmap -n kube-system eni-config -o yaml | plumbline chain lint -

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
