//! The scenario by the `plumbline` command, as people type it.

use crate::runner::{Bench, passed};
use anyhow::Context as _;
use plumbline_core::event::Event;
use plumbline_core::verdict::ScenarioReport;
use plumbline_testbed::exec::Cmd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The command: the one named, else the one beside this program.
///
/// # Errors
/// When there is none.
pub fn find(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => std::env::current_exe().context("find this program")?.with_file_name("plumbline"),
    };
    anyhow::ensure!(path.is_file(), "there is no command {}; build it or name it by --plumbline", path.display());
    Ok(path)
}

/// Runs it once. Gives its report, and how long it took from its start to its end.
///
/// # Errors
/// When it does not pass.
pub async fn run(command: &Path, bench: &Bench, lane: &str) -> anyhow::Result<(ScenarioReport, Duration)> {
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
    let report = reports.next_back().with_context(|| format!("`{}` gave no verdict", done.line()))?;
    passed(&report)?;
    Ok((report, done.duration))
}
