//! A node's conflist beside what terway-cli must have made: key by key, each difference by its path.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Where: `plugins[1].masqAll`; empty for the whole.
    pub path: String,
    /// What must be there, as JSON; none where nothing must.
    pub expected: Option<String>,
    /// What is there, as JSON; none where nothing is.
    pub found: Option<String>,
}

/// Compares a node's conflist with everything that can have come of a configuration, and gives the differences to the
/// one that it is nearest to; none where it is one of them. Where nothing can have come of it, all is a difference.
pub fn compare(alternatives: &[Value], found: &str) -> Vec<Difference> {
    if alternatives.is_empty() {
        return vec![Difference { path: String::new(), expected: None, found: Some(found.to_owned()) }];
    }
    let value = match serde_json::from_str::<Value>(found) {
        Ok(value) => value,
        Err(error) => {
            let found = Some(format!("no JSON: {error}"));
            return vec![Difference { path: String::new(), expected: Some("a conflist".to_owned()), found }];
        }
    };
    let each = alternatives.iter().map(|wanted| {
        let mut differences = Vec::new();
        walk(wanted, &value, "", &mut differences);
        differences
    });
    each.min_by_key(Vec::len).unwrap_or_default()
}

fn walk(wanted: &Value, found: &Value, path: &str, out: &mut Vec<Difference>) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            let at = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            for (key, value) in wanted {
                match found.get(key) {
                    Some(other) => walk(value, other, &at(key), out),
                    None => out.push(difference(at(key), Some(value), None)),
                }
            }
            for (key, value) in found.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                out.push(difference(at(key), None, Some(value)));
            }
        }
        (Value::Array(wanted), Value::Array(found)) => {
            for index in 0..wanted.len().max(found.len()) {
                let at = format!("{path}[{index}]");
                match (wanted.get(index), found.get(index)) {
                    (Some(wanted), Some(found)) => walk(wanted, found, &at, out),
                    (wanted, found) => out.push(difference(at, wanted, found)),
                }
            }
        }
        // Go's decoder makes every number a float: 32 and 32.0 are one.
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        (a, b) if a == b => {}
        (a, b) => out.push(difference(path.to_owned(), Some(a), Some(b))),
    }
}

fn difference(path: String, expected: Option<&Value>, found: Option<&Value>) -> Difference {
    Difference { path, expected: expected.map(ToString::to_string), found: found.map(ToString::to_string) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(wanted: Value, found: &str) -> Vec<String> {
        compare(&[wanted], found).into_iter().map(|difference| difference.path).collect()
    }

    #[test]
    fn every_difference_has_its_path() {
        let wanted = json!({"a": {"b": 1, "c": [1, {"d": true}]}, "e": "x"});
        assert_eq!(paths(wanted.clone(), r#"{"e": "x", "a": {"c": [1.0, {"d": true}], "b": 1}}"#), [""; 0]);
        assert_eq!(
            paths(wanted.clone(), r#"{"a": {"b": 2, "c": [1, {"d": false}, 3]}, "f": 1}"#),
            ["a.b", "a.c[1].d", "a.c[2]", "e", "f"]
        );
        assert_eq!(paths(wanted.clone(), "[]"), [""]);
        assert_eq!(compare(&[wanted], "{ no")[0].found.as_deref().unwrap().split(':').next(), Some("no JSON"));
    }

    #[test]
    fn nothing_to_compare_with_is_not_the_same() {
        assert_eq!(compare(&[], "{}").len(), 1);
    }

    #[test]
    fn it_is_compared_with_the_nearest_of_those_that_can_be() {
        let alternatives = [json!({"way": "veth", "mode": "tc", "x": 1}), json!({"way": "v2", "mode": "edt", "x": 1})];
        assert!(compare(&alternatives, r#"{"way": "v2", "mode": "edt", "x": 1}"#).is_empty());
        let differences = compare(&alternatives, r#"{"way": "v2", "mode": "edt", "x": 2}"#);
        assert_eq!(differences, [Difference { path: "x".into(), expected: Some("1".into()), found: Some("2".into()) }]);
    }
}
