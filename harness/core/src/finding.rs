//! Findings: named disagreements and doubts, each with a stable code and a page in `docs/findings/`.

mod catalogue;

pub use catalogue::{Entry, catalogue, explain, severity};

use crate::source::Source;
use serde::{Deserialize, Serialize};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Does not fail the scenario, unless `--strict`.
    Warning,
    /// Fails the scenario.
    Error,
}

/// A stable finding code such as `PL301`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Code(pub String);

impl Code {
    /// Whether it tells what packets did (`PL4xx`). What is found then is an event and no candidate: nothing is nearest
    /// to an answer that did not come.
    #[must_use]
    pub fn is_of_the_wire(&self) -> bool {
        self.0.starts_with("PL4")
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One disagreement or doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable code.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// The pod it concerns, where it concerns one.
    pub pod: Option<String>,
    /// The interface it concerns, where it concerns one.
    pub interface: Option<String>,
    /// The network it concerns, where it concerns one.
    pub network: Option<String>,
    /// What is the matter, in one line.
    pub message: String,
    /// What was wanted, as `ip` would print it.
    pub expected: Option<String>,
    /// What was found in its place: the nearest candidate, or the surplus item; of packets what became of them.
    pub found: Option<String>,
    /// The line that wanted it.
    pub source: Option<Source>,
    /// Further lines: the plugin's own words, the search path, the known upstream defect.
    pub notes: Vec<String>,
}
