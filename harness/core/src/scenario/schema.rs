//! The schemas of a scenario file and of a template's head.

use super::file::ScenarioFile;
use super::values::Head;
use crate::schema::document;
use serde_json::{Map, Value, json};

/// The form of a text with placeholders, by its name in the schema.
pub const PLACEHOLDER: &str = "Placeholder";

/// JSON Schema of a scenario file.
pub fn scenario_schema() -> Value {
    let mut schema = document::<ScenarioFile>("Plumbline scenario");
    let description = "A text with `{{ EXPRESSION }}`, for scenarios with a matrix.";
    allow_placeholders(&mut schema, &["apiVersion", "kind", "matrix"]);
    for (name, definition) in schema["definitions"].as_object_mut().into_iter().flatten() {
        match name.as_str() {
            "Metadata" => allow_placeholders(definition, &["name"]),
            "Matrix" => {}
            _ => allow_placeholders(definition, &[]),
        }
    }
    schema["definitions"][PLACEHOLDER] =
        json!({ "description": description, "type": "string", "pattern": "\\{\\{.*\\}\\}" });
    schema
}

/// Allows a text with placeholders instead of each value within a schema, but for some of its own fields.
fn allow_placeholders(schema: &mut Value, fixed: &[&str]) {
    let Some(object) = schema.as_object_mut() else { return };
    for (name, field) in object.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        if !fixed.contains(&name.as_str()) {
            allow_placeholder(field);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(key) {
            allow_placeholder(inner);
        }
    }
    for form in ["anyOf", "allOf"] {
        for inner in object.get_mut(form).and_then(Value::as_array_mut).into_iter().flatten() {
            allow_placeholders(inner, &[]);
        }
    }
}

/// Allows a text with placeholders instead of a value.
fn allow_placeholder(schema: &mut Value) {
    allow_placeholders(schema, &[]);
    let Some(mut object) = schema.as_object().cloned().filter(|object| !object.is_empty()) else { return };
    let description = object.remove("description");
    let reference = json!({ "$ref": format!("#/definitions/{PLACEHOLDER}") });
    *schema = json!({ "anyOf": [object, reference] });
    if let Some(description) = description {
        schema["description"] = description;
    }
}

/// JSON Schema of a template. Its head is checked. Its body is a Kubernetes object, of which this schema says nothing:
/// editors apply one schema to all documents of a file.
pub fn template_schema() -> Value {
    let Value::Object(head) = document::<Head>("Plumbline template") else { return Value::Null };
    let of_document = ["$schema", "title", "description", "definitions"];
    let (mut whole, head): (Map<_, _>, Map<_, _>) =
        head.into_iter().partition(|(key, _)| of_document.contains(&key.as_str()));
    whole.insert("if".to_owned(), json!({ "required": ["apiVersion"] }));
    whole.insert("then".to_owned(), json!({ "type": "object" }));
    whole.insert("else".to_owned(), head.into());
    whole.into()
}
