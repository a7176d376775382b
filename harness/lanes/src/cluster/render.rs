//! Rendering of the clusters' templates: strict (an undefined value is an error), and every `{{ value }}` prints
//! JSON, which is YAML too, so that no value can add a key. The same dialect as scenarios' templates have.

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use serde::Serialize;

/// Renders `text`, the template called `name`, with `values`.
///
/// # Errors
/// The template engine's words with name and line.
pub fn render<T: Serialize>(name: &str, text: &str, values: &T) -> Result<String, String> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_formatter(|out, _, value| out.write_str(&json(value)?).map_err(Error::from));
    let rendered = env.render_named_str(name, text, Value::from(Serde(values)));
    rendered.map_err(|e| format!("{name}: {e:#}"))
}

/// A value as JSON.
fn json(value: &Value) -> Result<String, Error> {
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
    fn values_are_data() {
        let text = render("t", "a: {{ a }}", &json!({ "a": "x\nb: 1" })).unwrap();
        assert_eq!(text, r#"a: "x\nb: 1""#);
    }

    #[test]
    fn what_is_not_given_is_an_error_with_the_templates_name() {
        let error = render("kind.yaml.j2", "a: {{ missing }}", &json!({})).unwrap_err();
        assert!(error.starts_with("kind.yaml.j2: "), "{error}");
    }
}
