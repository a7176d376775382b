//! The judgement: how many facts were checked, the findings, and the verdict that follows from both.

use crate::finding::{Finding, FindingCode, Severity};
use crate::source::Source;
use crate::verdict::Verdict;
use serde::{Deserialize, Serialize};

/// The result of comparing a plan with an observation.
#[must_use = "a judgement without a verdict proves nothing"]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// How many facts were checked.
    pub checked: usize,
    /// Failures first, then warnings; within that in the order found.
    pub findings: Vec<Finding>,
    /// What should have been observed and was not: a fault of the testbed.
    pub unobserved: Vec<String>,
    /// What this lane cannot observe, and what the rules assume: neither pass nor fail, not counted.
    pub notes: Vec<String>,
}

/// Collects the facts and findings of one judgement.
#[derive(Default)]
pub(super) struct JudgementBuilder {
    judgement: Judgement,
    /// Texts of plugins that a finding quotes already.
    quoted: Vec<String>,
}

impl JudgementBuilder {
    /// Counts one checked fact. A finding says that it does not hold.
    pub fn count_fact(&mut self) {
        self.judgement.checked += 1;
    }

    /// Adds a finding.
    pub fn add_finding(&mut self, finding: Finding) {
        self.judgement.findings.push(finding);
    }

    /// The findings so far.
    pub fn findings_mut(&mut self) -> &mut [Finding] {
        &mut self.judgement.findings
    }

    /// Takes findings away that follow from another one.
    pub fn remove_findings(&mut self, follows: impl Fn(&Finding) -> bool) -> Vec<Finding> {
        self.judgement.findings.extract_if(.., |finding| follows(finding)).collect()
    }

    /// Whether a finding of this code names this line already.
    pub fn has_finding(&self, code: FindingCode, source: &Source) -> bool {
        self.judgement.findings.iter().any(|finding| finding.code == code && finding.source.as_ref() == Some(source))
    }

    /// Adds what this lane cannot observe, or what the rules assume.
    pub fn add_note(&mut self, note: String) {
        if !self.judgement.notes.contains(&note) {
            self.judgement.notes.push(note);
        }
    }

    /// Adds what should have been observed.
    pub fn add_unobserved(&mut self, what: String) {
        self.judgement.unobserved.push(what);
    }

    /// Remembers output of a plugin that a finding quotes.
    pub fn add_quote(&mut self, text: &str) {
        self.quoted.push(text.to_owned());
    }

    /// Whether a finding quotes this output of a plugin already.
    pub fn is_quoted(&self, text: &str) -> bool {
        self.quoted.iter().any(|quoted| quoted == text)
    }

    /// Sorts the findings and gives the judgement.
    pub fn finish(mut self) -> Judgement {
        self.judgement.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self.judgement
    }
}

/// The verdict of a judgement. Anything unobserved is an error: it proves nothing. A failure fails, and with `strict` a
/// warning too. A judgement without a checked fact is an error: it proves nothing either.
pub fn fold(judgement: Judgement, strict: bool) -> Verdict {
    let Judgement { checked, findings, unobserved, .. } = judgement;
    if !unobserved.is_empty() {
        return Verdict::Error { stage: "observe".to_owned(), cause: unobserved.join("; "), hint: None };
    }
    let fails = findings.iter().any(|finding| finding.is_failure() || strict && finding.severity == Severity::Warning);
    if fails {
        return Verdict::Fail { checked, findings };
    }
    if checked == 0 {
        return Verdict::Error {
            stage: "judge".to_owned(),
            cause: format!("{}: {}", FindingCode::PL901, FindingCode::PL901.title()),
            hint: Some("give the scenario an attachment or an expectation".to_owned()),
        };
    }
    Verdict::Pass { checked, warnings: findings }
}
