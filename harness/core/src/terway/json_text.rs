//! A JSON text in which every key knows where it was written.

use crate::scenario::json_keys::{self, Keys};
use crate::scenario::node::Position;
use serde_json::Value;
use std::collections::BTreeMap;

/// Why a text is not JSON, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line of the text, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is the matter: a lower-case fragment.
    pub message: String,
}

/// A text of a ConfigMap that must be JSON.
#[derive(Debug, Clone)]
pub struct JsonText {
    /// The value, or why there is none.
    pub value: Result<Value, Problem>,
    keys: Keys,
}

impl JsonText {
    /// Reads a text as Go's decoder does: one value, nothing behind it; of a key that is there twice the last counts.
    pub fn read(text: &str) -> Self {
        match serde_json::from_str::<Value>(text) {
            Ok(value) => Self { value: Ok(value), keys: json_keys::in_text(text) },
            Err(error) => Self { value: Err(problem(text, &error)), keys: Keys::default() },
        }
    }

    /// The place of a key such as `plugins/0/type`, or of the nearest one above it; the text's begin where there is none.
    pub(super) fn place(&self, path: &str) -> Position {
        let mut path = path;
        loop {
            if let Some(place) = self.keys.places.get(path) {
                return *place;
            }
            match path.rfind('/') {
                Some(end) => path = &path[..end],
                None => return Position { line: 1, column: 1 },
            }
        }
    }

    /// The places of all keys.
    pub(super) fn places(&self) -> &BTreeMap<String, Position> {
        &self.keys.places
    }

    /// Keys that are written more than once.
    pub(super) fn twice(&self) -> &[(String, Position)] {
        &self.keys.twice
    }
}

fn problem(text: &str, error: &serde_json::Error) -> Problem {
    if text.trim().is_empty() {
        return Problem { line: 1, column: 1, message: "it is empty".to_owned() };
    }
    let words = error.to_string();
    let message = words.rsplit_once(" at line ").map_or(words.as_str(), |(message, _)| message).to_owned();
    // The library points behind the last line's end where the text ends too soon; and counts bytes.
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let bytes = line.get(..error.column().saturating_sub(1).min(line.len()));
    let column = bytes.map_or(error.column(), |before| before.chars().count() + 1);
    Problem { line: error.line().max(1), column: column.max(1), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_json_says_where() {
        for (text, place, part) in [
            ("{\n  \"a\": 1,\n}\n", (3, 1), "trailing comma"),
            ("{\n  \"ä\": tru\n}\n", (3, 1), "expected"),
            ("{ \"a\": 1 } // why", (1, 12), "trailing characters"),
            ("  \n", (1, 1), "empty"),
            ("{\n", (2, 1), "EOF"),
        ] {
            let Problem { line, column, message } = JsonText::read(text).value.unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
            assert!(line == place.0 || message.contains("EOF"), "{text}: {line}:{column} {message}");
            assert!(!message.contains(" at line "), "{message}");
        }
    }

    #[test]
    fn a_key_that_is_there_twice_is_known_and_the_last_one_counts() {
        let text = JsonText::read("{\n \"a\": 1,\n \"b\": { \"c\": 1 },\n \"a\": 2\n}");
        assert_eq!(text.value.as_ref().unwrap()["a"], 2);
        assert_eq!(text.twice(), [("a".to_owned(), Position { line: 2, column: 2 })]);
        assert_eq!(text.place("b/c/d"), Position { line: 3, column: 9 });
    }
}
