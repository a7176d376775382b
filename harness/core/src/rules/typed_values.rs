//! Values against the types of a table of keys, for objects that are no plugin's configuration: elements of the networks
//! annotation, `cni-args`, Terway's `eni_conf`.

use crate::keys::{JsonType, Key, PluginKeys};
use serde_json::{Map, Value};

/// Something in an object that its reader does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// The way to it from the top of the object, with the positions in lists: `portMappings/0/hostPort`.
    pub place: String,
    /// The key as written.
    pub key: String,
    /// What is wrong with it.
    pub kind: MismatchKind,
}

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MismatchKind {
    /// The reader has no such key; the keys that it has there.
    Unknown(Vec<&'static str>),
    /// The value, cut where it is long, and the type that the reader wants.
    WrongType(String, JsonType),
}

/// Checks the values of an object at a path of a table of keys, and of the objects in it.
pub(crate) fn check_object(keys: &'static PluginKeys, path: &[&str], object: &Map<String, Value>) -> Vec<Mismatch> {
    let mut found = Vec::new();
    let mut path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
    check_keys(keys, &mut path, "", object, &mut found);
    found
}

/// Checks one value of an object, for a caller that knows that the key is there.
pub(crate) fn check_value(keys: &'static PluginKeys, path: &[&str], key: &str, value: &Value) -> Vec<Mismatch> {
    check_object(keys, path, &Map::from_iter([(key.to_owned(), value.clone())]))
}

fn check_keys(
    keys: &'static PluginKeys,
    path: &mut Vec<String>,
    place: &str,
    object: &Map<String, Value>,
    found: &mut Vec<Mismatch>,
) {
    for (key, value) in object {
        let place = if place.is_empty() { key.clone() } else { format!("{place}/{key}") };
        let parent: Vec<&str> = path.iter().map(String::as_str).collect();
        let mut add = |place: String, key: &str, kind| found.push(Mismatch { place, key: key.to_owned(), kind });
        let Some(known) = keys.find(&parent, key) else {
            let others = keys.at(&parent).filter(|key| !key.internal && !key.deprecated).map(Key::name).collect();
            add(place, key, MismatchKind::Unknown(others));
            continue;
        };
        if !known.json_type.accepts(value) {
            let (place, key, value, wanted) = innermost(place, key, value, &known.json_type);
            add(place, key, MismatchKind::WrongType(short(value), wanted.clone()));
        } else if *known.json_type.element() == JsonType::Object {
            path.push(known.name().to_owned());
            check_items(keys, path, &place, value, found);
            path.pop();
        }
    }
}

fn check_items(
    keys: &'static PluginKeys,
    path: &mut Vec<String>,
    place: &str,
    value: &Value,
    found: &mut Vec<Mismatch>,
) {
    match value {
        Value::Object(object) => check_keys(keys, path, place, object, found),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_items(keys, path, &format!("{place}/{index}"), item, found);
            }
        }
        _ => {}
    }
}

/// The entry of an object with free keys that has the wrong type; else the value itself.
fn innermost<'a>(
    place: String,
    key: &'a str,
    value: &'a Value,
    wanted: &'a JsonType,
) -> (String, &'a str, &'a Value, &'a JsonType) {
    if let (JsonType::Map(of), Value::Object(entries)) = (wanted, value)
        && let Some((key, value)) = entries.iter().find(|(_, value)| !of.accepts(value))
    {
        return innermost(format!("{place}/{key}"), key, value, of);
    }
    (place, key, value, wanted)
}

/// A value, cut where it is long.
pub(crate) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
