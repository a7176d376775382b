//! Reading a pod that is up: by `ip` in it and by the agent on its node, side by side; both have to agree.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::Api;
use plumbline_cluster::Cluster;
use plumbline_cluster::node::Node;
use plumbline_core::observe::agree_within;
use plumbline_core::observe::ip::kernel_state;
use plumbline_core::observe::{LogLine, PodObservation, PodState, Witness};
use plumbline_core::plan;
use plumbline_core::protocol::{Fault, Observed, Op, Outcome, Target};
use plumbline_kube::exec::{self, IpInPod};
use plumbline_kube::namespaces::Namespaces;
use plumbline_kube::objects::{is_absent, words};
use plumbline_kube::readiness::{node_of, uid_of};
use plumbline_kube::reported::{STATUS, merge_reported};
use plumbline_kube::runtime_log;
use plumbline_testbed::error::TestbedError;
use serde_json::Value;

const STAGE: &str = "observe";

/// A pod to be read.
pub struct Subject<'a> {
    /// As the plan has it.
    pub pod: &'a plan::Pod,
    /// Its namespace in force.
    pub namespace: &'a str,
    /// The namespaces of the scenario.
    pub namespaces: &'a Namespaces,
    /// The pod as it became Ready.
    pub came: &'a Pod,
    /// Sysctls that are wanted of it.
    pub sysctls: Vec<String>,
    /// Separates the parts of what `ip` prints.
    pub marker: &'a str,
}

/// What the agent's side gives.
struct OnNode {
    observed: Observed,
    cached: Vec<(String, String, Value)>,
    log: Vec<LogLine>,
}

/// Reads a pod.
///
/// # Errors
/// `TestbedError` when the pod is gone or another one, when nobody can read it, or when both witnesses disagree twice.
pub async fn read(cluster: &Cluster, subject: &Subject<'_>) -> Result<PodObservation, TestbedError> {
    let (first, disagreement) = once(cluster, subject).await?;
    if disagreement.is_empty() {
        return Ok(first);
    }
    // Something may just have moved. Both are read once more; a second disagreement is no chance.
    let (second, disagreement) = once(cluster, subject).await?;
    if disagreement.is_empty() {
        return Ok(second);
    }
    let name = &subject.pod.name;
    let what = disagreement.join("; ");
    Err(TestbedError::new(STAGE, format!("pod {name}: its own ip and the agent on its node disagree, twice: {what}")))
}

async fn once(cluster: &Cluster, subject: &Subject<'_>) -> Result<(PodObservation, Vec<String>), TestbedError> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), subject.namespace);
    let name = &subject.pod.name;
    let node = cluster.node(&node_of(subject.came))?;
    let container = container(subject.came);
    let (now, spoken, on_node) = tokio::join!(
        pods.get(name),
        exec::ip_in_pod(&pods, name, &container, subject.marker),
        on_node(node, subject, false),
    );
    let now = now.map_err(|e| {
        if is_absent(&e) { gone(name, "the API server no longer has it") } else { TestbedError::new(STAGE, words(&e)) }
    })?;
    if uid_of(&now) != uid_of(subject.came) {
        return Err(gone(name, "another pod has its name now"));
    }
    if now.metadata.deletion_timestamp.is_some() {
        return Err(gone(name, "it is being deleted by somebody else"));
    }
    let mut on_node = on_node?;
    let spoken = spoken.map_err(|e| TestbedError::new(STAGE, e))?;
    let mut witnesses = vec![Witness::Agent];
    let mut disagreement = Vec::new();
    let transcripts = match spoken {
        IpInPod::Gone(words) => return Err(gone(name, &words)),
        IpInPod::Outputs(outputs) => {
            let told = kernel_state(&outputs);
            let (of_pod, coverage) =
                told.map_err(|e| TestbedError::new(STAGE, format!("pod {name}: what its ip printed: {e}")))?;
            disagreement = agree_within(&of_pod, &on_node.observed.kernel, coverage);
            witnesses.insert(0, Witness::PodIp);
            outputs.transcripts
        }
        IpInPod::Unavailable(why) => {
            on_node = self::on_node(node, subject, true).await?;
            let by = format!("made by the agent from the node, since {why}");
            let outputs = on_node.observed.ip.take();
            let mut transcripts = outputs.map(|o| o.transcripts).unwrap_or_default();
            for transcript in &mut transcripts {
                transcript.pod.clone_from(name);
                transcript.command = format!("{} ({by})", transcript.command);
            }
            on_node.log.push(LogLine { origin: "plumbline".to_owned(), reason: "Witness".to_owned(), text: by });
            transcripts
        }
    };
    let status = now.annotations().get(STATUS).map(String::as_str);
    let observation = PodObservation {
        pod: name.clone(),
        node: node.name.clone(),
        state: PodState::Running,
        transcripts,
        kernel: Some(on_node.observed.kernel),
        witnesses,
        reported: merge_reported(subject.pod, subject.namespaces, on_node.cached, status),
        outcomes: Vec::new(),
        calls: Vec::new(),
        log: on_node.log,
        node_links: Some(on_node.observed.node_links),
        sysctls: on_node.observed.sysctls,
    };
    Ok((observation, disagreement))
}

async fn on_node(node: &Node, subject: &Subject<'_>, with_ip: bool) -> Result<OnNode, TestbedError> {
    let (namespace, name) = (subject.namespace.to_owned(), subject.pod.name.clone());
    let uid = uid_of(subject.came);
    let target = Target::Sandbox { namespace: namespace.clone(), name: name.clone(), uid: uid.clone() };
    let mut observed = match node.call(Op::Observe { target: target.clone(), with_ip }).await? {
        Outcome::Observed(observed) => observed,
        Outcome::Fault(fault) => return Err(faulted(&name, &fault)),
        other => return Err(TestbedError::new(STAGE, format!("pod {name}: the agent answered {other:?}"))),
    };
    if !subject.sysctls.is_empty() {
        match node.call(Op::Sysctls { target, names: subject.sysctls.clone() }).await? {
            Outcome::Sysctls(found) => observed.sysctls.extend(found),
            Outcome::Fault(fault) => return Err(faulted(&name, &fault)),
            other => return Err(TestbedError::new(STAGE, format!("pod {name}: the agent answered {other:?}"))),
        }
    }
    let cached = match node.call(Op::Reported { namespace, name: name.clone(), uid }).await? {
        Outcome::Reported(cached) => cached,
        Outcome::Fault(fault) => return Err(faulted(&name, &fault)),
        other => return Err(TestbedError::new(STAGE, format!("pod {name}: the agent answered {other:?}"))),
    };
    let log = runtime(node, subject).await?;
    Ok(OnNode { observed, cached, log })
}

/// What the container runtime's log on the node has about the pod, since the pod was created.
///
/// # Errors
/// `TestbedError` when the agent can't be reached. A node without journald has nothing to tell.
pub async fn runtime(node: &Node, subject: &Subject<'_>) -> Result<Vec<LogLine>, TestbedError> {
    let since = subject.came.metadata.creation_timestamp.as_ref().map_or(0, |t| t.0.as_second());
    let since = format!("--since=@{since}");
    let argv = ["journalctl", "--unit=containerd", "--output=cat", "--no-pager", "--quiet", &since];
    let ran = node.ran(&argv).await?;
    Ok(runtime_log::runtime_log(&ran.stdout, subject.namespace, &subject.pod.name))
}

fn faulted(name: &str, fault: &Fault) -> TestbedError {
    if fault.gone {
        return gone(name, &format!("{}: {}", fault.doing, fault.cause));
    }
    TestbedError::new(STAGE, format!("pod {name}: {}: {}", fault.doing, fault.cause))
}

fn gone(name: &str, how: &str) -> TestbedError {
    TestbedError::new(STAGE, format!("pod {name} is gone while observed: {how}"))
}

/// The container to run `ip` in: the one that kubectl would take.
fn container(pod: &Pod) -> String {
    if let Some(named) = pod.annotations().get("kubectl.kubernetes.io/default-container") {
        return named.clone();
    }
    pod.spec.as_ref().and_then(|s| s.containers.first()).map(|c| c.name.clone()).unwrap_or_default()
}
