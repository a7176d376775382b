//! Renders the templates of this project's files and reads their YAML strictly.
//!
//! Only this module uses the YAML library, for profile files, kind's configuration and manifests. Users' manifests are already
//! in the plan. Templates are strict (an undefined value is an error), and every `{{ value }}` prints JSON, which is also YAML,
//! so that no value can add a key.

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A file that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct ManifestError {
    /// The file's name.
    pub file: String,
    /// The library's message with line and column, or the fault in the content.
    pub reason: String,
}

impl ManifestError {
    /// An error about a file, with the reason.
    pub fn new(file: &str, reason: impl std::fmt::Display) -> Self {
        Self { file: file.to_owned(), reason: format!("{reason:#}") }
    }
}

/// Decodes one document strictly into `T`.
///
/// # Errors
/// [`ManifestError`] with line and column.
pub fn decode<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, ManifestError> {
    serde_yaml::from_str(text).map_err(|e| ManifestError::new(file, e))
}

/// Every document of one of this project's manifests, as JSON values, without empty documents.
///
/// # Errors
/// [`ManifestError`] with line and column.
pub fn documents(file: &str, text: &str) -> Result<Vec<Value>, ManifestError> {
    let all: Vec<Value> = serde_yaml::from_multiple(text).map_err(|e| ManifestError::new(file, e))?;
    Ok(all.into_iter().filter(|doc| !doc.is_null()).collect())
}

/// Renders `text`, the template in `file`, with `values`.
///
/// # Errors
/// [`ManifestError`] with the line.
pub fn render<T: Serialize>(file: &str, text: &str, values: &T) -> Result<String, ManifestError> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_formatter(|out, _, value| out.write_str(&to_json(value)?).map_err(Error::from));
    let rendered = env.render_named_str(file, text, minijinja::Value::from(Serde(values)));
    rendered.map_err(|e| ManifestError::new(file, e))
}

/// A value as JSON.
fn to_json(value: &minijinja::Value) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    serde_json::to_string(value).map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_cannot_add_a_key() {
        let text = render("t", "a: {{ a }}", &json!({ "a": "x\nb: 1" })).unwrap();
        assert_eq!(text, r#"a: "x\nb: 1""#);
    }

    #[test]
    fn a_missing_value_is_an_error_with_the_templates_name() {
        let error = render("kind.yaml.j2", "a: {{ missing }}", &json!({})).unwrap_err();
        assert_eq!(error.file, "kind.yaml.j2");
    }
}
