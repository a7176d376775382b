//! The program `terway`: plumbline's stand-in, not upstream's. What it does is in the library beside it.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use plumbline_terway::command::{self, Outcome};
use plumbline_terway::result;

/// Who this is, for `--version` and for a call without a command.
const ABOUT: &str = concat!(
    "plumbline's stand-in for terway, not upstream's, ",
    env!("CARGO_PKG_VERSION"),
    ": policy routing, no Datapath V2"
);

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
