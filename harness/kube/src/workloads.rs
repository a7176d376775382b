//! A workload in a cluster: its object, the objects that its controller creates, and its pods.

use crate::objects::{self, ObjectError, api_of, apply, error_message, object_name};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams};
use kube::{Client, ResourceExt};
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::wait::{self, Deadline, Look};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// The limit for a controller to create the pods.
const CREATION_LIMIT: Duration = Duration::from_secs(60);
/// The pause between two requests for the pods.
const PAUSE: Duration = Duration::from_millis(200);

/// A workload that was applied.
pub struct AppliedWorkload {
    client: Client,
    object: Value,
    uid: String,
}

impl AppliedWorkload {
    /// Applies a workload. A CronJob is suspended here, so it creates no pods by itself. Instead a Job is created from its
    /// template, as with `kubectl create job --from`.
    ///
    /// # Errors
    /// [`ObjectError`] when the server refuses the object or the Job.
    pub async fn apply(client: &Client, object: Value) -> Result<Self, ObjectError> {
        let uid = apply(client, &object).await?.uid().unwrap_or_default();
        let workload = Self { client: client.clone(), object, uid };
        if let Some(job) = workload.job()
            && let Err(error) = apply(client, &job).await
        {
            // The namespace may be the user's, so nothing else would delete the CronJob.
            let _ = workload.delete().await;
            return Err(error);
        }
        Ok(workload)
    }

    /// `kind/name`, for messages.
    pub fn title(&self) -> String {
        object_name(&self.object)
    }

    /// The Job of a CronJob; none of other kinds.
    fn job(&self) -> Option<Value> {
        let metadata = &self.object["metadata"];
        let template = self.object["spec"].get("jobTemplate")?;
        let mut job = json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": template["metadata"], "spec": template["spec"] });
        if !job["metadata"].is_object() {
            job["metadata"] = json!({});
        }
        let name = metadata["name"].as_str().unwrap_or_default();
        job["metadata"]["name"] = json!(format!("{name}-manual"));
        job["metadata"]["namespace"] = metadata["namespace"].clone();
        job["metadata"]["ownerReferences"] =
            json!([{ "apiVersion": "batch/v1", "kind": "CronJob", "name": name, "uid": self.uid, "controller": true }]);
        Some(job)
    }

    /// The objects between the workload and its pods: the ReplicaSets of a Deployment, the Jobs of a CronJob.
    async fn list_children(&self) -> Result<Vec<(Api<DynamicObject>, DynamicObject)>, ObjectError> {
        let (version, kind) = match self.object["kind"].as_str() {
            Some("Deployment") => ("apps/v1", "ReplicaSet"),
            Some("CronJob") => ("batch/v1", "Job"),
            _ => return Ok(Vec::new()),
        };
        let namespace = &self.object["metadata"]["namespace"];
        let api = api_of(
            &self.client,
            &json!({ "apiVersion": version, "kind": kind, "metadata": { "namespace": namespace } }),
        )?;
        let all = api.list(&ListParams::default()).await.map_err(|e| self.refused("list the children of", &e))?;
        let owned = all.items.into_iter().filter(|child| is_owned(child, &BTreeSet::from([self.uid.clone()])));
        Ok(owned.map(|child| (api.clone(), child)).collect())
    }

    /// The UIDs of the objects that own its pods.
    async fn owners(&self) -> Result<BTreeSet<String>, ObjectError> {
        let children = self.list_children().await?;
        Ok(children.iter().filter_map(|(_, child)| child.uid()).chain([self.uid.clone()]).collect())
    }

    fn namespaced<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), self.object["metadata"]["namespace"].as_str().unwrap_or("default"))
    }

    /// Its pods, found by their owner references.
    ///
    /// # Errors
    /// [`ObjectError`] when the server does not answer.
    pub async fn list_pods(&self) -> Result<Vec<Pod>, ObjectError> {
        let owners = self.owners().await?;
        let pods = self.namespaced::<Pod>().list(&ListParams::default()).await;
        let pods = pods.map_err(|e| self.refused("list the pods of", &e))?;
        Ok(pods.items.into_iter().filter(|pod| is_owned(pod, &owners)).collect())
    }

    /// Waits until its controller has created `count` pods.
    ///
    /// # Errors
    /// `TestbedError` at `stage` after a minute, with what its controller reports.
    pub async fn await_pods(&self, count: usize, stage: &str) -> Result<Vec<Pod>, TestbedError> {
        let look = || async {
            let mut pods = self.list_pods().await.at_stage(stage)?;
            pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
            Ok(match pods.len() {
                found if found >= count => Look::There(pods),
                found => Look::NotYet(format!("{found} pods{}", self.read_refusal().await.at_stage(stage)?)),
            })
        };
        wait::until(stage, &format!("{count} pods of {}", self.title()), Deadline::after(CREATION_LIMIT), PAUSE, look)
            .await
    }

    /// The last event in which its controller reports that it could not create a pod, after a separator.
    async fn read_refusal(&self) -> Result<String, ObjectError> {
        let owners = self.owners().await?;
        let events = self.namespaced::<Event>().list(&ListParams::default().fields("reason=FailedCreate")).await;
        let events = events.map_err(|e| self.refused("list the events of", &e))?;
        let of_owners = |event: &Event| event.involved_object.uid.as_ref().is_some_and(|uid| owners.contains(uid));
        let last = events.items.into_iter().filter(of_owners).filter_map(|event| event.message).next_back();
        Ok(last.map(|message| format!("; its controller reports: {message}")).unwrap_or_default())
    }

    /// Deletes the workload and the objects between it and its pods, so that no controller replaces a deleted pod. Its pods
    /// stay, because the garbage collector would delete them with the grace period of their template.
    ///
    /// # Errors
    /// [`ObjectError`] when the server refuses.
    pub async fn delete(&self) -> Result<(), ObjectError> {
        let children = self.list_children().await?;
        let own = (api_of(&self.client, &self.object)?, self.object["metadata"]["name"].as_str().unwrap_or_default());
        let children = children.iter().map(|(api, child)| (api.clone(), child.metadata.name.as_deref().unwrap_or("")));
        for (api, name) in [own].into_iter().chain(children) {
            objects::delete(&api, name, &DeleteParams::orphan()).await.map_err(|e| self.refused("delete", &e))?;
        }
        Ok(())
    }

    fn refused(&self, verb: &'static str, error: &kube::Error) -> ObjectError {
        ObjectError::Refused { verb, object: self.title(), answer: error_message(error) }
    }
}

/// Whether the controller of an object is one of these.
fn is_owned(object: &impl ResourceExt, owners: &BTreeSet<String>) -> bool {
    object.owner_references().iter().any(|owner| owner.controller == Some(true) && owners.contains(&owner.uid))
}
