//! The program: what it prints and how it ends.

use crate::call::{Call, Output, Problem};
use crate::settings::{self, CONTROL, NOT_APPLIED, SKIPPED, Settings};
use crate::table::{self, Bend, MUTANTS, Mutant};
use serde_json::json;
use std::io::{Read, Write, stderr, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The text of `--version` and of a call without a command.
const ABOUT: &str = concat!("plumbline's saboteur, not upstream's, ", env!("CARGO_PKG_VERSION"));

/// The CNI error code of a call that the saboteur itself makes fail (plugins choose codes from 100).
const CODE: u32 = 100;

/// Runs the program with the arguments, environment and standard input of this process.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().map(PathBuf::from).unwrap_or_default();
    match arguments.next().as_ref().and_then(|argument| argument.to_str()) {
        Some("--list") => return print(&list(), "", ExitCode::SUCCESS),
        Some("--version" | "-V") => return print(&format!("{ABOUT}\n"), "", ExitCode::SUCCESS),
        _ => {}
    }
    let command = std::env::var("CNI_COMMAND").unwrap_or_default();
    if command.is_empty() {
        let usage = "usage: beside it a file .NAME.saboteur.json names the real plugin and a mutant; --list lists them";
        return print("", &format!("{ABOUT}\n{usage}\n"), ExitCode::SUCCESS);
    }
    match serve(&program, &command) {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            print(&text, &String::from_utf8_lossy(&output.stderr), ExitCode::from(output.code))
        }
        Err(problem) => {
            let message = match &problem {
                Problem::Skipped(why) => format!("{SKIPPED}: {why}"),
                Problem::Failed(why) => format!("{NOT_APPLIED}: {why}"),
            };
            print(&format!("{}\n", json!({ "code": CODE, "msg": message })), "", ExitCode::FAILURE)
        }
    }
}

fn serve(program: &Path, command: &str) -> Result<Output, Problem> {
    let file =
        settings::find(program).ok_or_else(|| Problem::failed(format!("no settings beside {}", program.display())))?;
    let unreadable = |error: &dyn std::fmt::Display| Problem::failed(format!("read {}: {error}", file.display()));
    let text = std::fs::read(&file).map_err(|error| unreadable(&error))?;
    let settings: Settings = serde_json::from_slice(&text).map_err(|error| unreadable(&error))?;
    let real = file.parent().unwrap_or(Path::new("/")).join(&settings.plugin);
    let mut input = Vec::new();
    stdin().read_to_end(&mut input)?;
    let mut call = Call::read(command, real, input)?;
    let mutant = match settings.mutant.as_str() {
        CONTROL => None,
        id => Some(table::find(id).ok_or_else(|| Problem::failed(format!("there is no mutant {id}")))?),
    };
    match mutant.filter(|mutant| is_for(&settings, mutant, &call)) {
        None => call.run()?,
        Some(Mutant { bend: Bend::Around(bend), .. }) => bend(&mut call)?,
        Some(Mutant { bend: Bend::After(bend), .. }) => {
            call.run()?;
            // What a plugin leaves that failed is its own affair.
            if call.output.code == 0 {
                bend(&mut call)?;
            }
        }
    }
    Ok(call.into_output())
}

fn is_for(settings: &Settings, mutant: &Mutant, call: &Call) -> bool {
    let commands = match settings.commands.is_empty() {
        true => mutant.commands.contains(&call.command.as_str()),
        false => settings.commands.contains(&call.command),
    };
    commands && settings.interface.as_ref().is_none_or(|wanted| *wanted == call.interface)
}

fn list() -> String {
    let line = |mutant: &Mutant| {
        let Mutant { id, family, plugins, commands, description, .. } = mutant;
        let (plugins, commands) = (plugins.join(", "), commands.join(", "));
        format!("{id:<5}{:<12}{commands:<7}{plugins:<22}{description}\n", family.as_str())
    };
    MUTANTS.iter().map(line).collect()
}

/// Prints on both streams. If the caller closed one, the exit code is an error.
fn print(out: &str, err: &str, code: ExitCode) -> ExitCode {
    let printed = stdout()
        .write_all(out.as_bytes())
        .and_then(|()| stdout().flush())
        .and_then(|()| stderr().write_all(err.as_bytes()));
    if printed.is_ok() { code } else { ExitCode::FAILURE }
}
