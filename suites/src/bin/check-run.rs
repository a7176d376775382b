//! Holds what ran against `suites/must-run.yaml`: fails on a skip that is not allowed and on too few tests.
//!
//! Usage: `check-run JUNIT [BINARY...]`: nextest's JUnit file, and the test binaries that its profile runs; none named
//! means every one of the list, so that none is forgotten where all of them run.

use anyhow::Context as _;
use plumbline::{capability, root, select};
use plumbline_suites::must_run::MustRun;
use plumbline_suites::ran;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let junit = PathBuf::from(arguments.next().context("usage: check-run JUNIT [BINARY...]")?);
    let named: Vec<String> = arguments.collect();

    let root = root::find()?;
    let kind = if std::env::var("GITHUB_ACTIONS").is_ok_and(|v| v == "true") { "github" } else { "any" };
    let list = MustRun::read(&root)?;
    let binaries = if named.is_empty() { list.host(kind)?.least.keys().cloned().collect() } else { named };
    let text = std::fs::read_to_string(&junit).with_context(|| format!("failed to read {}", junit.display()))?;
    let report = quick_junit::Report::deserialize_from_str(&text).context("failed to read the JUnit file")?;
    let mut plans = select::plans(Some(&root), &[root.join("suites/scenarios")])?;
    for file in select::scenario_files(&root.join("suites/negative"))? {
        // Files that must be refused when they are read can't be skipped for a lack.
        plans.extend(select::plan(Some(&root), &file).ok());
    }
    let lanes = capability::read().unwrap_or_default();
    let checked = ran::check(&report, list.host(kind)?, &binaries, &lanes, &plans);

    let mut out = std::io::stdout();
    for line in &checked.allowed {
        writeln!(out, "skipped, allowed on this host: {line}")?;
    }
    for line in &checked.wrong {
        writeln!(out, "WRONG: {line}")?;
    }
    let counts: Vec<String> = binaries
        .iter()
        .map(|binary| format!("{binary} {}", checked.passed.get(binary).copied().unwrap_or(0)))
        .collect();
    let verdict = if checked.wrong.is_empty() { "enough ran" } else { "NOT ENOUGH RAN" };
    writeln!(
        out,
        "must-run ({kind} host): {verdict}: {}; {} skipped as allowed",
        counts.join(", "),
        checked.allowed.len()
    )?;
    Ok(if checked.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
