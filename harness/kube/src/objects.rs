//! Kubernetes objects as data: server-side apply, and where an object lives.

use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use plumbline_testbed::error::causes;
use serde_json::Value;

/// Field manager of every object that this project makes.
pub const FIELD_MANAGER: &str = "plumbline";

/// The resource of an object, by its `apiVersion` and `kind`.
///
/// # Errors
/// The object says neither, or not as a string.
pub fn resource(object: &Value) -> Result<ApiResource, String> {
    let field = |key: &str| object[key].as_str().ok_or_else(|| format!("an object without {key}"));
    let (api_version, kind) = (field("apiVersion")?, field("kind")?);
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let gvk = GroupVersionKind::gvk(group, version, kind);
    Ok(match kind {
        // The one plural here that does not follow from the kind.
        "NetworkAttachmentDefinition" => ApiResource::from_gvk_with_plural(&gvk, "network-attachment-definitions"),
        _ => ApiResource::from_gvk(&gvk),
    })
}

/// The API at which an object lives: its namespace's, or the cluster's where it names none.
///
/// # Errors
/// As [`resource`].
pub fn api_of(client: &Client, object: &Value) -> Result<Api<DynamicObject>, String> {
    let resource = resource(object)?;
    Ok(match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    })
}

/// `kind/name`, for messages.
#[must_use]
pub fn called(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or("object").to_lowercase();
    format!("{kind}/{}", object["metadata"]["name"].as_str().unwrap_or("?"))
}

/// Server-side apply, with this project's field manager; fields that others own are taken over.
///
/// # Errors
/// One line with the object's name and the server's words.
pub async fn apply(client: &Client, object: &Value) -> Result<DynamicObject, String> {
    let name = object["metadata"]["name"].as_str().ok_or_else(|| format!("{} has no name", called(object)))?;
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let applied = api_of(client, object)?.patch(name, &params, &Patch::Apply(object)).await;
    applied.map_err(|e| format!("apply {}: {}", called(object), words(&e)))
}

/// Sets a label of an object, keeping the others.
pub fn label(object: &mut Value, key: &str, value: &str) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let labels = metadata.entry("labels").or_insert_with(|| Value::Object(serde_json::Map::new()));
    if let Some(labels) = labels.as_object_mut() {
        labels.insert(key.to_owned(), Value::String(value.to_owned()));
    }
}

/// The server's own words of an API error, else the client's.
#[must_use]
pub fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        // Of a server that can't be reached the client says why in the causes alone.
        other => causes(other),
    }
}

/// Whether an API error says that the object, or its namespace, is not there.
#[must_use]
pub fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn resources_have_the_plural_of_the_server() {
        let plural = |v: Value| resource(&v).unwrap().plural;
        assert_eq!(plural(json!({"apiVersion": "apps/v1", "kind": "DaemonSet"})), "daemonsets");
        let nad = json!({"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"});
        assert_eq!(plural(nad), "network-attachment-definitions");
        assert!(resource(&json!({"kind": "Pod"})).is_err());
    }
}
