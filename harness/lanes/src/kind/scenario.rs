//! A staged plan: reading it, and removing it.

use super::observe::{self, Subject};
use super::packet_endpoints::PacketEndpoints;
use super::pods::{AppliedObject, RemainingSandbox, StagedPod, await_sandbox_removal};
use super::{leaks, probes, unattached};
use crate::context::{Context, Keep};
use crate::lane::{EntryCommand, StagedScenario, Staging, TearDown};
use crate::traces::NodeTraces;
use futures::future::{BoxFuture, join_all, try_join_all};
use kube::ResourceExt;
use plumbline_cluster::Cluster;
use plumbline_cluster::cluster::StagedNetwork;
use plumbline_core::observe::traces::RemovedPod;
use plumbline_core::observe::{LeakKind, Observation, PodObservation, PodState};
use plumbline_core::plan::Plan;
use plumbline_kube::namespaces::Namespaces;
use plumbline_kube::readiness::{PodOutcome, node_of, uid_of};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::journal::{EffectId, Run};
use plumbline_testbed::lease::Lease;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The network by which the runtime sets `lo` up, before any other (containerd's `go-cni`).
const LOOPBACK: &str = "cni-loopback";

/// A staged plan.
pub(super) struct KindScenario {
    pub cluster: Arc<Cluster>,
    pub namespaces: Namespaces,
    pub pods: Vec<StagedPod>,
    pub staging: Staging,
    /// Objects applied for its pods, also if the wait for their pods was interrupted.
    pub applied: Vec<AppliedObject>,
    /// Namespaces that were made, with their journal entries.
    pub made: Vec<(String, EffectId)>,
    /// The endpoints of packets beside its pods.
    pub packets: PacketEndpoints,
    /// The default network that a provider staged.
    pub network: Option<Box<dyn StagedNetwork>>,
    /// The traces on its nodes before its pods.
    pub before: NodeTraces,
    pub locks: Vec<Lease>,
    /// Its journal.
    pub run: Arc<Run>,
    /// Distinguishes it from the other scenarios of all runs.
    pub label: String,
    marker: String,
    plan: Plan,
    /// Whether it may stay after the run.
    keep: bool,
    /// Whether other scenarios wait until its verbatim namespaces are empty.
    verbatim: bool,
    /// Whether the bring-up checked the proof of Multus.
    is_proven: bool,
}

impl KindScenario {
    /// A scenario without any object.
    ///
    /// # Errors
    /// `TestbedError` when it may be kept and its own journal can't be made.
    pub fn new(
        cluster: Arc<Cluster>,
        cx: &Context,
        plan: &Plan,
        namespaces: Namespaces,
        label: String,
        staging: Staging,
    ) -> Result<Self, TestbedError> {
        // A kept scenario outlives its run. The end of the run undoes the run's own journal.
        let run = match cx.options.keep {
            Keep::Never => cx.run.clone(),
            Keep::OnFailure | Keep::Always => Arc::new(Run::begin("kept namespaces")?),
        };
        Ok(Self {
            cluster,
            namespaces,
            pods: Vec::new(),
            staging,
            applied: Vec::new(),
            made: Vec::new(),
            packets: PacketEndpoints::default(),
            network: None,
            before: NodeTraces::default(),
            locks: Vec::new(),
            run,
            label,
            marker: format!("plumbline-{}", cx.run.id()),
            plan: plan.clone(),
            keep: cx.options.keep != Keep::Never,
            verbatim: cx.options.verbatim,
            is_proven: !cx.options.skip_multus_check,
        })
    }

    /// Removes everything: pods, until their sandboxes are gone; namespaces in the background, awaited by the lane.
    ///
    /// The namespaces are deleted right after the pods: Kubernetes lets 5 s pass before it begins with one, in which
    /// the pods end by their own, shorter grace.
    pub async fn take_down(&mut self) -> TearDown {
        let mut result = TearDown::default();
        // The leases of a pod can be read only while it exists.
        let held = leaks::read_leases(&self.cluster, &self.pods, &mut result.left_behind).await;
        let ready = self.pods.iter().filter_map(|staged| Some((&staged.pod.name, staged.ready()?)));
        let removed: Vec<RemovedPod> = ready.map(|(name, pod)| leaks::removed_pod(name, pod)).collect();
        let mut deleted = Vec::new();
        for outcome in join_all(self.applied.iter().map(|object| object.delete(&self.cluster))).await {
            match outcome {
                Ok(pods) => deleted.extend(pods),
                Err(error) => result.left_behind.push(error.cause()),
            }
        }
        for (name, id) in std::mem::take(&mut self.made) {
            let dropped = self.cluster.delete_namespace(&name, id, self.run.clone()).await;
            result.left_behind.extend(dropped.err().map(|error| error.cause()));
        }
        let mut packets = std::mem::take(&mut self.packets);
        let mut network = self.network.take();
        let pods = async {
            let sandboxes = join_all(deleted.iter().map(|pod| await_sandbox_removal(&self.cluster, pod))).await;
            let mut unread = Vec::new();
            let mut leaks = leaks::find_leases(&self.cluster, &held, &mut unread).await;
            if self.before.nodes() > 0 {
                let (traces, lines) = leaks::find_traces(&self.before, &self.cluster, &removed).await;
                leaks.get_or_insert_default().extend(traces);
                unread.extend(lines);
            }
            if let Some(network) = &mut network {
                // The next chain can come into force while the external hosts are removed.
                unread.extend(network.undo().await);
            }
            (sandboxes, leaks, unread)
        };
        let ((sandboxes, leaks, unread), hosts) = tokio::join!(pods, packets.take_down(&self.run));
        drop(network);
        result.leaks = leaks;
        result.left_behind.extend(unread);
        for (pod, sandbox) in deleted.iter().zip(sandboxes) {
            let Err(RemainingSandbox { message, cached }) = sandbox else { continue };
            let staged =
                self.pods.iter().find(|staged| staged.ready().is_some_and(|ready| uid_of(ready) == uid_of(pod)));
            // A connection that the kernel tracks is not removed by DEL.
            let mut of_del = result.leaks.iter().flatten().filter(|leak| leak.kind != LeakKind::Connection);
            // A failed DEL keeps the cached result too. The lease already reports that fault.
            let is_reported =
                of_del.any(|leak| staged.is_some_and(|staged| leak.pod.as_ref() == Some(&staged.pod.name)));
            if !(cached && is_reported) {
                result.left_behind.push(message);
            }
        }
        result.left_behind.extend(hosts);
        if self.verbatim {
            // Another scenario may write the same namespace: it must be empty before the lease ends.
            result.left_behind.extend(self.cluster.await_namespace_deletions().await);
        }
        result
    }

    async fn read(&self, staged: &StagedPod) -> Result<PodObservation, TestbedError> {
        let subject = |in_cluster| Subject {
            pod: &staged.pod,
            namespace: &staged.namespace,
            namespaces: &self.namespaces,
            sysctls: self.plan.sysctls_of(&staged.pod.name),
            in_cluster,
            marker: &self.marker,
        };
        match &staged.outcome {
            PodOutcome::Up(pod) => {
                let mut observed = observe::observe_pod(&self.cluster, &subject(pod)).await?;
                if !staged.pod.attachments.is_empty() {
                    // Without the check of Multus the canary may be an old one.
                    let mut baselines = if self.is_proven { self.cluster.baselines() } else { BTreeMap::new() };
                    let baseline = baselines.remove(&observed.node);
                    let after = observe::read_state_after(&self.cluster, &subject(pod), baseline).await?;
                    observed.state_after = Some(after);
                }
                Ok(observed)
            }
            PodOutcome::Down { pod, reason, log } => {
                let node = node_of(pod);
                let mut log = log.clone();
                if let Ok(on) = self.cluster.node(&node) {
                    log.extend(observe::read_runtime_log(on, &subject(pod)).await?);
                }
                let state = PodState::NotReady { reason: reason.clone() };
                Ok(PodObservation { pod: staged.pod.name.clone(), node, state, log, ..PodObservation::default() })
            }
        }
    }
}

impl Drop for KindScenario {
    /// A kept scenario is dropped without being removed. Its external hosts stay too.
    fn drop(&mut self) {
        if self.keep {
            self.packets.keep();
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
                seen.nodes = self.packets.observe_nodes().await?;
            }
            seen.wire = probes::run_probes(&self.plan, &seen, &self.packets, &self.pods).await?;
            Ok(seen)
        })
    }

    fn entry_commands(&self) -> Vec<EntryCommand> {
        let kubeconfig = self.cluster.kubeconfig.display();
        let command = |staged: &StagedPod| {
            let name = staged.ready().map_or_else(|| staged.pod.name.clone(), ResourceExt::name_any);
            let command = format!("kubectl --kubeconfig {kubeconfig} -n {} exec -it {name} -- sh", staged.namespace);
            EntryCommand { target: format!("pod {name}"), command }
        };
        self.pods.iter().map(command).collect()
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, TearDown> {
        Box::pin(async move { self.take_down().await })
    }
}
