//! What all reports of a lint show.

use plumbline_core::lint::{InputFile, Report};
use serde::Serialize;

/// How a lint ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LintVerdict {
    /// No finding fails it.
    Pass,
    /// A failure; under `--strict`, or a warning.
    Fail,
    /// Something could not be read.
    Refused,
    /// There was no object to check.
    Nothing,
}

/// A lint with what the command knows beside it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LintOutcome {
    /// How it ended.
    pub verdict: LintVerdict,
    /// Whether warnings fail it.
    pub strict: bool,
    /// What the lint found.
    #[serde(flatten)]
    pub report: Report,
    /// Number of files that were left out: of folders and archives those with other names.
    pub skipped_files: usize,
    /// What of a cluster is not known, and why.
    pub unknown: Vec<String>,
    /// The texts that were linted, for excerpts.
    #[serde(skip)]
    pub files: Vec<InputFile>,
}

impl LintOutcome {
    /// The outcome of a report.
    pub fn new(report: Report, files: Vec<InputFile>, strict: bool) -> Self {
        let fails = report.findings.iter().any(|finding| finding.fails(strict));
        let verdict = match () {
            () if !report.errors.is_empty() => LintVerdict::Refused,
            () if fails => LintVerdict::Fail,
            () if report.objects.is_empty() => LintVerdict::Nothing,
            () => LintVerdict::Pass,
        };
        Self { verdict, strict, report, skipped_files: 0, unknown: Vec::new(), files }
    }
}
