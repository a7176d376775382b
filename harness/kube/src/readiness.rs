//! Waiting for a pod, by watch: until it is Ready or its networks can't be made, with its events.

use crate::objects::{FIELD_MANAGER, words};
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

/// Attempts at a sandbox after which it is not waited for any longer: kubelet repeats them for ever.
const ATTEMPTS: usize = 2;
/// And how long after the first failed attempt, in case no second one comes.
const AFTER_FIRST: Duration = Duration::from_secs(25);

/// How the wait ended.
#[derive(Debug, Clone)]
pub enum PodOutcome {
    /// Ready.
    Up(Box<Pod>),
    /// Its networks could not be made.
    Down {
        /// The pod as last seen.
        pod: Box<Pod>,
        /// What was awaited, for how long, and what was last seen.
        reason: String,
        /// Its events.
        log: Vec<LogLine>,
    },
}

/// Waits until the pod `name` is Ready, at most `deadline`.
///
/// # Errors
/// `TestbedError` when the pod is gone, when it can't run for reasons that are not its networks' (image, scheduling,
/// a container that ends), or when the cluster does not answer, whether us or Multus.
pub async fn ready(
    client: &Client,
    namespace: &str,
    name: &str,
    deadline: Duration,
) -> Result<PodOutcome, TestbedError> {
    let whole = Deadline::after(deadline);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let now = pods.get_opt(name).await.map_err(|e| TestbedError::new("pod", words(&e)))?;
    let uid = now.map(|pod| uid_of(&pod)).ok_or_else(|| gone(namespace, name, "it is not there"))?;
    let of_pod = watcher::Config::default().fields(&format!("metadata.name={name}"));
    // By its UID: events outlive their pod, and a canary has the name of the one before it.
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
                        return Err(gone(namespace, name, "it is being deleted by somebody else"));
                    }
                    if is_ready(&pod) {
                        return Ok(PodOutcome::Up(Box::new(pod)));
                    }
                    if let Some(why) = stuck(&pod) {
                        return Err(TestbedError::new("pod", format!("pod {namespace}/{name} can't run: {why}")));
                    }
                    last = Some(pod);
                }
                Some(Ok(watcher::Event::Delete(_))) => return Err(gone(namespace, name, "it was deleted while awaited")),
                Some(Ok(watcher::Event::InitDone)) if last.is_none() => return Err(gone(namespace, name, "it is not there")),
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
                        "waited {waited} s for pod {name} to be Ready; given up after {} failed attempts at its sandbox \
                         (of {} s allowed), since they are repeated for ever; last seen: {}",
                        sandbox.attempts(), deadline.as_secs(), sandbox.last()
                    );
                    return Ok(PodOutcome::Down { pod: Box::new(pod), reason, log: sandbox.into_heard() });
                }
            },
            () = wait::over(until) => break,
        }
    }
    let waited = whole.elapsed().as_secs();
    let Some(pod) = last else {
        let why = trouble.unwrap_or_else(|| "the API server told nothing of it".to_owned());
        return Err(TestbedError::new("pod", format!("waited {waited} s for pod {namespace}/{name}: {why}")));
    };
    if sandbox.attempts() == 0
        && !has_sandbox(&pod)
        && let Some(words) = sandbox.unanswered()
    {
        return Err(TestbedError::new(
            "pod",
            format!("waited {waited} s for pod {namespace}/{name}: the API server did not answer: {words}"),
        ));
    }
    let seen = if sandbox.attempts() > 0 { sandbox.last() } else { phase(&pod) };
    let reason = format!("waited {waited} s for pod {name} to be Ready; last seen: {seen}");
    if has_sandbox(&pod) {
        return Err(TestbedError::new(
            "pod",
            format!("{reason}; its networks are there, its containers are not ready"),
        ));
    }
    Ok(PodOutcome::Down { pod: Box::new(pod), reason, log: sandbox.into_heard() })
}

fn gone(namespace: &str, name: &str, how: &str) -> TestbedError {
    TestbedError::new("pod", format!("pod {namespace}/{name}: {how}"))
        .with_hint(format!("objects of field manager {FIELD_MANAGER} are not for others to delete; run it again"))
}

fn condition<'a>(pod: &'a Pod, name: &str) -> Option<&'a k8s_openapi::api::core::v1::PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|c| c.type_ == name)
}

/// Whether its condition `Ready` is true.
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|c| c.status == "True")
}

/// Whether its sandbox and networks are there (Kubernetes 1.29 and later tell so).
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

/// What keeps it from running that is not its networks: image, configuration, scheduling, a container that ended.
fn stuck(pod: &Pod) -> Option<String> {
    if let Some(scheduled) = condition(pod, "PodScheduled")
        && scheduled.reason.as_deref() == Some("Unschedulable")
    {
        return Some(format!("not to be scheduled: {}", scheduled.message.clone().unwrap_or_default()));
    }
    let refused = ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CrashLoopBackOff"];
    let refused =
        |reason: &str| refused.contains(&reason) || (reason.starts_with("Create") && reason.ends_with("Error"));
    statuses(pod).find_map(|status| {
        let waiting = status.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref().filter(|r| refused(r))?;
        let words = printable(waiting.message.as_deref().unwrap_or_default());
        Some(format!("container {}: {reason}: {words}", status.name))
    })
}

/// Waits until a namespace has its default service account: a pod created before is refused.
///
/// # Errors
/// `TestbedError` at `stage` after 30 s.
pub async fn service_account(client: &Client, namespace: &str, stage: &str) -> Result<(), TestbedError> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let there = await_condition(accounts, "default", |account: Option<&ServiceAccount>| account.is_some());
    let what = format!("the default service account of namespace {namespace}");
    let there =
        wait::by(stage, &what, Deadline::after(Duration::from_secs(30)), there, || "it is not there".into()).await?;
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
