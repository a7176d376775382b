//! Every scenario file on the kind lane that is for a cluster with certain ranges, on the profile that has OpenShift's.

use plumbline_suites::trials::{self, TestTarget};

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = libtest_mimic::Arguments::from_args();
    let target = TestTarget {
        binary: "openshift_like_kind",
        profile: Some("openshift-like"),
        selects: |plan| plan.topology.nodes <= 1 && !plan.topology.cluster_ranges.is_empty(),
        ..TestTarget::lane("kind")
    };
    Ok(libtest_mimic::run(&arguments, trials::trials(target, &arguments)?).exit_code())
}
