//! What is wrong with an input, and where.

pub use crate::suggestion::did_you_mean;

use crate::source::Source;
use crate::suggestion::suggest;
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
    pub fn new(source_at: Source, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { source_at, field: field.into(), message: message.into(), help: None }
    }

    /// An error of a whole file.
    pub fn file(file: &str, message: impl Into<String>) -> Self {
        Self::new(Source { file: file.to_owned(), line: 0, column: 0 }, "", message)
    }

    /// Adds what to write instead.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the name most like a misspelt one, if one is near enough.
    pub fn suggest<'k>(self, word: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        match suggest(word, known) {
            Some(help) => self.help(help),
            None => self,
        }
    }

    /// Adds what to write instead, unless something is there already.
    pub fn or_help(self, help: impl FnOnce() -> String) -> Self {
        if self.help.is_some() { self } else { self.help(help()) }
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
        crate::observe::printable(&text).replace('\n', "\\n").replace('\t', "\\t")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_of_a_hostile_file_do_not_reach_the_terminal() {
        let error = InputError::file("a.yaml", "unknown field \u{1b}[31mred");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
        assert!(!InputError::file("a.yaml", "one\ntwo").to_string().contains('\n'), "an error is one line");
    }
}
