//! What the judge writes down while it looks.

use crate::finding::{self, Code, Finding};
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
    pub fn tells(&self, code: &str, source: &Source) -> bool {
        self.judgement.findings.iter().any(|finding| finding.code.0 == code && finding.source.as_ref() == Some(source))
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

/// A finding with the severity that its code has in the catalogue.
pub(crate) fn finding(code: &str, message: impl Into<String>) -> Finding {
    Finding {
        code: Code(code.to_owned()),
        severity: finding::severity(code),
        pod: None,
        interface: None,
        network: None,
        message: message.into(),
        expected: None,
        found: None,
        source: None,
        notes: Vec::new(),
    }
}

/// Short ways to fill a finding in.
pub(crate) trait Fill: Sized {
    fn pod(self, pod: &str) -> Self;
    fn interface(self, interface: &str) -> Self;
    fn network(self, network: &str) -> Self;
    fn expected(self, expected: impl Into<String>) -> Self;
    fn found(self, found: Option<String>) -> Self;
    fn source(self, source: &Source) -> Self;
    fn notes(self, notes: impl IntoIterator<Item = String>) -> Self;
}

impl Fill for Finding {
    fn pod(mut self, pod: &str) -> Self {
        self.pod = Some(pod.to_owned());
        self
    }

    fn interface(mut self, interface: &str) -> Self {
        self.interface = Some(interface.to_owned());
        self
    }

    fn network(mut self, network: &str) -> Self {
        self.network = Some(network.to_owned());
        self
    }

    fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    fn found(mut self, found: Option<String>) -> Self {
        self.found = found;
        self
    }

    fn source(mut self, source: &Source) -> Self {
        self.source = Some(source.clone());
        self
    }

    fn notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        for note in notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        self
    }
}
