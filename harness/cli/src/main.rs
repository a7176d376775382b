//! The `plumbline` command.
//!
//! `args` is the command line, `commands` has one file per subcommand. Errors come here: `Refused` is bad input (exit 2),
//! `TestbedError` is an error of the testbed (exit 3), anything else and every panic is a fault of Plumbline (exit 5).

mod args;
mod commands;
mod failure;
mod options;

use clap::Parser as _;
use plumbline::fault;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return failure::of_clap(&error),
    };
    options::colour(cli.color);
    fault::install_hook();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(&anyhow::Error::from(error).context("failed to start the runtime")),
    };
    let command = commands::dispatch(cli.command, cli.color);
    let ended = runtime.block_on(fault::catch_any(command));
    let code = match ended {
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(error)) => failure::report(&error),
        // The command's own clean-up did not run. Its journal is unlocked by now, so that it is collected as of a dead run.
        Err(_) => match runtime.block_on(fault::catch_any(commands::clean_up())) {
            Ok(Err(error)) => failure::report(&error),
            _ => ExitCode::SUCCESS,
        },
    };
    let faults = fault::take_recorded();
    if faults.is_empty() { code } else { failure::report_faults(&faults) }
}
