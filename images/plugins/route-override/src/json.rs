//! JSON as Go's decoder sees it: an object's key fits a field without regard to letter case, and of several keys that
//! fit one field the last one counts. So `AddRoutes` is obeyed like `addroutes`, on every level.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads a document with every key of every object in lower case.
///
/// # Errors
/// The reader's own words, with line and column; also for anything after the document.
pub fn read(text: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice::<Folded>(text).map(|Folded(value)| value)
}

struct Folded(Value);

impl<'de> Deserialize<'de> for Folded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Fold).map(Folded)
    }
}

struct Fold;

impl<'de> Visitor<'de> for Fold {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Folded(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Folded(value))) = entries.next_entry::<String, Folded>()? {
            object.insert(key.to_ascii_lowercase(), value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_fold_on_every_level_and_the_last_one_counts() {
        let text = br#"{"AddRoutes": [{"Dst": "10.0.0.0/8"}], "addROUTES": [{"DST": "X"}], "n": [1, -2, 0.5, null]}"#;
        let expected = json!({ "addroutes": [{ "dst": "X" }], "n": [1, -2, 0.5, null] });
        assert_eq!(read(text).unwrap(), expected);
    }

    #[test]
    fn what_follows_the_document_is_an_error() {
        assert!(read(b"{} {}").is_err());
        assert!(read(b"{").is_err());
    }
}
