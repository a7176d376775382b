//! The program; see the library for its modes.

use std::process::ExitCode;

fn main() -> ExitCode {
    plumbline_agent::run()
}
