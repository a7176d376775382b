//! What the command line looks like.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Runs Plumbline and a rival in turns, with equal chains and checks, and prints how they compare.
#[derive(Debug, Parser)]
#[command(name = "plumbline-bench")]
pub struct Args {
    /// Which lanes to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "netns,kind")]
    pub lane: Vec<Lane>,
    /// Rounds on netns; in each, every one has its turn.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,
    /// Scenarios on kind, one after another.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub kind_rounds: u16,
    /// Rounds of ten scenarios in sequence on kind, against kubectl and chainsaw; 0 leaves them out.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub ten_rounds: u16,
    /// Leave chainsaw out: it is built from its Go module where the cache does not have it, which takes minutes.
    #[arg(long = "no-chainsaw", action = clap::ArgAction::SetFalse)]
    pub chainsaw: bool,
    /// The scenario; the rival's script knows this one alone.
    #[arg(long, value_name = "SCENARIO", default_value = "openshift/chain-example")]
    pub scenario: PathBuf,
    /// The plumbline command; else the one beside this program.
    #[arg(long, value_name = "PATH")]
    pub plumbline: Option<PathBuf>,
    /// Bring a cluster up for the kind lane where none is warm.
    #[arg(long)]
    pub up: bool,
    /// Cluster profile; else chosen by a probe.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

/// A lane that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lane {
    /// Private nodes made of namespaces, against the shell.
    Netns,
    /// A kind cluster, against the pod's own time to Ready.
    Kind,
}
