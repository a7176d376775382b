//! The first text of a scenario, written from a user's networks and pods: what their configuration states, and comments where
//! a person must decide.

pub(crate) mod facts;
mod split;
mod writer;

use super::error::InputError;
use super::file_text::FileText;
use super::node::{Node, flatten_lists};
use super::objects::{self, NAD_API, Object, PodsOfObject};
use super::strict::yaml;
use super::{kube_yaml, names};
use crate::plan::{Attachment, Network, Pod};
use crate::source::Source;
use std::ops::Range;

/// What a file has, for errors.
const EXPECTED: &str = "a NetworkAttachmentDefinition, a Pod or a workload";

/// A file with networks, or with pods and workloads.
#[derive(Debug, Clone)]
pub struct DraftFile {
    /// The file as the user named it, for errors.
    pub name: String,
    /// The file relative to the scenario's folder.
    pub manifest: String,
    /// Its text.
    pub text: String,
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The scenario.
    pub scenario: String,
    /// Further files with their texts: the objects of a file with more than one sort of them, each sort in a file of its
    /// own. Paths are relative to the scenario's folder.
    pub manifests: Vec<(String, String)>,
}

/// A sort of objects. A scenario can't name a file with more than one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Networks,
    Pods,
    Others,
}

/// A pod, or the pods of a workload.
struct PodFacts {
    /// The name under which expectations are written.
    name: String,
    /// What it is: `Pod`, `Deployment` and so on.
    kind: String,
    /// The pod, or the first of the workload.
    pod: Pod,
}

/// An object that is left out.
struct OtherObject {
    /// The user's file.
    manifest: String,
    /// Its kind.
    kind: String,
    /// Where it begins.
    source: Source,
}

/// Everything that was read.
#[derive(Default)]
struct Objects {
    /// Files of networks, each with the range of its networks.
    network_files: Vec<(String, Range<usize>)>,
    /// Files of pods.
    pod_files: Vec<String>,
    others: Vec<OtherObject>,
    /// Files that have to be written, with their texts.
    manifests: Vec<(String, String)>,
    networks: Vec<Network>,
    pods: Vec<PodFacts>,
    /// Networks that a pod names and no file has, with their namespaces.
    missing: Vec<(String, Option<String>)>,
}

/// Writes a scenario of this name. It loads without an error if its manifests can be read from its folder. Manifests that
/// have to be written go into `folder`, which is relative to the scenario's own.
///
/// # Errors
/// Every mistake in a file, with its place; files without a network and without a pod.
pub fn draft_scenario(name: &str, folder: &str, files: &[DraftFile]) -> Result<Draft, Vec<InputError>> {
    let mut objects = Objects::default();
    let mut errors = Vec::new();
    for file in files {
        if let Err(found) = objects.add(folder, file) {
            errors.extend(found);
        }
    }
    if errors.is_empty() && objects.networks.is_empty() && objects.pods.is_empty() {
        errors.extend(objects.others.iter().map(|other| {
            let found = if other.kind.is_empty() { "is missing".to_owned() } else { format!("is {:?}", other.kind) };
            InputError::new(other.source.clone(), "kind", format!("{found}; expected {EXPECTED}"))
        }));
        if errors.is_empty() {
            let name = files.first().map_or("", |file| file.name.as_str());
            errors.push(InputError::file(name, format!("no object; expected {EXPECTED}")));
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    objects.find_missing();
    Ok(Draft { scenario: writer::write(name, &objects), manifests: objects.manifests })
}

/// The name of a scenario whose file has this stem: lower-case, and `-` for what a name can't have.
pub fn scenario_name(stem: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let mut name: String = stem.chars().map(fits).collect();
    name.truncate(63);
    let name = name.trim_matches('-');
    if names::label(name).is_ok() { name.to_owned() } else { "scenario".to_owned() }
}

impl Objects {
    fn add(&mut self, folder: &str, file: &DraftFile) -> Result<(), Vec<InputError>> {
        let documents = kube_yaml::read(&file.name, &file.text).map_err(|error| vec![error])?;
        let has_list = documents.iter().any(Node::is_list);
        let documents = flatten_lists(documents);
        let sorts: Vec<Sort> = documents.iter().map(sort).collect();
        let is_split = sorts.windows(2).any(|pair| pair[0] != pair[1]);
        let first = self.networks.len();
        let lines = FileText::new(&file.text);
        let mut errors = Vec::new();
        for (node, sort) in documents.iter().zip(&sorts) {
            let object = Object { node, file: &file.name, text: Some(&lines), entry: None, is_bare: false };
            let result = match sort {
                Sort::Networks => objects::network(&object).map(|network| self.networks.push(network)),
                Sort::Pods => objects::pods(&object, 1).map(|pods| self.pods.extend(pod_facts(pods))),
                Sort::Others => {
                    let kind = node.get("kind").and_then(Node::text).unwrap_or_default().to_owned();
                    let source = Source { file: file.name.clone(), line: node.at.line, column: node.at.column };
                    self.others.push(OtherObject { manifest: file.manifest.clone(), kind, source });
                    Ok(())
                }
            };
            errors.extend(result.err().into_iter().flatten());
        }
        for (sort, ending) in [(Sort::Networks, "networks"), (Sort::Pods, "pods")] {
            if !sorts.contains(&sort) {
                continue;
            }
            let mut manifest = file.manifest.clone();
            if is_split {
                let of_sort = documents.iter().zip(&sorts).filter(|(_, other)| **other == sort).map(|(node, _)| node);
                let text = match has_list {
                    // A list is one document, so its items are written anew.
                    true => of_sort.map(|node| format!("---\n{}", yaml(&node.to_json()))).collect(),
                    false => split::take(&file.text, of_sort.map(|node| node.at.line)),
                };
                manifest = self.new_manifest(folder, &file.manifest, ending);
                self.manifests.push((manifest.clone(), text));
            }
            match sort {
                Sort::Networks => self.network_files.push((manifest, first..self.networks.len())),
                _ => self.pod_files.push(manifest),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// A path that no other file has: `FOLDER/FILE-networks.yaml`.
    fn new_manifest(&self, folder: &str, manifest: &str, ending: &str) -> String {
        let file = manifest.rsplit('/').next().unwrap_or_default();
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        let path = |number: usize| match number {
            1 => format!("{folder}/{stem}-{ending}.yaml"),
            _ => format!("{folder}/{stem}-{number}-{ending}.yaml"),
        };
        let is_free = |path: &String| self.manifests.iter().all(|(other, _)| other != path);
        (1..).map(path).find(is_free).unwrap_or_default()
    }

    fn find_missing(&mut self) {
        for pod in &self.pods {
            for attachment in &pod.pod.attachments {
                let namespace = attachment.namespace.as_ref().or(pod.pod.namespace.as_ref());
                let missing = (attachment.network.clone(), namespace.cloned());
                if self.network_of(&pod.pod, attachment).is_none() && !self.missing.contains(&missing) {
                    self.missing.push(missing);
                }
            }
        }
    }

    fn network_of(&self, pod: &Pod, attachment: &Attachment) -> Option<&Network> {
        self.networks.iter().find(|network| attachment.names(pod, network))
    }
}

/// One entry for each name that expectations can be written under.
fn pod_facts(found: PodsOfObject) -> Vec<PodFacts> {
    let workload = found.workload.map(|workload| (workload.name, workload.kind));
    let pods = found.pods.into_iter().take(if workload.is_some() { 1 } else { usize::MAX });
    let facts = |pod: Pod| match &workload {
        Some((name, kind)) => PodFacts { name: name.clone(), kind: kind.clone(), pod },
        None => PodFacts { name: pod.name.clone(), kind: "Pod".to_owned(), pod },
    };
    pods.map(facts).collect()
}

fn sort(node: &Node) -> Sort {
    let text = |key: &str| node.get(key).and_then(Node::text).unwrap_or_default();
    match text("kind") {
        "NetworkAttachmentDefinition" => Sort::Networks,
        "Pod" => Sort::Pods,
        kind if objects::is_workload(kind) => Sort::Pods,
        _ if text("apiVersion") == NAD_API => Sort::Networks,
        _ => Sort::Others,
    }
}
