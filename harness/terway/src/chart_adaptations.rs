//! Adaptations of a chart's objects, as data, each with its reason. They let the objects run here.

use plumbline_core::verdict::Adaptation;
use plumbline_kube::manifests;
use plumbline_kube::objects::object_name;
use plumbline_testbed::error::TestbedError;
use serde::Deserialize;
use serde_json::Value;

const STAGE: &str = "terway-chart";
const API_VERSION: &str = "plumbline.dev/v1alpha1";
const KIND: &str = "ChartAdaptations";

/// The used objects of a chart, and the changes in them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Adaptations {
    api_version: String,
    kind: String,
    /// The used objects.
    pub objects: Objects,
    /// The changes, in order.
    pub changes: Vec<Change>,
}

/// The used objects of a chart.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Objects {
    /// The paths of templates in the chart, in the order in which their objects are applied.
    pub templates: Vec<String>,
    /// Kinds of objects that are left out.
    pub leave_out: Vec<String>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// `Kind/name`.
    pub object: String,
    /// The place, with parts after slashes: a key, or `key=value` for the list item that has it. It must exist.
    pub at: String,
    /// The new value; without it the place is removed.
    #[serde(default)]
    pub put: Option<Value>,
    /// The reason.
    pub why: String,
}

impl Adaptations {
    /// Reads the text of `file` strictly.
    ///
    /// # Errors
    /// `TestbedError` with file, line and column.
    pub fn parse(file: &str, text: &str) -> Result<Self, TestbedError> {
        let read: Self = manifests::decode(file, text).map_err(|error| TestbedError::new(STAGE, error))?;
        if read.api_version != API_VERSION || read.kind != KIND {
            let cause = format!("{file}: expected apiVersion {API_VERSION} and kind {KIND}");
            return Err(TestbedError::new(STAGE, cause));
        }
        Ok(read)
    }

    /// Makes all changes, and describes each.
    ///
    /// # Errors
    /// `TestbedError` for a missing object or place: then the changes are for another version of the chart.
    pub fn apply(&self, objects: &mut [Value]) -> Result<Vec<Adaptation>, TestbedError> {
        self.changes.iter().map(|change| change.apply(objects)).collect()
    }
}

impl Change {
    fn apply(&self, objects: &mut [Value]) -> Result<Adaptation, TestbedError> {
        let testbed_error = |what: String| TestbedError::new(STAGE, format!("{} at {}: {what}", self.object, self.at));
        let id = |object: &Value| match (object["kind"].as_str(), object["metadata"]["name"].as_str()) {
            (Some(kind), Some(name)) => format!("{kind}/{name}"),
            _ => String::new(),
        };
        let object = objects.iter_mut().find(|object| id(object) == self.object);
        let object = object.ok_or_else(|| testbed_error("the chart has no such object".to_owned()))?;
        let name = object_name(object);
        let (above, last) = self.at.rsplit_once('/').ok_or_else(|| testbed_error("no place".to_owned()))?;
        let mut place = object;
        for part in above.split('/').skip(1) {
            place = child(place, part).ok_or_else(|| testbed_error(format!("there is no {part}")))?;
        }
        let was = child(place, last).cloned().ok_or_else(|| testbed_error(format!("there is no {last}")))?;
        match &self.put {
            Some(new) => {
                if let Some(value) = child(place, last) {
                    *value = new.clone();
                }
            }
            None => match place {
                Value::Object(map) => drop(map.remove(last)),
                Value::Array(all) => all.retain(|item| !has_field(item, last)),
                _ => return Err(testbed_error("it can't be removed".to_owned())),
            },
        }
        Ok(Adaptation {
            object: name,
            field: self.at.trim_start_matches('/').replace('/', "."),
            from: Some(was.to_string()),
            to: self.put.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string),
            reason: self.why.clone(),
        })
    }
}

/// The value at one part of a place.
fn child<'a>(place: &'a mut Value, part: &str) -> Option<&'a mut Value> {
    match place {
        Value::Object(map) => map.get_mut(part),
        Value::Array(all) => all.iter_mut().find(|item| has_field(item, part)),
        _ => None,
    }
}

/// Whether a list item has the field `key=value`.
fn has_field(item: &Value, part: &str) -> bool {
    part.split_once('=').is_some_and(|(key, value)| item[key].as_str() == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(at: &str, put: Option<Value>) -> Change {
        Change { object: "DaemonSet/d".into(), at: at.into(), put, why: "w".into() }
    }

    fn objects() -> Vec<Value> {
        vec![json!({ "kind": "DaemonSet", "metadata": { "name": "d" }, "spec": {
            "containers": [{ "name": "a", "probe": { "period": 10 } }, { "name": "b" }], "volumes": [{ "name": "v" }] } })]
    }

    #[test]
    fn a_changed_place_is_reported_with_its_old_value() {
        let mut all = objects();
        let made = change("/spec/containers/name=a/probe/period", Some(json!(1))).apply(&mut all).unwrap();
        assert_eq!(all[0]["spec"]["containers"][0]["probe"]["period"], 1);
        assert_eq!((made.from.as_deref(), made.to.as_str(), made.object.as_str()), (Some("10"), "1", "daemonset/d"));
    }

    #[test]
    fn keys_and_items_are_removed() {
        let mut all = objects();
        change("/spec/containers/name=a/probe", None).apply(&mut all).unwrap();
        change("/spec/volumes/name=v", None).apply(&mut all).unwrap();
        assert_eq!(all[0]["spec"], json!({ "containers": [{ "name": "a" }, { "name": "b" }], "volumes": [] }));
    }

    #[test]
    fn a_missing_place_is_an_error_with_its_name() {
        let error = change("/spec/containers/name=c/probe", None).apply(&mut objects()).unwrap_err();
        assert!(error.cause().contains("there is no name=c"), "{error}");
        assert!(change("/spec/other", Some(json!(1))).apply(&mut objects()).unwrap_err().cause().contains("no other"));
        let mut other = change("/spec", None);
        other.object = "DaemonSet/e".into();
        assert!(other.apply(&mut objects()).unwrap_err().cause().contains("no such object"));
    }
}
