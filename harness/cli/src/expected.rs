//! `expected.yaml`: what each scenario must come to, so that a scenario that fails for another reason than its own is
//! not taken for a good negative scenario.

use anyhow::Context as _;
use plumbline_core::finding::FindingCode;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expected {
    /// Scenarios that must pass and have warnings: the codes, sorted. Those not named must have none.
    #[serde(default)]
    pub warnings: BTreeMap<String, Vec<FindingCode>>,
    /// The same by lane, if a lane reports more or fewer codes than the others.
    #[serde(default)]
    pub warnings_on: BTreeMap<String, BTreeMap<String, Vec<FindingCode>>>,
    /// What must not pass, by the file's path below `negative` without its ending.
    pub negative: BTreeMap<String, Wanted>,
}

/// What must come of a scenario that must not pass.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wanted {
    /// The verdict.
    pub verdict: Kind,
    /// Codes of all findings, sorted, each once; where a lane has others, they are under its name.
    #[serde(default)]
    pub codes: Vec<FindingCode>,
    /// Codes by lane, where they differ: one lane sees more than another.
    #[serde(default)]
    pub codes_on: BTreeMap<String, Vec<FindingCode>>,
}

/// Verdicts that are wanted of negative scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A finding that is a failure.
    Fail,
    /// The file is refused before anything is made.
    Refused,
}

impl Expected {
    /// The warnings wanted of a scenario that passes on a lane.
    pub fn warnings(&self, lane: &str, scenario: &str) -> Vec<FindingCode> {
        let own = self.warnings_on.get(lane).and_then(|lane| lane.get(scenario));
        own.or_else(|| self.warnings.get(scenario)).cloned().unwrap_or_default()
    }
}

impl Wanted {
    /// The codes wanted on a lane.
    pub fn codes(&self, lane: &str) -> &[FindingCode] {
        self.codes_on.get(lane).unwrap_or(&self.codes)
    }
}

/// Reads the file below the project's folder.
///
/// # Errors
/// When it is not there or not as it must be.
pub fn read(root: &Path) -> anyhow::Result<Expected> {
    let path = root.join("suites/expected.yaml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    serde_yaml::from_str(&text).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
}
