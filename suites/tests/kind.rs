//! Every scenario file on the kind lane.

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = plumbline_suites::trials::of_lane("kind")?;
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}
