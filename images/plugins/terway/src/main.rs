//! The program `terway`: plumbline's stand-in, not upstream's. The library of this crate implements it.

use plumbline_plugin::Plugin;
use plumbline_terway_plugin::{command, result};
use std::process::ExitCode;

const ABOUT: &str = concat!(
    "plumbline's stand-in for terway, not upstream's, ",
    env!("CARGO_PKG_VERSION"),
    ": policy routing, no Datapath V2"
);

fn main() -> ExitCode {
    Plugin { about: ABOUT, versions: &result::VERSIONS, serve: command::serve }.main()
}
