//! The user's yes to installing what is missing: by `--yes`, by `CI=true`, or on a terminal when asked.

use plumbline::registry;
use plumbline_lanes::lane::Lane;
use plumbline_testbed::error::TestbedError;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

/// Whether software may be installed for a lane. Asks on a terminal, and only where something would have to be installed;
/// what it is, is printed first.
///
/// # Errors
/// When the lane can't be made ready here at all.
pub async fn for_lane(root: &Path, lane: &dyn Lane, already: bool) -> Result<bool, TestbedError> {
    if already || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(already);
    }
    match lane.installation(root).await? {
        Some(plan) => asked(&plan.missing, &plan.steps),
        None => Ok(false),
    }
}

/// As [`for_lane`], for each of several lanes. A lane that can't be made ready here says so when it is opened: the other
/// lanes still run.
pub async fn for_lanes(root: &Path, lanes: &[String], already: bool) -> bool {
    let mut agreed = already;
    for lane in lanes.iter().filter_map(|name| registry::find(name)) {
        agreed = for_lane(root, lane.as_ref(), agreed).await.unwrap_or(agreed);
    }
    agreed
}

fn asked(lack: &str, lines: &[String]) -> Result<bool, TestbedError> {
    let mut err = anstream::stderr();
    let mut ask = || -> std::io::Result<bool> {
        writeln!(err, "{lack}; plumbline can install it:")?;
        for line in lines {
            writeln!(err, "  {line}")?;
        }
        write!(err, "install it? [y/N] ")?;
        err.flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    };
    ask().map_err(|error| TestbedError::new("ask", error))
}
