//! JSON with the semantics of Go's decoder: keys of objects are case-insensitive, and of several equal keys the last one
//! counts. So `AddRoutes` means the same as `addroutes`, on every level.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// Reads a document with every key of every object in lower case.
///
/// # Errors
/// The parser's message, with line and column; also for any text after the document.
pub fn read(text: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(text).map(Document::into_lower_case)
}

/// A value; the entries of an object are in the document's order.
#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    List(Vec<Document>),
    Object(Entries),
    Scalar(Value),
}

impl Document {
    fn into_lower_case(self) -> Value {
        match self {
            Self::List(items) => items.into_iter().map(Self::into_lower_case).collect(),
            Self::Object(Entries(entries)) => {
                entries.into_iter().map(|(key, value)| (key.to_ascii_lowercase(), value.into_lower_case())).collect()
            }
            Self::Scalar(value) => value,
        }
    }
}

struct Entries(Vec<(String, Document)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Entries;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                std::iter::from_fn(|| map.next_entry().transpose()).collect::<Result<_, _>>().map(Entries)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_case_insensitive_on_every_level_and_the_last_one_counts() {
        let text = br#"{"AddRoutes": [{"Dst": "10.0.0.0/8"}], "addROUTES": [{"DST": "X"}], "n": [1, -2, 0.5, null]}"#;
        let expected = json!({ "addroutes": [{ "dst": "X" }], "n": [1, -2, 0.5, null] });
        assert_eq!(read(text).unwrap(), expected);
    }

    #[test]
    fn text_after_the_document_is_an_error() {
        assert!(read(b"{} {}").is_err());
        assert!(read(b"{").is_err());
    }
}
