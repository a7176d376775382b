//! The `plumbline` command.
//!
//! `args` is the command line, `commands` has one file for each subcommand. [`plumbline::entry`] gives the exit code: bad input
//! (`Refused`) is 2, an error of the testbed (`TestbedError`) is 3, every other error and every panic is a fault of Plumbline
//! (5).

mod args;
mod commands;
mod options;

use clap::Parser as _;
use plumbline::{entry, exit};
use std::process::ExitCode;

fn main() -> ExitCode {
    match args::Cli::try_parse() {
        Ok(cli) => {
            cli.color.write_global();
            entry::run(commands::run(cli.command))
        }
        Err(error) => {
            // The stream may be closed; there is still the exit code.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::PASS })
        }
    }
}
