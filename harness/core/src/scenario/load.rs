//! From a scenario file, with all files that it names, to a [`Plan`].

mod default_network;
mod pods;
mod relations;

pub use relations::same_names;

use super::error::{InputError, did_you_mean};
use super::expect::{Reader, Scene};
use super::file::{API_VERSION, Entry, KIND, ScenarioFile};
use super::kube_yaml;
use super::loader::{self, Loader};
use super::names;
use super::objects::{self, Object};
use super::strict::{self, Located, Pairs};
use super::{template, topology, values};
use crate::plan::{CAPABILITIES, Device, LANES, Network, NodePort, Plan, Topology, VIRTIO_ENI};
use crate::source::Source;

/// Reads a scenario: the file at `path`, the manifests and templates that it names.
///
/// # Errors
/// Every mistake found, each with file, line, column and field. A mistake in the form of the file itself
/// (not YAML, an unknown field) is reported alone, since nothing after it can be trusted.
pub fn load_scenario(path: &str, loader: &dyn Loader) -> Result<Plan, Vec<InputError>> {
    let whole = Source { file: path.to_owned(), line: 0, column: 0 };
    let text = loader::text(loader, path, &whole, "").map_err(|error| vec![error])?;
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Err(vec![InputError::file(path, "empty: no scenario in it")]);
    }
    let file: ScenarioFile =
        strict::read(path, &text).map_err(|error| vec![other_kind(path, &text).unwrap_or(error)])?;
    let mut load = Load { path, loader, errors: Vec::new() };
    let plan = load.plan(&file);
    if load.errors.is_empty() { Ok(plan) } else { Err(load.errors) }
}

/// Another object than a scenario, by its kind: its fields would be reported as unknown ones otherwise.
fn other_kind(path: &str, text: &str) -> Option<InputError> {
    let documents = kube_yaml::read(path, text).ok()?;
    let kind = documents.first()?.get("kind")?;
    let found = kind.text().filter(|found| *found != KIND)?;
    let source = Source { file: path.to_owned(), line: kind.at.line, column: kind.at.column };
    let help = "manifests of a scenario a.yaml are in the folder a/ beside it, templates in a folder templates/; what else a folder holds is read as scenarios";
    Some(InputError::new(source, "kind", format!("is `{found}`; expected `{KIND}`")).help(help))
}

struct Load<'a> {
    path: &'a str,
    loader: &'a dyn Loader,
    errors: Vec<InputError>,
}

/// The capabilities that a scenario requires, and those that its topology needs.
fn needs(mut said: Vec<String>, topology: &Topology) -> Vec<String> {
    let virtio = |port: &NodePort| port.eni.as_ref().is_some_and(|eni| eni.device == Device::Virtio);
    if topology.ports.iter().any(virtio) && said.iter().all(|need| need != VIRTIO_ENI) {
        said.push(VIRTIO_ENI.to_owned());
    }
    said
}

impl Load<'_> {
    fn fail<T>(&mut self, at: &Located<T>, field: &str, message: impl Into<String>) {
        self.errors.push(InputError::new(strict::source(self.path, at), field, message));
    }

    /// Refuses a word that is none of those known.
    fn one_of(&mut self, item: &Located<String>, field: &str, known: &[&str], refusal: &str) {
        if known.contains(&item.value.as_str()) {
            return;
        }
        let source = strict::source(self.path, item);
        let error = InputError::new(source, field, format!("{refusal} `{}`", item.value));
        self.errors.push(error.help(match did_you_mean(&item.value, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", known.join(", ")),
        }));
    }

    fn plan(&mut self, file: &ScenarioFile) -> Plan {
        if file.api_version.value != API_VERSION {
            self.fail(
                &file.api_version,
                "apiVersion",
                format!("`{}` is not understood; `{API_VERSION}` is", file.api_version.value),
            );
        }
        if file.kind.value != KIND {
            self.fail(&file.kind, "kind", format!("is `{}`; expected `{KIND}`", file.kind.value));
        }
        if let Err(message) = names::scenario(&file.metadata.name.value) {
            self.fail(&file.metadata.name, "metadata.name", message);
        }
        for (index, requirement) in file.metadata.covers.iter().enumerate() {
            if !(requirement.value.len() == 3
                && requirement.value.starts_with('R')
                && requirement.value[1..].bytes().all(|b| b.is_ascii_digit()))
            {
                self.fail(
                    requirement,
                    &format!("metadata.covers[{index}]"),
                    format!("`{}` is no requirement such as R01", requirement.value),
                );
            }
        }
        let words = |items: &[Located<String>]| items.iter().map(|item| item.value.clone()).collect::<Vec<_>>();
        for (index, item) in file.requires.iter().enumerate() {
            // A misspelt capability would skip the scenario on every lane.
            self.one_of(item, &format!("requires[{index}]"), &CAPABILITIES, "no lane knows of");
        }
        for (index, lane) in file.lanes.iter().enumerate() {
            self.one_of(lane, &format!("lanes[{index}]"), &LANES, "there is no lane");
        }
        let (mut topology, errors) = topology::read(self.path, &file.topology);
        self.errors.extend(errors);
        topology.default_network = self.default_network(file);
        topology.symmetric = self.symmetric(&topology);
        self.own_nodes(file);
        let mut networks = Vec::new();
        for (index, entry) in file.networks.iter().enumerate() {
            networks.extend(self.networks(entry, &format!("networks[{index}]")));
        }
        let (mut pods, mut groups, mut workloads) = (Vec::new(), Vec::new(), Vec::new());
        // How many objects there would be at least if all could be read; copies are many from one.
        let mut entries = file.networks.len();
        for (index, entry) in file.pods.iter().enumerate() {
            let found = self.pods(entry, &format!("pods[{index}]"), &topology);
            entries += found.pods.len().max(1);
            pods.extend(found.pods);
            groups.extend(found.groups);
            workloads.extend(found.workloads);
        }
        if file.pods.is_empty() {
            self.errors.push(InputError::file(self.path, "has no pods; expected at least one"));
        }
        self.relations(&networks, &pods, &topology, entries);
        let mut expect = Vec::new();
        // A pod or a host that could not be read would only raise a second complaint about its name.
        let in_order = |error: &InputError| {
            error.source_at.file == self.path && !["pods[", "topology"].iter().any(|part| error.field.starts_with(part))
        };
        if self.errors.iter().all(in_order) {
            let scene = Scene { networks: &networks, pods: &pods, groups: &groups, topology: &topology };
            for (name, wanted) in &file.expect.0 {
                match Reader::new(self.path, scene).pod(name, wanted) {
                    Ok(wanted) => expect.extend(wanted),
                    Err(errors) => self.errors.extend(errors),
                }
            }
            self.once(&expect);
        }
        Plan {
            name: file.metadata.name.value.clone(),
            summary: file.metadata.summary.clone(),
            file: self.path.to_owned(),
            covers: words(&file.metadata.covers),
            requires: needs(words(&file.requires), &topology),
            lanes: words(&file.lanes),
            topology,
            networks,
            pods,
            workloads,
            expect,
        }
    }

    fn networks(&mut self, entry: &Located<Entry>, field: &str) -> Vec<Network> {
        for (word, given) in [("node", &entry.value.node), ("copies", &entry.value.copies)] {
            if let Some(given) = given {
                self.fail(given, &format!("{field}.{word}"), "goes with pods; networks have none");
            }
        }
        let Some(existing) = &entry.value.existing else {
            return self.objects(entry, field, "NetworkAttachmentDefinition", objects::network);
        };
        if entry.value.manifest.is_some() || entry.value.template.is_some() || entry.value.values.is_some() {
            self.fail(entry, field, "`existing` stands alone, or with `namespace`");
        }
        if let Err(message) = names::label(&existing.value) {
            self.fail(existing, &format!("{field}.existing"), message);
        }
        vec![Network {
            name: existing.value.clone(),
            namespace: entry.value.namespace.as_ref().map(|namespace| namespace.value.clone()),
            manifest: None,
            config: None,
            chain: None,
            keys: std::collections::BTreeMap::new(),
            source: strict::source(self.path, existing),
        }]
    }

    /// Reads the objects of an entry: all documents of a manifest, or of what a template gives.
    fn objects<T>(
        &mut self,
        entry: &Located<Entry>,
        field: &str,
        kind: &str,
        read: impl Fn(&Object<'_>) -> Result<T, Vec<InputError>>,
    ) -> Vec<T> {
        if let Some(namespace) = &entry.value.namespace {
            self.fail(
                namespace,
                &format!("{field}.namespace"),
                "goes with `existing` alone; other objects say theirs themselves",
            );
        }
        let at = strict::source(self.path, entry);
        let (file, text, from_template) = match (&entry.value.manifest, &entry.value.template) {
            (Some(manifest), None) => {
                if let Some(values) = &entry.value.values {
                    let at = values.0.first().map_or_else(|| at.clone(), |(name, _)| strict::source(self.path, name));
                    self.errors.push(InputError::new(
                        at,
                        format!("{field}.values"),
                        "values go with `template`; a manifest is taken as it is",
                    ));
                }
                let file = loader::beside(self.path, &manifest.value);
                let asked = strict::source(self.path, manifest);
                match loader::manifest(self.loader, &file, &asked, &format!("{field}.manifest")) {
                    Ok(text) => (file, text, false),
                    Err(error) => {
                        self.errors.push(error);
                        return Vec::new();
                    }
                }
            }
            (None, Some(name)) => match self.rendered(name, entry, field) {
                Ok((file, text)) => (file, text, true),
                Err(errors) => {
                    self.errors.extend(errors);
                    return Vec::new();
                }
            },
            _ => {
                self.fail(entry, field, "expected one of `manifest`, `template` and (for networks) `existing`");
                return Vec::new();
            }
        };
        let documents = match kube_yaml::read(&file, &text) {
            Ok(documents) => documents,
            Err(error) if from_template => {
                let message = format!("the template {file} gives what is no YAML: {}", error.message);
                self.errors.push(InputError::new(at, field, message));
                return Vec::new();
            }
            Err(error) => {
                self.errors.push(error);
                return Vec::new();
            }
        };
        if documents.is_empty() {
            self.errors.push(InputError::file(&file, format!("is empty; expected a {kind}")));
        }
        let mut found = Vec::new();
        for node in &documents {
            let object = Object {
                node,
                file: &file,
                text: (!from_template).then_some(&text),
                entry: from_template.then_some(&at),
            };
            match read(&object) {
                Ok(value) => found.push(value),
                Err(errors) => self.errors.extend(errors),
            }
        }
        found
    }

    fn rendered(
        &self,
        name: &Located<String>,
        entry: &Located<Entry>,
        field: &str,
    ) -> Result<(String, String), Vec<InputError>> {
        let at = strict::source(self.path, name);
        let one = |error| vec![error];
        let (place, text) =
            loader::template(self.loader, self.path, &name.value, &at, &format!("{field}.template")).map_err(one)?;
        let (declaration, body, first_line) = values::split(&place, &text).map_err(one)?;
        let none = Pairs::default();
        let given = entry.value.values.as_ref().unwrap_or(&none);
        let checked = declaration.check(given, self.path, &at, &format!("{field}.values"))?;
        let declared: Vec<&str> = declaration.names().collect();
        let body = template::render(&place, body, first_line, &declared, &checked).map_err(one)?;
        Ok((place, body))
    }
}
