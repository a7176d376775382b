//! From a scenario file, with all files that it names, to a [`Plan`].

mod default_network;
mod pods;
mod relations;

pub use relations::same_names;

use super::error::InputError;
use super::expect::{Reader, Scene};
use super::file::{API_VERSION, Entry, KIND, ScenarioFile};
use super::file_text::FileText;
use super::loader::{self, Loader};
use super::matrix::{self, Case, CaseText};
use super::mistakes::Mistakes;
use super::node::flatten_lists;
use super::objects::{self, Object};
use super::places::Places;
use super::strict::{self, Located, Pairs};
use super::{kube_yaml, names, template, topology, values};
use crate::plan::{CAPABILITIES, Device, LANES, Network, NodePort, Plan, Topology, VIRTIO_ENI, split_case};
use crate::source::Source;
use pods::EntryPods;
use std::borrow::Cow;
use std::collections::HashMap;

/// Reads the scenarios of the file at `path`, with the manifests and templates that it names: one, or one for each case of
/// its matrix.
///
/// # Errors
/// Every mistake found, each with file, line, column and field. A mistake in the form of the file itself
/// (not YAML, an unknown field) is reported alone, since nothing after it can be trusted.
pub fn load_scenarios(path: &str, loader: &dyn Loader) -> Result<Vec<Plan>, Vec<InputError>> {
    let text = read_text(path, loader)?;
    let Some(matrix) = matrix::read(path, &text)? else { return Ok(vec![load(path, &text, None, loader)?]) };
    let mut plans = Vec::new();
    let mut failed = Vec::new();
    for case in matrix.cases() {
        match load(path, &text, Some(case), loader) {
            Ok(plan) => plans.push(plan),
            Err(errors) => failed.push((case.name(), errors)),
        }
    }
    if failed.is_empty() { Ok(plans) } else { Err(join_errors(failed, plans.is_empty())) }
}

/// Reads the one scenario of a file.
///
/// # Errors
/// As [`load_scenarios`]; and when the file has more cases than one.
pub fn load_scenario(path: &str, loader: &dyn Loader) -> Result<Plan, Vec<InputError>> {
    let mut plans = load_scenarios(path, loader)?;
    match plans.len() {
        1 => Ok(plans.remove(0)),
        cases => {
            let error = InputError::file(path, format!("has {cases} cases; expected one scenario"));
            let first = plans.first().and_then(|plan| split_case(&plan.name).1).unwrap_or_default();
            Err(vec![error.help(format!("name one of them, such as `{path}[{first}]`"))])
        }
    }
}

/// Reads one case of a file with a matrix, by its name (`ptp,ipv6`).
///
/// # Errors
/// As [`load_scenarios`]; and when the file has no such case.
pub fn load_case(path: &str, name: &str, loader: &dyn Loader) -> Result<Plan, Vec<InputError>> {
    let text = read_text(path, loader)?;
    let Some(matrix) = matrix::read(path, &text)? else {
        let error = InputError::file(path, format!("has no case `{name}`: it has no matrix"));
        return Err(vec![error]);
    };
    let names: Vec<String> = matrix.cases().map(|case| case.name()).collect();
    let Some((case, _)) = matrix.cases().zip(&names).find(|(_, known)| *known == name) else {
        let error = InputError::file(path, format!("has no case `{name}`"));
        let error = error.suggest(name, names.iter().map(String::as_str));
        return Err(vec![error.or_help(|| format!("it has: {}", names.join("; ")))]);
    };
    load(path, &text, Some(case), loader)
}

fn read_text(path: &str, loader: &dyn Loader) -> Result<String, Vec<InputError>> {
    let whole = Source { file: path.to_owned(), line: 0, column: 0 };
    let text = loader::text(loader, path, &whole, "").map_err(|error| vec![error])?;
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Err(vec![InputError::file(path, "empty: no scenario in it")]);
    }
    Ok(text)
}

/// Reads a file's text, or that of one of its cases.
fn load(path: &str, text: &str, case: Option<Case<'_>>, loader: &dyn Loader) -> Result<Plan, Vec<InputError>> {
    let (text, places) = match case {
        Some(case) => {
            let CaseText { text, places } = CaseText::of(path, text, case)?;
            (Cow::Owned(text), places)
        }
        None => (Cow::Borrowed(text), Places::default()),
    };
    let file: ScenarioFile = strict::read(path, &text).map_err(|error| {
        let mut error = other_kind(path, &text).unwrap_or(error);
        error.source_at = places.written(error.source_at);
        vec![error]
    })?;
    let mut load = Load { loader, mistakes: Mistakes::new(path, &text, &places) };
    let mut plan = load.plan(&file);
    match (case, &file.matrix) {
        (Some(case), _) => plan.name = format!("{}[{}]", plan.name, case.name()),
        (None, Some(matrix)) => load.mistakes.fail(matrix, "write the key as `matrix`, without quotes and escapes"),
        (None, None) => {}
    }
    if load.mistakes.errors.is_empty() { Ok(plan) } else { Err(load.mistakes.errors) }
}

/// The errors of several cases: each once. One that not all cases have names the cases that have it.
fn join_errors(failed: Vec<(String, Vec<InputError>)>, all_failed: bool) -> Vec<InputError> {
    let cases = failed.len();
    let mut joined: Vec<(InputError, Vec<String>)> = Vec::new();
    let mut known: HashMap<(Source, String, String), usize> = HashMap::new();
    for (case, errors) in failed {
        for error in errors {
            let key = (error.source_at.clone(), error.field.clone(), error.message.clone());
            let index = *known.entry(key).or_insert(joined.len());
            match joined.get_mut(index) {
                Some((_, cases)) if cases.last() == Some(&case) => {}
                Some((_, cases)) => cases.push(case.clone()),
                None => joined.push((error, vec![case.clone()])),
            }
        }
    }
    let name_cases = |(mut error, names): (InputError, Vec<String>)| {
        if !all_failed || names.len() < cases {
            let first = format!("[{}]", names[0]);
            error.message.push_str(&match names.len() {
                1 => format!(" (case {first})"),
                more => format!(" (case {first} and {} more)", more - 1),
            });
        }
        error
    };
    joined.into_iter().map(name_cases).collect()
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
    loader: &'a dyn Loader,
    mistakes: Mistakes<'a>,
}

/// The capabilities that a scenario requires, and those that its topology needs.
fn needs(mut said: Vec<String>, topology: &Topology) -> Vec<String> {
    let virtio = |port: &NodePort| port.eni.as_ref().is_some_and(|eni| eni.device == Device::Virtio);
    if topology.ports.iter().any(virtio) && said.iter().all(|need| need != VIRTIO_ENI) {
        said.push(VIRTIO_ENI.to_owned());
    }
    said
}

/// Whether a text is the number of a requirement.
fn is_requirement(text: &str) -> bool {
    text.len() == 3 && text.strip_prefix('R').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether an entry is there in this case.
fn is_there(entry: &&Located<Entry>) -> bool {
    entry.value.when.unwrap_or(true)
}

impl Load<'_> {
    /// Adds an error that does not follow from a place in the scenario file.
    fn fail_at(&mut self, source: &Source, field: &str, message: impl Into<String>) {
        self.mistakes.errors.push(InputError::new(source.clone(), field, message));
    }

    /// Refuses a word that is none of those known.
    fn one_of(&mut self, item: &Located<String>, known: &[&str], refusal: &str) {
        if !known.contains(&item.value.as_str()) {
            let error = self.mistakes.error(item, format!("{refusal} `{}`", item.value));
            let error = error.suggest(&item.value, known.iter().copied());
            self.mistakes.errors.push(error.or_help(|| format!("known: {}", known.join(", "))));
        }
    }

    fn plan(&mut self, file: &ScenarioFile) -> Plan {
        let (version, name) = (&file.api_version, &file.metadata.name);
        if version.value != API_VERSION {
            self.mistakes.fail(version, format!("`{}` is not understood; `{API_VERSION}` is", version.value));
        }
        if file.kind.value != KIND {
            self.mistakes.fail(&file.kind, format!("is `{}`; expected `{KIND}`", file.kind.value));
        }
        self.mistakes.read(name, names::scenario);
        for requirement in file.metadata.covers.iter().filter(|requirement| !is_requirement(&requirement.value)) {
            let message = format!("`{}` is no requirement such as R01", requirement.value);
            self.mistakes.fail(requirement, message);
        }
        let words = |items: &[Located<String>]| items.iter().map(|item| item.value.clone()).collect::<Vec<_>>();
        for item in &file.requires {
            // A misspelt capability would skip the scenario on every lane.
            self.one_of(item, &CAPABILITIES, "no lane knows of");
        }
        for lane in &file.lanes {
            self.one_of(lane, &LANES, "there is no lane");
        }
        let mut topology = topology::read(&file.topology, &mut self.mistakes);
        topology.default_network = self.default_network(file);
        topology.symmetric = self.symmetric(&topology);
        self.own_nodes(file);
        let mut networks = Vec::new();
        for entry in file.networks.iter().filter(is_there) {
            networks.extend(self.networks(entry));
        }
        let mut found = EntryPods::default();
        // How many objects there would be at least if all could be read; copies are many from one.
        let mut entries = file.networks.iter().filter(is_there).count();
        for entry in file.pods.iter().filter(is_there) {
            let pods = self.pods(entry, &topology);
            entries += pods.pods.len().max(1);
            found.extend(pods);
        }
        let EntryPods { pods, groups, workloads } = found;
        if !file.pods.iter().any(|entry| is_there(&entry)) {
            let error = InputError::file(self.mistakes.path, "has no pods; expected at least one");
            self.mistakes.errors.push(error);
        }
        self.relations(&networks, &pods, &topology, entries);
        let mut expect = Vec::new();
        // A pod or a host that could not be read would only raise a second complaint about its name.
        let in_order = |error: &InputError| {
            let is_read_later = !["pods[", "topology"].iter().any(|part| error.field.starts_with(part));
            error.source_at.file == self.mistakes.path && is_read_later
        };
        if self.mistakes.errors.iter().all(in_order) {
            let scene = Scene { networks: &networks, pods: &pods, groups: &groups, topology: &topology };
            for (name, wanted) in &file.expect.0 {
                expect.extend(Reader::new(&mut self.mistakes, scene).pod(name, &wanted.value));
            }
            self.once(&expect);
        }
        Plan {
            name: name.value.clone(),
            summary: file.metadata.summary.clone(),
            file: self.mistakes.path.to_owned(),
            covers: words(&file.metadata.covers),
            requires: needs(words(&file.requires), &topology),
            lanes: words(&file.lanes),
            topology,
            networks,
            pods,
            workloads,
            expect,
            ..Plan::default()
        }
    }

    fn networks(&mut self, entry: &Located<Entry>) -> Vec<Network> {
        let Entry { manifest, template, values, existing, namespace, node, copies, when: _ } = &entry.value;
        for given in [node, copies].into_iter().flatten() {
            self.mistakes.fail(given, "goes with pods; networks have none");
        }
        let Some(existing) = existing else {
            return self.objects(entry, "NetworkAttachmentDefinition", objects::network);
        };
        if manifest.is_some() || template.is_some() || values.is_some() {
            self.mistakes.fail(entry, "`existing` stands alone, or with `namespace`");
        }
        self.mistakes.read(existing, names::label);
        vec![Network {
            name: existing.value.clone(),
            namespace: namespace.as_ref().map(|namespace| namespace.value.clone()),
            manifest: None,
            config: None,
            chain: None,
            keys: std::collections::BTreeMap::new(),
            syntax_error: None,
            repeated: Vec::new(),
            source: self.mistakes.source(existing),
        }]
    }

    /// Reads the objects of an entry: all documents of a manifest, or of what a template gives.
    fn objects<T>(
        &mut self,
        entry: &Located<Entry>,
        kind: &str,
        read: impl Fn(&Object<'_>) -> Result<T, Vec<InputError>>,
    ) -> Vec<T> {
        if let Some(namespace) = &entry.value.namespace {
            let message = "goes with `existing` alone; other objects say theirs themselves";
            self.mistakes.fail(namespace, message);
        }
        let at = self.mistakes.source(entry);
        let text = match (&entry.value.manifest, &entry.value.template) {
            (Some(manifest), None) => {
                if let Some(values) = &entry.value.values {
                    let first = values.0.first().map(|(name, _)| self.mistakes.source(name));
                    let field = format!("{}.values", self.mistakes.error(entry, "").field);
                    let message = "values go with `template`; a manifest is taken as it is";
                    self.fail_at(first.as_ref().unwrap_or(&at), &field, message);
                }
                self.manifest(manifest).map_err(|error| vec![error])
            }
            (None, Some(name)) => self.rendered(name, entry),
            _ => {
                let message = "expected one of `manifest`, `template` and (for networks) `existing`";
                Err(vec![self.mistakes.error(entry, message)])
            }
        };
        let (file, text) = match text {
            Ok(found) => found,
            Err(errors) => {
                self.mistakes.errors.extend(errors);
                return Vec::new();
            }
        };
        let from_template = entry.value.template.is_some();
        let documents = match kube_yaml::read(&file, &text) {
            Ok(documents) => flatten_lists(documents),
            Err(error) => {
                let message = format!("the template {file} gives what is no YAML: {}", error.message);
                let error = if from_template { self.mistakes.error(entry, message) } else { error };
                self.mistakes.errors.push(error);
                return Vec::new();
            }
        };
        if documents.is_empty() {
            self.mistakes.errors.push(InputError::file(&file, format!("is empty; expected a {kind}")));
        }
        let lines = FileText::new(&text);
        let mut found = Vec::new();
        for node in &documents {
            let object = Object {
                node,
                file: &file,
                text: (!from_template).then_some(&lines),
                entry: from_template.then_some(&at),
                is_bare: false,
            };
            match read(&object) {
                Ok(value) => found.push(value),
                Err(errors) => self.mistakes.errors.extend(errors),
            }
        }
        found
    }

    /// The file of a manifest, and its text.
    fn manifest(&self, name: &Located<String>) -> Result<(String, String), InputError> {
        let file = loader::beside(self.mistakes.path, &name.value);
        let asked = self.mistakes.error(name, "");
        let text = loader::manifest(self.loader, &file, &asked.source_at, &asked.field)?;
        Ok((file, text))
    }

    /// The file of a template, and what it gives.
    fn rendered(&self, name: &Located<String>, entry: &Located<Entry>) -> Result<(String, String), Vec<InputError>> {
        let InputError { source_at: at, field, .. } = self.mistakes.error(name, "");
        let (path, one) = (self.mistakes.path, |error| vec![error]);
        let (place, text) = loader::template(self.loader, path, &name.value, &at, &field).map_err(one)?;
        let (declaration, body, first_line) = values::split(&place, &text).map_err(one)?;
        let none = Pairs::default();
        let given = entry.value.values.as_ref().unwrap_or(&none);
        let field = field.trim_end_matches("template");
        let checked = declaration.check(given, &self.mistakes, &at, &format!("{field}values"))?;
        let declared: Vec<&str> = declaration.names().collect();
        let body = template::render(&place, body, first_line, &declared, &checked).map_err(one)?;
        Ok((place, body))
    }
}
