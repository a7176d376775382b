//! Whether a pod that was told to go has gone from its node, and CNI DEL with it.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use plumbline_cluster::Cluster;
use plumbline_core::protocol::{CACHED_RESULT, Op, Outcome};
use plumbline_kube::readiness::{node_of, uid_of};
use plumbline_testbed::error::TestbedError;
use plumbline_testbed::wait::{self, Deadline, Look};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a sandbox may take to go.
const GONE: Duration = Duration::from_secs(30);
/// How often it is looked for; the runtime gives no event of it.
const LOOK: Duration = Duration::from_millis(100);

/// A sandbox that is not gone.
pub(super) struct RemainingSandbox {
    /// What was awaited, and what was last seen.
    pub words: String,
    /// Whether all that is left of it is a cached result.
    pub cached: bool,
}

/// Waits until a pod's sandbox is gone on its node, so that CNI DEL has run.
pub(super) async fn gone(cluster: &Cluster, pod: &Pod) -> Result<(), RemainingSandbox> {
    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
    let fail = |e: String| RemainingSandbox { words: format!("pod {namespace}/{name}: {e}"), cached: false };
    let node = cluster.node(&node_of(pod)).map_err(|b| fail(b.cause()))?;
    // Looked for again and again, not awaited by the agent: it has one thread, and other scenarios' pods go too.
    let (namespace, name, uid) = (namespace.as_str(), name.as_str(), uid_of(pod));
    let looked = || Op::AwaitSandboxRemoval {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: uid.clone(),
        deadline_ms: 0,
    };
    let cached = AtomicBool::new(false);
    let look = || {
        let op = looked();
        async {
            match node.call_aside(op).await? {
                Outcome::SandboxRemoval { removed: true, .. } => Ok(Look::There(())),
                Outcome::SandboxRemoval { last_seen, .. } => {
                    let last = last_seen.unwrap_or_default();
                    cached.store(last.starts_with(CACHED_RESULT), Ordering::Relaxed);
                    Ok(Look::NotYet(last))
                }
                other => Err(TestbedError::new("clean up", format!("the agent answered {other:?}"))),
            }
        }
    };
    let gone = wait::until("clean up", "its sandbox to be gone", Deadline::after(GONE), LOOK, look).await;
    gone.map_err(|error| RemainingSandbox { cached: cached.load(Ordering::Relaxed), ..fail(error.cause()) })
}
