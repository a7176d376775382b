//! Where the parts of a case's text were written: in the scenario file, with its placeholders, and in its matrix.

use super::node::Position;
use crate::source::Source;

/// A placeholder's text that was replaced.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    /// Where the replaced scalar begins in the file.
    pub at: Position,
    /// Its length in the file, in characters.
    pub old: usize,
    /// The length of what it was replaced with, in characters.
    pub new: usize,
    /// For parts of the new text, by the character at which each begins: where the value was written.
    pub origins: Vec<(usize, Position)>,
}

/// The places of a text. By default each part stands where it was written.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// In the order of the text.
    edits: Vec<Edit>,
}

impl Places {
    /// Of a text with these edits, in the order of the text.
    pub fn new(edits: Vec<Edit>) -> Self {
        Self { edits }
    }

    /// Where a place of the text was written.
    pub fn written(&self, source: Source) -> Source {
        let place = self.position(Position { line: source.line, column: source.column });
        Source { line: place.line, column: place.column, ..source }
    }

    fn position(&self, place: Position) -> Position {
        // How far the edits before this place moved it.
        let (mut longer, mut shorter) = (0, 0);
        for edit in self.edits.iter().filter(|edit| edit.at.line == place.line) {
            let begin = edit.at.column + longer - shorter;
            if place.column < begin {
                break;
            }
            if place.column < begin + edit.new {
                let origin = edit.origins.iter().rev().find(|(at, _)| begin + at <= place.column);
                return origin.map_or(edit.at, |(_, origin)| *origin);
            }
            longer += edit.new;
            shorter += edit.old;
        }
        Position { line: place.line, column: place.column + shorter - longer }
    }
}
