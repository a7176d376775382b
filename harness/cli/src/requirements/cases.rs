//! Cases beside scenarios: files of a folder that must come out well, and of `FOLDER-negative` cases that must not.

use super::suite::NEGATIVE;
use super::wanted::Part;
use crate::select::{self, Refused};
use plumbline_core::finding::{FindingCode, Severity};
use plumbline_report::requirements::{Cell, Line, ProofStatus};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::path::Path;

/// What stands at the top of every case.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Its name: the path of its file below the folder, without the ending.
    name: String,
    /// In one line.
    pub summary: String,
    /// Requirements that it covers.
    pub covers: Vec<String>,
}

impl Metadata {
    /// The case's name in tables; a negative case's begins with `negative/`.
    ///
    /// # Errors
    /// When its file has another.
    pub fn name_of(&self, folder: &Path, path: &Path, is_negative: bool) -> Result<String, String> {
        if path.strip_prefix(folder).unwrap_or(path).with_extension("").to_str() != Some(self.name.as_str()) {
            return Err(format!("its name is {}; a case is found by its file", self.name));
        }
        Ok(if is_negative { format!("{NEGATIVE}{}", self.name) } else { self.name.clone() })
    }
}

/// Reads every case of a folder, and every negative case of the one beside it; `case` is given the folder, the file, and whether it
/// is a negative case.
///
/// # Errors
/// [`Refused`] with everything that is not as it must be.
pub fn read<T>(
    root: &Path,
    folder: &str,
    case: impl Fn(&Path, &Path, bool) -> Result<T, String>,
) -> Result<Vec<T>, Refused> {
    let (mut cases, mut problems) = (Vec::new(), Vec::new());
    for (folder, is_negative) in [(folder.to_owned(), false), (format!("{folder}-negative"), true)] {
        let folder = root.join(folder);
        for file in select::find(Some(root), std::slice::from_ref(&folder))? {
            match case(&folder, &file, is_negative) {
                Ok(case) => cases.push(case),
                Err(why) => problems.push(format!("{}: {why}", file.display())),
            }
        }
    }
    if problems.is_empty() { Ok(cases) } else { Err(Refused { problems }) }
}

/// A case's file as written.
///
/// # Errors
/// Why it does not read.
pub fn file<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    serde_yaml::from_str(&text).map_err(|error| error.to_string())
}

/// Whether a file is of the kind that is read.
///
/// # Errors
/// What is wanted.
pub fn is_kind(api_version: &str, kind: &str, wanted: &str) -> Result<(), String> {
    if (api_version, kind) == ("plumbline.dev/v1alpha1", wanted) {
        return Ok(());
    }
    Err(format!("want apiVersion plumbline.dev/v1alpha1 and kind {wanted}"))
}

/// Whether findings are such as a case can want: a failure among them in a negative case, none in another.
///
/// # Errors
/// What is wrong with them.
pub fn may_want(findings: &BTreeSet<FindingCode>, is_negative: bool) -> Result<(), String> {
    if findings.iter().any(|code| code.severity() == Severity::Failure) != is_negative {
        let word =
            if is_negative { "a negative case needs a failure in each use" } else { "a failure needs a negative case" };
        return Err(format!("{word}: {findings:?}"));
    }
    Ok(())
}

/// Codes in one line.
#[must_use]
pub fn listed(codes: &BTreeSet<FindingCode>) -> String {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// A line of the table that nothing is known of yet: it shows nothing until somebody says so.
#[must_use]
pub fn blank(name: &str, is_negative: bool) -> Line {
    Line {
        scenario: name.to_owned(),
        is_negative,
        verdict: String::new(),
        shown: ProofStatus::No("it was not run".to_owned()),
        checked: 0,
        micros: 0,
        pcaps: 0,
        evidence: None,
    }
}

/// The table's cell of a part of a requirement that cases show.
#[must_use]
pub fn cell(requirement: &str, part: &Part, lane: &str, lines: Vec<Line>) -> Cell {
    let shown = match (lines.iter().any(|line| !line.is_negative), lines.iter().any(|line| line.is_negative)) {
        (false, _) => ProofStatus::No("no case for it".to_owned()),
        (true, false) => ProofStatus::No("no negative scenario".to_owned()),
        (true, true) => {
            lines.iter().find(|line| line.shown != ProofStatus::Yes).map_or(ProofStatus::Yes, |line| line.shown.clone())
        }
    };
    Cell { requirement: requirement.to_owned(), what: part.what.clone(), lane: lane.to_owned(), shown, lines }
}
