//! Every scenario file of one node on the kind lane, whatever the cluster's ranges are.

use plumbline_core::plan::Plan;
use plumbline_suites::trials::{self, TestTarget};
use plumbline_terway::scenario::is_behind;

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = libtest_mimic::Arguments::from_args();
    let selects = |plan: &Plan| plan.topology.nodes <= 1 && plan.topology.cluster_ranges.is_empty() && !is_behind(plan);
    let trials = trials::trials(TestTarget { selects, ..TestTarget::lane("kind") }, &arguments)?;
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}
