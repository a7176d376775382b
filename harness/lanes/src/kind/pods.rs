//! The pods of a plan in a cluster: applied one by one or by their workloads, awaited, and deleted.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams};
use plumbline_cluster::Cluster;
use plumbline_core::plan::{self, Plan, Workload};
use plumbline_core::protocol::{CACHED_RESULT, Op, Outcome};
use plumbline_kube::objects::{apply, error_message, is_absent};
use plumbline_kube::readiness::{self, PodOutcome, node_of, uid_of};
use plumbline_kube::workloads::AppliedWorkload;
use plumbline_testbed::error::{AtStage as _, TestbedError};
use plumbline_testbed::wait::{self, Deadline, Look};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const STAGE: &str = "stage";
const CLEAN_UP: &str = "clean up";
/// Grace period of pods, in seconds: with 0 the object is gone before CNI DEL has run, and `sleep` as the first
/// process ignores SIGTERM, so that Kubernetes' own 30 s would be waited out.
const GRACE: u32 = 1;
/// How long the runtime may take to remove a sandbox.
const REMOVAL: Duration = Duration::from_secs(30);
/// Interval between two checks of a sandbox. The runtime sends no event of its removal.
const PAUSE: Duration = Duration::from_millis(100);

/// A pod of the plan that was staged.
pub(super) struct StagedPod {
    /// Its entry in the plan.
    pub pod: plan::Pod,
    /// Its namespace in force.
    pub namespace: String,
    /// How the wait for it ended.
    pub outcome: PodOutcome,
}

impl StagedPod {
    /// The pod in the cluster, if it is Ready. Controllers choose the names of their pods.
    pub fn ready(&self) -> Option<&Pod> {
        match &self.outcome {
            PodOutcome::Up(pod) => Some(pod),
            PodOutcome::Down { .. } => None,
        }
    }
}

/// An object of a plan that makes pods: a Pod, or a workload.
pub(super) struct PlannedObject<'a> {
    /// The applied object.
    pub manifest: Value,
    /// Its pods, with their positions in the plan.
    pub pods: Vec<(usize, &'a plan::Pod)>,
    /// The workload; none of a Pod.
    pub workload: Option<&'a Workload>,
}

impl<'a> PlannedObject<'a> {
    /// The objects of a plan.
    pub fn list(plan: &'a Plan) -> Vec<Self> {
        let pods = || plan.pods.iter().enumerate();
        let workloads = plan.workloads.iter().map(|workload| Self {
            manifest: workload.manifest.clone(),
            pods: pods().filter(|(_, pod)| workload.pods.contains(&pod.name)).collect(),
            workload: Some(workload),
        });
        let has_workload = |pod: &plan::Pod| plan.workloads.iter().any(|workload| workload.pods.contains(&pod.name));
        let alone = pods().filter(|(_, pod)| !has_workload(pod)).map(|(place, pod)| Self {
            manifest: pod.manifest.clone(),
            pods: vec![(place, pod)],
            workload: None,
        });
        workloads.chain(alone).collect()
    }

    /// Its namespace as written.
    pub fn namespace(&self) -> Option<&'a str> {
        self.pods.first().and_then(|(_, pod)| pod.namespace.as_deref())
    }

    /// Applies it.
    ///
    /// # Errors
    /// `TestbedError` when the server refuses it.
    pub async fn apply(&self, cluster: &Cluster) -> Result<AppliedObject, TestbedError> {
        if self.workload.is_some() {
            let workload = AppliedWorkload::apply(&cluster.client, self.manifest.clone()).await;
            return workload.map(AppliedObject::Workload).at_stage(STAGE);
        }
        apply(&cluster.client, &self.manifest).await.at_stage(STAGE)?;
        let text = |key: &str| self.manifest["metadata"][key].as_str().unwrap_or_default().to_owned();
        Ok(AppliedObject::Pod { namespace: text("namespace"), name: text("name") })
    }

    /// Waits for its pods. Gives each with its position in the plan.
    ///
    /// # Errors
    /// `TestbedError` for every failure that the plugins did not cause.
    pub async fn await_pods(
        &self,
        cluster: &Cluster,
        applied: &AppliedObject,
        deadline: Duration,
    ) -> Result<Vec<(usize, PodOutcome)>, TestbedError> {
        let namespace = self.manifest["metadata"]["namespace"].as_str().unwrap_or_default();
        let ready = |name: String| async move { readiness::ready(&cluster.client, namespace, &name, deadline).await };
        let (AppliedObject::Workload(applied), Some(workload)) = (applied, self.workload) else {
            let pods = self.pods.iter().map(|(place, pod)| async { Ok((*place, ready(pod.name.clone()).await?)) });
            return futures::future::try_join_all(pods).await;
        };
        if workload.kind != "StatefulSet" {
            let found = match_pods(applied, self.pods.len()).await?;
            let pods = self.pods.iter().zip(found).map(|((place, _), name)| async { Ok((*place, ready(name).await?)) });
            return futures::future::try_join_all(pods).await;
        }
        // A StatefulSet's controller makes each pod when the previous one is Ready. The names are those of the plan.
        let (mut all, mut failed) = (Vec::new(), None);
        for (number, (place, pod)) in self.pods.iter().enumerate() {
            let outcome = match &failed {
                Some(failed) => PodOutcome::Down {
                    pod: Box::default(),
                    reason: format!("{} makes it when pod {failed} is Ready, which it is not", applied.title()),
                    log: Vec::new(),
                },
                None => {
                    applied.await_pods(number + 1, STAGE).await?;
                    ready(pod.name.clone()).await?
                }
            };
            let is_parallel = self.manifest["spec"]["podManagementPolicy"] == "Parallel";
            if matches!(outcome, PodOutcome::Down { .. }) && !is_parallel {
                failed.get_or_insert(&pod.name);
            }
            all.push((*place, outcome));
        }
        Ok(all)
    }
}

/// The names of a workload's pods, in the order of their indexes in a Job, else of their creation.
async fn match_pods(workload: &AppliedWorkload, count: usize) -> Result<Vec<String>, TestbedError> {
    let mut pods = workload.await_pods(count, STAGE).await?;
    if pods.len() != count {
        let what = format!("{}: expected {count} pods, found {}", workload.title(), pods.len());
        return Err(TestbedError::new(STAGE, what));
    }
    pods.sort_by_key(|pod| {
        let index = pod.annotations().get("batch.kubernetes.io/job-completion-index");
        (index.and_then(|index| index.parse::<u32>().ok()), pod.creation_timestamp(), pod.name_any())
    });
    Ok(pods.iter().map(ResourceExt::name_any).collect())
}

/// An object that was applied for pods of the plan.
pub(super) enum AppliedObject {
    Pod { namespace: String, name: String },
    Workload(AppliedWorkload),
}

impl AppliedObject {
    /// Deletes the object, and its pods with Plumbline's grace period. Gives the pods that were on a node.
    ///
    /// # Errors
    /// `TestbedError` when the server refuses.
    pub async fn delete(&self, cluster: &Cluster) -> Result<Vec<Pod>, TestbedError> {
        let pods = match self {
            Self::Pod { namespace, name } => vec![(namespace.clone(), name.clone())],
            Self::Workload(workload) => {
                let pods = workload.list_pods().await.at_stage(CLEAN_UP)?;
                workload.delete().await.at_stage(CLEAN_UP)?;
                pods.iter().map(|pod| (pod.namespace().unwrap_or_default(), pod.name_any())).collect()
            }
        };
        let mut on_nodes = Vec::new();
        for (namespace, name) in pods {
            let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &namespace);
            match api.delete(&name, &DeleteParams::default().grace_period(GRACE)).await {
                Ok(deleted) => on_nodes.extend(deleted.left().filter(|pod| !node_of(pod).is_empty())),
                Err(e) if is_absent(&e) => {}
                Err(e) => {
                    return Err(TestbedError::new(CLEAN_UP, format!("pod {namespace}/{name}: {}", error_message(&e))));
                }
            }
        }
        Ok(on_nodes)
    }
}

/// A sandbox that is not removed.
pub(super) struct RemainingSandbox {
    /// The pod, and the last state of its sandbox.
    pub message: String,
    /// Whether only a cached result is left of it.
    pub cached: bool,
}

/// Waits until the sandbox of a deleted pod is gone from its node, so that CNI DEL has run.
pub(super) async fn await_sandbox_removal(cluster: &Cluster, pod: &Pod) -> Result<(), RemainingSandbox> {
    let (namespace, name, uid) = (pod.namespace().unwrap_or_default(), pod.name_any(), uid_of(pod));
    let fail = |cause: String| RemainingSandbox { message: format!("pod {namespace}/{name}: {cause}"), cached: false };
    let node = cluster.node(&node_of(pod)).map_err(|error| fail(error.cause()))?;
    let cached = AtomicBool::new(false);
    // Each check is short: the agent has one thread, and pods of other scenarios are removed too.
    let look = || async {
        let (namespace, name, uid) = (namespace.clone(), name.clone(), uid.clone());
        match node.call_aside(Op::AwaitSandboxRemoval { namespace, name, uid, deadline_ms: 0 }).await? {
            Outcome::SandboxRemoval { removed: true, .. } => Ok(Look::There(())),
            Outcome::SandboxRemoval { last_seen, .. } => {
                let last = last_seen.unwrap_or_default();
                cached.store(last.starts_with(CACHED_RESULT), Ordering::Relaxed);
                Ok(Look::NotYet(last))
            }
            other => Err(TestbedError::new(CLEAN_UP, format!("the agent answered {other:?}"))),
        }
    };
    let removed = wait::until(CLEAN_UP, "its sandbox to be gone", Deadline::after(REMOVAL), PAUSE, look).await;
    removed.map_err(|error| RemainingSandbox { cached: cached.load(Ordering::Relaxed), ..fail(error.cause()) })
}
