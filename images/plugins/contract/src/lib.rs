//! The common code of Plumbline's CNI plugins. It checks a call's environment and standard input like the CNI project's Go
//! library (cni v1.1.2, package skel), and prints the result or error (CNI specification 1.0.0, sections "CNI Operations" and
//! "Error").

mod error;

pub use error::{Code, Failure};

use serde_json::{Value, json};
use std::io::{Read, Write, stderr, stdin, stdout};
use std::process::ExitCode;

/// A plugin.
pub struct Plugin {
    /// The text of `--version` and of a call without a command.
    pub about: &'static str,
    /// Supported versions of the protocol, the newest last.
    pub versions: &'static [&'static str],
    /// Serves a command: takes its name and standard input, and returns the result, if any.
    pub serve: fn(&str, &[u8]) -> Result<Option<Value>, Failure>,
}

impl Plugin {
    /// Serves the call in this process's environment and standard input.
    pub fn main(&self) -> ExitCode {
        if std::env::args_os().nth(1).is_some_and(|argument| argument == "--version" || argument == "-V") {
            return print(&mut stdout(), &format!("{}\n", self.about), ExitCode::SUCCESS);
        }
        let command = variable("CNI_COMMAND");
        if command.is_empty() {
            let text = format!("{}\nCNI protocol versions supported: {}\n", self.about, self.versions.join(", "));
            return print(&mut stderr(), &text, ExitCode::SUCCESS);
        }
        match self.serve_command(&command) {
            Ok(None) => ExitCode::SUCCESS,
            Ok(Some(value)) => print(&mut stdout(), &format!("{value:#}\n"), ExitCode::SUCCESS),
            Err(failure) => print(&mut stdout(), &format!("{:#}\n", failure.to_json()), ExitCode::FAILURE),
        }
    }

    fn serve_command(&self, command: &str) -> Result<Option<Value>, Failure> {
        if command == "VERSION" {
            return Ok(Some(json!({ "cniVersion": self.versions.last(), "supportedVersions": self.versions })));
        }
        check_variables(command)?;
        let mut input = Vec::new();
        stdin()
            .read_to_end(&mut input)
            .map_err(|error| Failure::new(Code::Io, format!("error reading from stdin: {error}")))?;
        (self.serve)(command, &input)
    }
}

/// The error for an unknown command.
pub fn unknown_command(command: &str) -> Failure {
    Failure::new(Code::Environment, format!("unknown CNI_COMMAND: {command}"))
}

/// A variable of the environment; empty if it is not set.
pub fn variable(name: &str) -> String {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
}

fn check_variables(command: &str) -> Result<(), Failure> {
    let required: &[&str] = match command {
        "ADD" | "CHECK" => &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
        "DEL" => &["CNI_CONTAINERID", "CNI_IFNAME", "CNI_PATH"],
        _ => &[],
    };
    let missing = required.iter().copied().filter(|name| variable(name).is_empty()).collect::<Vec<_>>();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Code::Environment, format!("required env variables [{}] missing", missing.join(","))))
}

/// Writes `text`. If the caller closed the stream, the exit code is an error.
fn print(stream: &mut dyn Write, text: &str, code: ExitCode) -> ExitCode {
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}
