//! Golden texts: what a report must read like, in files that people review.

use anyhow::Context as _;
use plumbline_core::verdict::{ScenarioReport, Timing};
use plumbline_report::paint;
use plumbline_report::text::{self, Transcripts};
use std::path::Path;

/// Set to write what is found into the golden files; the difference is then reviewed like code.
pub const BLESS: &str = "PLUMBLINE_BLESS";

/// A report's text without what differs from run to run: times, folders, the run's own namespace.
#[must_use]
pub fn report(report: &ScenarioReport) -> String {
    let mut report = report.clone();
    report.timing = Timing::default();
    report.evidence = None;
    report.isolation = None;
    report.profile = None;
    report.adaptations.clear();
    paint::strip(&text::scenario(&report, Transcripts::Never))
}

/// Compares a text with the golden file `name` below `suites/golden/reports`.
///
/// # Errors
/// When they differ: shows both, line by line.
pub fn compare(root: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = root.join("suites/golden/reports").join(format!("{name}.txt"));
    if std::env::var_os(BLESS).is_some() {
        let folder = path.parent().context("a golden file has a folder")?;
        std::fs::create_dir_all(folder)?;
        std::fs::write(&path, text)?;
        return Ok(());
    }
    let wanted = std::fs::read_to_string(&path)
        .with_context(|| format!("no golden text {}; {BLESS}=1 writes it, for review", path.display()))?;
    if wanted == text {
        return Ok(());
    }
    let mut difference = String::new();
    let (mut left, mut right) = (wanted.lines(), text.lines());
    loop {
        match (left.next(), right.next()) {
            (None, None) => break,
            (a, b) if a == b => difference.push_str(&format!("  {}\n", a.unwrap_or_default())),
            (a, b) => {
                difference.extend(a.map(|line| format!("- {line}\n")));
                difference.extend(b.map(|line| format!("+ {line}\n")));
            }
        }
    }
    anyhow::bail!("the text is not that of {} (- golden, + now):\n{difference}", path.display())
}
