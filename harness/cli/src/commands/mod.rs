//! One file per subcommand. Each gives an exit code, or an error that [`crate::failure`] turns into one.

mod chain;
mod consent;
mod doctor;
mod down;
mod explain;
mod gc;
mod graph;
mod images;
mod list;
mod matrix;
mod render;
mod requirements;
mod run;
mod telling;
mod up;
mod version;

use crate::args::{Colour, Command};
use plumbline::registry;
use plumbline_testbed::journal::{self, Undo};
use std::io::Write as _;

/// Does what was asked.
pub async fn dispatch(command: Command, colour: Colour) -> anyhow::Result<u8> {
    match command {
        Command::Run(args) => run::run(&args, colour).await,
        Command::List(args) => list::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Requirements(args) => requirements::run(&args, colour).await,
        Command::Graph(args) => graph::run(&args),
        Command::Chain(args) => chain::run(&args, colour).await,
        Command::Up(args) => up::run(&args, colour).await,
        Command::Down(args) => down::run(&args, colour).await,
        Command::Doctor(args) => doctor::run(&args, colour).await,
        Command::Images(args) => images::run(&args, colour).await,
        Command::Gc(args) => gc::run(&args).await,
        Command::Explain(args) => explain::run(&args),
        Command::Matrix(args) => matrix::run(&args),
        Command::Version(args) => version::run(&args),
    }
}

/// Undoes what the journals of dead runs have open.
pub async fn clean_up() -> anyhow::Result<()> {
    let undoers = registry::undoers();
    let undoers: Vec<_> = undoers.iter().map(|undoer| undoer.as_ref() as &dyn Undo).collect();
    let collected = journal::gc(&undoers).await?;
    for line in &collected.failures {
        writeln!(anstream::stderr(), "left behind (plumbline gc removes it): {line}")?;
    }
    Ok(())
}
