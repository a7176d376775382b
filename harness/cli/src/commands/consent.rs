//! The user's consent to install missing software: by `--yes`, by `CI=true`, or by an answer on the terminal.

use plumbline_lanes::lane::Lane;
use plumbline_testbed::error::TestbedError;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

/// Whether software may be installed for a lane. Prompts on a terminal if software is missing, and lists it first.
///
/// # Errors
/// When the lane can't be made ready here at all.
pub async fn for_lane(root: &Path, lane: &dyn Lane, already: bool) -> Result<bool, TestbedError> {
    if already || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(already);
    }
    match lane.installation(root).await? {
        Some(plan) => ask(&plan.missing, &plan.steps),
        None => Ok(false),
    }
}

/// As [`for_lane`], for several lanes. A lane that can't be made ready reports that when it is opened; the others still run.
pub async fn for_lanes(root: &Path, lanes: &[&dyn Lane], already: bool) -> bool {
    let mut agreed = already;
    for lane in lanes {
        agreed = for_lane(root, *lane, agreed).await.unwrap_or(agreed);
    }
    agreed
}

fn ask(lack: &str, steps: &[String]) -> Result<bool, TestbedError> {
    let mut err = anstream::stderr();
    let mut ask = || -> std::io::Result<bool> {
        writeln!(err, "{lack}; plumbline can install it:")?;
        for step in steps {
            writeln!(err, "  {step}")?;
        }
        write!(err, "install it? [y/N] ")?;
        err.flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    };
    ask().map_err(|error| TestbedError::new("ask", error))
}
