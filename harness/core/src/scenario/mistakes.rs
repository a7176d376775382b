//! The mistakes in a scenario file. The field of each one follows from its place, so that no reader has to name it.

use super::error::InputError;
use super::kube_yaml;
use super::node::{Node, Position};
use super::places::Places;
use super::strict::{self, Located};
use crate::source::{Source, Wanted};
use std::cell::OnceCell;

/// Collects the mistakes in one file.
pub(super) struct Mistakes<'a> {
    /// The file as the user named it.
    pub path: &'a str,
    text: &'a str,
    /// Where the parts of the text were written, if it is that of a case.
    places: &'a Places,
    /// The file as a tree that knows the path to each place; read when the first mistake is found.
    tree: OnceCell<Option<Node>>,
    /// In the order found.
    pub errors: Vec<InputError>,
}

impl<'a> Mistakes<'a> {
    /// Nothing found yet in the file at `path` with this text.
    pub fn new(path: &'a str, text: &'a str, places: &'a Places) -> Self {
        Self { path, text, places, tree: OnceCell::new(), errors: Vec::new() }
    }

    /// Where a value or key was written.
    pub fn source<T>(&self, at: &Located<T>) -> Source {
        self.places.written(strict::source(self.path, at))
    }

    /// A value read, with the place where it was written.
    pub fn wanted<T, V>(&self, value: T, at: &Located<V>) -> Wanted<T> {
        Wanted { value, source: self.source(at) }
    }

    fn path_of(&self, source: &Source, read: fn(&Node, Position) -> String) -> String {
        let tree = self.tree.get_or_init(|| kube_yaml::read(self.path, self.text).ok()?.into_iter().next());
        let place = Position { line: source.line, column: source.column };
        tree.as_ref().map(|tree| read(tree, place)).unwrap_or_default()
    }

    /// An error at a value.
    pub fn error<T>(&self, at: &Located<T>, message: impl Into<String>) -> InputError {
        let field = self.path_of(&strict::source(self.path, at), Node::path_of_value);
        InputError::new(self.source(at), field, message)
    }

    /// An error at the key of a mapping.
    pub fn error_at_key(&self, key: &Located<String>, message: impl Into<String>) -> InputError {
        let field = self.path_of(&strict::source(self.path, key), Node::path_at);
        InputError::new(self.source(key), field, message)
    }

    /// Adds an error at the key of a mapping.
    pub fn fail_at_key(&mut self, key: &Located<String>, message: impl Into<String>) {
        let error = self.error_at_key(key, message);
        self.errors.push(error);
    }

    /// Adds an error at a value.
    pub fn fail<T>(&mut self, at: &Located<T>, message: impl Into<String>) {
        let error = self.error(at, message);
        self.errors.push(error);
    }

    /// Adds an error at a value, about another key of the mapping that holds it, or about the mapping if `key` is empty.
    pub fn fail_beside<T>(&mut self, at: &Located<T>, key: &str, message: impl Into<String>) {
        let mut error = self.error(at, message);
        let mapping = error.field.rsplit_once('.').map_or("", |(mapping, _)| mapping);
        error.field = format!("{mapping}.{key}").trim_end_matches('.').to_owned();
        self.errors.push(error);
    }

    /// Adds an error at a name that is not known, with the name most like it.
    pub fn fail_unknown<'k>(
        &mut self,
        at: &Located<String>,
        message: String,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        let error = self.error(at, message).suggest(&at.value, known);
        self.errors.push(error);
    }

    /// The value, or an error at its place.
    pub fn check<T, V>(&mut self, at: &Located<V>, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.fail(at, message)).ok()
    }

    /// The same for the key of a mapping.
    pub fn check_key<T>(&mut self, key: &Located<String>, check: fn(&str) -> Result<T, String>) -> Option<T> {
        let checked = check(&key.value).map_err(|message| self.error_at_key(key, message));
        checked.map_err(|error| self.errors.push(error)).ok()
    }

    /// Reads a text.
    pub fn read<T>(&mut self, text: &Located<String>, read: fn(&str) -> Result<T, String>) -> Option<T> {
        self.check(text, read(&text.value))
    }

    /// Reads a number.
    pub fn read_number<T>(&mut self, number: &Located<i64>, read: fn(i64) -> Result<T, String>) -> Option<T> {
        self.check(number, read(number.value))
    }

    /// Reads one of some known words.
    pub fn one_of<T: Copy>(&mut self, word: &Located<String>, known: &[(&str, T)]) -> Option<T> {
        let found = known.iter().find(|(name, _)| *name == word.value).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.fail_unknown(word, format!("`{}` is none of {}", word.value, names.join(", ")), names);
        }
        found
    }
}
