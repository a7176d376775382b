//! On the vm lane: what takes a kernel with modules that many hosts lack, and the documented example.

use plumbline_core::plan::Plan;
use plumbline_suites::trials::{self, Bed};

/// What hosts lack.
const LACKED: [&str; 7] = ["vlan", "ipvlan", "dummy", "vrf", "bridge-vlan-filtering", "virtio-eni", "nftables-fib"];

fn wanted(plan: &Plan) -> bool {
    plan.name == "openshift/chain-example" || plan.requires.iter().any(|need| LACKED.contains(&need.as_str()))
}

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = trials::on(Bed { takes: wanted, ..Bed::lane("vm") }, &arguments)?;
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}
