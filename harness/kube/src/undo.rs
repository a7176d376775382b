//! Deletes namespaces and objects of dead runs, with Plumbline's own kubeconfigs.

use crate::client;
use crate::objects::{self, api_of, await_deletion, error_message};
use futures::future::BoxFuture;
use kube::api::DeleteParams;
use plumbline_testbed::error::{AtStage, TestbedError};
use plumbline_testbed::journal::{Effect, Undo};
use plumbline_testbed::wait::Deadline;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const STAGE: &str = "clean up";
/// The limit for deleting a namespace. Kubernetes takes 5 s for an empty one (a constant of its controller), more for others.
pub const NAMESPACE_GONE: Duration = Duration::from_secs(60);

/// Undoes effects in Kubernetes.
#[derive(Debug, Clone, Copy, Default)]
pub struct KubeUndo;

impl Undo for KubeUndo {
    fn undo<'a>(&'a self, effect: &'a Effect) -> Option<BoxFuture<'a, Result<(), TestbedError>>> {
        match effect {
            Effect::KubeNamespace { kubeconfig, name } => {
                let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
                Some(Box::pin(delete(kubeconfig, object)))
            }
            Effect::KubeObject { kubeconfig, api_version, object_kind, namespace, name } => {
                let mut object =
                    json!({ "apiVersion": api_version, "kind": object_kind, "metadata": { "name": name } });
                if !namespace.is_empty() {
                    object["metadata"]["namespace"] = json!(namespace);
                }
                Some(Box::pin(delete(kubeconfig, object)))
            }
            _ => None,
        }
    }
}

/// Deletes an object. If the object or its cluster no longer exists, the effect counts as undone.
async fn delete(kubeconfig: &Path, object: Value) -> Result<(), TestbedError> {
    if !kubeconfig.exists() {
        return Ok(());
    }
    let client = client::connect(&[kubeconfig.to_owned()], None, STAGE).await?;
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let api = api_of(&client, &object).at_stage(STAGE)?;
    let deleted = objects::delete(&api, name, &DeleteParams::background()).await.map_err(|e| {
        TestbedError::new(STAGE, error_message(&e))
            .with_hint("if its cluster is stopped, run plumbline up or plumbline down, then repeat the command")
    });
    let Some(uid) = deleted? else { return Ok(()) };
    // The journal entry is closed when the object no longer exists, not when its deletion begins.
    await_deletion(api, name, &uid, STAGE, Deadline::after(NAMESPACE_GONE)).await
}
