//! The command line of `plumbline chain`.

use super::{MessageFormat, Words, examples, one_of};
use clap::{Args, Subcommand};
use plumbline_core::release::Release;
use plumbline_core::terway::{Access, Usage};
use plumbline_terway::chain::handle::ClusterTarget;
use std::path::PathBuf;

/// The end of `chain --help`.
pub const CHAIN_HELP: &str = "\
The chain is the key 10-terway.conflist of the ConfigMap kube-system/eni-config. A FILE holds that ConfigMap as YAML
(`-`: standard input).
lint, show and plan only read. apply and restore change a cluster: the ConfigMap's chain and Terway's DaemonSet.

Examples:
  Commands that only read your cluster:
    plumbline chain show --context my-ack
    plumbline chain lint --context my-ack --access public
    plumbline chain plan new.yaml --context my-ack
  Commands that change it:
    plumbline chain apply new.yaml --context my-ack --yes
    plumbline chain restore --context my-ack --yes
  Files alone:
    plumbline chain lint eni-config.yaml --access public --datapath-v2 no --terway-version 1.15.0
    plumbline chain plan new.yaml --from eni-config.yaml
    kubectl get configmap -n kube-system eni-config -o yaml | plumbline chain lint -

docs/ack.md says what each command reads and changes, and how to undo it.";

/// What `chain` can do.
#[derive(Debug, Subcommand)]
pub enum ChainCommand {
    /// Check an eni-config against ACK's document: missing, unneeded or outdated settings. Only reads.
    #[command(after_help = examples!("chain lint eni-config.yaml --access public --terway-version 1.15.0",
        "chain lint --context my-ack --strict",))]
    Lint(ChainLintArgs),
    /// Show the chain, the conflist that terway-cli makes from it, and the conflist of each node. Only reads.
    #[command(after_help = examples!("chain show eni-config.yaml", "chain show --context my-ack --nodes"))]
    Show(ChainShowArgs),
    /// Show the effect of a change: the difference of the ConfigMap, the conflist, and the restarts. Only reads.
    #[command(after_help = examples!("chain plan new.yaml --from eni-config.yaml", "chain plan new.yaml --context my-ack"))]
    Plan(ChainPlanArgs),
    /// Change the chain: save the old one, write the ConfigMap, restart Terway, compare every node, run canary pods.
    /// If a step fails or is interrupted, the old chain is restored.
    #[command(after_help = examples!("chain apply new.yaml --profile terway", "chain apply new.yaml --context my-ack --yes"))]
    Apply(ChainApplyArgs),
    /// Restore the chain that the newest `chain apply` saved, byte for byte.
    #[command(after_help = examples!("chain restore --profile terway", "chain restore --context my-ack --yes"))]
    Restore(ChainRestoreArgs),
}

/// The cluster of a command, and the format of its output.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    /// A context of your kubeconfig. The current context is never used by default.
    #[arg(long, value_name = "CONTEXT", conflicts_with = "profile")]
    pub context: Option<String>,
    /// The cluster that `plumbline up --profile NAME` made.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Text or JSON.
    #[arg(short, long, value_enum, default_value = "human")]
    pub output: MessageFormat,
}

impl ClusterArgs {
    /// The cluster, if one is named.
    pub fn target(&self) -> Option<ClusterTarget> {
        let context = self.context.clone().map(ClusterTarget::Context);
        context.or_else(|| self.profile.clone().map(ClusterTarget::Profile))
    }
}

const YES_NO: Words<bool> = &[("yes", "The nodes run Datapath V2", true), ("no", "They do not", false)];
const ACCESS: Words<Access> = &[
    ("node", "At the node's private address", Access::Node),
    ("public", "At a public address", Access::Public),
    ("both", "At both", Access::Both),
    ("none", "No pod has a hostPort", Access::None),
];

/// How a cluster is used. The report says what depends on a missing value.
#[derive(Debug, Args)]
pub struct UsageArgs {
    /// Whether the nodes run Datapath V2. If not given, the configuration decides where possible.
    #[arg(long, value_name = "yes|no", value_parser = one_of(YES_NO))]
    pub datapath_v2: Option<bool>,
    /// How clients reach the hostPort.
    #[arg(long, value_name = "node|public|both|none", value_parser = one_of(ACCESS))]
    pub access: Option<Access>,
    /// Version of Terway, for example 1.15.0.
    #[arg(long, value_name = "VERSION")]
    pub terway_version: Option<Release>,
    /// Version of the portmap plugin on the nodes, for example 1.9.1.
    #[arg(long, value_name = "VERSION")]
    pub portmap_version: Option<Release>,
}

impl UsageArgs {
    /// The use of the cluster.
    pub fn usage(&self) -> Usage {
        let Self { datapath_v2, access, terway_version, portmap_version } = *self;
        Usage { datapath_v2, access, terway_version, portmap_version }
    }
}

/// `chain lint`.
#[derive(Debug, Args)]
pub struct ChainLintArgs {
    /// The ConfigMap as YAML. Without it, the ConfigMap of the cluster.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub usage: UsageArgs,
    /// Fail on warnings too.
    #[arg(long)]
    pub strict: bool,
}

/// `chain show`.
#[derive(Debug, Args)]
pub struct ChainShowArgs {
    /// The ConfigMap as YAML. Without it, the ConfigMap of the cluster.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Read the conflist of each node too, by `cat` in Terway's pod. You need the right to exec in kube-system. On a
    /// cluster that Plumbline made, it is always read.
    #[arg(long)]
    pub nodes: bool,
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
    pub cluster: ClusterArgs,
    /// Read the conflist of each node too, as `chain show --nodes` does.
    #[arg(long)]
    pub nodes: bool,
    #[command(flatten)]
    pub usage: UsageArgs,
}

/// `chain apply`.
#[derive(Debug, Args)]
pub struct ChainApplyArgs {
    /// The ConfigMap with the new chain, as YAML, as for `chain plan`.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub usage: UsageArgs,
    /// Confirm the change of a cluster that Plumbline did not make.
    #[arg(long)]
    pub yes: bool,
}

/// `chain restore`.
#[derive(Debug, Args)]
pub struct ChainRestoreArgs {
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Confirm the change of a cluster that Plumbline did not make.
    #[arg(long)]
    pub yes: bool,
}
