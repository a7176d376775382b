//! Reads a Ready pod by `ip` in the pod and by the agent on its node, side by side. Both must agree.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::Api;
use plumbline_cluster::Cluster;
use plumbline_cluster::node::Node;
use plumbline_core::cni::{AttachedChain, StateAfter};
use plumbline_core::observe::ip::kernel_state;
use plumbline_core::observe::{LogLine, PodObservation, PodState, Witness, agree_within};
use plumbline_core::plan::{self, Attachment};
use plumbline_core::protocol::{Observed, Op, Outcome, Target};
use plumbline_core::state::NamespaceState;
use plumbline_kube::exec::{self, IpInPod};
use plumbline_kube::namespaces::Namespaces;
use plumbline_kube::objects::{error_message, is_absent};
use plumbline_kube::readiness::{node_of, uid_of};
use plumbline_kube::reported::{STATUS, merge_reported};
use plumbline_kube::runtime_log;
use plumbline_testbed::error::TestbedError;
use serde_json::Value;

const STAGE: &str = "observe";

/// A pod to be read.
pub(super) struct Subject<'a> {
    /// Its entry in the plan.
    pub pod: &'a plan::Pod,
    /// Its namespace in force.
    pub namespace: &'a str,
    /// The namespaces of the scenario.
    pub namespaces: &'a Namespaces,
    /// The pod in the cluster, as it became Ready.
    pub in_cluster: &'a Pod,
    /// Names of the sysctls to read.
    pub sysctls: Vec<String>,
    /// Separates the outputs of the `ip` commands.
    pub marker: &'a str,
}

/// What the agent on the node read.
struct OnNode {
    observed: Observed,
    cached: Vec<(String, String, Value)>,
    log: Vec<LogLine>,
}

/// Reads a pod.
///
/// # Errors
/// `TestbedError` when the pod is gone or another one, when it can't be read, or when both witnesses disagree twice.
pub(super) async fn observe_pod(cluster: &Cluster, subject: &Subject<'_>) -> Result<PodObservation, TestbedError> {
    let mut disagreement = Vec::new();
    // The state may have changed between the two readings, so both read once more.
    for _ in 0..2 {
        let observed;
        (observed, disagreement) = observe_once(cluster, subject).await?;
        if disagreement.is_empty() {
            return Ok(observed);
        }
    }
    let (name, what) = (&subject.pod.name, disagreement.join("; "));
    Err(TestbedError::new(STAGE, format!("pod {name}: its own ip and the agent on its node disagree, twice: {what}")))
}

async fn observe_once(cluster: &Cluster, subject: &Subject<'_>) -> Result<(PodObservation, Vec<String>), TestbedError> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), subject.namespace);
    let name = &subject.in_cluster.name_any();
    let node = cluster.node(&node_of(subject.in_cluster))?;
    let container = container(subject.in_cluster);
    let (now, ip, on_node) = tokio::join!(
        pods.get(name),
        exec::ip_in_pod(&pods, name, &container, subject.marker),
        read_on_node(node, subject, false),
    );
    let now = now.map_err(|e| {
        if is_absent(&e) {
            gone(name, "the API server no longer has it")
        } else {
            TestbedError::new(STAGE, error_message(&e))
        }
    })?;
    if uid_of(&now) != uid_of(subject.in_cluster) {
        return Err(gone(name, "another pod has its name now"));
    }
    if now.metadata.deletion_timestamp.is_some() {
        return Err(gone(name, "it is being deleted"));
    }
    let mut on_node = on_node?;
    let mut witnesses = vec![Witness::Agent];
    let mut disagreement = Vec::new();
    let mut transcripts = match ip? {
        IpInPod::Gone(how) => return Err(gone(name, &how)),
        IpInPod::Outputs(outputs) => {
            let read = kernel_state(&outputs);
            let (of_pod, coverage) =
                read.map_err(|e| TestbedError::new(STAGE, format!("pod {name}: output of its ip: {e}")))?;
            disagreement = agree_within(&of_pod, &on_node.observed.kernel, coverage);
            witnesses.insert(0, Witness::PodIp);
            outputs.transcripts
        }
        IpInPod::Unavailable(why) => {
            on_node = read_on_node(node, subject, true).await?;
            let by = format!("made by the agent from the node, since {why}");
            let outputs = on_node.observed.ip.take();
            let mut transcripts = outputs.map(|o| o.transcripts).unwrap_or_default();
            for transcript in &mut transcripts {
                transcript.command = format!("{} ({by})", transcript.command);
            }
            on_node.log.push(LogLine { origin: "plumbline".to_owned(), reason: "Witness".to_owned(), text: by });
            transcripts
        }
    };
    // Reports use the plan's names. A controller gives its pods other names.
    transcripts.iter_mut().for_each(|transcript| transcript.pod.clone_from(&subject.pod.name));
    let status = now.annotations().get(STATUS).map(String::as_str);
    let observation = PodObservation {
        pod: subject.pod.name.clone(),
        node: node.name.clone(),
        state: PodState::Running,
        transcripts,
        kernel: Some(on_node.observed.kernel),
        witnesses,
        reported: merge_reported(subject.pod, subject.namespaces, on_node.cached, status),
        log: on_node.log,
        node_links: Some(on_node.observed.node_links),
        sysctls: on_node.observed.sysctls,
        ..PodObservation::default()
    };
    Ok((observation, disagreement))
}

/// Reads the whole state of a pod with attachments, and the chains that the runtime ran for it; `baseline` is the state of
/// a pod without attachments on its node, if it was read.
///
/// # Errors
/// `TestbedError` when the pod is gone, or when the agent on its node can't read it.
pub(super) async fn read_state_after(
    cluster: &Cluster,
    subject: &Subject<'_>,
    baseline: Option<NamespaceState>,
) -> Result<StateAfter, TestbedError> {
    let name = subject.in_cluster.name_any();
    let node = cluster.node(&node_of(subject.in_cluster))?;
    let (namespace, uid) = (subject.namespace.to_owned(), uid_of(subject.in_cluster));
    let target = Target::Sandbox { namespace, name: name.clone(), uid };
    let (now, mut chains) = match node.call(Op::PodState(target)).await? {
        Outcome::PodState { state, chains } => (state, chains),
        other => return Err(unexpected_outcome(&name, other)),
    };
    let of_attachment = |attachment: &Attachment| {
        let place = chains.iter().position(|chain| chain.ifname == attachment.interface);
        place.map(|place| chains.remove(place)).unwrap_or_else(|| AttachedChain {
            network: attachment.network.clone(),
            ifname: attachment.interface.clone(),
            container_id: String::new(),
            calls: Vec::new(),
        })
    };
    let chains = subject.pod.attachments.iter().map(of_attachment).collect();
    Ok(StateAfter { baseline, now, chains })
}

fn unexpected_outcome(name: &str, outcome: Outcome) -> TestbedError {
    match outcome {
        Outcome::Fault(fault) if fault.gone => gone(name, &format!("{}: {}", fault.doing, fault.cause)),
        Outcome::Fault(fault) => TestbedError::new(STAGE, format!("pod {name}: {}: {}", fault.doing, fault.cause)),
        other => TestbedError::new(STAGE, format!("pod {name}: the agent answered {other:?}")),
    }
}

async fn read_on_node(node: &Node, subject: &Subject<'_>, with_ip: bool) -> Result<OnNode, TestbedError> {
    let (namespace, name) = (subject.namespace.to_owned(), subject.in_cluster.name_any());
    let uid = uid_of(subject.in_cluster);
    let target = Target::Sandbox { namespace: namespace.clone(), name: name.clone(), uid: uid.clone() };
    let unexpected = |outcome| unexpected_outcome(&name, outcome);
    let mut observed = match node.call(Op::Observe { target: target.clone(), with_ip }).await? {
        Outcome::Observed(observed) => observed,
        other => return Err(unexpected(other)),
    };
    if !subject.sysctls.is_empty() {
        match node.call(Op::Sysctls { target, names: subject.sysctls.clone() }).await? {
            Outcome::Sysctls(found) => observed.sysctls.extend(found),
            other => return Err(unexpected(other)),
        }
    }
    let cached = match node.call(Op::Reported { namespace, name: name.clone(), uid }).await? {
        Outcome::Reported(cached) => cached,
        other => return Err(unexpected(other)),
    };
    let log = read_runtime_log(node, subject).await?;
    Ok(OnNode { observed, cached, log })
}

/// Lines of the container runtime's log on the node about the pod, since its creation. None without journald.
///
/// # Errors
/// `TestbedError` when the agent can't be reached.
pub(super) async fn read_runtime_log(node: &Node, subject: &Subject<'_>) -> Result<Vec<LogLine>, TestbedError> {
    let since = subject.in_cluster.metadata.creation_timestamp.as_ref().map_or(0, |t| t.0.as_second());
    let since = format!("--since=@{since}");
    let argv = ["journalctl", "--unit=containerd", "--output=cat", "--no-pager", "--quiet", &since];
    let ran = node.run(&argv).await?;
    Ok(runtime_log::filter_runtime_log(&ran.stdout, subject.namespace, &subject.in_cluster.name_any()))
}

fn gone(name: &str, how: &str) -> TestbedError {
    TestbedError::new(STAGE, format!("pod {name} is gone while observed: {how}"))
}

/// The container to run `ip` in: kubectl's default container.
fn container(pod: &Pod) -> String {
    if let Some(named) = pod.annotations().get("kubectl.kubernetes.io/default-container") {
        return named.clone();
    }
    pod.spec.as_ref().and_then(|s| s.containers.first()).map(|c| c.name.clone()).unwrap_or_default()
}
