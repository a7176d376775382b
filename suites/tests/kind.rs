//! Every scenario file of one node on the kind lane.

use plumbline_suites::trials::{self, Bed};

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = trials::on(Bed { takes: |plan| plan.topology.nodes <= 1, ..Bed::lane("kind") }, &arguments)?;
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}
