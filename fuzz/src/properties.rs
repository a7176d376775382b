//! Properties of a parser's result for any input.

use plumbline_core::plan::Plan;
use plumbline_core::scenario::{InputError, render};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;

/// Returns an error for a property that does not hold.
pub(crate) fn ensure(holds: bool, property: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(property()) }
}

/// Checks that a value is the same after JSON serialisation, which evidence files use.
pub(crate) fn survives_json<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> Result<(), String> {
    let text = serde_json::to_string(value).map_err(|error| format!("cannot be written as JSON: {error}"))?;
    let back: T = serde_json::from_str(&text).map_err(|error| format!("does not read back: {error}: {text}"))?;
    if back == *value {
        return Ok(());
    }
    let rounded = |value: &T| serde_json::to_value(value).map(round_floats).map_err(|error| error.to_string());
    ensure(rounded(&back)? == rounded(value)?, || format!("reads back as another value: {value:?}\n{back:?}"))
}

/// The same value with twelve digits of each float: JSON serialisation loses the last digits of some.
fn round_floats(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            Value::String(number.as_f64().map(|float| format!("{float:.12e}")).unwrap_or_default())
        }
        Value::Array(items) => items.into_iter().map(round_floats).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, round_floats(value))).collect(),
        other => other,
    }
}

/// Checks that there are errors, that each names a file and a place in it, and that none has control characters.
pub(crate) fn errors_have_places(errors: &[InputError], file: &str, text: &[u8]) -> Result<(), String> {
    ensure(!errors.is_empty(), || "refused without an error".to_owned())?;
    let breaks = |byte: &&u8| matches!(**byte, b'\n' | b'\r');
    let lines = text.iter().filter(breaks).count() + 2;
    for error in errors {
        let source = &error.source_at;
        ensure(!source.file.is_empty(), || format!("an error without a file: {error}"))?;
        ensure(source.file != file || source.line <= lines, || format!("beyond the file's end: {error}"))?;
        ensure(!error.to_string().chars().any(char::is_control), || format!("control characters: {error:?}"))?;
    }
    Ok(())
}

/// Checks that a plan survives JSON, and that its objects can be written as YAML.
pub(crate) fn plan_holds(plan: &Plan) -> Result<(), String> {
    survives_json(plan)?;
    for (name, text) in render(plan) {
        ensure(!text.starts_with("# cannot"), || format!("{name}: {text}"))?;
    }
    Ok(())
}
