//! The schemas of a scenario file and of a template's head.

use super::file::ScenarioFile;
use super::values::Head;
use crate::schema::document;
use serde_json::{Map, Value, json};

/// JSON Schema of a scenario file.
pub fn scenario_schema() -> Value {
    document::<ScenarioFile>("Plumbline scenario")
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
