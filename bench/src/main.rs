//! `plumbline-bench`: runs Plumbline and other tools in turns and prints how they compare.
//!
//! | module | what is in it |
//! |---|---|
//! | [`args`] | the command line |
//! | [`shell`] | the scenario by `rival/netns.sh` |
//! | [`library`] | the same by the library, on an open lane |
//! | [`command`] | the same by the command `plumbline run` |
//! | [`runner`] | the same by the library's runner, with the times of its phases |
//! | [`cleanup_wait`] | waiting between turns until nothing of the previous one remains |
//! | [`lint`] | `plumbline lint` on 2,000 networks, against `chainsaw lint` |
//! | [`netns`], [`kind`] | the measurements of each lane |
//! | [`ten`] | ten scenarios in sequence on kind, against kubectl (`rival/kind.sh`) and chainsaw |
//! | [`objects`] | the objects that these two apply |
//! | [`samples`], [`table`] | medians and ranges, and printing them |
//! | [`machine`] | the machine |
//!
//! The exit code says whether everything ran and passed; it does not depend on the times.

mod args;
mod cleanup_wait;
mod command;
mod kind;
mod library;
mod lint;
mod machine;
mod netns;
mod objects;
mod runner;
mod samples;
mod shell;
mod table;
mod ten;

use anyhow::Context as _;
use clap::Parser as _;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report_failure(&anyhow::Error::from(error).context("failed to start the runtime")),
    };
    match runtime.block_on(run(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report_failure(&error),
    }
}

async fn run(args: &args::Args) -> anyhow::Result<()> {
    if !args.measure_lint.is_empty() {
        return lint::print_measurement(&args.measure_lint).await;
    }
    let cancel = CancellationToken::new();
    plumbline::interrupt::watch(cancel.clone())?;
    let bench = runner::Bench::open(args, cancel)?;
    table::print_line(&machine::describe_machine(&bench.root));
    for lane in &args.lane {
        match lane {
            args::Lane::Lint => lint::measure_lint(args, &bench).await.context("lint")?,
            args::Lane::Netns => netns::measure_netns(args, &bench).await.context("netns")?,
            args::Lane::Kind => kind::measure_kind(args, &bench).await.context("kind")?,
        }
    }
    table::print_line(&machine::describe_load());
    Ok(())
}

fn report_failure(error: &anyhow::Error) -> ExitCode {
    table::print_progress(&format!("plumbline-bench: {}", plumbline_testbed::error::causes(error.as_ref())));
    ExitCode::FAILURE
}
