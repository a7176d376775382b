//! What goes into the lint and what comes out of it.

use crate::finding::{Finding, FindingCode, Severity};
use crate::rules::{ClusterFacts, Releases};
use crate::scenario::InputError;
use crate::terway::Usage;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Start of the annotation with which an object ignores a finding code: `lint.plumbline.dev/ignore-PL605`, the reason
/// is its value.
pub const IGNORE: &str = "lint.plumbline.dev/ignore-";

/// How a text came to be among those to lint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FileOrigin {
    /// The user named it, or it is an object of the cluster's namespaces that the user named.
    #[default]
    Named,
    /// It is in a folder or an archive: it can be a file of another program, which is left out.
    InFolder,
    /// Objects can refer to its networks. They are neither counted nor reported on.
    Reference,
}

/// A text to lint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputFile {
    /// Its name in findings: a path, `-`, a path within an archive, or an object of a cluster.
    pub name: String,
    /// Its content.
    pub text: String,
    /// How it came to be here.
    pub origin: FileOrigin,
}

impl InputFile {
    /// A text that the user named.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), origin: FileOrigin::Named }
    }
}

/// What the lint assumes.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The releases of plugins and of Multus.
    pub releases: Releases,
    /// Codes that are left out everywhere; they are counted in [`Report::ignored`].
    pub ignore: BTreeSet<FindingCode>,
    /// What is known of the cluster.
    pub cluster: ClusterFacts,
    /// How a cluster with Terway is used.
    pub terway: Usage,
}

/// A finding that is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ignored {
    /// The finding.
    pub finding: Finding,
    /// The reason on the object; none for a code of [`Options::ignore`].
    pub reason: Option<String>,
}

/// What the lint found.
#[must_use = "read the report: it holds the findings"]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// By file, line and column.
    pub findings: Vec<Finding>,
    /// Findings that options or annotations leave out, in the same order.
    pub ignored: Vec<Ignored>,
    /// How many objects of each kind were read: `NetworkAttachmentDefinition`, `Pod`, `CNI configuration`, ...
    pub objects: BTreeMap<String, usize>,
    /// How many objects are no subject of the lint, by kind.
    pub others: BTreeMap<String, usize>,
    /// What this report assumes, such as the releases of plugins; each as one sentence.
    pub assumed: Vec<String>,
    /// Files of folders and archives that could not be read and show no sign of Kubernetes or CNI, and why.
    pub skipped: Vec<InputError>,
    /// What could not be read. With one of these the command ends with exit code 2.
    pub errors: Vec<InputError>,
}

impl Report {
    /// The gravest severity of a finding; none without a finding.
    pub fn severity(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}
