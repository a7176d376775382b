//! A staged plan: reading it, and taking it down.

use super::leases;
use super::observe::{self, Subject};
use super::outside::PacketEndpoints;
use super::parties;
use super::sandbox_removal::{RemainingSandbox, gone};
use super::unattached;
use super::{stage, traces};
use crate::context::{Context, Keep};
use crate::lane::{StagedScenario, Staging, TearDown};
use crate::traces::NodeTraces;
use futures::future::{BoxFuture, join_all, try_join_all};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams};
use plumbline_cluster::Cluster;
use plumbline_cluster::provider::StagedNetwork;
use plumbline_core::observe::traces::RemovedPod;
use plumbline_core::observe::{Leak, LeakKind, Observation, PodObservation, PodState};
use plumbline_core::plan::{self, Plan};
use plumbline_kube::namespaces::Namespaces;
use plumbline_kube::objects::{is_absent, words};
use plumbline_kube::readiness::{PodOutcome, node_of};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{EffectId, Run};
use plumbline_testbed::lease::Lease;
use std::sync::Arc;

/// Grace period of pods, in seconds: with 0 the object is gone before CNI DEL has run, and `sleep` as the first
/// process ignores SIGTERM, so that Kubernetes' own 30 s would be waited out.
const GRACE: u32 = 1;
/// The network by which the runtime sets `lo` up, before any other (containerd's `go-cni`).
const LOOPBACK: &str = "cni-loopback";

/// A pod that was staged.
pub struct Staged {
    /// As the plan has it.
    pub pod: plan::Pod,
    /// Its namespace in force.
    pub namespace: String,
    /// How the wait for it ended.
    pub came: PodOutcome,
}

impl Staged {
    /// By what its traces on nodes are known; none of a pod that did not come up.
    fn known(&self) -> Option<RemovedPod> {
        match &self.came {
            PodOutcome::Up(pod) => Some(traces::gone(&self.pod.name, pod)),
            PodOutcome::Down { .. } => None,
        }
    }
}

/// A staged plan.
pub struct KindScenario {
    pub(super) cluster: Arc<Cluster>,
    pub(super) namespaces: Namespaces,
    pub(super) pods: Vec<Staged>,
    pub(super) staging: Staging,
    /// Pods created, also such as were not waited for to the end: namespace and name.
    pub(super) created: Vec<(String, String)>,
    /// Namespaces made, with their journal entries.
    pub(super) made: Vec<(String, EffectId)>,
    /// What is around its pods.
    pub(super) around: PacketEndpoints,
    /// The default network that a provider staged.
    pub(super) network: Option<Box<dyn StagedNetwork>>,
    /// What the nodes had before its pods.
    pub(super) before: NodeTraces,
    pub(super) leases: Vec<Lease>,
    /// Its journal.
    pub(super) run: Arc<Run>,
    marker: String,
    /// Tells it apart from the other scenarios of all runs.
    pub(super) label: String,
    plan: Plan,
    /// Whether it may be left as it is, to be looked at.
    keep: bool,
    /// Whether others wait until its written namespaces are empty.
    pub(super) verbatim: bool,
}

impl KindScenario {
    /// A scene with nothing in it yet.
    ///
    /// # Errors
    /// `TestbedError` when it may be kept and gets no journal of its own.
    pub(super) fn new(
        cluster: Arc<Cluster>,
        cx: &Context,
        plan: &Plan,
        namespaces: Namespaces,
        label: String,
    ) -> Result<Self, TestbedError> {
        let staging = Staging { stand_ins: stage::stand_ins(&cluster, cx, plan), ..Staging::default() };
        // What may be kept outlives its run: with the run's own journal it would be undone at the run's end.
        let run = match cx.options.keep {
            Keep::Never => cx.run.clone(),
            Keep::OnFailure | Keep::Always => Arc::new(Run::begin("kept namespaces")?),
        };
        Ok(Self {
            cluster,
            namespaces,
            pods: Vec::new(),
            staging,
            created: Vec::new(),
            made: Vec::new(),
            around: PacketEndpoints::default(),
            network: None,
            before: NodeTraces::default(),
            leases: Vec::new(),
            run,
            marker: format!("plumbline-{}", cx.run.id()),
            label,
            plan: plan.clone(),
            keep: cx.options.keep != Keep::Never,
            verbatim: cx.options.verbatim,
        })
    }

    /// Takes everything down: pods, until their sandboxes are gone; namespaces in the background, awaited by the lane.
    ///
    /// The namespaces are told to go right after the pods: Kubernetes lets 5 s pass before it begins with one, in which
    /// the pods go by their own, shorter grace.
    pub(super) async fn take_down(&mut self) -> TearDown {
        let mut closed = TearDown::default();
        // What they have is known while they are there.
        let held = leases::held(&self.cluster, &self.pods, &mut closed.left_behind).await;
        let known: Vec<RemovedPod> = self.pods.iter().filter_map(Staged::known).collect();
        let deleted = join_all(self.created.iter().map(|(namespace, name)| self.delete(namespace, name))).await;
        let mut going = Vec::new();
        for outcome in deleted {
            match outcome {
                Ok(pod) => going.extend(pod),
                Err(what) => closed.left_behind.push(what),
            }
        }
        for (name, id) in std::mem::take(&mut self.made) {
            closed.left_behind.extend(self.cluster.drop_namespace(&name, id, self.run.clone()).await.err());
        }
        let mut around = std::mem::take(&mut self.around);
        let mut network = self.network.take();
        let pods = async {
            let gone = join_all(going.iter().map(|pod| gone(&self.cluster, pod))).await;
            let mut unseen = Vec::new();
            let mut left = leases::kept(&self.cluster, &held, &mut unseen).await;
            if self.before.nodes() > 0 {
                let (stayed, lines) = traces::stayed(&self.before, &self.cluster, &known).await;
                left.get_or_insert_default().extend(stayed);
                unseen.extend(lines);
            }
            if let Some(network) = &mut network {
                // The next chain can come into force while the machines go.
                unseen.extend(network.undo().await);
            }
            (gone, left, unseen)
        };
        let ((gone, left, unseen), machines) = tokio::join!(pods, around.take_down(&self.run));
        drop(network);
        closed.leaks = left;
        closed.left_behind.extend(unseen);
        // A connection that the kernel tracks says nothing of DEL.
        let of_del = |left: &&Leak| left.kind != LeakKind::Connection;
        let stays =
            |pod: &str| closed.leaks.iter().flatten().filter(of_del).any(|left| left.pod.as_deref() == Some(pod));
        for (pod, still) in going.iter().zip(gone) {
            match still {
                Ok(()) => {}
                // A DEL that did not do its work keeps the result too: one fault, told once, by the lease.
                Err(RemainingSandbox { cached: true, .. }) if stays(&pod.name_any()) => {}
                Err(still) => closed.left_behind.push(still.words),
            }
        }
        closed.left_behind.extend(machines);
        if self.verbatim {
            // A written namespace is somebody's next: it is given back when it is empty.
            closed.left_behind.extend(self.cluster.namespaces_gone().await);
        }
        closed
    }

    /// Tells a pod to go; gives it, where it was there and on a node.
    async fn delete(&self, namespace: &str, name: &str) -> Result<Option<Box<Pod>>, String> {
        let pods: Api<Pod> = Api::namespaced(self.cluster.client.clone(), namespace);
        match pods.delete(name, &DeleteParams::default().grace_period(GRACE)).await {
            Ok(deleted) => Ok(deleted.left().filter(|pod| !node_of(pod).is_empty()).map(Box::new)),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(format!("pod {namespace}/{name}: {}", words(&e))),
        }
    }

    async fn read(&self, staged: &Staged) -> Result<PodObservation, TestbedError> {
        let subject = |came| Subject {
            pod: &staged.pod,
            namespace: &staged.namespace,
            namespaces: &self.namespaces,
            sysctls: self.plan.sysctls_of(&staged.pod.name),
            came,
            marker: &self.marker,
        };
        match &staged.came {
            PodOutcome::Up(pod) => observe::read(&self.cluster, &subject(pod)).await,
            PodOutcome::Down { pod, reason, log } => {
                let node = node_of(pod);
                let mut log = log.clone();
                if let Ok(on) = self.cluster.node(&node) {
                    log.extend(observe::runtime(on, &subject(pod)).await?);
                }
                Ok(PodObservation {
                    pod: staged.pod.name.clone(),
                    node,
                    state: PodState::NotReady { reason: reason.clone() },
                    transcripts: Vec::new(),
                    kernel: None,
                    witnesses: Vec::new(),
                    reported: Vec::new(),
                    outcomes: Vec::new(),
                    calls: Vec::new(),
                    log,
                    node_links: None,
                    sysctls: std::collections::BTreeMap::new(),
                })
            }
        }
    }
}

impl Drop for KindScenario {
    /// A scene that is kept is dropped without having been taken down: its machines stay with it.
    fn drop(&mut self) {
        if self.keep {
            self.around.keep();
        }
    }
}

impl StagedScenario for KindScenario {
    fn staging(&self) -> &Staging {
        &self.staging
    }

    fn observe<'a>(&'a mut self, cx: &'a Context) -> BoxFuture<'a, Result<Observation, TestbedError>> {
        Box::pin(async {
            let mut pods = try_join_all(self.pods.iter().map(|staged| self.read(staged))).await?;
            if self.network.is_some() {
                // The runtime's own result for `lo` is from before the chain, which may take IPv6 from every interface.
                pods.iter_mut().for_each(|seen| seen.reported.retain(|reported| reported.network != LOOPBACK));
            }
            for (staged, seen) in self.pods.iter().zip(&pods) {
                unattached::check_multus(cx, &self.cluster, &staged.pod.attachments, seen).await?;
            }
            let cluster_ranges = self.cluster.own.ranges();
            let mut seen = Observation { pods, cluster_ranges, ..Observation::default() };
            if self.plan.wants_nodes() {
                seen.nodes = self.around.nodes().await?;
            }
            seen.wire = parties::listen(&self.plan, &seen, &self.around, &self.pods).await?;
            Ok(seen)
        })
    }

    fn entry_commands(&self) -> Vec<String> {
        let kubeconfig = self.cluster.kubeconfig.display();
        let of =
            |s: &Staged| format!("kubectl --kubeconfig {kubeconfig} -n {} exec -it {} -- sh", s.namespace, s.pod.name);
        self.pods.iter().map(of).collect()
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, TearDown> {
        Box::pin(async move { self.take_down().await })
    }
}
