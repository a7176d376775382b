//! Every scenario file of more than one node on the kind lane, on the profile of three nodes with Multus thick.

use plumbline_suites::trials::{self, TestTarget};
use plumbline_terway::scenario::is_behind;

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = libtest_mimic::Arguments::from_args();
    let target = TestTarget {
        binary: "three_nodes_kind",
        profile: Some("three-nodes"),
        selects: |plan| plan.topology.nodes > 1 && !is_behind(plan),
        ..TestTarget::lane("kind")
    };
    Ok(libtest_mimic::run(&arguments, trials::trials(target, &arguments)?).exit_code())
}
