//! `plumbline-bench`: runs Plumbline and a rival in turns and prints how they compare.
//!
//! | module | what is in it |
//! |---|---|
//! | [`args`] | the command line |
//! | [`shell`] | the scenario by `rival/netns.sh` |
//! | [`library`] | the same by the library face, on a lane that is open already |
//! | [`command`] | the same by the `plumbline` command, as people type it |
//! | [`runner`] | the same by the library's runner, with the moments at which it tells of its phases |
//! | [`settle`] | waiting between turns until nothing is left of the one before |
//! | [`netns`], [`kind`] | the rows of each lane |
//! | [`ten`] | ten scenarios in sequence on kind, against kubectl (`rival/kind.sh`) and chainsaw |
//! | [`objects`] | what these two apply |
//! | [`samples`], [`table`] | medians, spreads, and their print |
//! | [`machine`] | what it was measured on |
//!
//! The exit code tells whether everything ran and came to the right verdict, never how fast it was.

mod args;
mod command;
mod kind;
mod library;
mod machine;
mod netns;
mod objects;
mod runner;
mod samples;
mod settle;
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
        Err(error) => return failed(&anyhow::Error::from(error).context("failed to start the runtime")),
    };
    match runtime.block_on(run(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn run(args: &args::Args) -> anyhow::Result<()> {
    let cancel = CancellationToken::new();
    plumbline::interrupt::watch(cancel.clone())?;
    let bench = runner::Bench::open(args, cancel)?;
    table::line(&machine::facts(&bench.root));
    for lane in &args.lane {
        match lane {
            args::Lane::Netns => netns::row(args, &bench).await.context("netns")?,
            args::Lane::Kind => kind::row(args, &bench).await.context("kind")?,
        }
    }
    table::line(&machine::load());
    Ok(())
}

fn failed(error: &anyhow::Error) -> ExitCode {
    table::aside(&format!("plumbline-bench: {}", plumbline_testbed::error::causes(error.as_ref())));
    ExitCode::FAILURE
}
