//! The positions of a configuration's keys in the user's file: the JSON text inside a YAML scalar,
//! read once more with lines and columns, so that a finding can point at the very line.

use super::node::{Node, Position};
use std::collections::BTreeMap;

/// The places of all keys of the JSON text in a scalar: `plugins/0/ipam/type` to its line and column.
/// Empty where the text in the file is not the text of the value (a double-quoted scalar with escapes).
pub(crate) fn places(text: &str, scalar: &Node) -> BTreeMap<String, Position> {
    let mut found = BTreeMap::new();
    let Some(value) = scalar.text() else { return found };
    let mut cursor = Cursor::over(text, scalar.end);
    while cursor.place < scalar.at {
        if cursor.step().is_none() {
            return found;
        }
    }
    // To the opening brace: past the quote, or past the head of a block scalar.
    while cursor.peek().is_some_and(|c| c != '{') {
        cursor.step();
    }
    if serde_json::from_str::<serde_json::Value>(value).is_err() || cursor.object("", &mut found, 0).is_none() {
        found.clear();
    }
    found
}

/// What is known of the keys of a JSON text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    /// The places of all keys, as in [`places`]; of a key that is defined twice the last, which is the one that Go takes.
    pub places: BTreeMap<String, Position>,
    /// Keys that are there again, each with its first place.
    pub twice: Vec<(String, Position)>,
}

/// The keys of a JSON text, places counted from its own first line. Empty where its top is no object.
pub(crate) fn in_text(text: &str) -> Keys {
    let mut keys = Keys::default();
    let mut cursor = Cursor::over(text, Position { line: usize::MAX, column: usize::MAX });
    cursor.space();
    if cursor.peek() == Some('{') && cursor.object("", &mut keys.places, 0).is_some() {
        keys.twice = cursor.twice;
    } else {
        keys.places.clear();
    }
    keys
}

struct Cursor {
    rest: Vec<char>,
    at: usize,
    place: Position,
    end: Position,
    twice: Vec<(String, Position)>,
}

impl Cursor {
    fn over(text: &str, end: Position) -> Self {
        let place = Position { line: 1, column: 1 };
        Self { rest: text.chars().collect(), at: 0, place, end, twice: Vec::new() }
    }

    fn peek(&self) -> Option<char> {
        if self.place >= self.end { None } else { self.rest.get(self.at).copied() }
    }

    fn step(&mut self) -> Option<char> {
        let c = self.rest.get(self.at).copied()?;
        self.at += 1;
        if c == '\n' {
            self.place = Position { line: self.place.line + 1, column: 1 };
        } else {
            self.place.column += 1;
        }
        Some(c)
    }

    fn space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.step();
        }
    }

    fn take(&mut self, wanted: char) -> Option<()> {
        self.space();
        (self.peek()? == wanted).then(|| self.step()).flatten().map(|_| ())
    }

    /// A string; escapes are kept as written, which is enough to distinguish keys.
    fn string(&mut self) -> Option<String> {
        self.take('"')?;
        let mut text = String::new();
        loop {
            match self.peek()? {
                '"' => {
                    self.step();
                    return Some(text);
                }
                '\\' => {
                    text.push(self.step()?);
                    text.push(self.step()?);
                }
                _ => text.push(self.step()?),
            }
        }
    }

    fn value(&mut self, path: &str, found: &mut BTreeMap<String, Position>, depth: usize) -> Option<()> {
        self.space();
        match self.peek()? {
            '{' => self.object(path, found, depth + 1),
            '[' => self.list(path, found, depth + 1),
            '"' => self.string().map(|_| ()),
            // Of a text that is no JSON: without a step, a list would read the same place again and again.
            ',' | '}' | ']' => None,
            _ => {
                while self.peek().is_some_and(|c| !matches!(c, ',' | '}' | ']') && !c.is_whitespace()) {
                    self.step();
                }
                Some(())
            }
        }
    }

    fn object(&mut self, path: &str, found: &mut BTreeMap<String, Position>, depth: usize) -> Option<()> {
        if depth > super::kube_yaml::MAX_DEPTH {
            return None;
        }
        self.take('{')?;
        loop {
            self.space();
            match self.peek()? {
                '}' => return self.take('}'),
                ',' => self.take(',')?,
                _ => {
                    let place = self.place;
                    let key = self.string()?;
                    let path = if path.is_empty() { key } else { format!("{path}/{key}") };
                    if let Some(first) = found.insert(path.clone(), place) {
                        self.twice.push((path.clone(), first));
                    }
                    self.take(':')?;
                    self.value(&path, found, depth)?;
                }
            }
        }
    }

    fn list(&mut self, path: &str, found: &mut BTreeMap<String, Position>, depth: usize) -> Option<()> {
        if depth > super::kube_yaml::MAX_DEPTH {
            return None;
        }
        self.take('[')?;
        let mut index = 0;
        loop {
            self.space();
            match self.peek()? {
                ']' => return self.take(']'),
                ',' => {
                    self.take(',')?;
                    index += 1;
                }
                _ => self.value(&format!("{path}/{index}"), found, depth)?,
            }
        }
    }
}
