//! What is wrong with an input, and where.

use crate::source::Source;
use serde::{Deserialize, Serialize};

/// One thing wrong with a file that a user wrote. Nothing has been made when one of these is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{}", self.line())]
pub struct InputError {
    /// File, line and column; line and column are 0 when the whole file is meant.
    pub source_at: Source,
    /// The field, as a path from the file's top (`networks[0].values.vlan`); empty for the whole file.
    pub field: String,
    /// What is the matter: a lower-case fragment.
    pub message: String,
    /// What to write instead, where that is known.
    pub help: Option<String>,
}

impl InputError {
    /// An error at a place; `field` may be empty.
    #[must_use]
    pub fn new(source_at: Source, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { source_at, field: field.into(), message: message.into(), help: None }
    }

    /// An error of a whole file.
    #[must_use]
    pub fn file(file: &str, message: impl Into<String>) -> Self {
        Self::new(Source { file: file.to_owned(), line: 0, column: 0 }, "", message)
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// `file:line:column: field: message; help`, control characters escaped.
    fn line(&self) -> String {
        let mut text = format!("{}: ", self.source_at);
        if !self.field.is_empty() {
            text.push_str(&self.field);
            text.push_str(": ");
        }
        text.push_str(&self.message);
        if let Some(help) = &self.help {
            text.push_str("; ");
            text.push_str(help);
        }
        crate::observe::printable(&text)
    }
}

/// The candidate most like `word`, where one is near enough to be a slip of the finger:
/// at most a third of the word's letters differ.
#[must_use]
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_offered_and_far_ones_are_not() {
        let known = ["addresses", "routes", "kind"];
        assert_eq!(did_you_mean("adresses", known), Some("addresses"));
        assert_eq!(did_you_mean("Kind", known), Some("kind"));
        assert_eq!(did_you_mean("vlan", known), None);
    }

    #[test]
    fn escape_sequences_of_a_hostile_file_do_not_reach_the_terminal() {
        let error = InputError::file("a.yaml", "unknown field \u{1b}[31mred");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }
}
