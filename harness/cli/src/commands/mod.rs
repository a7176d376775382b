//! One file per subcommand. Each gives an exit code, or an error that [`plumbline::entry`] turns into one.

mod chain;
mod completions;
mod consent;
mod doctor;
mod down;
mod explain;
mod gc;
mod graph;
mod images;
mod lint;
mod list;
mod man;
mod matrix;
mod new;
mod render;
mod reporters;
mod requirements;
mod run;
mod schema;
mod up;
mod version;

use crate::args::{Command, MessageFormat};
use plumbline::select::Refused;
use plumbline::{exit, registry, root};
use plumbline_lanes::lane::Lane;
use serde::Serialize;
use std::io::Write as _;
use std::path::PathBuf;

/// Runs a command.
pub async fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Run(args) => run::run(&args).await,
        Command::List(args) => list::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Requirements(args) => requirements::run(&args).await,
        Command::Graph(args) => graph::run(&args),
        Command::Lint(args) => lint::run(&args).await,
        Command::Chain { command } => chain::run(&command).await,
        Command::Up(args) => up::run(&args).await,
        Command::Down(args) => down::run(&args).await,
        Command::Doctor(args) => doctor::run(&args).await,
        Command::Images { command } => images::run(&command).await,
        Command::Gc => gc::run().await,
        Command::Explain(args) => explain::run(&args),
        Command::New(args) => new::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Matrix(args) => matrix::run(&args),
        Command::Version(args) => version::run(&args),
    }
}

/// Finds the project's folder.
fn find_root() -> Result<PathBuf, Refused> {
    root::find().map_err(|error| Refused::one(error.to_string()))
}

/// Finds a lane that `--lane` names.
fn find_lane(name: &str) -> Result<&'static dyn Lane, Refused> {
    registry::find(name).ok_or_else(|| {
        let known = registry::names().join(", ");
        Refused::one(format!("--lane {name}: unknown lane, expected one of {known}"))
    })
}

/// Prints that the folders that a user named hold no scenario, and gives the exit code for it.
fn report_empty(named: &[PathBuf]) -> anyhow::Result<u8> {
    let names: Vec<String> = named.iter().map(|name| name.display().to_string()).collect();
    let hold = if names.len() == 1 { "holds" } else { "hold" };
    writeln!(anstream::stderr(), "nothing selected: {} {hold} no scenario file", names.join(", "))?;
    Ok(exit::NOTHING)
}

/// Prints a value as JSON, or as text for people.
fn print_value<T: Serialize>(output: MessageFormat, value: &T, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    let mut out = anstream::stdout();
    match output {
        MessageFormat::Json => writeln!(out, "{}", serde_json::to_string_pretty(value)?)?,
        MessageFormat::Human => write!(out, "{}", text())?,
    }
    Ok(())
}
