//! From a scalar's value back to the file: where each character of the value was written.

use super::node::{Node, Position};
use std::cell::Cell;

/// A file's text with the beginnings of its lines.
pub(crate) struct FileText<'a> {
    text: &'a str,
    /// Byte at which each line begins.
    starts: Vec<usize>,
    /// A place with its byte, from which the next one in that line is found: a dump may be one line.
    last: Cell<(Position, usize)>,
}

impl<'a> FileText<'a> {
    /// Reads the lines of a text.
    pub fn new(text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect(), last: Cell::default() }
    }

    /// The text from a place on, and its first byte; empty behind the last line.
    pub fn text_from(&self, place: Position) -> (usize, &'a str) {
        let rest = self.from(place);
        (self.text.len() - rest.len(), rest)
    }

    /// The text from a place on; empty behind the last line.
    fn from(&self, place: Position) -> &'a str {
        let (last, byte) = self.last.get();
        let (start, column) = match place.line.checked_sub(1).and_then(|line| self.starts.get(line)) {
            Some(_) if last.line == place.line && last.column <= place.column => (byte, last.column),
            Some(start) => (*start, 1),
            None => (self.text.len(), 1),
        };
        let rest = &self.text[start..];
        let step = rest.char_indices().nth(place.column.saturating_sub(column)).map_or(rest.len(), |(at, _)| at);
        self.last.set((place, start + step));
        &rest[step..]
    }

    /// Where each character of a scalar's value stands, and where the value ends; none where the file's text is not the
    /// value's (an alias, a tag). Every YAML style changes blanks and writes some characters as escapes; the other
    /// characters stand in the file in the same order.
    pub fn places_of(&self, scalar: &Node) -> Option<Vec<Position>> {
        let value = scalar.text()?;
        let mut raw = Raw { rest: self.from(scalar.at), place: scalar.at, style: None };
        raw.skip_head();
        let mut places = Vec::with_capacity(value.len() + 1);
        for wanted in value.chars() {
            if wanted.is_whitespace() {
                places.push(raw.place);
                continue;
            }
            loop {
                let (place, found) = raw.next()?;
                match found {
                    Some(c) if c == wanted => {
                        places.push(place);
                        break;
                    }
                    Some(c) if !c.is_whitespace() => return None,
                    _ => {}
                }
            }
        }
        places.push(raw.place);
        Some(places)
    }
}

/// The characters of a scalar as written.
struct Raw<'a> {
    rest: &'a str,
    place: Position,
    /// The quote around it, if there is one.
    style: Option<char>,
}

impl Raw<'_> {
    fn step(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.place = match c {
            '\n' => Position { line: self.place.line + 1, column: 1 },
            _ => Position { column: self.place.column + 1, ..self.place },
        };
        Some(c)
    }

    /// Skips the opening quote, or the line with the head of a block scalar.
    fn skip_head(&mut self) {
        match self.rest.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                self.step();
                self.style = Some(quote);
            }
            Some('|' | '>') => while self.step().is_some_and(|c| c != '\n') {},
            _ => {}
        }
    }

    /// The next character of the value with its place; none for the character where an escape stands for none.
    fn next(&mut self) -> Option<(Position, Option<char>)> {
        let place = self.place;
        let first = self.step()?;
        let value = match (self.style, first) {
            (Some('\''), '\'') => self.step().filter(|c| *c == '\''),
            (Some('"'), '\\') => self.escape(),
            (_, c) => Some(c),
        };
        Some((place, value))
    }

    /// The character that an escape stands for (YAML 1.2, section 5.7).
    fn escape(&mut self) -> Option<char> {
        match self.step()? {
            'x' => self.code(2),
            'u' => match self.code_number(4)? {
                high @ 0xd800..0xdc00 if self.rest.starts_with("\\u") => {
                    self.step();
                    self.step();
                    let low = self.code_number(4)?.checked_sub(0xdc00)?;
                    char::from_u32(0x10000 + ((high - 0xd800) << 10) + low)
                }
                number => char::from_u32(number),
            },
            'U' => self.code(8),
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'e' => Some('\u{1b}'),
            '0' => Some('\0'),
            'n' | 't' | 'v' | 'f' | 'r' | 'N' | '_' | 'L' | 'P' => Some(' '),
            c => Some(c),
        }
    }

    fn code(&mut self, digits: usize) -> Option<char> {
        self.code_number(digits).and_then(char::from_u32)
    }

    fn code_number(&mut self, digits: usize) -> Option<u32> {
        (0..digits).try_fold(0, |number: u32, _| Some(number * 16 + self.step()?.to_digit(16)?))
    }
}

/// Where each character of a text stands within that text, and where it ends.
pub(crate) fn places_within(text: &str) -> Vec<Position> {
    let mut place = Position { line: 1, column: 1 };
    let mut places = Vec::with_capacity(text.len() + 1);
    for c in text.chars() {
        places.push(place);
        place = match c {
            '\n' => Position { line: place.line + 1, column: 1 },
            _ => Position { column: place.column + 1, ..place },
        };
    }
    places.push(place);
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::kube_yaml;

    #[test]
    fn every_style_leads_back_to_the_file() {
        for (yaml, word, line, column) in [
            ("a: |\n  {\n    \"k\": 1 }\n", "k", 3, 6),
            ("a: >-\n  { \"b\":\n  \"k\" }\n", "k", 3, 4),
            ("a: '{ \"it''s\": 1,\n     \"k\": 2 }'\n", "k", 2, 7),
            ("a: \"{\\n \\\"k\\\": 1 }\"\n", "k", 1, 11),
            ("a: \"{ \\\"\\u00e4k\\\": 1\\\n   }\"\n", "k", 1, 15),
            ("{\"a\":\"{\\\"k\\\":1}\"}", "k", 1, 10),
        ] {
            let documents = kube_yaml::read("a.yaml", yaml).unwrap();
            let node = documents[0].get("a").unwrap();
            let value = node.text().unwrap();
            let places = FileText::new(yaml).places_of(node).unwrap_or_else(|| panic!("{yaml}"));
            assert_eq!(places.len(), value.chars().count() + 1, "{yaml}");
            let at = value.chars().position(|c| word.starts_with(c)).unwrap();
            assert_eq!(places[at], Position { line, column }, "{yaml}");
        }
    }

    #[test]
    fn an_alias_leads_nowhere() {
        let yaml = "a: &x '{\"k\": 1}'\nb: *x\n";
        let documents = kube_yaml::read("a.yaml", yaml).unwrap();
        assert_eq!(FileText::new(yaml).places_of(documents[0].get("b").unwrap()), None);
    }
}
