//! Every scenario file on the netns lane.

use plumbline_suites::trials::{self, TestTarget};

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = trials::trials(TestTarget::lane("netns"), &arguments)?;
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}
