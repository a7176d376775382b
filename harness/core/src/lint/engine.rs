//! Lints texts: reads them all, applies the rules, sorts the findings.

use super::objects::{self, PodSubject, Subjects};
use super::owners;
use super::report::{FileOrigin, Ignored, InputFile, Options, Report};
use crate::finding::{Finding, FindingCode};
use crate::plan::Network;
use crate::rules::{self, Context, PodRequests, Use};
use crate::source::Source;
use crate::suggestion::suggest;
use crate::terway;
use std::collections::{BTreeSet, HashMap};

/// Most names that are compared for suggestions.
const MAX_COMPARISONS: usize = 1_000_000;

/// Lints texts.
pub(super) fn lint(files: &[InputFile], options: &Options) -> Report {
    let mut report = Report::default();
    let mut subjects = Subjects::default();
    for file in files {
        objects::read_file(file, &mut subjects, &mut report);
    }
    let references = files.iter().filter(|file| file.origin == FileOrigin::Reference);
    subjects.references = references.map(|file| file.name.clone()).collect();
    let mut findings = std::mem::take(&mut subjects.findings);
    check_networks(&subjects, options, &mut findings);
    check_pods(&subjects, options, &mut findings);
    for config in &subjects.eni_configs {
        let linted = terway::lint_with(config, &options.terway, &options.releases, None);
        findings.extend(linted.findings.into_iter().map(|mut finding| {
            finding.notes.iter_mut().for_each(|note| *note = name_option(note));
            finding
        }));
        for what in linted.untold.iter().map(|what| format!("not known: {}", name_option(what))) {
            if !report.assumed.contains(&what) {
                report.assumed.push(what);
            }
        }
    }
    let releases = options.releases.assumed().into_iter().map(|(name, release)| format!("{name} {release}"));
    report.assumed.insert(0, format!("the releases {}", releases.collect::<Vec<_>>().join(", ")));
    report.assumed.extend(options.releases.describe_unread());
    if options.cluster.is_openshift {
        let names = findings.iter_mut().filter(|finding| finding.code == FindingCode::PL641);
        names.for_each(|finding| finding.notes.push("the cluster runs this webhook".to_owned()));
    }
    let is_reference = |source: &Source| subjects.references.contains(&source.file);
    findings.retain(|finding| !finding.source.as_ref().is_some_and(is_reference));
    findings.sort_by_cached_key(|finding| {
        let place = finding.source.as_ref().map(|source| (source.file.clone(), source.line, source.column));
        (place, finding.code)
    });
    for finding in findings {
        let reason = owners::reason(&subjects.owners, &finding);
        match (options.ignore.contains(&finding.code), reason) {
            (false, None) => report.findings.push(finding),
            (_, reason) => report.ignored.push(Ignored { reason: reason.cloned(), finding }),
        }
    }
    report
}

/// Options of the lint of Terway's chain, and what stands for them here.
const OPTIONS: [(&str, &str); 5] = [
    ("say --access", "`plumbline chain lint --access` takes"),
    ("say --datapath-v2", "`plumbline chain lint --datapath-v2` takes"),
    ("`--context`", "`plumbline chain lint --context`"),
    ("--terway-version", "--plugin-version terway=RELEASE"),
    ("--portmap-version", "--plugin-version portmap=RELEASE"),
];

/// A sentence of the lint of Terway's chain, with the option that this lint has for it.
fn name_option(text: &str) -> String {
    OPTIONS.iter().fold(text.to_owned(), |text, (option, here)| text.replace(option, here))
}

fn check_networks(subjects: &Subjects, options: &Options, findings: &mut Vec<Finding>) {
    for (network, is_file) in subjects.networks.iter().filter(|(network, _)| network.manifest.is_some()) {
        let context = context_of(network, *is_file, subjects, options);
        if context.network_use != Use::Reference {
            findings.extend(rules::check_network(network, &context));
        }
    }
}

/// What the rules read beside a network.
fn context_of<'a>(network: &Network, is_file: bool, subjects: &Subjects, options: &'a Options) -> Context<'a> {
    let network_use = match is_file {
        true => Use::File,
        false if subjects.references.contains(&network.source.file) => Use::Reference,
        false if subjects.default_networks.contains(&network.name) => Use::DefaultNetwork,
        false => Use::Lint,
    };
    Context { network_use, releases: &options.releases, cluster: &options.cluster }
}

fn check_pods(subjects: &Subjects, options: &Options, findings: &mut Vec<Finding>) {
    let networks: Vec<&Network> =
        subjects.networks.iter().filter(|(_, is_file)| !is_file).map(|(network, _)| network).collect();
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, network) in networks.iter().enumerate() {
        by_name.entry(&network.name).or_default().push(index);
    }
    let mut names: Vec<&str> = by_name.keys().copied().collect();
    names.sort_unstable();
    let mut comparisons = 0;
    let mut used = BTreeSet::new();
    let mut indexes = Vec::new();
    for pod in &subjects.pods {
        let mut of_pod = Vec::new();
        for position in 0..pod.requests.attachments.len() {
            let found = find_network(pod, position, &networks, &by_name, options);
            let found = found.map_err(|(mut entry, is_unknown)| {
                comparisons += names.len();
                if is_unknown && comparisons <= MAX_COMPARISONS {
                    entry.notes.extend(suggest(&pod.requests.attachments[position].network, names.iter().copied()));
                }
                findings.push(*entry);
            });
            let found = found.ok().flatten();
            used.extend(found);
            of_pod.push(found);
        }
        indexes.push(of_pod);
    }
    let pods: Vec<PodRequests> = subjects.pods.iter().map(|pod| pod.requests.clone()).collect();
    let with_context: Vec<(&Network, Context<'_>)> =
        networks.iter().map(|network| (*network, context_of(network, false, subjects, options))).collect();
    findings.extend(rules::check_pods(&with_context, &pods, &indexes));
    check_sharing(subjects, &with_context, &pods, &indexes, findings);
    if subjects.pods.is_empty() || subjects.has_unread_pods || options.cluster.has_unread_pods {
        return;
    }
    let is_used = |name: &String| subjects.used_elsewhere.contains(name) || subjects.default_networks.contains(name);
    for (index, network) in networks.iter().enumerate() {
        if used.contains(&index) || is_used(&network.name) {
            continue;
        }
        let is_same =
            |other: &usize| used.contains(other) && networks[*other].namespace == network.namespace && *other != index;
        let same_name = by_name.get(network.name.as_str()).into_iter().flatten();
        let message = match same_name.copied().find(is_same) {
            // Reported as an object that is there twice.
            Some(other) if networks[other].source.file == network.source.file => continue,
            Some(other) => {
                format!("network {} is there twice: pods are checked with {}", network.name, networks[other].source)
            }
            None => format!("no pod here requests network {}", network.name),
        };
        findings.push(Finding::new(FindingCode::PL640, message).network(&network.name).source(&network.source));
    }
}

/// Rules about what networks and pods share. Two texts of one object are alternatives, such as those of two environments:
/// the first one counts.
fn check_sharing(
    subjects: &Subjects,
    networks: &[(&Network, Context<'_>)],
    pods: &[PodRequests],
    networks_of: &[Vec<Option<usize>>],
    findings: &mut Vec<Finding>,
) {
    let names = networks.iter().map(|(network, _)| Some((network.namespace.as_deref(), network.name.as_str())));
    let first_networks = find_first(names);
    let pod_names = subjects.pods.iter().map(|pod| pod.identity());
    let first_pods = find_first(pod_names);
    let mut kept = Vec::new();
    let mut place = HashMap::new();
    for (index, network) in networks.iter().enumerate().filter(|(index, _)| first_networks[*index] == *index) {
        place.insert(index, kept.len());
        kept.push(*network);
    }
    let is_first = |index: &usize| first_pods[*index] == *index;
    let new_index = |index: &usize| place.get(&first_networks[*index]).copied();
    let used = (0..pods.len()).filter(is_first);
    let (pods, networks_of): (Vec<_>, Vec<_>) = used
        .map(|index| {
            let networks = networks_of[index].iter().map(|network| network.as_ref().and_then(new_index)).collect();
            (&pods[index], networks)
        })
        .unzip();
    findings.extend(rules::check_sharing(&kept, &pods, &networks_of));
}

/// For each thing the position of the first one with its name; its own where it has none.
fn find_first<T: Eq + std::hash::Hash>(names: impl Iterator<Item = Option<T>>) -> Vec<usize> {
    let mut first = HashMap::new();
    names.enumerate().map(|(index, name)| name.map_or(index, |name| *first.entry(name).or_insert(index))).collect()
}

/// The network of an attachment, where it is known; else a finding, and whether no network has its name. A namespace that
/// one of both does not state may be any.
fn find_network(
    pod: &PodSubject,
    position: usize,
    networks: &[&Network],
    by_name: &HashMap<&str, Vec<usize>>,
    options: &Options,
) -> Result<Option<usize>, (Box<Finding>, bool)> {
    let attachment = &pod.requests.attachments[position];
    let wanted = attachment.namespace.as_ref().or(pod.namespace.as_ref());
    let same_name = by_name.get(attachment.network.as_str()).map_or(&[][..], Vec::as_slice);
    let namespace_of = |index: usize| networks[index].namespace.as_ref();
    let exact = same_name.iter().copied().find(|index| namespace_of(*index) == wanted);
    let likely = same_name.iter().copied().find(|index| wanted.is_none() || namespace_of(*index).is_none());
    if let Some(index) = exact.or(likely) {
        return Ok(Some(index));
    }
    let whole = wanted.map_or_else(|| attachment.network.clone(), |space| format!("{space}/{}", attachment.network));
    let (code, message) = match same_name.first().and_then(|index| namespace_of(*index)) {
        Some(other) => {
            (FindingCode::PL619, format!("network {whole} does not exist; there is one in namespace {other}"))
        }
        None if options.cluster.has_all_networks => (FindingCode::PL619, format!("network {whole} does not exist")),
        None if networks.is_empty() => return Ok(None),
        None => (FindingCode::PL640, format!("network {whole} is not among these files")),
    };
    let place = pod.requests.place(&position.to_string());
    let entry = Finding::new(code, message).pod(&pod.requests.name).network(&attachment.network).source(place);
    Err((Box::new(entry.interface(&attachment.interface)), same_name.is_empty()))
}
