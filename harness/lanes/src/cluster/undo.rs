//! Undoing what dead runs left in a cluster: namespaces and objects by our own kubeconfigs, and half-made clusters.

use super::naming::{OWNER, OWNER_LABEL, profile_of};
use super::node::{self, KIND_LABEL};
use super::objects::{api_of, is_absent, words};
use super::record::Home;
use super::warm::NAMESPACE_GONE;
use futures::future::BoxFuture;
use kube::api::DeleteParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, Config, ResourceExt as _};
use plumbline_testbed::engine::Engine;
use plumbline_testbed::error::{AtStage, TestbedError};
use plumbline_testbed::journal::{Effect, Undo};
use plumbline_testbed::lease::{Kind as LeaseKind, Lease};
use plumbline_testbed::wait::{self, Deadline};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const STAGE: &str = "clean up";
/// For a line of shell that takes a change back, and for the lease that it needs.
const INSIDE: Duration = Duration::from_secs(20);

/// Undoes effects of Kubernetes and of kind.
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
            Effect::Cluster { name } => Some(Box::pin(half_made(name))),
            Effect::Inside { container, undo, lease, .. } => Some(Box::pin(inside(container, undo, lease))),
            _ => None,
        }
    }
}

/// Deletes a cluster that was not made to its end. One whose record is complete was handed over, and stays.
async fn half_made(name: &str) -> Result<(), TestbedError> {
    if profile_of(name).is_none() {
        return Err(TestbedError::new(STAGE, format!("{name} is no name of a cluster of ours")));
    }
    let home = Home::of(name)?;
    if home.record().is_some_and(|record| record.complete) {
        return Ok(());
    }
    node::remove(&Engine::connect().await?, name).await?;
    home.forget()
}

/// Takes a change back inside a container of ours. With a container that went, so did the change.
async fn inside(name: &str, undo: &str, lease: &str) -> Result<(), TestbedError> {
    // Somebody who lives may have changed the same since.
    let _lease = Lease::take(lease, LeaseKind::Exclusive, Deadline::after(INSIDE)).await?;
    let engine = Engine::connect().await?;
    let Some(container) = engine.container(name).await? else { return Ok(()) };
    let label = |key: &str| container.labels.get(key).map(String::as_str);
    // kind gives its nodes no labels of ours.
    if label(OWNER_LABEL) != Some(OWNER) && label(KIND_LABEL).and_then(profile_of).is_none() {
        return Err(TestbedError::new(STAGE, format!("{name} is no container of ours")));
    }
    if !container.running {
        return Err(TestbedError::new(STAGE, format!("{name} is stopped")).with_hint("plumbline up, or plumbline down"));
    }
    engine.exec_ok(STAGE, &container.id, &["sh", "-ec", undo], None, INSIDE).await.map(drop)
}

/// Deletes an object; one that is gone, or whose cluster is gone, is undone.
async fn delete(kubeconfig: &Path, object: Value) -> Result<(), TestbedError> {
    if !kubeconfig.exists() {
        return Ok(());
    }
    let read = Kubeconfig::read_from(kubeconfig).at_stage(STAGE)?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.at_stage(STAGE)?;
    let client = Client::try_from(config).at_stage(STAGE)?;
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let api = api_of(&client, &object).map_err(|e| TestbedError::new(STAGE, e))?;
    let uid = match api.delete(name, &DeleteParams::background()).await {
        Ok(deleted) => deleted.left().and_then(|object| object.uid()).unwrap_or_default(),
        Err(e) if is_absent(&e) => return Ok(()),
        Err(e) => {
            return Err(TestbedError::new(STAGE, words(&e)).with_hint(
                "if its cluster is stopped, bring it up (plumbline up) or take it down (plumbline down), then again",
            ));
        }
    };
    // Gone is said of what is gone, not of what was told to go.
    let gone = await_condition(api, name, conditions::is_deleted(&uid));
    let what = format!("{name} to be gone");
    let waited =
        wait::by(STAGE, &what, Deadline::after(NAMESPACE_GONE), gone, || "it is terminating".to_owned()).await?;
    waited.map(|_| ()).at_stage(STAGE)
}
