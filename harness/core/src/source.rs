//! Where something was written: file, line and column, so that a finding can point at it.

use serde::{Deserialize, Serialize};

/// A place in a file that a user wrote.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
pub struct Source {
    /// The file's path as the user named it (relative to the folder given on the command line).
    pub file: String,
    /// Line, counted from 1; 0 when the whole file is meant.
    pub line: usize,
    /// Column, counted from 1; 0 when the whole line is meant.
    pub column: usize,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        Ok(())
    }
}

/// An expected value, and where it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wanted<T> {
    /// The value wanted.
    pub value: T,
    /// Where it was written.
    pub source: Source,
}

/// A list that is exact, unless it says `atLeast`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WantedList<T> {
    /// Whether the list names everything there may be.
    pub exact: bool,
    /// The items.
    pub items: Vec<Wanted<T>>,
    /// Where the list itself was written.
    pub source: Source,
}
