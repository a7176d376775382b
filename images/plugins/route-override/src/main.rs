//! plumbline's route-override, not upstream's: a CNI meta plugin that changes the routes which the plugins before it
//! made, and does so as the upstream plugin of that name does, its weaknesses included.
//!
//! Plumbline must find what goes wrong in chains that people run, so this plugin keeps what makes them go wrong: a route
//! that the kernel refuses is a line on standard error and exit code 0, and still stands in the result. What it was held
//! against is `suites/golden/route-override.json`, recorded from the upstream binary; `tests/golden.rs` replays it. The
//! README beside this crate says where the two differ.
//!
//! | module | what is in it |
//! |---|---|
//! | [`command`] | environment, checks of the request, dispatch by `CNI_COMMAND` |
//! | [`json`] | JSON read as Go reads it: keys without regard to case |
//! | [`config`] | the plugin's options, overridden by `args.cni` |
//! | [`result`] | the previous result in, the result out, for CNI 0.1.0 to 1.0.0 |
//! | [`add`] | what ADD does to the result and, by [`kernel`], to the namespace |
//! | [`check`] | what CHECK holds against the namespace |
//! | [`kernel`] | entering the namespace; listing, deleting and adding routes |
//! | [`error`] | the CNI error and its codes |

mod add;
mod check;
mod command;
mod config;
mod error;
mod json;
mod kernel;
mod result;

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use command::Outcome;

/// Who this is, for `--version` and for a call without a command.
const ABOUT: &str = concat!("plumbline's route-override, not upstream's, ", env!("CARGO_PKG_VERSION"));

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "--version" || argument == "-V") {
        return print(&mut stdout(), &format!("{ABOUT}\n"), ExitCode::SUCCESS);
    }
    match command::run() {
        Outcome::Quiet => ExitCode::SUCCESS,
        Outcome::Answer(value) => print(&mut stdout(), &format!("{value:#}\n"), ExitCode::SUCCESS),
        Outcome::About => {
            let versions = result::VERSIONS.join(", ");
            let text = format!("{ABOUT}\nCNI protocol versions supported: {versions}\n");
            print(&mut stderr(), &text, ExitCode::SUCCESS)
        }
        Outcome::Refused(failure) => print(&mut stdout(), &format!("{:#}\n", failure.to_json()), ExitCode::FAILURE),
    }
}

/// Writes `text`; a caller that has closed the stream learns it from the exit code alone.
fn print(stream: &mut dyn Write, text: &str, code: ExitCode) -> ExitCode {
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}
