//! Workflow commands of GitHub Actions: each finding becomes an annotation at its line.
//!
//! Syntax and escapes: GitHub's "Workflow commands for GitHub Actions", and `actions/toolkit`, `packages/core/src/command.ts`.

use super::excerpt::{describe, notes};
use super::outcome::LintOutcome;
use super::text;
use crate::{escape, paint};
use plumbline_core::finding::Severity;
use plumbline_core::source::Source;
use std::fmt::Write as _;

/// The commands, then the summary as text. Ends with a newline.
pub fn report(outcome: &LintOutcome) -> String {
    let mut out = String::new();
    for finding in &outcome.report.findings {
        let command = match finding.severity {
            Severity::Failure => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let title = format!("{}: {}", finding.code, finding.code.title());
        let lines: Vec<String> =
            std::iter::once(finding.message.clone()).chain(notes(finding)).map(|line| escape::line(&line)).collect();
        annotation(&mut out, command, finding.source.as_ref(), &title, &lines.join("\n"));
    }
    for error in &outcome.report.errors {
        annotation(&mut out, "error", Some(&error.source_at), "not readable", &escape::line(&describe(error)));
    }
    out.push_str(&paint::strip(&text::summary(outcome)));
    out
}

fn annotation(out: &mut String, command: &str, source: Option<&Source>, title: &str, message: &str) {
    let mut properties = Vec::new();
    if let Some(source) = source.filter(|source| !source.file.is_empty()) {
        properties.push(format!("file={}", property(&escape::line(&source.file))));
        for (name, number) in [("line", source.line), ("col", source.column)] {
            if number > 0 {
                properties.push(format!("{name}={number}"));
            }
        }
    }
    properties.push(format!("title={}", property(title)));
    let _ = writeln!(out, "::{command} {}::{}", properties.join(","), data(message));
}

/// Escapes a message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
