//! What a pod needs to start and a test of its networks does not: volumes, ConfigMaps and Secrets, rights, a choice of nodes.
//! It is removed, and each removal is listed.

use crate::plan::Adaptation;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Kinds of volumes that need nothing beside the pod.
const OWN_VOLUMES: [&str; 2] = ["emptyDir", "downwardAPI"];
/// Keys of a pod's spec that name other objects, or nodes.
const REFERENCES: [(&str, &str); 10] = [
    ("serviceAccountName", "the test has no such ServiceAccount"),
    ("serviceAccount", "the test has no such ServiceAccount"),
    ("imagePullSecrets", "the test has no such Secret"),
    ("priorityClassName", "the test has no such PriorityClass"),
    ("runtimeClassName", "the test has no such RuntimeClass"),
    ("nodeSelector", "the test chooses the node"),
    ("nodeName", "the test chooses the node"),
    ("affinity", "the test chooses the node"),
    ("hostPID", "a test has no power over the node"),
    ("hostIPC", "a test has no power over the node"),
];

/// Removes from a pod's spec what the test does not need. `object` and `path` are for the list: `pod/app`, and the way to the
/// spec with a dot at its end.
pub(super) fn adapt(spec: &mut Value, object: &str, path: &str) -> Vec<Adaptation> {
    let mut adapter = Adapter { object, path, made: Vec::new() };
    let Some(spec) = spec.as_object_mut() else { return Vec::new() };
    for (key, reason) in REFERENCES {
        adapter.remove(spec, key, key, reason);
    }
    let removed = adapter.remove_volumes(spec);
    for list in ["initContainers", "containers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for (index, container) in containers.into_iter().flatten().enumerate() {
            if let Some(container) = container.as_object_mut() {
                adapter.adapt_container(container, &format!("{list}[{index}]"), &removed);
            }
        }
    }
    adapter.made
}

struct Adapter<'a> {
    object: &'a str,
    path: &'a str,
    made: Vec<Adaptation>,
}

impl Adapter<'_> {
    fn note(&mut self, field: &str, from: Option<String>, reason: &str) {
        self.made.push(Adaptation {
            object: self.object.to_owned(),
            field: format!("{}{field}", self.path),
            from,
            to: "absent".to_owned(),
            reason: reason.to_owned(),
        });
    }

    fn remove(&mut self, from: &mut Map<String, Value>, key: &str, field: &str, reason: &str) {
        let Some(value) = from.remove(key).filter(|value| !is_unset(value)) else { return };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.note(field, Some(text), reason);
    }

    /// Removes volumes that need other objects or files of the node. Gives their names.
    fn remove_volumes(&mut self, spec: &mut Map<String, Value>) -> BTreeSet<String> {
        let mut removed = BTreeSet::new();
        let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) else { return removed };
        volumes.retain(|volume| {
            let name = volume["name"].as_str().unwrap_or_default().to_owned();
            let source =
                volume.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).find(|key| *key != "name");
            // Without a source it is an empty folder.
            let is_own = source.is_none_or(|source| OWN_VOLUMES.contains(&source));
            if !is_own {
                let reason = format!("the test does not need this {}", source.unwrap_or_default());
                self.note(&format!("volumes[{name}]"), Some(source.unwrap_or_default().to_owned()), &reason);
                removed.insert(name);
            }
            is_own
        });
        removed
    }

    fn adapt_container(&mut self, container: &mut Map<String, Value>, field: &str, removed: &BTreeSet<String>) {
        for key in ["volumeMounts", "volumeDevices"] {
            // The removed volume is in the list already.
            if let Some(mounts) = container.get_mut(key).and_then(Value::as_array_mut) {
                mounts.retain(|mount| mount["name"].as_str().is_none_or(|name| !removed.contains(name)));
            }
        }
        self.remove(container, "envFrom", &format!("{field}.envFrom"), "the test has no such ConfigMap or Secret");
        if let Some(variables) = container.get_mut("env").and_then(Value::as_array_mut) {
            variables.retain(|variable| {
                let from = &variable["valueFrom"];
                let Some(source) = ["configMapKeyRef", "secretKeyRef"].into_iter().find(|key| !from[key].is_null())
                else {
                    return true;
                };
                let name = variable["name"].as_str().unwrap_or_default();
                self.note(&format!("{field}.env[{name}]"), Some(source.to_owned()), "the test has no such object");
                false
            });
        }
        if let Some(context) = container.get_mut("securityContext").and_then(Value::as_object_mut) {
            let field = format!("{field}.securityContext.privileged");
            self.remove(context, "privileged", &field, "a test has no power over the node");
        }
    }
}

/// Whether a value is what its absence means.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_names_other_objects_is_removed_and_listed() {
        let mut spec = json!({
            "serviceAccountName": "sa", "hostPID": false,
            "volumes": [{ "name": "c", "configMap": { "name": "x" } }, { "name": "d", "emptyDir": {} }],
            "containers": [{
                "name": "a", "image": "i", "securityContext": { "privileged": true },
                "volumeMounts": [{ "name": "c", "mountPath": "/c" }, { "name": "d", "mountPath": "/d" }],
                "envFrom": [{ "secretRef": { "name": "s" } }],
                "env": [{ "name": "A", "value": "1" }, { "name": "B", "valueFrom": { "secretKeyRef": { "name": "s" } } }],
            }],
        });
        let made = adapt(&mut spec, "pod/p", "spec.");
        let fields: Vec<&str> = made.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "spec.serviceAccountName",
                "spec.volumes[c]",
                "spec.containers[0].envFrom",
                "spec.containers[0].env[B]",
                "spec.containers[0].securityContext.privileged"
            ]
        );
        let left = json!({
            "volumes": [{ "name": "d", "emptyDir": {} }],
            "containers": [{
                "name": "a", "image": "i", "securityContext": {},
                "volumeMounts": [{ "name": "d", "mountPath": "/d" }], "env": [{ "name": "A", "value": "1" }],
            }],
        });
        assert_eq!(spec, left);
        assert!(adapt(&mut spec, "pod/p", "spec.").is_empty());
    }
}
