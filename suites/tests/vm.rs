//! On the vm lane: scenarios that need kernel modules which many hosts lack, and the documented example.

use plumbline_core::plan::Plan;
use plumbline_suites::trials::{self, NOT_IN_EVERY_KERNEL, TestTarget};

fn selects(plan: &Plan) -> bool {
    let needs = plan.requires.iter().any(|need| NOT_IN_EVERY_KERNEL.contains(&need.as_str()));
    needs || plan.name == "openshift/chain-example"
}

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = trials::trials(TestTarget { selects, ..TestTarget::lane("vm") }, &arguments)?;
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}
