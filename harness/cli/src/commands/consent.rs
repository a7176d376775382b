//! The user's yes to installing what is missing: by `--yes`, by `CI=true`, or on a terminal when asked.

use plumbline_lanes::vm::emulator;
use plumbline_lanes::vm::settings::Settings;
use plumbline_testbed::engine::setup::{Needed, Setup};
use plumbline_testbed::error::TestbedError;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

/// Whether software may be installed. Asks on a terminal, and only where something would have to be installed;
/// what it is, is printed first.
///
/// # Errors
/// When no engine can be got going here at all: told before anything else is done.
pub async fn engine(root: &Path, already: bool) -> Result<bool, TestbedError> {
    if already || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(already);
    }
    let Needed::Plan(plan) = Setup::new(root, |_| {})?.needed().await? else {
        return Ok(false);
    };
    if !plan.consent {
        return Ok(false);
    }
    asked("no container engine answers", &plan.lines())
}

/// As [`engine`], for the vm lane's emulator.
///
/// # Errors
/// When there is no emulator for this host.
pub fn emulator(root: &Path, already: bool) -> Result<bool, TestbedError> {
    if already || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(already);
    }
    let settings = Settings::read(root)?;
    let wanted = settings.emulator()?;
    match emulator::cure(wanted).filter(|_| emulator::installed(wanted).is_none()) {
        Some(cure) => asked(&format!("{} is not installed", wanted.program), &[cure]),
        None => Ok(false),
    }
}

fn asked(lack: &str, lines: &[String]) -> Result<bool, TestbedError> {
    let mut err = anstream::stderr();
    let mut ask = || -> std::io::Result<bool> {
        writeln!(err, "{lack}; plumbline would:")?;
        for line in lines {
            writeln!(err, "  {line}")?;
        }
        write!(err, "do it? [y/N] ")?;
        err.flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    };
    ask().map_err(|error| TestbedError::new("ask", error))
}
