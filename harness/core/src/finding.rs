//! Findings: named disagreements and suspicions, each with a stable code and a page in `docs/findings/`.

mod code;

pub use code::{FindingCode, UnknownCode};

use crate::source::Source;
use serde::{Deserialize, Serialize};

/// How severe a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Never fails the scenario.
    Info,
    /// Fails the scenario under `--strict` only.
    Warning,
    /// Fails the scenario.
    Failure,
}

impl Severity {
    /// All severities, the gravest first.
    pub const ALL: [Self; 3] = [Self::Failure, Self::Warning, Self::Info];

    /// The word for it: `failure`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// One disagreement or suspicion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable code.
    pub code: FindingCode,
    /// The severity of the code.
    pub severity: Severity,
    /// The pod it concerns, where it concerns one.
    pub pod: Option<String>,
    /// The interface it concerns, where it concerns one.
    pub interface: Option<String>,
    /// The network it concerns, where it concerns one.
    pub network: Option<String>,
    /// What is wrong, in one line.
    pub message: String,
    /// What was expected, as `ip` would print it.
    pub expected: Option<String>,
    /// What was found instead: the nearest candidate, the surplus item, or what happened to the packets.
    pub found: Option<String>,
    /// The line that states the expectation.
    pub source: Option<Source>,
    /// Further lines: output of the plugin, its search path, a known upstream defect.
    pub notes: Vec<String>,
}

impl Finding {
    /// A finding of a code, with a message and nothing else.
    pub fn new(code: FindingCode, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
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

    /// Whether it fails a scenario without `--strict`.
    pub fn is_failure(&self) -> bool {
        self.severity == Severity::Failure
    }

    /// Whether it fails a lint: a failure, and under `--strict` a warning. An info never does.
    pub fn fails(&self, strict: bool) -> bool {
        self.severity >= if strict { Severity::Warning } else { Severity::Failure }
    }

    /// Sets the pod.
    pub fn pod(mut self, pod: &str) -> Self {
        self.pod = Some(pod.to_owned());
        self
    }

    /// Sets the interface.
    pub fn interface(mut self, interface: &str) -> Self {
        self.interface = Some(interface.to_owned());
        self
    }

    /// Sets the network.
    pub fn network(mut self, network: &str) -> Self {
        self.network = Some(network.to_owned());
        self
    }

    /// Sets what was expected.
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Sets what was found.
    pub fn found(mut self, found: impl Into<Option<String>>) -> Self {
        self.found = found.into();
        self
    }

    /// Sets the line that states the expectation.
    pub fn source(mut self, source: &Source) -> Self {
        self.source = Some(source.clone());
        self
    }

    /// Adds notes, each once.
    pub fn notes(mut self, notes: impl IntoIterator<Item: Into<String>>) -> Self {
        for note in notes.into_iter().map(Into::into) {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_info_fails_no_lint() {
        let fails = |severity, strict| Finding { severity, ..Finding::new(FindingCode::PL605, "") }.fails(strict);
        assert_eq!(
            [Severity::Info, Severity::Warning, Severity::Failure].map(|severity| fails(severity, false)),
            [false, false, true]
        );
        assert_eq!(
            [Severity::Info, Severity::Warning, Severity::Failure].map(|severity| fails(severity, true)),
            [false, true, true]
        );
    }
}
