//! What the judge writes down while it looks.

use crate::finding::{Finding, FindingCode};
use crate::source::Source;
use serde::{Deserialize, Serialize};

/// What came of comparing a plan with an observation.
#[must_use = "a judgement that nobody folds into a verdict proves nothing"]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// How many facts were checked.
    pub checked: usize,
    /// Errors first, then warnings; within that in the order found.
    pub findings: Vec<Finding>,
    /// What should have been seen and was not: the bed's fault.
    pub unobserved: Vec<String>,
    /// What could not be seen on this lane: neither pass nor fail, not counted.
    pub notes: Vec<String>,
}

/// The book of one judgement.
#[derive(Default)]
pub(super) struct Ledger {
    judgement: Judgement,
    /// Texts of plugins that a finding quotes already.
    quoted: Vec<String>,
}

impl Ledger {
    /// One fact was checked; whether it held is said by a finding, or by there being none.
    pub fn check(&mut self) {
        self.judgement.checked += 1;
    }

    /// Writes a finding down.
    pub fn add(&mut self, finding: Finding) {
        self.judgement.findings.push(finding);
    }

    /// Whether a finding of this code points at this very line already.
    pub fn tells(&self, code: FindingCode, source: &Source) -> bool {
        self.judgement.findings.iter().any(|finding| finding.code == code && finding.source.as_ref() == Some(source))
    }

    /// What this lane can't show.
    pub fn note(&mut self, note: String) {
        if !self.judgement.notes.contains(&note) {
            self.judgement.notes.push(note);
        }
    }

    /// What should have been seen.
    pub fn unobserved(&mut self, what: String) {
        self.judgement.unobserved.push(what);
    }

    /// Remembers that a plugin's words stand in a finding.
    pub fn quote(&mut self, text: &str) {
        self.quoted.push(text.to_owned());
    }

    /// Whether a plugin's words stand in a finding already.
    pub fn is_quoted(&self, text: &str) -> bool {
        self.quoted.iter().any(|quoted| quoted == text)
    }

    /// Ends the book.
    pub fn close(mut self) -> Judgement {
        self.judgement.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self.judgement
    }
}
