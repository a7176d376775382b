//! Every scenario file on the netns lane.

fn main() -> anyhow::Result<std::process::ExitCode> {
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = plumbline_suites::trials::of_lane("netns")?;
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}
