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
mod render;
mod requirements;
mod run;
mod telling;
mod up;
mod version;

use crate::args::{Colour, Command};

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
        Command::Version(args) => version::run(&args),
    }
}
