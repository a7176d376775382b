//! JSON Schema documents of the formats of Plumbline's own files, for editors: draft 7, which the YAML language server
//! reads. They are generated from the types that the readers decode into.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The schema of a type as one document.
///
/// A field that may be left out may not be null: an editor then marks a key that has no value yet. Readers take such a key
/// as absent.
pub fn document<T: JsonSchema>(title: &str) -> Value {
    let root = SchemaSettings::draft07().into_generator().into_root_schema_for::<T>();
    let mut document = root.to_value();
    simplify(&mut document);
    document["title"] = title.into();
    document
}

/// Removes what Rust's types add: null for what is optional, formats of integers, the line breaks of comments.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(simplify);
            refuse_null(object);
            if object.get("format").and_then(Value::as_str).is_some_and(|format| format.contains("int")) {
                object.remove("format");
            }
            if let Some(Value::String(text)) = object.get_mut("description") {
                let paragraphs: Vec<String> = text.split("\n\n").map(|lines| lines.replace('\n', " ")).collect();
                *text = paragraphs.join("\n\n");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(simplify),
        _ => {}
    }
}

fn refuse_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    let Some(Value::Array(forms)) = object.get_mut("anyOf") else { return };
    forms.retain(|form| *form != json!({ "type": "null" }));
    let [one] = forms.as_slice() else { return };
    let one = one.clone();
    object.remove("anyOf");
    match one {
        // In draft 7, a `$ref` hides what is beside it.
        Value::Object(reference) if reference.contains_key("$ref") && !object.is_empty() => {
            object.insert("allOf".to_owned(), json!([reference]));
        }
        Value::Object(form) => {
            for (key, value) in form {
                object.entry(key).or_insert(value);
            }
        }
        other => {
            object.insert("anyOf".to_owned(), json!([other]));
        }
    }
}
