//! Reading a cluster. Nothing is changed.

use super::handle::ClusterHandle;
use super::node_files;
use futures::future::{OptionFuture, try_join_all};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Api, AttachParams, ListParams};
use plumbline_core::terway::{ClusterSeen, EniConfig, NAME, NAMESPACE, NodeFacts, NodeSeen, OldPod, Usage, Version};
use plumbline_kube::objects::words;
use plumbline_kube::rollout::selector;
use plumbline_testbed::error::TestbedError;
use std::collections::BTreeMap;
use tokio::io::{AsyncRead, AsyncReadExt as _};

pub(super) const STAGE: &str = "look at the cluster";
/// The DaemonSet.
pub const SET: &str = "terway-eniip";
/// The conflist as the daemon's container has it (chart `terwayd/daemonset.yaml`, volume `host-cni`).
const MOUNTED: &str = "/host-etc-net.d/10-terway.conflist";
/// The daemon's container.
const CONTAINER: &str = "terway";
/// The label of nodes whose ENIs are for single pods; its value is compared without regard to case (`types/k8s.go`).
const EXCLUSIVE: (&str, &str) = ("k8s.aliyun.com/exclusive-mode-eni-type", "enionly");

/// What was seen of a cluster.
pub struct TerwayState {
    /// Its configuration.
    pub config: EniConfig,
    /// The ConfigMap, for a write that must not pass over another's.
    pub map: ConfigMap,
    /// The DaemonSet.
    pub set: DaemonSet,
    /// The DaemonSet's pods by node.
    pub pods: BTreeMap<String, Pod>,
    /// Nodes, conflists, plugins.
    pub seen: ClusterSeen,
    /// Terway's version, by the tag of the DaemonSet's image.
    pub version: Option<Version>,
}

impl TerwayState {
    /// The use of the cluster, with the versions that the cluster gives where the user gave none.
    pub(super) fn complete(&self, usage: &Usage) -> Usage {
        Usage {
            terway_version: usage.terway_version.or(self.version),
            portmap_version: usage.portmap_version.or_else(|| self.seen.oldest("portmap")),
            ..*usage
        }
    }
}

fn testbed_error(what: &str, error: &kube::Error) -> TestbedError {
    TestbedError::new(STAGE, format!("{what}: {}", words(error)))
}

/// The ConfigMap.
///
/// # Errors
/// `TestbedError` when there is none, or the server does not give it.
pub async fn config_map(handle: &ClusterHandle) -> Result<ConfigMap, TestbedError> {
    let maps: Api<ConfigMap> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let map = maps.get_opt(NAME).await.map_err(|e| testbed_error(&format!("get configmap {NAMESPACE}/{NAME}"), &e))?;
    map.ok_or_else(|| {
        TestbedError::new(STAGE, format!("{} has no ConfigMap {NAMESPACE}/{NAME}", handle.name))
            .with_hint("is it a cluster with Terway? `kubectl config get-contexts` lists contexts")
    })
}

/// The cluster's identity under any context: the UID of the namespace kube-system. None if the user may not read it.
///
/// # Errors
/// `TestbedError` when the server does not answer.
pub async fn identity(handle: &ClusterHandle) -> Result<Option<String>, TestbedError> {
    let namespaces: Api<Namespace> = Api::all(handle.client.clone());
    match namespaces.get(NAMESPACE).await {
        Ok(namespace) => Ok(namespace.metadata.uid),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
        Err(error) => Err(testbed_error(&format!("get namespace {NAMESPACE}"), &error)),
    }
}

/// The DaemonSet.
///
/// # Errors
/// `TestbedError` when there is none, or the server does not give it.
pub async fn daemon_set(handle: &ClusterHandle) -> Result<DaemonSet, TestbedError> {
    let sets: Api<DaemonSet> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let set = sets.get_opt(SET).await.map_err(|e| testbed_error(&format!("get daemonset {NAMESPACE}/{SET}"), &e))?;
    set.ok_or_else(|| TestbedError::new(STAGE, format!("{} has no DaemonSet {NAMESPACE}/{SET}", handle.name)))
}

/// Looks at all of it. With `nodes` the conflist of each node is read too: on a cluster that is not ours by `cat` in
/// Terway's own pod there, which needs the right to exec.
///
/// # Errors
/// `TestbedError` when the server does not answer, or it is no cluster with Terway.
pub async fn look(handle: &ClusterHandle, nodes: bool) -> Result<TerwayState, TestbedError> {
    let (map, set) = tokio::try_join!(config_map(handle), daemon_set(handle))?;
    let pods = pods_of(handle, &set).await?;
    let api = Api::<Node>::all(handle.client.clone());
    let labels = api.list(&ListParams::default()).await.map_err(|e| testbed_error("list nodes", &e))?;
    let exclusive: BTreeMap<String, bool> =
        labels.items.iter().map(|node| (node.name_any(), is_exclusive(node))).collect();
    let image = set.spec.template.spec.as_ref().and_then(|spec| spec.containers.first());
    let version = image.and_then(|container| container.image.as_deref()).and_then(Version::find);
    let each = pods.iter().map(|(node, pod)| {
        let exclusive = exclusive.get(node).copied().unwrap_or_default();
        async move {
            let facts = NodeFacts { exclusive, ..NodeFacts::default() };
            let mut seen = NodeSeen { name: node.clone(), facts, ..NodeSeen::default() };
            let files = node_files::read(handle, node).await?;
            seen.plugins = files.as_ref().and_then(|files| files.plugins.clone());
            (seen.conflist, seen.unread) = match files {
                _ if !nodes => (None, Some("not read; --nodes reads it".to_owned())),
                Some(files) => (files.conflist, files.unread),
                None => match read_in_pod(handle, pod).await {
                    Ok(text) => (Some(text), None),
                    Err(why) => (None, Some(why)),
                },
            };
            Ok::<_, TestbedError>(seen)
        }
    });
    let all = try_join_all(each).await?;
    let config = EniConfig::of_cluster(map.data.clone().unwrap_or_default());
    Ok(TerwayState { config, map, set, pods, seen: ClusterSeen { nodes: all, old_pods: Vec::new() }, version })
}

fn is_exclusive(node: &Node) -> bool {
    node.labels().get(EXCLUSIVE.0).is_some_and(|value| value.eq_ignore_ascii_case(EXCLUSIVE.1))
}

/// The newest pod of the DaemonSet on each node.
pub(super) async fn pods_of(handle: &ClusterHandle, set: &DaemonSet) -> Result<BTreeMap<String, Pod>, TestbedError> {
    let pods: Api<Pod> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let all = pods
        .list(&ListParams::default().labels(&selector(set)))
        .await
        .map_err(|e| testbed_error("list Terway's pods", &e))?;
    let mut by_node: BTreeMap<String, Pod> = BTreeMap::new();
    for pod in all.items.into_iter().filter(|pod| pod.owner_references().iter().any(|owner| owner.name == SET)) {
        let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()) else { continue };
        let newer = by_node.get(&node).is_none_or(|known| known.creation_timestamp() < pod.creation_timestamp());
        if newer {
            by_node.insert(node, pod);
        }
    }
    Ok(by_node)
}

/// Reads a node's conflist by `cat` in Terway's own pod there. The error is for the report.
async fn read_in_pod(handle: &ClusterHandle, pod: &Pod) -> Result<String, String> {
    let pods: Api<Pod> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let name = pod.name_any();
    let params = AttachParams::default().container(CONTAINER).stdin(false).stdout(true).stderr(true);
    let mut process = match pods.exec(&name, ["cat", MOUNTED], &params).await {
        Ok(process) => process,
        Err(error) => return Err(format!("exec in {name}: {}", words(&error))),
    };
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let (out, err) = (process.stdout(), process.stderr());
    let (read, _) = tokio::join!(read_all(out, &mut stdout), read_all(err, &mut stderr));
    read.map_err(|error| format!("exec in {name}: {error}"))?;
    let status = OptionFuture::from(process.take_status()).await.flatten();
    match status.and_then(|status| status.status) {
        Some(word) if word == "Success" => Ok(stdout),
        _ if stderr.trim().is_empty() => Err(format!("exec in {name}: it did not end well")),
        _ => Err(stderr.trim().to_owned()),
    }
}

async fn read_all(stream: Option<impl AsyncRead + Unpin>, text: &mut String) -> std::io::Result<()> {
    match stream {
        Some(mut stream) => stream.read_to_string(text).await.map(drop),
        None => Ok(()),
    }
}

/// The pods of Terway's network on these nodes that were made before a point in time, by node and name. Pods of the
/// node's own network are none of it.
///
/// # Errors
/// `TestbedError` when the server does not answer.
pub async fn old_pods(
    handle: &ClusterHandle,
    nodes: &BTreeMap<String, Pod>,
    before: Option<Timestamp>,
) -> Result<Vec<OldPod>, TestbedError> {
    let api = Api::<Pod>::all(handle.client.clone());
    let all = api.list(&ListParams::default()).await.map_err(|e| testbed_error("list pods", &e))?;
    let mut old: Vec<OldPod> = all
        .items
        .into_iter()
        .filter(|pod| {
            let spec = pod.spec.as_ref();
            let own = spec.is_none_or(|spec| spec.host_network == Some(true));
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            let ended = matches!(phase, Some("Succeeded" | "Failed")) || pod.metadata.deletion_timestamp.is_some();
            let made = pod.creation_timestamp().map(|time| time.0);
            !own && !ended && before.is_none_or(|before| made.is_some_and(|made| made < before))
        })
        .filter_map(|pod| {
            let node = pod.spec.as_ref()?.node_name.clone().filter(|node| nodes.contains_key(node))?;
            Some(OldPod { node, namespace: pod.namespace().unwrap_or_default(), name: pod.name_any() })
        })
        .collect();
    old.sort();
    Ok(old)
}
