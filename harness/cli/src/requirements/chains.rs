//! Requirements that need no cluster: configurations of Terway's chain with what the lint must say of each use of it.
//!
//! `suites/chains` holds those in which no error may be found, `suites/chains-negative` their negatives, in each use of which
//! one must be.

use super::cases::{self, Metadata, listed};
use super::wanted::Part;
use crate::select::Refused;
use plumbline_core::finding::FindingCode;
use plumbline_core::terway::{self, LintReport, Usage};
use plumbline_report::requirements::{Cell, Line, ProofStatus};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The name by which a requirement asks for them, in the place of a lane.
pub const LINT: &str = "lint";

/// A case as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    api_version: String,
    kind: String,
    metadata: Metadata,
    manifest: PathBuf,
    uses: Vec<Use>,
}

/// One use of the cluster, with the codes that the lint must give for it: these and no others.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Use {
    #[serde(default)]
    datapath_v2: Option<bool>,
    #[serde(default)]
    access: Option<terway::Access>,
    #[serde(default)]
    terway_version: Option<terway::Version>,
    #[serde(default)]
    portmap_version: Option<terway::Version>,
    findings: BTreeSet<FindingCode>,
}

impl Use {
    fn usage(&self) -> Usage {
        Usage {
            datapath_v2: self.datapath_v2,
            access: self.access,
            terway_version: self.terway_version,
            portmap_version: self.portmap_version,
        }
    }
}

/// A case that was read.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its name; a negative case's begins with `negative/`.
    pub name: String,
    /// Its summary.
    pub summary: String,
    /// Its file.
    pub file: PathBuf,
    /// Its requirements.
    pub covers: Vec<String>,
    /// Whether errors must be found.
    pub is_negative: bool,
    /// The configuration's file.
    pub manifest: PathBuf,
    uses: Vec<Use>,
}

/// What a case came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Each use with what the lint said of it.
    pub reports: Vec<LintReport>,
    /// Uses of which it said something else than is wanted, each a line.
    pub wrong: Vec<String>,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// Reads every case below the project's folder.
///
/// # Errors
/// [`Refused`] with everything that is not as it must be.
pub fn read(root: &Path) -> Result<Vec<Case>, Refused> {
    cases::read(root, "suites/chains", case)
}

fn case(folder: &Path, path: &Path, is_negative: bool) -> Result<Case, String> {
    let file: File = cases::file(path)?;
    cases::is_kind(&file.api_version, &file.kind, "ChainLint")?;
    if file.uses.is_empty() {
        return Err("no uses: it would check nothing".to_owned());
    }
    for wanted in &file.uses {
        cases::may_want(&wanted.findings, is_negative)?;
    }
    let beside = path.parent().unwrap_or(Path::new("."));
    Ok(Case {
        name: file.metadata.name_of(folder, path, is_negative)?,
        summary: file.metadata.summary,
        file: path.to_owned(),
        covers: file.metadata.covers,
        is_negative,
        manifest: beside.join(file.manifest),
        uses: file.uses,
    })
}

impl Case {
    /// Holds the configuration against the document, once for each use.
    ///
    /// # Errors
    /// [`Refused`] when the configuration can't be read.
    pub fn run(&self) -> Result<Outcome, Refused> {
        let start = Instant::now();
        let config = crate::chain::read(&self.manifest)?;
        let mut outcome = Outcome { reports: Vec::new(), wrong: Vec::new(), micros: 0 };
        for (number, wanted) in self.uses.iter().enumerate() {
            let report = terway::lint(&config, &wanted.usage(), None);
            let found: BTreeSet<FindingCode> = report.findings.iter().map(|finding| finding.code).collect();
            if found != wanted.findings {
                outcome.wrong.push(format!(
                    "use {}: {}, wanted {}",
                    number + 1,
                    listed(&found),
                    listed(&wanted.findings)
                ));
            }
            outcome.reports.push(report);
        }
        outcome.micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
        Ok(outcome)
    }
}

/// The table's cell of a part of a requirement.
#[must_use]
pub fn cell(requirement: &str, part: &Part, all: &[Case]) -> Cell {
    let of_requirement = |case: &&Case| case.covers.iter().any(|named| named == requirement);
    cases::cell(requirement, part, LINT, all.iter().filter(of_requirement).map(line).collect())
}

fn line(case: &Case) -> Line {
    let mut line = cases::blank(&case.name, case.is_negative);
    match case.run() {
        Err(refused) => line.shown = ProofStatus::Failed(refused.problems.join("; ")),
        Ok(outcome) => {
            line.checked = outcome.reports.iter().map(|report| report.checked).sum();
            line.micros = outcome.micros;
            let findings = outcome.reports.iter().flat_map(|report| &report.findings);
            let codes: BTreeSet<FindingCode> = findings.map(|finding| finding.code).collect();
            let word = if outcome.reports.iter().any(LintReport::failed) { "FAIL" } else { "PASS" };
            line.verdict = if codes.is_empty() { word.to_owned() } else { format!("{word}, {}", listed(&codes)) };
            line.shown =
                if outcome.wrong.is_empty() { ProofStatus::Yes } else { ProofStatus::Failed(outcome.wrong.join("; ")) };
        }
    }
    line
}
