//! A YAML document as a tree in which every value knows where it was written.

use serde_json::{Map, Value};

/// A place in a text, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Null, a boolean or a number, as resolved.
    Plain(Value),
    /// A string.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order written; keys are unique.
    Map(Vec<(String, Position, Node)>),
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub data: Data,
    /// Where it begins.
    pub at: Position,
    /// Where it ends.
    pub end: Position,
}

/// The objects of documents. A list of objects, such as kubectl prints, is replaced by its items.
pub(crate) fn flatten_lists(documents: Vec<Node>) -> Vec<Node> {
    let objects = |mut document: Node| match document.take_items() {
        Some(items) => flatten_lists(items),
        None => vec![document],
    };
    documents.into_iter().flat_map(objects).collect()
}

impl Node {
    /// Whether this is a list of objects: `kind: List`, or a list of one kind.
    pub(crate) fn is_list(&self) -> bool {
        self.get("kind").and_then(Node::text).is_some_and(|kind| kind.ends_with("List")) && self.get("items").is_some()
    }

    /// Takes the items of a list of objects.
    fn take_items(&mut self) -> Option<Vec<Node>> {
        if !self.is_list() {
            return None;
        }
        let Data::Map(entries) = &mut self.data else { return None };
        match &mut entries.iter_mut().find(|(key, ..)| key == "items")?.2.data {
            Data::List(items) => Some(std::mem::take(items)),
            _ => None,
        }
    }

    /// The value of a key, where this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|(name, _, _)| name == key).map(|(_, _, node)| node),
            _ => None,
        }
    }

    /// The node at a path of keys.
    pub fn at_path(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text, where this is a string.
    pub fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items, where this is a sequence; else none.
    pub fn items(&self) -> &[Node] {
        match &self.data {
            Data::List(items) => items,
            _ => &[],
        }
    }

    /// `true` for null and for a mapping or sequence without content.
    pub fn is_empty(&self) -> bool {
        match &self.data {
            Data::Plain(value) => value.is_null(),
            Data::Text(_) => false,
            Data::List(items) => items.is_empty(),
            Data::Map(entries) => entries.is_empty(),
        }
    }

    /// The tree as JSON, places left out.
    pub fn to_json(&self) -> Value {
        match &self.data {
            Data::Plain(value) => value.clone(),
            Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Data::Map(entries) => {
                Value::Object(entries.iter().map(|(key, _, node)| (key.clone(), node.to_json())).collect::<Map<_, _>>())
            }
        }
    }

    /// The path (`networks[0].values`) of the innermost value or key that covers a place; empty for the top.
    pub fn path_at(&self, place: Position) -> String {
        self.find(place, false).0
    }

    /// The path of the value that begins at a place, all that it holds included; else as [`Self::path_at`].
    pub fn path_of_value(&self, place: Position) -> String {
        self.find(place, true).0
    }

    /// The innermost value that covers a place, where that is a scalar, as text.
    pub fn scalar_at(&self, place: Position) -> Option<String> {
        match &self.find(place, false).1.data {
            Data::Plain(value) => Some(value.to_string()),
            Data::Text(text) => Some(text.clone()),
            Data::List(_) | Data::Map(_) => None,
        }
    }

    fn find(&self, place: Position, is_value: bool) -> (String, &Node) {
        let mut path = String::new();
        let mut node = self;
        while !(is_value && node.at == place) {
            let next = match &node.data {
                Data::List(items) => items
                    .iter()
                    .enumerate()
                    .rfind(|(_, item)| item.at <= place && place <= item.end)
                    .map(|(index, item)| (format!("[{index}]"), item)),
                Data::Map(entries) => entries
                    .iter()
                    .rfind(|(_, at, value)| *at <= place && place <= value.end)
                    .map(|(key, _, value)| (if path.is_empty() { key.clone() } else { format!(".{key}") }, value)),
                _ => None,
            };
            let Some((step, inner)) = next else { break };
            path.push_str(&step);
            node = inner;
        }
        (path, node)
    }
}
