//! The report of a lint for a terminal: findings with excerpts, then the verdict and what it rests on.

use super::excerpt::Excerpts;
use super::outcome::{LintOutcome, LintVerdict};
use crate::escape;
use crate::paint::{BAD, DOUBT, GOOD, paint};
use crate::text::{count, severities};
use plumbline_core::finding::{Finding, FindingCode};
use plumbline_core::lint::{Ignored, InputFile};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Most files that are named as skipped.
const MAX_SKIPPED: usize = 10;

/// The whole report. Ends with a newline.
pub fn report(outcome: &LintOutcome) -> String {
    let mut out = findings(&outcome.report.findings, &outcome.files);
    out.push_str(&summary(outcome));
    out
}

/// Findings with excerpts from these files, each followed by an empty line. The page of a code is named once.
pub fn findings(findings: &[Finding], files: &[InputFile]) -> String {
    let excerpts = Excerpts::new(files);
    let mut codes = BTreeSet::new();
    let mut out = String::new();
    for finding in findings {
        let _ = writeln!(out, "{}", excerpts.finding(finding, codes.insert(finding.code)));
    }
    out
}

/// The verdict, and what it rests on. Ends with a newline.
pub fn summary(outcome: &LintOutcome) -> String {
    let report = &outcome.report;
    let checked = count(report.objects.values().sum(), "object checked", "objects checked");
    let found = severities(&report.findings);
    let strict = if outcome.strict { " under --strict" } else { "" };
    let mut out = match outcome.verdict {
        LintVerdict::Pass => format!("{}, {checked}{found}{strict}\n", paint(GOOD, "PASS")),
        LintVerdict::Fail => format!("{}, {checked}{found}{strict}\n", paint(BAD, "FAIL")),
        LintVerdict::Nothing => {
            format!("{}, no object to check\n", paint(DOUBT, "NOTHING"))
        }
        LintVerdict::Refused => {
            let refused = count(report.errors.len(), "problem", "problems");
            format!("{}, {refused} in files; of the others {checked}{found}\n", paint(BAD, "REFUSED"))
        }
    };
    list_kinds(&mut out, "objects", &report.objects);
    list_kinds(&mut out, "not checked", &report.others);
    if outcome.skipped_files > 0 {
        let skipped = count(outcome.skipped_files, "file", "files");
        let _ = writeln!(out, "  skipped: {skipped} of folders and archives, by name or kind");
    }
    for file in report.skipped.iter().take(MAX_SKIPPED) {
        let _ = writeln!(out, "  skipped: {}", escape::line(&file.to_string()));
    }
    if let Some(more) = report.skipped.len().checked_sub(MAX_SKIPPED).filter(|more| *more > 0) {
        let _ = writeln!(out, "  skipped: {more} more like these");
    }
    for line in &report.assumed {
        let _ = writeln!(out, "  assumed: {}", escape::line(line));
    }
    list_ignored(&mut out, &report.ignored);
    for line in &outcome.unknown {
        let _ = writeln!(out, "  {}: {}", paint(DOUBT, "unknown"), escape::line(line));
    }
    out
}

fn list_kinds(out: &mut String, title: &str, kinds: &BTreeMap<String, usize>) {
    if !kinds.is_empty() {
        let kinds: Vec<String> =
            kinds.iter().map(|(kind, number)| format!("{number} {}", escape::line(kind))).collect();
        let _ = writeln!(out, "  {title}: {}", kinds.join(", "));
    }
}

/// Each finding that its object ignores, with the reason; those of `--ignore` by code.
fn list_ignored(out: &mut String, ignored: &[Ignored]) {
    let mut by_option: BTreeMap<FindingCode, usize> = BTreeMap::new();
    for Ignored { finding, reason } in ignored {
        let Some(reason) = reason else {
            *by_option.entry(finding.code).or_default() += 1;
            continue;
        };
        let place = finding.source.as_ref().map(|source| format!(" {source}")).unwrap_or_default();
        let _ = writeln!(out, "  ignored: {}", escape::line(&format!("{}{place}: {reason}", finding.code)));
    }
    for (code, number) in by_option {
        let _ = writeln!(out, "  ignored: {code} by --ignore, {}", count(number, "finding", "findings"));
    }
}
