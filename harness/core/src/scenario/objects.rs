//! Kubernetes objects as users write them, made into networks and pods of the plan.

use super::annotation;
use super::error::InputError;
use super::json_keys;
use super::names;
use super::node::{Data, Node, Place};
use crate::chain;
use crate::plan::{Network, Pod};
use crate::source::Source;

/// The `apiVersion` of a NetworkAttachmentDefinition.
pub const NAD_API: &str = "k8s.cni.cncf.io/v1";

/// An object together with where errors and sources point.
pub(super) struct Object<'a> {
    /// The document.
    pub node: &'a Node,
    /// The file as the user named it.
    pub file: &'a str,
    /// The file's text, where `node`'s places are places in it.
    pub text: Option<&'a str>,
    /// Where everything points for an object that came from a template: its entry in the scenario.
    pub entry: Option<&'a Source>,
}

impl Object<'_> {
    fn source(&self, place: Place) -> Source {
        self.entry.cloned().unwrap_or_else(|| Source {
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
        })
    }

    fn error(&self, node: Option<&Node>, field: &str, message: impl Into<String>) -> InputError {
        let error = InputError::new(self.source(node.unwrap_or(self.node).at), field, message);
        if self.entry.is_some() { error.help(format!("in what the template {} gives", self.file)) } else { error }
    }

    fn text_at(&self, path: &[&str], errors: &mut Vec<InputError>) -> Option<String> {
        let node = self.node.at_path(path)?;
        match node.text() {
            Some(text) => Some(text.to_owned()),
            None => {
                errors.push(self.error(
                    Some(node),
                    &path.join("."),
                    format!("must be a string, and reads as {}", node.to_json()),
                ));
                None
            }
        }
    }

    fn expect_kind(&self, kind: &str, api: &str, errors: &mut Vec<InputError>) -> bool {
        let before = errors.len();
        for (key, wanted) in [("apiVersion", api), ("kind", kind)] {
            match self.node.get(key) {
                None => errors.push(self.error(None, key, format!("`{key}` is missing; `{wanted}` is wanted"))),
                Some(node) if node.text() != Some(wanted) => {
                    errors.push(self.error(
                        Some(node),
                        key,
                        format!("is {}; `{wanted}` is wanted here", node.to_json()),
                    ));
                }
                Some(_) => {}
            }
        }
        errors.len() == before
    }

    /// `metadata.name` and `metadata.namespace`.
    fn identity(&self, errors: &mut Vec<InputError>) -> Option<(String, Option<String>)> {
        let name = self.text_at(&["metadata", "name"], errors);
        let Some(name) = name else {
            if self.node.at_path(&["metadata", "name"]).is_none() {
                errors.push(self.error(self.node.get("metadata"), "metadata.name", "is missing"));
            }
            return None;
        };
        if let Err(message) = names::label(&name) {
            errors.push(self.error(self.node.at_path(&["metadata", "name"]), "metadata.name", message));
        }
        let namespace = self.text_at(&["metadata", "namespace"], errors);
        if let Some(namespace) = &namespace {
            let node = self.node.at_path(&["metadata", "namespace"]);
            if let Err(message) = names::label(namespace) {
                errors.push(self.error(node, "metadata.namespace", message));
            }
            if is_system(namespace) {
                let message = format!("namespace `{namespace}` belongs to the cluster itself; nothing is made there");
                errors.push(self.error(node, "metadata.namespace", message));
            }
        }
        Some((name, namespace))
    }
}

/// Namespaces in which a scenario makes nothing.
fn is_system(namespace: &str) -> bool {
    namespace.starts_with("kube-") || namespace.starts_with("openshift-") || namespace == "openshift"
}

/// Reads a NetworkAttachmentDefinition. What is wrong inside `spec.config` is no error here: it becomes a finding.
pub(super) fn network(object: &Object<'_>) -> Result<Network, Vec<InputError>> {
    let mut errors = Vec::new();
    object.expect_kind("NetworkAttachmentDefinition", NAD_API, &mut errors);
    let identity = object.identity(&mut errors);
    let config = object.text_at(&["spec", "config"], &mut errors);
    let (Some((name, namespace)), true) = (identity, errors.is_empty()) else {
        return Err(errors);
    };
    let chain = chain::parse(config.as_deref().unwrap_or_default(), &name).ok();
    let keys = match (object.text, object.node.at_path(&["spec", "config"])) {
        (Some(text), Some(node)) => {
            let places = std::iter::once((String::new(), node.at)).chain(json_keys::places(text, node));
            places.map(|(path, place)| (path, object.source(place))).collect()
        }
        _ => std::collections::BTreeMap::new(),
    };
    Ok(Network {
        name,
        namespace,
        manifest: Some(object.node.to_json()),
        config,
        chain,
        keys,
        source: object.source(object.node.at),
    })
}

/// Reads a Pod with its networks annotation.
pub(super) fn pod(object: &Object<'_>) -> Result<Pod, Vec<InputError>> {
    let mut errors = Vec::new();
    if !object.expect_kind("Pod", "v1", &mut errors) {
        return Err(errors);
    }
    let identity = object.identity(&mut errors);
    refuse_privilege(object, &mut errors);
    if object.node.at_path(&["spec", "containers"]).is_none_or(Node::is_empty) {
        errors.push(object.error(object.node.get("spec"), "spec.containers", "a pod needs at least one container"));
    }
    let path = ["metadata", "annotations", annotation::NETWORKS];
    let field = format!("metadata.annotations[{}]", annotation::NETWORKS);
    let mut attachments = Vec::new();
    if let Some(text) = object.text_at(&path, &mut errors)
        && !text.trim().is_empty()
    {
        match annotation::parse(&text) {
            Ok(found) => attachments = found,
            Err(found) => {
                for (index, message) in found {
                    let field = index.map_or_else(|| field.clone(), |index| format!("{field}[{index}]"));
                    errors.push(object.error(object.node.at_path(&path), &field, message));
                }
            }
        }
    }
    match identity {
        Some((name, namespace)) if errors.is_empty() => Ok(Pod {
            name,
            namespace,
            manifest: object.node.to_json(),
            attachments,
            node: None,
            source: object.source(object.node.at),
        }),
        _ => Err(errors),
    }
}

/// A scenario file is data that may come from anywhere: it gets no power over the node.
fn refuse_privilege(object: &Object<'_>, errors: &mut Vec<InputError>) {
    let Some(spec) = object.node.get("spec") else {
        return;
    };
    for key in ["hostNetwork", "hostPID", "hostIPC"] {
        if let Some(node) = spec.get(key)
            && node.to_json() != serde_json::Value::Bool(false)
        {
            errors.push(object.error(
                Some(node),
                &format!("spec.{key}"),
                "a pod that shares the node's namespaces is not run",
            ));
        }
    }
    for group in ["containers", "initContainers"] {
        let Some(Data::List(containers)) = spec.get(group).map(|node| &node.data) else {
            continue;
        };
        for (index, container) in containers.iter().enumerate() {
            if let Some(node) = container.at_path(&["securityContext", "privileged"])
                && node.to_json() != serde_json::Value::Bool(false)
            {
                let field = format!("spec.{group}[{index}].securityContext.privileged");
                errors.push(object.error(Some(node), &field, "a privileged container is not run"));
            }
        }
    }
    if let Some(Data::List(volumes)) = spec.get("volumes").map(|node| &node.data) {
        for (index, volume) in volumes.iter().enumerate() {
            if let Some(node) = volume.get("hostPath") {
                errors.push(object.error(
                    Some(node),
                    &format!("spec.volumes[{index}].hostPath"),
                    "a pod with the node's files is not run",
                ));
            }
        }
    }
}
