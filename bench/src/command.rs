//! The scenario by the command `plumbline run`.

use crate::runner::{Bench, check_passed};
use anyhow::Context as _;
use plumbline_core::event::Event;
use plumbline_core::verdict::ScenarioReport;
use plumbline_testbed::exec::Cmd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Finds the command: the named one, otherwise the one beside this program.
///
/// # Errors
/// When it does not exist.
pub fn find_command(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => std::env::current_exe().context("find this program")?.with_file_name("plumbline"),
    };
    anyhow::ensure!(path.is_file(), "{} does not exist; fix: build it, or name it with --plumbline", path.display());
    Ok(path)
}

/// Runs it once; returns its report, and the time from its start to its end.
///
/// # Errors
/// When it does not pass.
pub async fn run_command(command: &Path, bench: &Bench, lane: &str) -> anyhow::Result<(ScenarioReport, Duration)> {
    let cmd = Cmd::new(command)
        .args(["run", &bench.plan.name, "--lane", lane, "--message-format", "json", "--evidence"])
        .arg(bench.evidence.path().display().to_string())
        .env(plumbline::root::VARIABLE, bench.root.display().to_string())
        .deadline(Duration::from_secs(120));
    let done = cmd.run_ok().await?;
    let events = done.stdout.lines().filter_map(|line| serde_json::from_str(line).ok());
    let mut reports = events.filter_map(|event| match event {
        Event::ScenarioFinished { report } => Some(*report),
        _ => None,
    });
    let report = reports.next_back().with_context(|| format!("`{}` printed no verdict", done.line()))?;
    check_passed(&report)?;
    Ok((report, done.duration))
}
