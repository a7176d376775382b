//! Every scenario file on the kind lane that is for a cluster with certain ranges, on the profile that has OpenShift's.

use plumbline_suites::trials::{self, Bed};

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = libtest_mimic::Arguments::from_args();
    let bed = Bed {
        name: "openshift_like_kind",
        profile: Some("openshift-like"),
        takes: |plan| plan.topology.nodes <= 1 && !plan.topology.cluster_ranges.is_empty(),
        ..Bed::lane("kind")
    };
    Ok(libtest_mimic::run(&arguments, trials::on(bed, &arguments)?).exit_code())
}
