//! SARIF 2.1.0 (OASIS), as far as a lint needs it: one run, its rules, results, suppressions and notifications.

use super::excerpt::{describe, notes};
use super::outcome::LintOutcome;
use plumbline_core::finding::{Finding, FindingCode, Severity};
use plumbline_core::source::Source;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// A log file (3.13).
#[derive(Debug, Serialize)]
pub struct SarifLog {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

/// A run (3.14).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    /// Columns are counted in characters.
    column_kind: &'static str,
    invocations: [Invocation; 1],
    results: Vec<RuleResult>,
}

#[derive(Debug, Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Debug, Serialize)]
struct Driver {
    name: &'static str,
    version: &'static str,
    rules: Vec<Rule>,
}

/// A reporting descriptor (3.49).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Text,
    help: Help,
    default_configuration: Configuration,
}

#[derive(Debug, Serialize)]
struct Text {
    text: String,
}

#[derive(Debug, Serialize)]
struct Help {
    text: String,
    markdown: &'static str,
}

#[derive(Debug, Serialize)]
struct Configuration {
    level: &'static str,
}

/// An invocation (3.20).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    tool_execution_notifications: Vec<Notification>,
}

/// A notification (3.58): an input that could not be read.
#[derive(Debug, Serialize)]
struct Notification {
    level: &'static str,
    message: Text,
    locations: Vec<Location>,
}

/// A result (3.27).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleResult {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suppressions: Vec<Suppression>,
}

/// A suppression (3.35): in the object's annotations, or on the command line.
#[derive(Debug, Serialize)]
struct Suppression {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    justification: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Debug, Serialize)]
struct ArtifactLocation {
    uri: String,
}

/// A region (3.30).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_column: Option<usize>,
}

impl SarifLog {
    /// The log of a lint.
    pub fn new(outcome: &LintOutcome) -> Self {
        let report = &outcome.report;
        let ignored = report.ignored.iter().map(|ignored| &ignored.finding);
        let codes: BTreeSet<FindingCode> = report.findings.iter().chain(ignored).map(|finding| finding.code).collect();
        let codes: Vec<FindingCode> = codes.into_iter().collect();
        let found = report.findings.iter().map(|finding| RuleResult::new(finding, &codes, Vec::new()));
        let ignored = report.ignored.iter().map(|ignored| {
            let kind = if ignored.reason.is_some() { "inSource" } else { "external" };
            let suppression = Suppression { kind, justification: ignored.reason.clone() };
            RuleResult::new(&ignored.finding, &codes, vec![suppression])
        });
        let notifications = report.errors.iter().map(|error| {
            let locations = Location::of(Some(&error.source_at));
            Notification { level: "error", message: Text { text: describe(error) }, locations }
        });
        let run = Run {
            tool: Tool {
                driver: Driver {
                    name: "plumbline",
                    version: env!("CARGO_PKG_VERSION"),
                    rules: codes.iter().copied().map(Rule::new).collect(),
                },
            },
            column_kind: "unicodeCodePoints",
            invocations: [Invocation {
                execution_successful: report.errors.is_empty(),
                tool_execution_notifications: notifications.collect(),
            }],
            results: found.chain(ignored).collect(),
        };
        Self { schema: SCHEMA, version: "2.1.0", runs: [run] }
    }
}

impl Rule {
    fn new(code: FindingCode) -> Self {
        Self {
            id: code.as_str(),
            short_description: Text { text: code.title().to_owned() },
            help: Help { text: code.page().to_owned(), markdown: code.page() },
            default_configuration: Configuration { level: level(code.severity()) },
        }
    }
}

impl RuleResult {
    fn new(finding: &Finding, codes: &[FindingCode], suppressions: Vec<Suppression>) -> Self {
        let lines: Vec<String> = std::iter::once(finding.message.clone()).chain(notes(finding)).collect();
        Self {
            rule_id: finding.code.as_str(),
            rule_index: codes.binary_search(&finding.code).unwrap_or_default(),
            level: level(finding.severity),
            message: Text { text: lines.join("\n") },
            locations: Location::of(finding.source.as_ref()),
            suppressions,
        }
    }
}

impl Location {
    /// The location of a place; none without a file.
    fn of(source: Option<&Source>) -> Vec<Self> {
        let source = source.filter(|source| !source.file.is_empty());
        let location = source.map(|source| Self {
            physical_location: PhysicalLocation {
                artifact_location: ArtifactLocation { uri: uri(&source.file) },
                region: (source.line > 0).then(|| Region {
                    start_line: source.line,
                    start_column: (source.column > 0).then_some(source.column),
                }),
            },
        });
        location.into_iter().collect()
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Failure => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// A path as a URI reference (RFC 3986): relative to where the command ran, or a `file` URI.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.trim_start_matches("./").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_become_references() {
        assert_eq!(uri("./a/b c.yaml"), "a/b%20c.yaml");
        assert_eq!(uri("/tmp/a.yaml"), "file:///tmp/a.yaml");
        assert_eq!(uri("a:b.yaml"), "a%3Ab.yaml", "not a scheme");
        assert_eq!(uri("größe.yaml"), "gr%C3%B6%C3%9Fe.yaml");
    }
}
