//! Networks, pods and workloads of users' texts.

use super::adaptation::adapt;
use super::kind::OWN_GROUP;
use crate::lint::documents;
use crate::lint::file_kind::{FileKind, is_foreign_text};
use crate::lint::{FileOrigin, InputFile};
use crate::plan::{Adaptation, DEFAULT_NETWORK, Network, Pod, Workload};
use crate::scenario::file_text::FileText;
use crate::scenario::node::{Data, Node, flatten_lists};
use crate::scenario::objects::{self, Object, PodsOfObject, WORKLOADS};
use crate::scenario::{InputError, NETWORKS};
use crate::source::Source;
use serde_json::Value;
use std::collections::BTreeMap;

/// The kind of networks.
const NETWORK: &str = "NetworkAttachmentDefinition";
/// Its group in `apiVersion`.
const NETWORK_GROUP: &str = "k8s.cni.cncf.io/";
/// Other kinds of this group (multi-networkpolicy, ipamclaims).
const OTHER_KINDS: [&str; 2] = ["MultiNetworkPolicy", "IPAMClaim"];

/// Everything that was read.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub networks: Vec<Network>,
    pub pods: Vec<PodObject>,
    pub passed_over: BTreeMap<String, usize>,
    pub skipped: Vec<InputError>,
}

/// A pod, or the pods of a workload.
#[derive(Debug, Clone)]
pub(super) struct PodObject {
    /// Its name as written.
    pub name: String,
    /// The pods, never none.
    pub pods: Vec<Pod>,
    pub workload: Option<Workload>,
    pub adaptations: Vec<Adaptation>,
}

/// Reads the objects of all texts.
pub(super) fn read(files: &[InputFile]) -> Result<Objects, Vec<InputError>> {
    let mut objects = Objects::default();
    let mut errors = Vec::new();
    for file in files {
        match FileKind::of(file) {
            FileKind::Configuration => objects.pass_over("CNI configuration"),
            FileKind::Objects => objects.read_file(file, &mut errors),
            FileKind::Foreign => objects.skipped.push(InputError::file(&file.name, "no Kubernetes object")),
        }
    }
    if errors.is_empty() { Ok(objects) } else { Err(errors) }
}

impl Objects {
    fn pass_over(&mut self, kind: &str) {
        *self.passed_over.entry(kind.to_owned()).or_default() += 1;
    }

    fn read_file(&mut self, file: &InputFile, errors: &mut Vec<InputError>) {
        let (nodes, unread) = documents::read(&file.name, &file.text);
        if !unread.is_empty() && is_foreign_text(file) {
            self.skipped.extend(unread.into_iter().take(1));
            return;
        }
        errors.extend(unread);
        let text = FileText::new(&file.text);
        for node in &flatten_lists(nodes) {
            let object = Object { node, file: &file.name, text: Some(&text), entry: None, is_bare: true };
            let kind = node.get("kind").and_then(Node::text).unwrap_or_default();
            let api = node.get("apiVersion").and_then(Node::text).unwrap_or_default();
            let found = match kind {
                _ if api.starts_with(OWN_GROUP) => Err(vec![refuse_own(&object)]),
                NETWORK => self.add_network(&object),
                _ if api.starts_with(NETWORK_GROUP) && !OTHER_KINDS.contains(&kind) => {
                    Err(vec![refuse_kind(&object, kind)])
                }
                "Pod" => self.add_pods(&object),
                kind if objects::is_workload(kind) => self.add_pods(&object),
                "" if file.origin == FileOrigin::Named && !node.is_empty() => {
                    Err(vec![InputError::new(object.place(), "kind", "is missing: no Kubernetes object")])
                }
                kind => {
                    self.pass_over(if kind.is_empty() { "no kind" } else { kind });
                    Ok(())
                }
            };
            errors.extend(found.err().into_iter().flatten());
        }
    }

    fn add_network(&mut self, object: &Object<'_>) -> Result<(), Vec<InputError>> {
        let network = objects::network(object)?;
        let is_same = |other: &&Network| {
            let names = |one: &Network| (one.name.clone(), one.namespace.clone(), one.source.file.clone());
            names(other) == names(&network)
        };
        if let Some(first) = self.networks.iter().find(is_same) {
            let message = format!("network `{}` is there twice in this file; first at {}", network.name, first.source);
            return Err(vec![InputError::new(network.source, "metadata.name", message)]);
        }
        self.networks.push(network);
        Ok(())
    }

    fn add_pods(&mut self, object: &Object<'_>) -> Result<(), Vec<InputError>> {
        let kind = object.node.get("kind").and_then(Node::text).unwrap_or_default();
        let workload = WORKLOADS.iter().find(|workload| workload.name == kind);
        let template = match workload {
            None => Some(object.node),
            Some(workload) => object.node.at_path(workload.spec).and_then(|spec| spec.get("template")),
        };
        if !has_annotation(object.node) {
            self.pass_over(&format!("{kind} that requests no network"));
            return Ok(());
        }
        // Multus does not attach a pod that has the node's own namespace.
        let host = template.and_then(|template| template.at_path(&["spec", "hostNetwork"]));
        if host.is_some_and(|host| host.to_json() == Value::Bool(true)) {
            self.pass_over(&format!("{kind} in the node's own network namespace"));
            return Ok(());
        }
        let PodsOfObject { mut pods, workload } = objects::pods(object, 1)?;
        let path: Vec<&str> = match WORKLOADS.iter().find(|known| known.name == kind) {
            None => vec!["spec"],
            Some(known) => known.spec.iter().copied().chain(["template", "spec"]).collect(),
        };
        let name = workload.as_ref().map(|workload| workload.name.clone()).or_else(|| Some(pods.first()?.name.clone()));
        let name = name.unwrap_or_default();
        let label = format!("{}/{name}", kind.to_lowercase());
        let mut adaptations = Vec::new();
        let mut workload = workload;
        if let Some(workload) = &mut workload {
            let spec = path.iter().try_fold(&mut workload.manifest, |value, key| value.get_mut(*key));
            adaptations = spec.map(|spec| adapt(spec, &label, &format!("{}.", path.join(".")))).unwrap_or_default();
        }
        for pod in &mut pods {
            let Some(spec) = pod.manifest.get_mut("spec") else { continue };
            let of_pod = adapt(spec, &label, "spec.");
            if workload.is_none() {
                adaptations = of_pod;
            }
        }
        if !pods.is_empty() {
            self.pods.push(PodObject { name, pods, workload, adaptations });
        }
        Ok(())
    }
}

/// Refuses a scenario, or another file of Plumbline's.
fn refuse_own(object: &Object<'_>) -> InputError {
    let message = "a scenario does not belong beside objects without one; name its file or folder";
    InputError::new(place_of(object, "apiVersion"), "apiVersion", message)
}

/// Refuses another kind in the API group of networks.
fn refuse_kind(object: &Object<'_>, kind: &str) -> InputError {
    let message = match kind {
        "" => "is missing".to_owned(),
        kind => format!("`{kind}` is no kind of {}", NETWORK_GROUP.trim_end_matches('/')),
    };
    InputError::new(place_of(object, "kind"), "kind", message)
        .suggest(kind, [NETWORK])
        .or_help(|| format!("expected `{NETWORK}`"))
}

/// The place of a key's value, or of the object without it.
fn place_of(object: &Object<'_>, key: &str) -> Source {
    let at = object.node.get(key).map_or(object.node.at, |node| node.at);
    Source { file: object.file.to_owned(), line: at.line, column: at.column }
}

/// Whether an object requests a network, wherever its annotation is: at a wrong place it is refused.
fn has_annotation(node: &Node) -> bool {
    match &node.data {
        Data::List(items) => items.iter().any(has_annotation),
        Data::Map(entries) => entries.iter().any(|(key, _, value)| {
            matches!(key.as_str(), NETWORKS | DEFAULT_NETWORK) && !value.is_empty() || has_annotation(value)
        }),
        _ => false,
    }
}
