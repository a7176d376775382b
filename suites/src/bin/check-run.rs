//! Compares what ran with `suites/must-run.yaml`: fails on a skip that is not allowed and on too few tests.
//!
//! Usage: `check-run NEXTEST_PROFILE`. Reads the profile's JUnit file. Where `GITHUB_STEP_SUMMARY` is set, appends a summary
//! to the file that it names.

use anyhow::Context as _;
use plumbline::{capability, root, select};
use plumbline_suites::must_run::{HostKind, MustRun};
use plumbline_suites::ran::{self, Host};
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let profile = std::env::args().nth(1).context("usage: check-run NEXTEST_PROFILE")?;
    let root = root::find()?;
    let junit = root.join("target/nextest").join(&profile).join("junit.xml");
    let text = std::fs::read_to_string(&junit).with_context(|| format!("failed to read {}", junit.display()))?;
    let report = quick_junit::Report::deserialize_from_str(&text).context("failed to read the JUnit file")?;
    let list = MustRun::read(&root)?;
    let binaries = list.select(&profile);
    anyhow::ensure!(!binaries.is_empty(), "suites/must-run.yaml has no test binary for profile {profile}");
    let mut plans = select::plans(Some(&root), &[root.join("suites/scenarios")])?;
    for file in select::scenario_files(&root.join("suites/negative"))? {
        // A file that is refused when it is read can't be skipped.
        plans.extend(select::cases(Some(&root), &file).unwrap_or_default());
    }
    let lanes = capability::read().unwrap_or_default();
    let kind = HostKind::detect();
    let checked = ran::check(&report, Host { list: &list, kind }, &binaries, &lanes, &plans);
    if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) {
        let mut file = std::fs::File::options().create(true).append(true).open(path)?;
        file.write_all(ran::summary(&profile, &report, &checked).as_bytes())?;
    }

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
    let (counts, allowed) = (counts.join(", "), checked.allowed.len());
    writeln!(out, "must-run ({kind:?} host): {verdict}: {counts}; {allowed} skipped as allowed")?;
    Ok(if checked.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
