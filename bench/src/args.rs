//! The command line.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Run Plumbline and other tools in turns, with equal chains and checks, and print how they compare
#[derive(Debug, Parser)]
#[command(name = "plumbline-bench")]
pub struct Args {
    /// The lanes to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "lint,netns,kind")]
    pub lane: Vec<Lane>,
    /// Rounds on netns; each tool has one turn in a round
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,
    /// Scenarios on kind, one after another
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub kind_rounds: u16,
    /// Rounds of ten scenarios in sequence on kind, against kubectl and chainsaw; 0 skips them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub ten_rounds: u16,
    /// Skip chainsaw, whose build takes minutes if the cache does not have it
    #[arg(long = "no-chainsaw", action = clap::ArgAction::SetFalse)]
    pub chainsaw: bool,
    /// The scenario; the shell scripts can run only this one
    #[arg(long, value_name = "SCENARIO", default_value = "openshift/chain-example")]
    pub scenario: PathBuf,
    /// The plumbline command [default: the one beside this program]
    #[arg(long, value_name = "PATH")]
    pub plumbline: Option<PathBuf>,
    /// Start a cluster for the kind lane if none is running
    #[arg(long)]
    pub up: bool,
    /// Cluster profile [default: chosen by a probe]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Measure one lint in this process: the command and a folder
    #[arg(long, hide = true, num_args = 2, value_names = ["PLUMBLINE", "FOLDER"])]
    pub measure_lint: Vec<PathBuf>,
}

/// A lane to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lane {
    /// No lane: the lint of files, against chainsaw lint
    Lint,
    /// Private nodes made of namespaces, against a shell script
    Netns,
    /// A kind cluster, against the pod's own time to Ready
    Kind,
}
