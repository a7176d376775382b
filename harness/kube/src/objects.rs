//! Kubernetes objects as data: server-side apply, the API of an object, the pod template in it.

use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::{await_condition, conditions};
use plumbline_testbed::error::{AtStage as _, TestbedError, causes};
use plumbline_testbed::wait::{self, Deadline};
use serde_json::Value;
use std::fmt::Display;

/// Field manager of every object that this project makes.
pub const FIELD_MANAGER: &str = "plumbline";

/// An object that can't be used, or that the API server refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// A key is missing, or is not a string.
    #[error("{object}: expected a string under {key}, found none")]
    KeyMissing {
        /// `kind/name`.
        object: String,
        /// The key.
        key: &'static str,
    },
    /// The server refused.
    #[error("{verb} {object}: {answer}")]
    Refused {
        /// The request.
        verb: &'static str,
        /// `kind/name`.
        object: String,
        /// The server's message, with its code.
        answer: String,
    },
}

fn read_text<'a>(value: &'a Value, object: &Value, key: &'static str) -> Result<&'a str, ObjectError> {
    value.as_str().ok_or_else(|| ObjectError::KeyMissing { object: object_name(object), key })
}

/// The resource of an object, by its `apiVersion` and `kind`.
fn resource(object: &Value) -> Result<ApiResource, ObjectError> {
    let field = |key: &'static str| read_text(&object[key], object, key);
    let (api_version, kind) = (field("apiVersion")?, field("kind")?);
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let gvk = GroupVersionKind::gvk(group, version, kind);
    Ok(match kind {
        // The only plural here that the library does not derive correctly from the kind.
        "NetworkAttachmentDefinition" => ApiResource::from_gvk_with_plural(&gvk, "network-attachment-definitions"),
        _ => ApiResource::from_gvk(&gvk),
    })
}

/// The API of an object: that of its namespace, or of the cluster if it has none.
///
/// # Errors
/// [`ObjectError`] when it has no `apiVersion` or `kind`.
pub fn api_of(client: &Client, object: &Value) -> Result<Api<DynamicObject>, ObjectError> {
    let resource = resource(object)?;
    Ok(match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    })
}

/// `kind/name`, for messages.
pub fn object_name(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or("object").to_lowercase();
    format!("{kind}/{}", object["metadata"]["name"].as_str().unwrap_or("?"))
}

/// Server-side apply with this project's field manager. It takes over fields of other managers.
///
/// # Errors
/// [`ObjectError`] when it has no name, or the server refuses it.
pub async fn apply(client: &Client, object: &Value) -> Result<DynamicObject, ObjectError> {
    let name = read_text(&object["metadata"]["name"], object, "metadata.name")?;
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let applied = api_of(client, object)?.patch(name, &params, &Patch::Apply(object)).await;
    applied.map_err(|e| ObjectError::Refused { verb: "apply", object: object_name(object), answer: error_message(&e) })
}

/// The pod template of a workload, else the object itself; with its path, which ends with a dot.
pub fn pod_template(object: &mut Value) -> Option<(&mut Value, &'static str)> {
    const TEMPLATES: [(&str, &str); 2] =
        [("/spec/jobTemplate/spec/template", "spec.jobTemplate.spec.template."), ("/spec/template", "spec.template.")];
    let found = TEMPLATES.into_iter().find(|(pointer, _)| object.pointer(pointer).is_some());
    let (pointer, path) = found.unwrap_or_default();
    Some((object.pointer_mut(pointer)?, path))
}

/// Waits until the server no longer has the object with that UID.
///
/// # Errors
/// `TestbedError` at `stage` at the deadline, or when the server does not answer.
pub async fn await_deletion<K>(
    api: Api<K>,
    name: &str,
    uid: &str,
    stage: &str,
    deadline: Deadline,
) -> Result<(), TestbedError>
where
    K: kube::Resource + Clone + std::fmt::Debug + Send + serde::de::DeserializeOwned + 'static,
{
    let deleted = await_condition(api, name, conditions::is_deleted(uid));
    let awaited =
        wait::by(stage, &format!("{name} to be deleted"), deadline, deleted, || "it still exists".to_owned()).await?;
    awaited.map(drop).at_stage(stage)
}

/// Sets a label of an object, keeping the others.
pub fn label(object: &mut Value, key: &str, value: &str) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let labels = metadata.entry("labels").or_insert_with(|| Value::Object(serde_json::Map::new()));
    if let Some(labels) = labels.as_object_mut() {
        labels.insert(key.to_owned(), Value::String(value.to_owned()));
    }
}

/// The server's message of an API error, else the client's.
pub fn error_message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        // For an unreachable server, only the causes of the client's error contain the reason.
        other => causes(other),
    }
}

/// Whether an API error means that the object, or its namespace, does not exist.
pub fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Names the request that failed.
pub trait AtRequest<T> {
    /// Makes an error of the API server a `TestbedError` at `stage`, with the request and the server's message.
    ///
    /// # Errors
    /// `TestbedError` for every error.
    fn at_request(self, stage: &str, request: impl Display) -> Result<T, TestbedError>;
}

impl<T> AtRequest<T> for kube::Result<T> {
    fn at_request(self, stage: &str, request: impl Display) -> Result<T, TestbedError> {
        self.map_err(|error| TestbedError::new(stage, format!("{request}: {}", error_message(&error))))
    }
}

/// Deletes an object. Returns its UID; none if it does not exist.
///
/// # Errors
/// The error of the API server.
pub async fn delete<K>(api: &Api<K>, name: &str, params: &DeleteParams) -> kube::Result<Option<String>>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    match api.delete(name, params).await {
        Ok(deleted) => Ok(Some(deleted.left().and_then(|object| object.meta().uid.clone()).unwrap_or_default())),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_plural_of_a_resource_is_that_of_the_server() {
        let plural = |v: Value| resource(&v).unwrap().plural;
        assert_eq!(plural(json!({"apiVersion": "apps/v1", "kind": "DaemonSet"})), "daemonsets");
        let nad = json!({"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"});
        assert_eq!(plural(nad), "network-attachment-definitions");
        assert!(resource(&json!({"kind": "Pod"})).is_err());
    }
}
