//! Cases of Terway's chain: configurations for the lint, and changes on a cluster.
//!
//! A folder holds the cases that must pass (`suites/chains`, `suites/chain-changes`); the folder beside it (`-negative`)
//! those that must fail.

use crate::chain;
use crate::root;
use crate::select::{self, Refused};
use plumbline_core::finding::{FindingCode, Severity};
use plumbline_core::release::Release;
use plumbline_core::terway::{self, Access, LintReport, Usage};
use plumbline_lanes::context::EventSink;
use plumbline_report::requirements::{Line, ProofStatus};
use plumbline_terway::chain::handle::ClusterTarget;
use plumbline_terway::chain::operations::{self, ChangeEnd, ChangeRequest, ChangeTrial};
use plumbline_testbed::error::causes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// The prefix of a negative case's name, as in the titles of the tests.
pub const NEGATIVE: &str = "negative/";

/// The head of every case's file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Metadata {
    name: String,
    #[expect(dead_code, reason = "for readers of the file; required so that each case has one")]
    summary: String,
    covers: Vec<String>,
}

/// A case; `T` is what is tested, and what is expected of it.
#[derive(Debug, Clone)]
pub struct Case<T> {
    /// Its name; a negative case's has the prefix [`NEGATIVE`].
    pub name: String,
    /// Its requirements.
    pub covers: Vec<String>,
    /// Whether it must fail.
    pub is_negative: bool,
    /// The file with the configuration.
    pub manifest: PathBuf,
    expected: T,
}

/// The expected findings of the lint, for each use of the cluster.
pub type LintCase = Case<Vec<ExpectedLint>>;
/// The expected end of a change on a cluster.
pub type ChangeCase = Case<ExpectedChange>;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LintFile {
    api_version: String,
    kind: String,
    metadata: Metadata,
    manifest: PathBuf,
    uses: Vec<ExpectedLint>,
}

/// One use of the cluster, with the codes that the lint must give for it: these and no others.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectedLint {
    datapath_v2: Option<bool>,
    access: Option<Access>,
    terway_version: Option<Release>,
    portmap_version: Option<Release>,
    findings: BTreeSet<FindingCode>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChangeFile {
    api_version: String,
    kind: String,
    metadata: Metadata,
    manifest: PathBuf,
    ends: ChangeEnd,
    #[serde(default)]
    usage: Usage,
    #[serde(default)]
    findings: BTreeSet<FindingCode>,
}

/// How a change must end.
#[derive(Debug, Clone)]
pub struct ExpectedChange {
    usage: Usage,
    end: ChangeEnd,
    /// Codes of the failures: these and no others.
    findings: BTreeSet<FindingCode>,
}

/// Reads every lint case below the project's folder.
///
/// # Errors
/// [`Refused`] with every mistake in them.
pub fn read_lints(root: &Path) -> Result<Vec<LintCase>, Refused> {
    read(root, "suites/chains", |path, is_negative| {
        let file: LintFile = read_file(path)?;
        require_kind(&file.api_version, &file.kind, "ChainLint")?;
        if file.uses.is_empty() {
            return Err("uses: expected at least one".to_owned());
        }
        file.uses.iter().try_for_each(|lint| require_severity(&lint.findings, is_negative))?;
        Ok((file.metadata, file.manifest, file.uses))
    })
}

/// Reads every change case below the project's folder.
///
/// # Errors
/// [`Refused`] with every mistake in them.
pub fn read_changes(root: &Path) -> Result<Vec<ChangeCase>, Refused> {
    read(root, "suites/chain-changes", |path, is_negative| {
        let file: ChangeFile = read_file(path)?;
        require_kind(&file.api_version, &file.kind, "ChainChange")?;
        require_severity(&file.findings, is_negative)?;
        if (file.ends == ChangeEnd::InForce) == is_negative {
            return Err(
                "ends: expected inForce in a case that must pass, and another end in a negative case".to_owned()
            );
        }
        let expected = ExpectedChange { usage: file.usage, end: file.ends, findings: file.findings };
        Ok((file.metadata, file.manifest, expected))
    })
}

/// Reads every case of a folder and of its `-negative` folder.
fn read<T>(
    root: &Path,
    folder: &str,
    parse: impl Fn(&Path, bool) -> Result<(Metadata, PathBuf, T), String>,
) -> Result<Vec<Case<T>>, Refused> {
    let (mut cases, mut problems) = (Vec::new(), Vec::new());
    for (folder, is_negative) in [(folder.to_owned(), false), (format!("{folder}-negative"), true)] {
        let folder = root.join(folder);
        for path in select::find(Some(root), std::slice::from_ref(&folder))? {
            let wrong = |why: &str| format!("{}: {why}", path.display());
            match parse(&path, is_negative) {
                Ok((Metadata { name, covers, .. }, manifest, expected)) => {
                    if path.strip_prefix(&folder).unwrap_or(&path).with_extension("").to_str() != Some(&name) {
                        problems.push(wrong(&format!("metadata.name is {name}, expected the name of the file")));
                    }
                    let name = if is_negative { format!("{NEGATIVE}{name}") } else { name };
                    let manifest = root::without_dots(&path.with_file_name(manifest));
                    cases.push(Case { name, covers, is_negative, manifest, expected });
                }
                Err(why) => problems.push(wrong(&why)),
            }
        }
    }
    if problems.is_empty() { Ok(cases) } else { Err(Refused { problems }) }
}

fn read_file<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    serde_yaml::from_str(&text).map_err(|error| error.to_string())
}

fn require_kind(api_version: &str, kind: &str, expected: &str) -> Result<(), String> {
    if (api_version, kind) == ("plumbline.dev/v1alpha1", expected) {
        return Ok(());
    }
    Err(format!("expected apiVersion plumbline.dev/v1alpha1 and kind {expected}"))
}

/// A negative case must expect a failure, and no other case may.
fn require_severity(findings: &BTreeSet<FindingCode>, is_negative: bool) -> Result<(), String> {
    let has_failure = findings.iter().any(|code| code.severity() == Severity::Failure);
    match (has_failure, is_negative) {
        (false, true) => Err(format!("findings: expected a failure in a negative case, found {findings:?}")),
        (true, false) => Err(format!("findings: expected no failure outside negative cases, found {findings:?}")),
        _ => Ok(()),
    }
}

/// Codes in one line.
pub fn list_codes(codes: &BTreeSet<FindingCode>) -> String {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// Why found codes are not the expected ones.
fn compare_codes(found: &BTreeSet<FindingCode>, expected: &BTreeSet<FindingCode>) -> Option<String> {
    (found != expected).then(|| format!("expected {}, found {}", list_codes(expected), list_codes(found)))
}

fn status(wrong: &[String]) -> ProofStatus {
    if wrong.is_empty() { ProofStatus::Yes } else { ProofStatus::Failed(wrong.join("; ")) }
}

/// `PASS` or `FAIL`, with codes.
fn verdict(passed: bool, codes: &BTreeSet<FindingCode>) -> String {
    let word = if passed { "PASS" } else { "FAIL" };
    if codes.is_empty() { word.to_owned() } else { format!("{word}, {}", list_codes(codes)) }
}

/// What the lint found in a case.
#[derive(Debug, Clone, Default)]
pub struct LintOutcome {
    /// A report for each use.
    pub reports: Vec<LintReport>,
    /// Uses with other findings than expected, a line each.
    pub wrong: Vec<String>,
}

impl<T> Case<T> {
    /// The table's line of a case that was not run.
    pub fn line(&self) -> Line {
        Line::not_run(&self.name, self.is_negative)
    }

    /// Whether the case covers a requirement.
    pub fn covers(&self, requirement: &str) -> bool {
        self.covers.iter().any(|covered| covered == requirement)
    }
}

impl LintCase {
    /// Lints the configuration once for each use.
    ///
    /// # Errors
    /// [`Refused`] when the configuration can't be read.
    pub fn lint(&self) -> Result<LintOutcome, Refused> {
        let config = chain::read(&self.manifest)?;
        let mut outcome = LintOutcome::default();
        for (expected, number) in self.expected.iter().zip(1..) {
            let ExpectedLint { datapath_v2, access, terway_version, portmap_version, .. } = *expected;
            let usage = Usage { datapath_v2, access, terway_version, portmap_version };
            let report = terway::lint(&config, &usage, None);
            let found = report.findings.iter().map(|finding| finding.code).collect();
            let wrong = compare_codes(&found, &expected.findings);
            outcome.wrong.extend(wrong.map(|wrong| format!("use {number}: {wrong}")));
            outcome.reports.push(report);
        }
        Ok(outcome)
    }

    /// Runs the case. Gives the table's line.
    pub fn run(&self) -> Line {
        let start = Instant::now();
        match self.lint() {
            Err(refused) => Line { shown: ProofStatus::Failed(refused.problems.join("; ")), ..self.line() },
            Ok(LintOutcome { reports, wrong }) => {
                let findings = reports.iter().flat_map(|report| &report.findings);
                let passed = !reports.iter().any(LintReport::failed);
                Line {
                    checked: reports.iter().map(|report| report.checked).sum(),
                    verdict: verdict(passed, &findings.map(|finding| finding.code).collect()),
                    shown: status(&wrong),
                    micros: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX).max(1),
                    ..self.line()
                }
            }
        }
    }
}

impl ChangeCase {
    /// Makes the change on the running cluster of a profile, and leaves the cluster as it was. Gives the table's line.
    pub async fn run(&self, profile: &str, events: &EventSink, cancel: &CancellationToken) -> Line {
        let trial = match self.try_change(profile, events, cancel).await {
            Err(error) => return Line { shown: ProofStatus::Error(causes(error.as_ref())), ..self.line() },
            Ok(ChangeTrial { error: Some(why), .. }) => return Line { shown: ProofStatus::Error(why), ..self.line() },
            Ok(trial) => trial,
        };
        Line {
            verdict: verdict(trial.end == ChangeEnd::InForce, &trial.failures),
            checked: trial.checked,
            micros: trial.millis.saturating_mul(1000).max(1),
            shown: status(&self.list_differences(&trial)),
            ..self.line()
        }
    }

    async fn try_change(
        &self,
        profile: &str,
        events: &EventSink,
        cancel: &CancellationToken,
    ) -> anyhow::Result<ChangeTrial> {
        let request = ChangeRequest {
            target: &ClusterTarget::Profile(profile.to_owned()),
            file: &self.manifest.display().to_string(),
            new: &chain::read(&self.manifest)?,
            usage: &self.expected.usage,
            confirmed: false,
        };
        operations::try_change(&request, events, cancel).await.map_err(chain::refuse)
    }

    fn list_differences(&self, trial: &ChangeTrial) -> Vec<String> {
        let mut wrong = trial.wrong.clone();
        if trial.end != self.expected.end {
            wrong.push(format!("expected the end {:?}, found {:?}", self.expected.end, trial.end));
        }
        wrong.extend(compare_codes(&trial.failures, &self.expected.findings));
        wrong.extend((trial.checked == 0).then(|| "nothing was checked".to_owned()));
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(end: ChangeEnd, findings: &[FindingCode]) -> ChangeCase {
        let findings = findings.iter().copied().collect();
        Case {
            name: "a".into(),
            covers: vec!["R10".into()],
            is_negative: end != ChangeEnd::InForce,
            manifest: PathBuf::new(),
            expected: ExpectedChange { usage: Usage::default(), end, findings },
        }
    }

    #[test]
    fn a_change_that_ends_otherwise_than_expected_proves_nothing() {
        let fine = || ChangeTrial {
            end: ChangeEnd::InForce,
            failures: BTreeSet::new(),
            checked: 6,
            millis: 1,
            wrong: vec![],
            error: None,
        };
        let good = case(ChangeEnd::InForce, &[]);
        assert!(good.list_differences(&fine()).is_empty());
        assert!(good.list_differences(&ChangeTrial { end: ChangeEnd::PutBack, ..fine() })[0].contains("PutBack"));
        assert_eq!(good.list_differences(&ChangeTrial { checked: 0, ..fine() }), ["nothing was checked"]);
        let wrong = ChangeTrial { wrong: vec!["not put back: x".into()], ..fine() };
        assert_eq!(good.list_differences(&wrong), ["not put back: x"]);
        let negative = case(ChangeEnd::Refused, &[FindingCode::PL623]);
        let refused = |codes: &[FindingCode]| ChangeTrial {
            end: ChangeEnd::Refused,
            failures: codes.iter().copied().collect(),
            ..fine()
        };
        assert!(negative.list_differences(&refused(&[FindingCode::PL623])).is_empty());
        let other = negative.list_differences(&refused(&[FindingCode::PL621]));
        assert_eq!(other, ["expected PL623, found PL621"]);
        assert_eq!(negative.list_differences(&fine()).len(), 2);
    }
}
