//! Kubernetes objects as users write them, made into networks and pods of the plan.

mod workload;

pub(super) use workload::PodGroup;
pub(crate) use workload::{KINDS as WORKLOADS, Kind as WorkloadKind};
pub(crate) use workload::{PodsOfObject, is_workload, pods};

use super::error::InputError;
use super::file_text::FileText;
use super::node::{Node, Position};
use super::{annotation, json_keys, names};
use crate::chain;
use crate::plan::{Attachment, Network};
use crate::source::Source;
use std::collections::BTreeMap;

/// The `apiVersion` of a NetworkAttachmentDefinition.
pub const NAD_API: &str = "k8s.cni.cncf.io/v1";

/// The way to the networks annotation.
const ANNOTATION: [&str; 3] = ["metadata", "annotations", annotation::NETWORKS];

/// An object together with where errors and sources point.
pub(crate) struct Object<'a> {
    /// The document.
    pub node: &'a Node,
    /// The file as the user named it.
    pub file: &'a str,
    /// The file's text, where `node`'s places are places in it.
    pub text: Option<&'a FileText<'a>>,
    /// Where everything points for an object that came from a template: its entry in the scenario.
    pub entry: Option<&'a Source>,
    /// Whether it is run without a scenario file: each namespace becomes one of the run's own, and what a pod may not do is
    /// adapted. Else both are refused.
    pub is_bare: bool,
}

impl Object<'_> {
    /// Where it begins.
    pub fn place(&self) -> Source {
        self.source(self.node.at)
    }

    fn source(&self, place: Position) -> Source {
        let written = || Source { file: self.file.to_owned(), line: place.line, column: place.column };
        self.entry.cloned().unwrap_or_else(written)
    }

    fn error(&self, node: Option<&Node>, field: &str, message: impl Into<String>) -> InputError {
        let error = InputError::new(self.source(node.unwrap_or(self.node).at), field, message);
        if self.entry.is_some() { error.help(format!("in what the template {} gives", self.file)) } else { error }
    }

    fn text_at(&self, path: &[&str], errors: &mut Vec<InputError>) -> Option<String> {
        let node = self.node.at_path(path)?;
        if node.text().is_none() {
            errors.push(self.error(Some(node), &path.join("."), not_a_string(node)));
        }
        node.text().map(str::to_owned)
    }

    fn expect_kind(&self, kind: &str, api: &str, errors: &mut Vec<InputError>) -> bool {
        let before = errors.len();
        for (key, wanted) in [("apiVersion", api), ("kind", kind)] {
            match self.node.get(key) {
                None => errors.push(self.error(None, key, format!("`{key}` is missing; expected `{wanted}`"))),
                Some(node) if node.text() != Some(wanted) => {
                    errors.push(self.error(Some(node), key, format!("is {}; expected `{wanted}`", node.to_json())));
                }
                Some(_) => {}
            }
        }
        errors.len() == before
    }

    /// `metadata.name` and `metadata.namespace`.
    fn identity(&self, errors: &mut Vec<InputError>) -> Option<(String, Option<String>)> {
        let node = self.node.at_path(&["metadata", "name"]);
        let name = self.text_at(&["metadata", "name"], errors);
        if node.is_none() {
            errors.push(self.error(self.node.get("metadata"), "metadata.name", "is missing"));
        }
        let name = name?;
        // A scenario's names are parts of other names.
        let checked = if self.is_bare { names::object(&name) } else { names::label(&name) };
        if let Err(message) = checked {
            errors.push(self.error(node, "metadata.name", message));
        }
        let namespace = self.text_at(&["metadata", "namespace"], errors);
        if let Some(namespace) = &namespace {
            let node = self.node.at_path(&["metadata", "namespace"]);
            if let Err(message) = names::label(namespace) {
                errors.push(self.error(node, "metadata.namespace", message));
            }
            if is_system(namespace) && !self.is_bare {
                let message = format!("namespace `{namespace}` belongs to the cluster itself; nothing is made there");
                errors.push(self.error(node, "metadata.namespace", message));
            }
        }
        Some((name, namespace))
    }
}

/// Namespaces in which a scenario makes nothing.
pub(crate) fn is_system(namespace: &str) -> bool {
    namespace.starts_with("kube-") || namespace.starts_with("openshift-") || namespace == "openshift"
}

/// Reads a NetworkAttachmentDefinition. What is wrong inside `spec.config` is no error here: it becomes a finding.
pub(crate) fn network(object: &Object<'_>) -> Result<Network, Vec<InputError>> {
    let mut errors = Vec::new();
    object.expect_kind("NetworkAttachmentDefinition", NAD_API, &mut errors);
    let identity = object.identity(&mut errors);
    let config = object.text_at(&["spec", "config"], &mut errors);
    let (Some((name, namespace)), true) = (identity, errors.is_empty()) else { return Err(errors) };
    Ok(read_network(object, name, namespace, config))
}

/// A network with this name and configuration, and the places of both.
pub(crate) fn read_network(
    object: &Object<'_>,
    name: String,
    namespace: Option<String>,
    config: Option<String>,
) -> Network {
    let (manifest, source) = (Some(object.node.to_json()), object.source(object.node.at));
    let chain = chain::parse_network(config.as_deref().unwrap_or_default(), &name).ok();
    let ReadConfig { keys, syntax_error, repeated } = ReadConfig::of(object);
    Network { name, namespace, manifest, config, chain, keys, syntax_error, repeated, source }
}

/// Where the parts of `spec.config` were written.
#[derive(Default)]
struct ReadConfig {
    keys: BTreeMap<String, Source>,
    syntax_error: Option<Source>,
    repeated: Vec<(String, Source)>,
}

impl ReadConfig {
    /// Reads the places of the configuration of a network; none for an object that came from a template.
    fn of(object: &Object<'_>) -> Self {
        let (Some(text), Some(node)) = (object.text, object.node.at_path(&["spec", "config"])) else {
            return Self::default();
        };
        let mut keys = BTreeMap::from([(String::new(), object.source(node.at))]);
        let Some((value, places)) = node.text().zip(text.places_of(node)) else {
            return Self { keys, ..Self::default() };
        };
        let found = json_keys::scan(value, &places);
        keys.extend(found.places.into_iter().map(|(path, place)| (path, object.source(place))));
        let repeated = found.twice.into_iter().map(|(path, place)| (path, object.source(place))).collect();
        let syntax_error = json_keys::syntax_error(value, &places).map(|place| object.source(place));
        Self { keys, syntax_error, repeated }
    }
}

/// The part of an object that pods are made of: a Pod itself, or the pod template of a workload.
struct PodTemplate<'a> {
    object: &'a Object<'a>,
    /// The node with `metadata` and `spec`.
    node: &'a Node,
    /// The way to that node from the object's top, with a dot at its end; empty for a Pod itself.
    path: &'static str,
}

impl PodTemplate<'_> {
    fn error(&self, node: Option<&Node>, field: &str, message: impl Into<String>) -> InputError {
        self.object.error(node.or(Some(self.node)), &format!("{}{field}", self.path), message)
    }

    /// Checks the template, and reads the attachments that its annotation requests.
    fn attachments(&self, errors: &mut Vec<InputError>) -> Vec<Attachment> {
        if !self.object.is_bare {
            self.refuse_privilege(errors);
        }
        if self.node.at_path(&["spec", "containers"]).is_none_or(Node::is_empty) {
            errors.push(self.error(self.node.get("spec"), "spec.containers", "a pod needs at least one container"));
        }
        let field = format!("metadata.annotations[{}]", annotation::NETWORKS);
        let Some(node) = self.node.at_path(&ANNOTATION) else { return Vec::new() };
        let Some(text) = node.text() else {
            errors.push(self.error(Some(node), &ANNOTATION.join("."), not_a_string(node)));
            return Vec::new();
        };
        if text.trim().is_empty() {
            return Vec::new();
        }
        let read = annotation::read(text);
        for (index, message) in read.errors {
            let field = index.map_or_else(|| field.clone(), |index| format!("{field}[{index}]"));
            errors.push(self.error(Some(node), &field, message));
        }
        read.attachments.into_iter().map(|(_, attachment)| attachment).collect()
    }

    /// A scenario file is data that may come from anywhere: it gets no power over the node.
    fn refuse_privilege(&self, errors: &mut Vec<InputError>) {
        let Some(spec) = self.node.get("spec") else { return };
        let is_set = |node: &&Node| node.to_json() != serde_json::Value::Bool(false);
        for key in ["hostNetwork", "hostPID", "hostIPC"] {
            if let Some(node) = spec.get(key).filter(is_set) {
                let message = "a pod that shares the node's namespaces is not run";
                errors.push(self.error(Some(node), &format!("spec.{key}"), message));
            }
        }
        for group in ["containers", "initContainers"] {
            for (index, container) in spec.get(group).map_or(&[][..], Node::items).iter().enumerate() {
                if let Some(node) = container.at_path(&["securityContext", "privileged"]).filter(is_set) {
                    let field = format!("spec.{group}[{index}].securityContext.privileged");
                    errors.push(self.error(Some(node), &field, "a privileged container is not run"));
                }
            }
        }
        for (index, volume) in spec.get("volumes").map_or(&[][..], Node::items).iter().enumerate() {
            if let Some(node) = volume.get("hostPath") {
                let field = format!("spec.volumes[{index}].hostPath");
                errors.push(self.error(Some(node), &field, "a pod with the node's files is not run"));
            }
        }
    }
}

fn not_a_string(node: &Node) -> String {
    format!("must be a string, and reads as {}", node.to_json())
}
