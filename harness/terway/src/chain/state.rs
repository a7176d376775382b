//! Reads a cluster, without any change.

use super::handle::ClusterHandle;
use super::node_files;
use futures::future::{OptionFuture, try_join_all};
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Api, AttachParams, ListParams};
use plumbline_core::release::Release;
use plumbline_core::terway::{ClusterSeen, EniConfig, NAME, NAMESPACE, NodeFacts, NodeSeen, OldPod, Usage};
use plumbline_kube::objects::{AtRequest as _, error_message};
use plumbline_kube::rollout::selector;
use plumbline_testbed::error::TestbedError;
use std::collections::BTreeMap;
use tokio::io::{AsyncRead, AsyncReadExt as _};

pub(super) const STAGE: &str = "read the cluster";
/// The name of the DaemonSet.
pub const SET: &str = "terway-eniip";
/// The path of the conflist in the daemon's container (chart `terwayd/daemonset.yaml`, volume `host-cni`).
const MOUNTED: &str = "/host-etc-net.d/10-terway.conflist";
/// The daemon's container.
const CONTAINER: &str = "terway";
/// The label of nodes with exclusive ENIs. The comparison of its value is case-insensitive (`types/k8s.go`).
const EXCLUSIVE: (&str, &str) = ("k8s.aliyun.com/exclusive-mode-eni-type", "enionly");

/// The state of Terway in a cluster.
pub struct TerwayState {
    /// Its configuration.
    pub config: EniConfig,
    /// The ConfigMap. Its resource version protects changes of other clients from an overwrite.
    pub map: ConfigMap,
    /// The DaemonSet.
    pub set: DaemonSet,
    /// The DaemonSet's pods by node.
    pub pods: BTreeMap<String, Pod>,
    /// Nodes, conflists, plugins.
    pub seen: ClusterSeen,
    /// Terway's version, from the tag of the DaemonSet's image.
    pub version: Option<Release>,
}

impl TerwayState {
    /// The use of the cluster. Versions that the user did not give are those of the cluster.
    pub(super) fn complete(&self, usage: &Usage) -> Usage {
        Usage {
            terway_version: usage.terway_version.or(self.version),
            portmap_version: usage.portmap_version.or_else(|| self.seen.oldest("portmap")),
            ..*usage
        }
    }
}

/// Reads the ConfigMap.
///
/// # Errors
/// `TestbedError` when it does not exist, or the server refuses.
pub async fn read_config_map(handle: &ClusterHandle) -> Result<ConfigMap, TestbedError> {
    let maps: Api<ConfigMap> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let map = maps.get_opt(NAME).await.at_request(STAGE, format_args!("get configmap {NAMESPACE}/{NAME}"))?;
    map.ok_or_else(|| {
        TestbedError::new(STAGE, format!("{} has no ConfigMap {NAMESPACE}/{NAME}", handle.name))
            .with_hint("choose a cluster with Terway; `kubectl config get-contexts` lists the contexts")
    })
}

/// The cluster's identity, independent of contexts: the UID of the namespace kube-system. None if the user may not read it.
///
/// # Errors
/// `TestbedError` when the server does not answer.
pub async fn read_identity(handle: &ClusterHandle) -> Result<Option<String>, TestbedError> {
    let namespaces: Api<Namespace> = Api::all(handle.client.clone());
    match namespaces.get(NAMESPACE).await {
        Ok(namespace) => Ok(namespace.metadata.uid),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
        Err(error) => Err(error).at_request(STAGE, format_args!("get namespace {NAMESPACE}")),
    }
}

/// Reads the DaemonSet.
///
/// # Errors
/// `TestbedError` when it does not exist, or the server refuses.
pub async fn read_daemon_set(handle: &ClusterHandle) -> Result<DaemonSet, TestbedError> {
    let sets: Api<DaemonSet> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let set = sets.get_opt(SET).await.at_request(STAGE, format_args!("get daemonset {NAMESPACE}/{SET}"))?;
    set.ok_or_else(|| TestbedError::new(STAGE, format!("{} has no DaemonSet {NAMESPACE}/{SET}", handle.name)))
}

/// Reads the whole state. With `nodes` it also reads the conflist of each node. On a user's cluster it runs `cat` in Terway's
/// own pod, which needs the right to exec.
///
/// # Errors
/// `TestbedError` when the server does not answer, or the cluster has no Terway.
pub async fn read_state(handle: &ClusterHandle, nodes: bool) -> Result<TerwayState, TestbedError> {
    let (map, set) = tokio::try_join!(read_config_map(handle), read_daemon_set(handle))?;
    let pods = list_pods(handle, &set).await?;
    let api = Api::<Node>::all(handle.client.clone());
    let labels = api.list(&ListParams::default()).await.at_request(STAGE, "list nodes")?;
    let exclusive: BTreeMap<String, bool> =
        labels.items.iter().map(|node| (node.name_any(), is_exclusive(node))).collect();
    let image = set.spec.template.spec.as_ref().and_then(|spec| spec.containers.first());
    let version = image.and_then(|container| container.image.as_deref()).and_then(Release::find);
    let each = pods.iter().map(|(node, pod)| {
        let exclusive = exclusive.get(node).copied().unwrap_or_default();
        async move {
            let facts = NodeFacts { exclusive, ..NodeFacts::default() };
            let mut seen = NodeSeen { name: node.clone(), facts, ..NodeSeen::default() };
            let files = node_files::read_files(handle, node).await?;
            seen.plugins = files.as_ref().and_then(|files| files.plugins.clone());
            (seen.conflist, seen.unread) = match files {
                _ if !nodes => (None, Some("not read without --nodes".to_owned())),
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
pub(super) async fn list_pods(handle: &ClusterHandle, set: &DaemonSet) -> Result<BTreeMap<String, Pod>, TestbedError> {
    let pods: Api<Pod> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let all = pods.list(&ListParams::default().labels(&selector(set))).await.at_request(STAGE, "list Terway's pods")?;
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

/// Reads a node's conflist with `cat` in Terway's own pod there. The error is for the report.
async fn read_in_pod(handle: &ClusterHandle, pod: &Pod) -> Result<String, String> {
    let pods: Api<Pod> = Api::namespaced(handle.client.clone(), NAMESPACE);
    let name = pod.name_any();
    let params = AttachParams::default().container(CONTAINER).stdin(false).stdout(true).stderr(true);
    let mut process = match pods.exec(&name, ["cat", MOUNTED], &params).await {
        Ok(process) => process,
        Err(error) => return Err(format!("exec in {name}: {}", error_message(&error))),
    };
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let (out, err) = (process.stdout(), process.stderr());
    let (read, _) = tokio::join!(read_all(out, &mut stdout), read_all(err, &mut stderr));
    read.map_err(|error| format!("exec in {name}: {error}"))?;
    let status = OptionFuture::from(process.take_status()).await.flatten();
    match status.and_then(|status| status.status) {
        Some(word) if word == "Success" => Ok(stdout),
        _ if stderr.trim().is_empty() => Err(format!("exec in {name}: the command failed without output")),
        _ => Err(stderr.trim().to_owned()),
    }
}

async fn read_all(stream: Option<impl AsyncRead + Unpin>, text: &mut String) -> std::io::Result<()> {
    match stream {
        Some(mut stream) => stream.read_to_string(text).await.map(drop),
        None => Ok(()),
    }
}

/// The pods with Terway's network on these nodes that were created before a point in time, by node and name. Pods with
/// `hostNetwork` are excluded.
///
/// # Errors
/// `TestbedError` when the server does not answer.
pub async fn list_old_pods(
    handle: &ClusterHandle,
    nodes: &BTreeMap<String, Pod>,
    before: Option<Timestamp>,
) -> Result<Vec<OldPod>, TestbedError> {
    let api = Api::<Pod>::all(handle.client.clone());
    let all = api.list(&ListParams::default()).await.at_request(STAGE, "list pods")?;
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
