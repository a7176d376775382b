//! The sandbox of a pod of Kubernetes, from containerd's state on the node.
//!
//! containerd keeps an OCI bundle for each running task; the CRI plugin writes the pod's identity into its annotations
//! (`internal/cri/annotations/annotations.go` of containerd 2, the same keys in 1.x).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::Deserialize;

use crate::error::{RequestError, fault, gone};

/// The folder of Kubernetes' tasks: one folder for each.
pub const TASKS: &str = "/run/containerd/io.containerd.runtime.v2.task/k8s.io";

/// A pod's sandbox.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// Container id.
    pub id: String,
    netns: Option<String>,
    created: Option<SystemTime>,
}

impl Sandbox {
    /// The path of its network namespace.
    ///
    /// # Errors
    /// A fault for a pod on the host's network, which has none of its own.
    pub fn netns_path(&self) -> Result<PathBuf, RequestError> {
        self.netns.as_ref().map(PathBuf::from).ok_or_else(|| {
            fault(format!("find the network namespace of sandbox {}", self.id), "the pod uses the host network")
        })
    }

    /// The path of its network namespace as text, where it has one.
    pub fn netns(&self) -> Option<&str> {
        self.netns.as_deref()
    }
}

/// The used fields of a bundle's `config.json`.
#[derive(Deserialize)]
struct Bundle {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    linux: Option<Linux>,
}

#[derive(Deserialize)]
struct Linux {
    #[serde(default)]
    namespaces: Vec<Namespace>,
}

#[derive(Deserialize)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
    path: Option<String>,
}

/// The newest sandbox of a pod. An empty UID matches any.
///
/// # Errors
/// A fault marked as gone when there is none.
pub fn find_newest(namespace: &str, name: &str, uid: &str) -> Result<Sandbox, RequestError> {
    let newest = list_sandboxes(namespace, name, uid).into_iter().max_by_key(|sandbox| sandbox.created);
    newest.ok_or_else(|| {
        gone(
            format!("find the sandbox of pod {namespace}/{name}"),
            format!("no task in {TASKS} is its sandbox (uid {uid})"),
        )
    })
}

/// All sandboxes of a pod; none where there is no containerd.
pub fn list_sandboxes(namespace: &str, name: &str, uid: &str) -> Vec<Sandbox> {
    let Ok(tasks) = fs::read_dir(TASKS) else { return Vec::new() };
    let mut found = Vec::new();
    for task in tasks.filter_map(Result::ok) {
        let path = task.path().join("config.json");
        // A task that ends during the listing is left out.
        let Ok(text) = fs::read(&path) else { continue };
        let Ok(bundle) = serde_json::from_slice::<Bundle>(&text) else { continue };
        if is_sandbox_of(&bundle, namespace, name, uid) {
            found.push(Sandbox {
                id: task.file_name().to_string_lossy().into_owned(),
                netns: network_namespace(bundle),
                created: fs::metadata(&path).and_then(|about| about.modified()).ok(),
            });
        }
    }
    found
}

fn is_sandbox_of(bundle: &Bundle, namespace: &str, name: &str, uid: &str) -> bool {
    let is = |key: &str, value: &str| bundle.annotations.get(key).is_some_and(|written| written == value);
    is("io.kubernetes.cri.container-type", "sandbox")
        && is("io.kubernetes.cri.sandbox-namespace", namespace)
        && is("io.kubernetes.cri.sandbox-name", name)
        && (uid.is_empty() || is("io.kubernetes.cri.sandbox-uid", uid))
}

fn network_namespace(bundle: Bundle) -> Option<String> {
    bundle.linux?.namespaces.into_iter().find(|one| one.kind == "network")?.path.filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_is_identified_by_its_annotations() {
        let text = r#"{"annotations": {"io.kubernetes.cri.container-type": "sandbox",
            "io.kubernetes.cri.sandbox-namespace": "a", "io.kubernetes.cri.sandbox-name": "b",
            "io.kubernetes.cri.sandbox-uid": "c"},
            "linux": {"namespaces": [{"type": "pid"}, {"type": "network", "path": "/var/run/netns/x"}]}}"#;
        let bundle: Bundle = serde_json::from_str(text).unwrap();
        assert!(is_sandbox_of(&bundle, "a", "b", "c") && is_sandbox_of(&bundle, "a", "b", ""));
        assert!(!is_sandbox_of(&bundle, "a", "b", "d") && !is_sandbox_of(&bundle, "b", "b", "c"));
        assert_eq!(network_namespace(bundle).as_deref(), Some("/var/run/netns/x"));
    }
}
