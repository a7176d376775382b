//! Annotations with which an object ignores finding codes, and which finding belongs to which object.

use super::report::IGNORE;
use crate::finding::{Finding, FindingCode};
use crate::scenario::node::{Data, Node, Position};
use crate::source::Source;
use std::collections::BTreeMap;

/// An object that ignores finding codes.
#[derive(Debug)]
pub(super) struct Owner {
    file: String,
    begin: Position,
    end: Position,
    /// The reason for each code.
    ignores: BTreeMap<FindingCode, String>,
}

impl Owner {
    /// Reads the annotations of an object, and what is wrong with them. None for an object that ignores nothing.
    pub fn read(node: &Node, file: &str) -> (Option<Self>, Vec<Finding>) {
        let (mut ignores, mut findings) = (BTreeMap::new(), Vec::new());
        let entries = match node.at_path(&["metadata", "annotations"]).map(|node| &node.data) {
            Some(Data::Map(entries)) => &entries[..],
            _ => &[],
        };
        for (key, at, value) in entries {
            let Some(code) = key.strip_prefix(IGNORE) else { continue };
            let source = Source { file: file.to_owned(), line: at.line, column: at.column };
            let mut add = |code, message: String| findings.push(Finding::new(code, message).source(&source));
            match (code.parse::<FindingCode>(), value.text().map(str::trim).filter(|reason| !reason.is_empty())) {
                (Err(error), _) => add(FindingCode::PL602, format!("annotation `{key}` has no effect: {error}")),
                (Ok(_), None) => {
                    add(FindingCode::PL605, format!("annotation `{key}` has no effect: its value must be a reason"));
                }
                (Ok(code), Some(reason)) => {
                    ignores.insert(code, reason.to_owned());
                }
            }
        }
        let owner = Self { file: file.to_owned(), begin: node.at, end: node.end, ignores };
        ((!owner.ignores.is_empty()).then_some(owner), findings)
    }

    /// Whether a place is within the object.
    fn contains(&self, source: &Source) -> bool {
        let place = Position { line: source.line, column: source.column };
        self.file == source.file && self.begin <= place && place <= self.end
    }
}

/// The reason for which the object of a finding ignores it; none if it does not.
pub(super) fn reason<'a>(owners: &'a [Owner], finding: &Finding) -> Option<&'a String> {
    let source = finding.source.as_ref()?;
    owners.iter().filter(|owner| owner.contains(source)).find_map(|owner| owner.ignores.get(&finding.code))
}
