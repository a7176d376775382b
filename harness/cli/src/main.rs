//! The `plumbline` command.
//!
//! `args` is the command line, `commands` has one file per subcommand. Errors come here: [`commands::Refused`]
//! is bad input (exit 2), [`plumbline_testbed::broken::error`] is the bed's (exit 3), anything else is ours (exit 5).

mod args;
mod commands;
mod failure;
mod options;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return failure::of_clap(&error),
    };
    options::colour(cli.color);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(&anyhow::Error::from(error).context("failed to start the runtime")),
    };
    match runtime.block_on(commands::dispatch(cli.command, cli.color)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => failure::report(&error),
    }
}
