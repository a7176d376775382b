//! The command line of `plumbline chain`.

use super::MessageFormat;
use clap::{Args, Subcommand, ValueEnum};
use plumbline_core::terway::Version;
use std::path::PathBuf;

/// `chain`.
#[derive(Debug, Args)]
#[command(after_help = CHAIN_HELP)]
pub struct ChainArgs {
    /// The action.
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
    /// Check an eni-config by the rules of ACK's document: missing, unneeded or outdated settings. Only reads.
    Lint(ChainLintArgs),
    /// Show the chain, the conflist that terway-cli makes from it, and the conflist of each node. Only reads.
    Show(ChainShowArgs),
    /// Show the effect of a change: the difference of the ConfigMap, the conflist, and the restarts. Only reads.
    Plan(ChainPlanArgs),
    /// Change the chain: keep a copy, write the ConfigMap, restart Terway, compare every node, run a canary pod on each.
    /// Restore the old chain if a step fails or is interrupted.
    Apply(ChainApplyArgs),
    /// Restore the chain that the newest `chain apply` kept, byte for byte.
    Restore(ChainRestoreArgs),
}

/// Which cluster.
#[derive(Debug, Args)]
pub struct ChainAt {
    /// A context of your kubeconfig. The current context is never used by default.
    #[arg(long, value_name = "CONTEXT", conflicts_with = "profile")]
    pub context: Option<String>,
    /// The cluster that `plumbline up --profile NAME` made.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

/// How a cluster is used. The report says what depends on a value that is not given.
#[derive(Debug, Args)]
pub struct ChainUse {
    /// Whether the nodes run Datapath V2. Without it, the configuration decides if it can.
    #[arg(long, value_enum, value_name = "YES|NO")]
    pub datapath_v2: Option<YesNo>,
    /// How clients reach the hostPort: by the node's private address, a public address, both, or not at all.
    #[arg(long, value_enum, value_name = "node|public|both|none")]
    pub access: Option<ChainAccess>,
    /// Version of Terway, for example 1.15.0.
    #[arg(long, value_name = "VERSION")]
    pub terway_version: Option<Version>,
    /// Version of the portmap plugin on the nodes, for example 1.9.1.
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
    /// The ConfigMap as YAML. Without it, the ConfigMap of the cluster.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub at: ChainAt,
    #[command(flatten)]
    pub usage: ChainUse,
    /// Fail on warnings too.
    #[arg(long)]
    pub strict: bool,
    /// Text or JSON.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}

/// `chain show`.
#[derive(Debug, Args)]
pub struct ChainShowArgs {
    /// The ConfigMap as YAML. Without it, the ConfigMap of the cluster.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub at: ChainAt,
    /// Read the conflist of each node too, by `cat` in Terway's pod. This needs the right to exec in kube-system. On
    /// clusters of Plumbline it is always read.
    #[arg(long)]
    pub nodes: bool,
    /// Text or JSON.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}

/// `chain plan`.
#[derive(Debug, Args)]
pub struct ChainPlanArgs {
    /// The ConfigMap with the new chain, as YAML. Only its key 10-terway.conflist is written; null removes the chain.
    /// Every other key must be equal to the cluster's.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Compare with this ConfigMap (YAML) instead of a cluster's.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["context", "profile"])]
    pub from: Option<PathBuf>,
    #[command(flatten)]
    pub at: ChainAt,
    /// Read the conflist of each node too, as `chain show --nodes` does.
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
    /// The ConfigMap with the new chain, as YAML, as for `chain plan`.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub at: ChainAt,
    #[command(flatten)]
    pub usage: ChainUse,
    /// Confirm the change of a cluster that Plumbline did not make.
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
    /// Confirm the change of a cluster that Plumbline did not make.
    #[arg(long)]
    pub yes: bool,
    /// Text or JSON.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}
