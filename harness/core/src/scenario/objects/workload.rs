//! Pods, and the workloads whose controllers make pods: which pods come of an object, and by which names.

use super::{Object, PodTemplate};
use crate::plan::{Pod, Workload};
use crate::scenario::annotation::NETWORKS;
use crate::scenario::error::InputError;
use crate::scenario::names;
use crate::scenario::node::Node;
use serde_json::{Value, json};

/// Most pods of one workload.
const MAX_REPLICAS: u64 = 10;

/// How many pods a workload has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Count {
    /// `spec.replicas`.
    Replicas,
    /// One for each node.
    Nodes,
    /// `spec.parallelism` of the Job, or `spec.completions` if that is less.
    Parallelism,
}

/// A kind of workload.
pub(crate) struct Kind {
    /// Its `kind`.
    pub name: &'static str,
    /// Its `apiVersion`.
    pub api: &'static str,
    count: Count,
    /// The way to the spec that holds the pod template and the count.
    pub spec: &'static [&'static str],
    /// The way to the pod template, as a text with a dot at its end.
    template: &'static str,
}

const POD: &str = "Pod";

const fn in_spec(name: &'static str, api: &'static str, count: Count) -> Kind {
    Kind { name, api, count, spec: &["spec"], template: "spec.template." }
}

/// The kinds of workloads whose pods are known from their text.
pub(crate) const KINDS: [Kind; 6] = [
    in_spec("Deployment", "apps/v1", Count::Replicas),
    in_spec("StatefulSet", "apps/v1", Count::Replicas),
    in_spec("DaemonSet", "apps/v1", Count::Nodes),
    in_spec("ReplicaSet", "apps/v1", Count::Replicas),
    in_spec("Job", "batch/v1", Count::Parallelism),
    Kind {
        name: "CronJob",
        api: "batch/v1",
        count: Count::Parallelism,
        spec: &["spec", "jobTemplate", "spec"],
        template: "spec.jobTemplate.spec.template.",
    },
];

/// The pods of one object.
pub(crate) struct PodsOfObject {
    /// The pods.
    pub pods: Vec<Pod>,
    /// The workload that they belong to; none for a Pod.
    pub workload: Option<Workload>,
}

/// Pods made from one object, copies or replicas: the name written, and the names of the pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct PodGroup {
    /// The name in the manifest or template.
    pub of: String,
    /// `NAME-1` and so on.
    pub names: Vec<String>,
}

/// Whether a kind is one of those whose controllers make pods.
pub(crate) fn is_workload(kind: &str) -> bool {
    KINDS.iter().any(|known| known.name == kind)
}

/// Reads a Pod or a workload, with the networks annotation of its pods. `nodes` is the number of nodes.
pub(crate) fn pods(object: &Object<'_>, nodes: usize) -> Result<PodsOfObject, Vec<InputError>> {
    let mut errors = Vec::new();
    let found = object.node.get("kind").and_then(Node::text);
    let Some(kind) = KINDS.iter().find(|kind| Some(kind.name) == found) else {
        if let Some(node) = object.node.get("kind").filter(|_| found != Some(POD)) {
            let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            let message = format!("is {}; expected {POD}, {}", node.to_json(), kinds.join(", "));
            return Err(vec![object.error(Some(node), "kind", message)]);
        }
        return pod(object).map(|pod| PodsOfObject { pods: vec![pod], workload: None });
    };
    if !object.expect_kind(kind.name, kind.api, &mut errors) {
        return Err(errors);
    }
    let identity = object.identity(&mut errors);
    kind.refuse_annotation(object, &mut errors);
    let spec = object.node.at_path(kind.spec);
    let Some(node) = spec.and_then(|spec| spec.get("template")) else {
        let field = kind.template.trim_end_matches('.');
        errors.push(object.error(spec, field, "the pod template is missing"));
        return Err(errors);
    };
    let template = PodTemplate { object, node, path: kind.template };
    let attachments = template.attachments(&mut errors);
    let count = kind.count(object, nodes, &mut errors);
    let (Some((name, namespace)), true) = (identity, errors.is_empty()) else { return Err(errors) };
    let first = if kind.name == "StatefulSet" { first_ordinal(object) } else { 1 };
    let pods: Vec<Pod> = (0..count)
        .map(|index| {
            let name = format!("{name}-{}", first + index);
            Pod {
                manifest: manifest(node, &name, namespace.as_deref()),
                name,
                namespace: namespace.clone(),
                attachments: attachments.clone(),
                node: if kind.count == Count::Nodes { usize::try_from(index + 1).ok() } else { None },
                source: object.source(object.node.at),
            }
        })
        .collect();
    if let Some(Err(message)) = pods.last().map(|last| names::label(&last.name)) {
        let node = object.node.at_path(&["metadata", "name"]);
        return Err(vec![object.error(node, "metadata.name", format!("the last pod has {message}"))]);
    }
    let workload = Workload {
        kind: kind.name.to_owned(),
        name,
        namespace,
        manifest: object.node.to_json(),
        pods: pods.iter().map(|pod| pod.name.clone()).collect(),
    };
    Ok(PodsOfObject { pods, workload: Some(workload) })
}

/// Reads a Pod.
fn pod(object: &Object<'_>) -> Result<Pod, Vec<InputError>> {
    let mut errors = Vec::new();
    if !object.expect_kind(POD, "v1", &mut errors) {
        return Err(errors);
    }
    let identity = object.identity(&mut errors);
    let attachments = PodTemplate { object, node: object.node, path: "" }.attachments(&mut errors);
    let (Some((name, namespace)), true) = (identity, errors.is_empty()) else { return Err(errors) };
    let (manifest, source) = (object.node.to_json(), object.source(object.node.at));
    Ok(Pod { name, namespace, manifest, attachments, node: None, source })
}

impl Kind {
    /// The key of the spec with the number of pods; none where the number of nodes decides.
    pub fn count_key(&self) -> Option<&'static str> {
        match self.count {
            Count::Nodes => None,
            Count::Replicas => Some("replicas"),
            Count::Parallelism => Some("parallelism"),
        }
    }

    /// The ways to metadata whose networks annotation Multus does not read: it reads that of pods alone.
    pub fn misplaced(&self) -> Vec<Vec<&'static str>> {
        let mut ways = vec![vec!["metadata"]];
        if self.spec.len() > 1 {
            ways.push(vec!["spec", "jobTemplate", "metadata"]);
        }
        ways
    }

    fn refuse_annotation(&self, object: &Object<'_>, errors: &mut Vec<InputError>) {
        for way in self.misplaced() {
            let node = object.node.at_path(&way).and_then(|metadata| metadata.at_path(&["annotations", NETWORKS]));
            let Some(node) = node else { continue };
            let kind = if way.len() > 1 { "Job" } else { self.name };
            let message = format!("stands in the metadata of the {kind} itself, where Multus does not read it");
            let error = object.error(Some(node), &format!("{}.annotations[{NETWORKS}]", way.join(".")), message);
            errors.push(error.help(format!("move it to the pod template: {}metadata.annotations", self.template)));
        }
    }

    /// How many pods there are.
    fn count(&self, object: &Object<'_>, nodes: usize, errors: &mut Vec<InputError>) -> u64 {
        let Some(key) = self.count_key() else { return nodes.try_into().unwrap_or(1) };
        let keys = std::iter::once(key).chain((self.count == Count::Parallelism).then_some("completions"));
        let spec = object.node.at_path(self.spec);
        // The first key is the number of pods, and 1 without it. A Job starts no more pods than it has to complete.
        let limits = keys.enumerate().filter_map(|(index, key)| {
            let Some(node) = spec.and_then(|spec| spec.get(key)) else { return (index == 0).then_some(1) };
            match node.to_json().as_u64() {
                Some(count) if count >= 1 && (count <= MAX_REPLICAS || index > 0) => Some(count),
                _ => {
                    let most = if index == 0 { format!("1 to {MAX_REPLICAS}") } else { "1 or more".to_owned() };
                    let message = format!("is {}; expected {most}", node.to_json());
                    errors.push(object.error(Some(node), &format!("{}.{key}", self.spec.join(".")), message));
                    None
                }
            }
        });
        limits.min().unwrap_or(1)
    }
}

/// The number in the name of a StatefulSet's first pod.
fn first_ordinal(object: &Object<'_>) -> u64 {
    let start = object.node.at_path(&["spec", "ordinals", "start"]);
    start.and_then(|start| start.to_json().as_u64()).unwrap_or(0).min(u64::from(u32::MAX))
}

/// A pod as the controller makes it of the template.
fn manifest(template: &Node, name: &str, namespace: Option<&str>) -> Value {
    let mut pod = json!({ "apiVersion": "v1", "kind": POD, "metadata": {} });
    if let Some(metadata) = template.get("metadata").map(Node::to_json).filter(Value::is_object) {
        pod["metadata"] = metadata;
    }
    pod["metadata"]["name"] = name.into();
    if let Some(namespace) = namespace {
        pod["metadata"]["namespace"] = namespace.into();
    }
    pod["spec"] = template.get("spec").map(Node::to_json).unwrap_or_default();
    pod
}
