//! From documents to the objects that the lint knows: networks, pods and workloads, CNI configurations, `eni-config`.

use super::annotation_types;
use super::documents;
use super::file_kind::{FileKind, is_foreign_text};
use super::owners::Owner;
use super::report::{FileOrigin, InputFile, Report};
use crate::chain;
use crate::finding::{Finding, FindingCode};
use crate::plan::{DEFAULT_NETWORK, Network};
use crate::rules::PodRequests;
use crate::scenario::annotation;
use crate::scenario::file_text::{FileText, places_within};
use crate::scenario::json_keys;
use crate::scenario::names;
use crate::scenario::node::{Data, Node, Position};
use crate::scenario::objects::{self, Object};
use crate::scenario::{InputError, NETWORKS};
use crate::source::Source;
use crate::terway::EniConfig;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A pod, or the pods of a workload.
pub(super) struct PodSubject {
    /// Its namespace as written.
    pub namespace: Option<String>,
    /// What it requests.
    pub requests: PodRequests,
    /// Whether it has a name of its own: without one each object of the text is another.
    pub is_named: bool,
}

impl PodSubject {
    /// What distinguishes it from other objects; none for one without a name.
    pub fn identity(&self) -> Option<(&str, Option<&str>, &str)> {
        let requests = &self.requests;
        self.is_named.then_some((requests.kind.as_str(), self.namespace.as_deref(), requests.name.as_str()))
    }
}

/// Everything that the lint looks at.
#[derive(Default)]
pub(super) struct Subjects {
    /// Networks, with whether each is a file of a node.
    pub networks: Vec<(Network, bool)>,
    /// Pods and workloads.
    pub pods: Vec<PodSubject>,
    /// Terway's ConfigMaps.
    pub eni_configs: Vec<EniConfig>,
    /// Objects with the findings that they ignore.
    pub owners: Vec<Owner>,
    /// Findings of objects alone.
    pub findings: Vec<Finding>,
    /// Names of networks that other objects use, such as virtual machines.
    pub used_elsewhere: BTreeSet<String>,
    /// Whether the networks of some pod are not known, because its annotation cannot be read.
    pub has_unread_pods: bool,
    /// Names of the texts on which nothing is reported.
    pub references: HashSet<String>,
    /// Names of networks that are pods' default network.
    pub default_networks: BTreeSet<String>,
    /// Where objects were defined, by file, kind, namespace and name.
    pub defined: HashMap<(String, String, Option<String>, String), Source>,
}

/// Reads the objects of one text. What is wrong with a reference is not reported.
pub(super) fn read_file(file: &InputFile, subjects: &mut Subjects, report: &mut Report) {
    match (FileKind::of(file), file.origin) {
        (FileKind::Configuration, _) => add_configuration(file, subjects, report),
        (FileKind::Objects, FileOrigin::Reference) => read_objects(file, subjects, &mut Report::default()),
        (FileKind::Objects, _) => read_objects(file, subjects, report),
        (FileKind::Foreign, _) => report.skipped.push(skip(file, "no CNI configuration")),
    }
}

fn read_objects(file: &InputFile, subjects: &mut Subjects, report: &mut Report) {
    let (nodes, errors) = documents::read(&file.name, &file.text);
    if !errors.is_empty() && is_foreign_text(file) {
        // One reason is enough.
        report.skipped.extend(errors.into_iter().take(1));
        return;
    }
    report.errors.extend(errors);
    let text = FileText::new(&file.text);
    for node in &nodes {
        Reader { file, text: &text, subjects, report }.read(node);
    }
}

fn skip(file: &InputFile, reason: &str) -> InputError {
    InputError::new(Source { file: file.name.clone(), line: 0, column: 0 }, "", reason)
}

/// A text that is a CNI configuration, or is to be one by its name.
fn add_configuration(file: &InputFile, subjects: &mut Subjects, report: &mut Report) {
    let places = places_within(&file.text);
    let at = |place: Position| Source { file: file.name.clone(), line: place.line, column: place.column };
    let stem = file.name.rsplit('/').next().unwrap_or_default();
    let chain = chain::parse(&file.text, stem).ok();
    let mut keys = BTreeMap::from([(String::new(), at(Position { line: 1, column: 1 }))]);
    let found = json_keys::scan(&file.text, &places);
    keys.extend(found.places.into_iter().map(|(path, place)| (path, at(place))));
    let network = Network {
        name: chain.as_ref().map_or_else(|| stem.to_owned(), |chain| chain.name.clone()),
        namespace: None,
        manifest: Some(Value::Null),
        config: Some(file.text.clone()),
        chain,
        keys,
        syntax_error: json_keys::syntax_error(&file.text, &places).map(at),
        repeated: found.twice.into_iter().map(|(path, place)| (path, at(place))).collect(),
        source: at(Position { line: 1, column: 1 }),
    };
    subjects.networks.push((network, true));
    *report.objects.entry("CNI configuration".to_owned()).or_default() += 1;
}

struct Reader<'a> {
    file: &'a InputFile,
    text: &'a FileText<'a>,
    subjects: &'a mut Subjects,
    report: &'a mut Report,
}

impl Reader<'_> {
    fn source(&self, place: Position) -> Source {
        Source { file: self.file.name.clone(), line: place.line, column: place.column }
    }

    fn fail(&mut self, node: &Node, field: &str, message: impl Into<String>) {
        self.report.errors.push(InputError::new(self.source(node.at), field, message));
    }

    fn read(&mut self, node: &Node) {
        let kind = node.get("kind").and_then(Node::text).unwrap_or_default();
        let api = node.get("apiVersion").and_then(Node::text).unwrap_or_default();
        match kind {
            "NetworkAttachmentDefinition" => self.network(node),
            "List"
            | "NetworkAttachmentDefinitionList"
            | "PodList"
            | "ConfigMapList"
            | "DeploymentList"
            | "DaemonSetList"
            | "StatefulSetList"
            | "ReplicaSetList"
            | "JobList"
            | "CronJobList" => {
                node.get("items").map_or(&[][..], Node::items).iter().for_each(|item| self.read(item));
            }
            "Pod" if api == "v1" => self.pods(node, kind, node, 1, false),
            "ConfigMap" if is_terway(node) => self.eni_config(node),
            _ => match objects::WORKLOADS.iter().find(|workload| workload.name == kind && workload.api == api) {
                Some(workload) => self.workload(node, workload),
                None => self.count_other(node, kind),
            },
        }
    }

    fn count(&mut self, kind: &str) {
        *self.report.objects.entry(kind.to_owned()).or_default() += 1;
    }

    /// An object that is no subject: the networks that it names are used.
    fn count_other(&mut self, node: &Node, kind: &str) {
        let kind = if kind.is_empty() { "no kind" } else { kind };
        *self.report.others.entry(kind.to_owned()).or_default() += 1;
        collect_names(node, &mut self.subjects.used_elsewhere);
    }

    /// Remembers which findings an object ignores.
    fn read_ignores(&mut self, node: &Node) {
        let (owner, findings) = Owner::read(node, &self.file.name);
        self.subjects.owners.extend(owner);
        self.subjects.findings.extend(findings);
    }

    /// Reports an object that the text has twice: of two, `kubectl apply` leaves the last one.
    fn check_repeated(&mut self, node: &Node) {
        let text = |path: &[&str]| node.at_path(path).and_then(Node::text).map(str::to_owned);
        let (Some(kind), Some(name)) = (text(&["kind"]), text(&["metadata", "name"])) else { return };
        let source = self.source(node.at_path(&["metadata", "name"]).map_or(node.at, |name| name.at));
        let object = (self.file.name.clone(), kind.clone(), text(&["metadata", "namespace"]), name.clone());
        let Some(first) = self.subjects.defined.insert(object, source.clone()) else { return };
        let message = format!("{kind} {name} is there twice in this file: when both are applied, the last one counts");
        let entry = Finding::new(FindingCode::PL635, message).source(&source);
        self.subjects.findings.push(entry.notes([format!("the first one is at {first}")]));
    }

    fn name_of(&self, node: &Node) -> Option<String> {
        node.at_path(&["metadata", "name"]).and_then(Node::text).map(str::to_owned)
    }

    fn network(&mut self, node: &Node) {
        self.count("NetworkAttachmentDefinition");
        let Some(name) = self.name_of(node) else {
            return self.fail(node, "metadata.name", "is missing");
        };
        self.read_ignores(node);
        self.check_repeated(node);
        let namespace = node.at_path(&["metadata", "namespace"]).and_then(Node::text).map(str::to_owned);
        let object = Object { node, file: &self.file.name, text: Some(self.text), entry: None, is_bare: false };
        let config = node.at_path(&["spec", "config"]).filter(|config| !config.is_empty());
        let place = node.at_path(&["metadata", "name"]).map_or(node.at, |name| name.at);
        let mut add = |code, message: String, place| {
            let entry = Finding::new(code, message).network(&name).source(&self.source(place));
            self.subjects.findings.push(entry);
        };
        if let Err(message) = names::object(&name) {
            add(FindingCode::PL605, format!("{message}: the API server refuses the object"), place);
        } else if name.contains('.') || name.starts_with('0') {
            let message = format!("the name `{name}` is refused by the admission webhook that OpenShift runs");
            add(FindingCode::PL641, message, place);
        }
        match config.map(|config| (config, config.text())) {
            Some((config, None)) => {
                let message = "`spec.config` must be a text with JSON, and is not: the API server refuses the object";
                add(FindingCode::PL603, message.to_owned(), config.at);
            }
            Some((_, Some(text))) if !text.trim().is_empty() => {
                let network = objects::read_network(&object, name, namespace, Some(text.to_owned()));
                self.subjects.networks.push((network, false));
            }
            _ => {
                let message =
                    format!("network {name} has no `spec.config`: Multus reads a file of that name on the node");
                add(FindingCode::PL642, message, place);
                let mut network = objects::read_network(&object, name, namespace, None);
                network.manifest = None;
                self.subjects.networks.push((network, false));
            }
        }
    }

    fn workload(&mut self, node: &Node, workload: &objects::WorkloadKind) {
        let template = node.at_path(workload.spec).and_then(|spec| spec.get("template"));
        let Some(template) = template else {
            let field = format!("{}.template", workload.spec.join("."));
            return self.fail(node, &field, "is missing");
        };
        let count = workload.count_key().and_then(|key| node.at_path(workload.spec)?.get(key));
        let copies = count.and_then(|count| count.to_json().as_u64()).unwrap_or(1);
        let has_own = template.at_path(&["metadata", "annotations", NETWORKS]).is_some();
        for path in workload.misplaced().into_iter().filter(|_| !has_own) {
            let misplaced = node.at_path(&path).and_then(|metadata| metadata.at_path(&["annotations", NETWORKS]));
            let Some(misplaced) = misplaced else { continue };
            let name = self.name_of(node).unwrap_or_default();
            let message = format!(
                "the networks annotation is in the metadata of the {} itself, where Multus does not read it",
                workload.name
            );
            let entry = Finding::new(FindingCode::PL618, message).pod(&name).source(&self.source(misplaced.at));
            let note = format!("move it to {}.template.metadata.annotations", workload.spec.join("."));
            self.subjects.findings.push(entry.notes([note]));
        }
        self.pods(node, workload.name, template, copies, workload.name == "DaemonSet");
    }

    fn pods(&mut self, node: &Node, kind: &str, template: &Node, copies: u64, is_one_per_node: bool) {
        self.count(kind);
        self.read_ignores(node);
        self.check_repeated(node);
        let annotations = template.at_path(&["metadata", "annotations"]);
        if let Some(text) = annotations.and_then(|all| all.get(DEFAULT_NETWORK)).and_then(Node::text) {
            self.subjects.default_networks.extend(names_in(text));
        }
        let Some(annotation) = annotations.and_then(|all| all.get(NETWORKS)) else { return };
        let generated = node.at_path(&["metadata", "generateName"]).and_then(Node::text);
        let name = self.name_of(node).or(generated.map(str::to_owned)).unwrap_or_else(|| "without a name".to_owned());
        let Some(text) = annotation.text() else {
            let message = format!("must be a string, and reads as {}", annotation.to_json());
            return self.fail(annotation, &format!("metadata.annotations[{NETWORKS}]"), message);
        };
        if text.trim().is_empty() {
            return;
        }
        let (keys, repeated) = self.places(annotation, text);
        let read = annotation::read(text);
        let source = self.source(annotation.at);
        let places = self.text.places_of(annotation).filter(|_| text.contains(['[', '{', '"']));
        let breaks_off = places.and_then(|places| json_keys::syntax_error(text, &places)).map(|at| self.source(at));
        let place = |index: Option<usize>| match index {
            Some(index) => keys.get(&index.to_string()).unwrap_or(&source),
            None => breaks_off.as_ref().unwrap_or(&source),
        };
        let mut requests = PodRequests {
            kind: kind.to_owned(),
            name: name.clone(),
            copies,
            is_one_per_node,
            attachments: Vec::new(),
            keys: keys.clone(),
            source: source.clone(),
        };
        let mut is_typed = true;
        for (path, entry) in annotation_types::check(text) {
            is_typed &= entry.code != FindingCode::PL609;
            self.subjects.findings.push(entry.pod(&name).source(requests.place(&path)));
        }
        self.subjects.has_unread_pods |= !is_typed;
        for (path, first) in repeated {
            let key = path.rsplit('/').next().unwrap_or(&path);
            let message = format!("`{key}` is there twice in one object: the last one counts");
            let entry = Finding::new(FindingCode::PL635, message).pod(&name).source(requests.place(&path));
            self.subjects.findings.push(entry.notes([format!("the first one is at {first}")]));
        }
        // What a value of a wrong type has for a consequence is no second mistake.
        for (index, message) in read.errors.into_iter().filter(|_| is_typed) {
            // The place says it.
            let message = match (index, &breaks_off) {
                (None, Some(_)) => message.rsplit_once(" at line ").map_or(message.as_str(), |(why, _)| why),
                _ => message.as_str(),
            };
            let entry = Finding::new(FindingCode::PL618, format!("networks annotation: {message}"));
            self.subjects.has_unread_pods = true;
            self.subjects.findings.push(entry.pod(&name).source(place(index)));
        }
        // Elements that cannot be read are left out: the places of the others follow their new positions.
        let positions: BTreeMap<String, usize> =
            read.attachments.iter().enumerate().map(|(new, (index, _))| (index.to_string(), new)).collect();
        let moved = keys.iter().filter_map(|(path, source)| {
            let (index, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
            Some((format!("{}{rest}", positions.get(index)?), source.clone()))
        });
        requests.keys = moved.collect();
        requests.attachments.extend(read.attachments.into_iter().map(|(_, attachment)| attachment));
        let namespace = node.at_path(&["metadata", "namespace"]).and_then(Node::text).map(str::to_owned);
        let is_named = self.name_of(node).is_some();
        self.subjects.pods.push(PodSubject { namespace, requests, is_named });
    }

    /// The places of the parts of a networks annotation, and the keys that are there again with their first places.
    fn places(&self, annotation: &Node, text: &str) -> (BTreeMap<String, Source>, Vec<(String, Source)>) {
        let Some(places) = self.text.places_of(annotation) else { return Default::default() };
        let found = json_keys::scan(text, &places);
        if !found.places.is_empty() || text.contains(['[', '{', '"']) {
            let source = |(path, place)| (path, self.source(place));
            return (found.places.into_iter().map(source).collect(), found.twice.into_iter().map(source).collect());
        }
        let mut at = 0;
        let mut keys = BTreeMap::new();
        for (index, element) in text.split(',').enumerate() {
            let blanks = element.chars().take_while(|c| c.is_whitespace()).count();
            if let Some(place) = places.get(at + blanks) {
                keys.insert(index.to_string(), self.source(*place));
            }
            at += element.chars().count() + 1;
        }
        (keys, Vec::new())
    }

    fn eni_config(&mut self, node: &Node) {
        self.count("ConfigMap");
        self.read_ignores(node);
        self.check_repeated(node);
        match EniConfig::of_object(&self.file.name, self.text, node) {
            Ok(config) => self.subjects.eni_configs.push(config),
            Err(error) => self.report.errors.push(error),
        }
    }
}

/// Whether a ConfigMap is Terway's: `eni-config`, or one that a node's label `terway-config` names.
fn is_terway(node: &Node) -> bool {
    let data = node.get("data");
    let has = |key: &&str| data.is_some_and(|data| data.get(key).is_some());
    let text = |path| node.at_path(path).and_then(Node::text);
    let is_in_place = text(&["metadata", "namespace"]).is_none_or(|space| space == crate::terway::NAMESPACE);
    let is_named = text(&["metadata", "name"]) == Some(crate::terway::NAME);
    is_in_place && (is_named || crate::terway::KEYS.iter().any(has))
}

/// Names of networks in an annotation, namespaces and interfaces left out.
fn names_in(text: &str) -> Vec<String> {
    let read = annotation::read(text).attachments;
    read.into_iter().map(|(_, attachment)| attachment.network).collect()
}

/// Names of networks anywhere in an object: networks annotations, and `networkName` of virtual machines.
fn collect_names(node: &Node, names: &mut BTreeSet<String>) {
    match &node.data {
        Data::List(items) => items.iter().for_each(|item| collect_names(item, names)),
        Data::Map(entries) => {
            for (key, _, value) in entries {
                match (key.as_str(), value.text()) {
                    (NETWORKS | DEFAULT_NETWORK, Some(text)) => names.extend(names_in(text)),
                    ("networkName", Some(text)) => {
                        names.extend(text.rsplit('/').next().map(str::to_owned));
                    }
                    _ => collect_names(value, names),
                }
            }
        }
        _ => {}
    }
}
