//! Watches a pod and its events until the pod is Ready or its networks fail.

use crate::objects::{FIELD_MANAGER, error_message};
use crate::runtime_log::Sandbox;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod, ServiceAccount};
use kube::api::Api;
use kube::runtime::wait::await_condition;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use plumbline_core::observe::{LogLine, printable};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline};
use std::pin::pin;
use std::time::Duration;

/// The number of failed attempts at a sandbox after which the wait ends. The kubelet repeats attempts without end.
const ATTEMPTS: usize = 2;
/// The longest wait after the first failed attempt, in case no second one follows.
const AFTER_FIRST: Duration = Duration::from_secs(25);

/// How the wait ended.
#[derive(Debug, Clone)]
pub enum PodOutcome {
    /// Ready.
    Up(Box<Pod>),
    /// Its networks could not be created.
    Down {
        /// The pod as last seen.
        pod: Box<Pod>,
        /// The awaited condition, the time waited, and the last state.
        reason: String,
        /// Its events.
        log: Vec<LogLine>,
    },
}

/// Waits until the pod `name` is Ready, at most `deadline`.
///
/// # Errors
/// `TestbedError` when the pod no longer exists, when it can't run for another reason than its networks (image, scheduling,
/// a container that ends), or when the API server answers neither Plumbline nor Multus.
pub async fn ready(
    client: &Client,
    namespace: &str,
    name: &str,
    deadline: Duration,
) -> Result<PodOutcome, TestbedError> {
    let whole = Deadline::after(deadline);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let now = pods.get_opt(name).await.map_err(|e| TestbedError::new("pod", error_message(&e)))?;
    let uid = now.map(|pod| uid_of(&pod)).ok_or_else(|| gone(namespace, name, "it does not exist"))?;
    let of_pod = watcher::Config::default().fields(&format!("metadata.name={name}"));
    // By UID, because events outlive their pod, and a canary has the name of the previous canary.
    let of_events = watcher::Config::default().fields(&format!("involvedObject.uid={uid}"));
    let mut pods = pin!(watcher(pods, of_pod).default_backoff());
    let mut events = pin!(watcher(events, of_events).default_backoff().applied_objects());

    let mut last: Option<Pod> = None;
    let mut sandbox = Sandbox::default();
    let mut trouble = None;
    let mut until = whole;
    loop {
        tokio::select! {
            event = pods.next() => match event {
                Some(Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod))) => {
                    if pod.metadata.deletion_timestamp.is_some() {
                        return Err(gone(namespace, name, "another client deletes it"));
                    }
                    if is_ready(&pod) {
                        return Ok(PodOutcome::Up(Box::new(pod)));
                    }
                    if let Some(why) = find_obstacle(&pod) {
                        return Err(TestbedError::new("pod", format!("pod {namespace}/{name} can't run: {why}")));
                    }
                    last = Some(pod);
                }
                Some(Ok(watcher::Event::Delete(_))) => return Err(gone(namespace, name, "it was deleted during the wait")),
                Some(Ok(watcher::Event::InitDone)) if last.is_none() => return Err(gone(namespace, name, "it does not exist")),
                Some(Ok(_)) => {}
                Some(Err(e)) => trouble = Some(e.to_string()),
                None => return Err(TestbedError::new("pod", format!("the watch of pod {namespace}/{name} ended"))),
            },
            Some(Ok(event)) = events.next() => {
                sandbox.add_event(&event);
                if sandbox.attempts() == 1 {
                    until = until.child(AFTER_FIRST);
                }
                if sandbox.attempts() >= ATTEMPTS && let Some(pod) = last.take() {
                    let waited = whole.elapsed().as_secs();
                    let reason = format!(
                        "waited {waited} s of {limit} s for pod {name} to be Ready; stopped after {} failed attempts at its \
                         sandbox, because the kubelet repeats them without end; last seen: {}",
                        sandbox.attempts(), sandbox.last(), limit = deadline.as_secs()
                    );
                    return Ok(PodOutcome::Down { pod: Box::new(pod), reason, log: sandbox.into_lines() });
                }
            },
            () = wait::over(until) => break,
        }
    }
    let waited = whole.elapsed().as_secs();
    let Some(pod) = last else {
        let why = trouble.unwrap_or_else(|| "the API server returned no state of it".to_owned());
        return Err(TestbedError::new("pod", format!("waited {waited} s for pod {namespace}/{name}: {why}")));
    };
    if sandbox.attempts() == 0
        && !has_sandbox(&pod)
        && let Some(message) = sandbox.unanswered()
    {
        return Err(TestbedError::new(
            "pod",
            format!("waited {waited} s for pod {namespace}/{name}: the API server did not answer: {message}"),
        ));
    }
    let seen = if sandbox.attempts() > 0 { sandbox.last() } else { phase(&pod) };
    let reason = format!("waited {waited} s for pod {name} to be Ready; last seen: {seen}");
    if has_sandbox(&pod) {
        return Err(TestbedError::new("pod", format!("{reason}; its networks exist, its containers are not ready")));
    }
    Ok(PodOutcome::Down { pod: Box::new(pod), reason, log: sandbox.into_lines() })
}

fn gone(namespace: &str, name: &str, how: &str) -> TestbedError {
    TestbedError::new("pod", format!("pod {namespace}/{name}: {how}"))
        .with_hint(format!("do not delete objects of field manager {FIELD_MANAGER} during a run; repeat the command"))
}

fn condition<'a>(pod: &'a Pod, name: &str) -> Option<&'a k8s_openapi::api::core::v1::PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|c| c.type_ == name)
}

/// Whether its condition `Ready` is true.
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|c| c.status == "True")
}

/// Whether its sandbox and networks exist (a condition of Kubernetes 1.29 and later).
fn has_sandbox(pod: &Pod) -> bool {
    condition(pod, "PodReadyToStartContainers").is_some_and(|c| c.status == "True")
}

fn phase(pod: &Pod) -> String {
    let waiting = statuses(pod).find_map(|s| s.state.as_ref()?.waiting.as_ref()?.reason.clone());
    let phase = pod.status.as_ref().and_then(|s| s.phase.clone()).unwrap_or_else(|| "no status".to_owned());
    waiting.unwrap_or(phase)
}

/// The statuses of a pod's containers, init containers first.
pub fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let lists = pod.status.iter().flat_map(|s| [s.init_container_statuses.as_ref(), s.container_statuses.as_ref()]);
    lists.flatten().flatten()
}

/// The reason why a pod does not run, other than its networks: image, configuration, scheduling, a container that ended.
fn find_obstacle(pod: &Pod) -> Option<String> {
    if let Some(scheduled) = condition(pod, "PodScheduled")
        && scheduled.reason.as_deref() == Some("Unschedulable")
    {
        return Some(format!("it can't be scheduled: {}", scheduled.message.clone().unwrap_or_default()));
    }
    let refused = ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CrashLoopBackOff"];
    let refused =
        |reason: &str| refused.contains(&reason) || (reason.starts_with("Create") && reason.ends_with("Error"));
    statuses(pod).find_map(|status| {
        let waiting = status.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref().filter(|r| refused(r))?;
        let message = printable(waiting.message.as_deref().unwrap_or_default());
        Some(format!("container {}: {reason}: {message}", status.name))
    })
}

/// Waits until a namespace has its default service account. Before that, the API server refuses pods.
///
/// # Errors
/// `TestbedError` at `stage` after 30 s.
pub async fn await_service_account(client: &Client, namespace: &str, stage: &str) -> Result<(), TestbedError> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let there = await_condition(accounts, "default", |account: Option<&ServiceAccount>| account.is_some());
    let what = format!("the default service account of namespace {namespace}");
    let there =
        wait::by(stage, &what, Deadline::after(Duration::from_secs(30)), there, || "it does not exist".into()).await?;
    there.map(|_| ()).map_err(|e| TestbedError::new(stage, format!("{what}: {e}")))
}

/// The node of a pod; empty when it has none yet.
pub fn node_of(pod: &Pod) -> String {
    pod.spec.as_ref().and_then(|s| s.node_name.clone()).unwrap_or_default()
}

/// The UID of a pod; empty when it has none yet.
pub fn uid_of(pod: &Pod) -> String {
    pod.uid().unwrap_or_default()
}
