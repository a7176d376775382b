//! The positions of a configuration's keys in the user's file: the JSON text inside a YAML scalar,
//! read once more with lines and columns, so that a finding can point at the very line.

use super::file_text::places_within;
use super::node::Position;
use std::collections::BTreeMap;

/// What is known of the keys of a JSON text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    /// The places of all keys and list items, such as `plugins/0/ipam/type`; of a key that is defined twice the last, which is the one that Go takes.
    pub places: BTreeMap<String, Position>,
    /// Keys that are there again, each with its first place.
    pub twice: Vec<(String, Position)>,
}

/// Most bytes of the paths of one configuration. A configuration that people write has a few kilobytes; beyond this bound
/// no place is known, and findings point at the configuration.
const MAX_PATHS_BYTES: usize = 4 << 20;

/// The keys of a JSON text, places counted from its own first line. Empty where it is not JSON.
pub(crate) fn in_text(text: &str) -> Keys {
    scan(text, &places_within(text))
}

/// The keys of a JSON text whose characters stand at these places.
pub(crate) fn scan(text: &str, places: &[Position]) -> Keys {
    let mut keys = Keys::default();
    let mut cursor =
        Cursor { rest: text.chars().collect(), at: 0, places, twice: Vec::new(), paths_left: MAX_PATHS_BYTES };
    if cursor.value("", &mut keys.places, 0).is_some() {
        keys.twice = cursor.twice;
    } else {
        keys.places.clear();
    }
    keys
}

/// Where a text whose characters stand at these places ends to be JSON; none where it is JSON.
pub(crate) fn syntax_error(text: &str, places: &[Position]) -> Option<Position> {
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    // The library counts bytes of a line; behind the last line it means the end of the text.
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = text.get(..(before + error.column().saturating_sub(1)).min(text.len())).unwrap_or(text);
    places.get(at.chars().count()).or(places.last()).copied()
}

struct Cursor<'a> {
    rest: Vec<char>,
    at: usize,
    /// Where each character stands.
    places: &'a [Position],
    twice: Vec<(String, Position)>,
    /// Bytes of paths that may still be kept.
    paths_left: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn step(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn place(&self) -> Position {
        self.places.get(self.at).copied().unwrap_or_default()
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

    /// The path of a key; none where the bound of all paths is reached.
    fn join(&mut self, path: &str, key: &str) -> Option<String> {
        self.paths_left = self.paths_left.checked_sub(path.len() + key.len() + 1)?;
        Some(if path.is_empty() { key.to_owned() } else { format!("{path}/{key}") })
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
                    let place = self.place();
                    let key = self.string()?;
                    let path = self.join(path, &key)?;
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
                _ => {
                    let path = self.join(path, &index.to_string())?;
                    found.insert(path.clone(), self.place());
                    self.value(&path, found, depth)?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_key_with_many_items_is_left_without_places() {
        let text = |items| format!("{{\"{}\":[{}]}}", "k".repeat(100_000), vec!["0"; items].join(","));
        assert_eq!(in_text(&text(30)).places.len(), 31);
        assert!(in_text(&text(100_000)).places.is_empty());
    }
}
