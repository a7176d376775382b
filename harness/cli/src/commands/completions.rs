//! `plumbline completions SHELL`.

use crate::args::{Cli, CompletionsArgs};
use clap::CommandFactory as _;
use plumbline::exit;
use std::io::Write as _;

/// Prints the script.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<u8> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    // The generator panics if it can't write, so it writes into memory.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(exit::PASS)
}
