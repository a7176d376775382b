//! What changed with each call of a plugin, against what its configuration says (`PL107` for the result, `PL350`
//! to `PL352` for the state, and `PL513` for DEL).

use super::judgement::JudgementBuilder;
use crate::cni::{ChainOutcome, CniCommand};
use crate::finding::{Finding, FindingCode};
use crate::observe::PodObservation;
use crate::plan::{Network, Plan, Pod};
use crate::predict::{Coverage, Difference, JudgedCall, Predictor, ResultDifference, ResultFact, Unpredicted};
use crate::state::{FactKind, Subject};
use std::collections::BTreeSet;

/// No more lines than this beside the first of one cause.
const MAX_LINES: usize = 12;

/// Judges the calls that attached a pod.
pub(super) fn judge_attached(plan: &Plan, pod: &Pod, observed: &PodObservation, judgement: &mut JudgementBuilder) {
    let mut predictor = Predictor::default();
    let mut coverage = Coverage::default();
    let mut unmodelled = BTreeSet::new();
    for (name, outcome) in &observed.outcomes {
        for judged in judge_chain(plan, name, &mut predictor, outcome) {
            coverage.add(judged.coverage);
            unmodelled.extend(judged.unpredicted.as_ref().and_then(|reason| describe_unpredicted(&judged, reason)));
            judge_call(&CallCase::new(plan, pod, name, &judged), judgement);
        }
    }
    if coverage != Coverage::default() {
        let Coverage { exact, constrained } = coverage;
        let mut note = format!("pod {}: {exact} facts predicted, {constrained} constrained", pod.name);
        if !unmodelled.is_empty() {
            note.push_str(&format!("; not modelled: {}", unmodelled.into_iter().collect::<Vec<_>>().join(", ")));
        }
        judgement.add_note(note);
    }
}

/// Judges the calls that detached a pod when it was removed; after the leaks, which are reported first.
pub(super) fn judge_removed(plan: &Plan, pod: &Pod, observed: &PodObservation, judgement: &mut JudgementBuilder) {
    let mut predictor = Predictor::default();
    // Judged already; here for the state that they leave, and for what could not be predicted.
    observed.outcomes.iter().for_each(|(_, outcome)| drop(predictor.judge_chain(outcome)));
    for (name, outcome) in &observed.removals {
        for judged in judge_chain(plan, name, &mut predictor, outcome) {
            judge_call(&CallCase::new(plan, pod, name, &judged), judgement);
        }
    }
}

/// The judged calls of a chain. A chain that stopped has fewer calls than plugins: the plan has their number.
fn judge_chain<'a>(
    plan: &Plan,
    name: &str,
    predictor: &mut Predictor,
    outcome: &'a ChainOutcome,
) -> Vec<JudgedCall<'a>> {
    let mut judged = predictor.judge_chain(outcome);
    for call in &mut judged {
        let network = plan.networks.iter().find(|network| is_network(network, name, &call.call.network));
        let planned = network.and_then(|network| network.chain.as_ref()).map_or(0, |chain| chain.links.len());
        call.plugins = call.plugins.max(planned);
    }
    judged
}

/// One judged call with what its findings name.
struct CallCase<'a> {
    pod: &'a Pod,
    network: Option<&'a Network>,
    judged: &'a JudgedCall<'a>,
}

impl<'a> CallCase<'a> {
    fn new(plan: &'a Plan, pod: &'a Pod, name: &str, judged: &'a JudgedCall<'a>) -> Self {
        let network = plan.networks.iter().find(|network| is_network(network, name, &judged.call.network));
        Self { pod, network, judged }
    }
}

/// Whether a network of the plan is that of a chain: by its object's name, or by the name within its configuration.
fn is_network(network: &Network, name: &str, configured: &str) -> bool {
    let object = name.rsplit('/').next().unwrap_or(name);
    network.name == object || network.chain.as_ref().is_some_and(|chain| chain.name == configured)
}

fn describe_unpredicted(judged: &JudgedCall<'_>, reason: &Unpredicted) -> Option<String> {
    let plugin = describe_plugin(judged);
    match reason {
        Unpredicted::Plugin(name) if *name == judged.call.plugin => Some(plugin),
        Unpredicted::Plugin(name) => Some(format!("{name} of {plugin}")),
        Unpredicted::Key(key) | Unpredicted::Value(key) => Some(format!("key {key} of {plugin}")),
        Unpredicted::Violated { .. } => None,
    }
}

fn describe_plugin(judged: &JudgedCall<'_>) -> String {
    format!("plugin {} of {} ({})", judged.call.position + 1, judged.plugins, judged.call.plugin)
}

fn judge_call(case: &CallCase<'_>, judgement: &mut JudgementBuilder) {
    let judged = case.judged;
    if let Some(Unpredicted::Violated { expected, found, key }) = &judged.unpredicted {
        let finding = new_finding(case, FindingCode::PL350, key, "its address".to_owned());
        judgement.add_finding(finding.expected(expected.clone()).found(Some(found.clone())));
    }
    let mut groups: Vec<Vec<&Difference>> = Vec::new();
    for difference in sorted(&judged.differences) {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| has_same_cause(first, difference))) {
            Some(group) => group.push(difference),
            None => groups.push(vec![difference]),
        }
    }
    for group in groups {
        let Some((first, others)) = group.split_first() else { continue };
        if is_known(case, first, judgement) {
            continue;
        }
        let code = match (&first.predicted, first.subject) {
            // What DEL leaves, and was to take away.
            _ if judged.call.command == CniCommand::Del && is_left(first) => FindingCode::PL513,
            (Some(_), _) => FindingCode::PL350,
            (None, Subject::Pod) => FindingCode::PL351,
            (None, Subject::Node) => FindingCode::PL352,
        };
        let finding = new_finding(case, code, first.key_path(), describe_fact(first));
        let reason =
            first.predicted.as_ref().map(|predicted| predicted.cause.reason).filter(|reason| !reason.is_empty());
        let finding = finding.notes(reason.map(|reason| format!("predicted because: {reason}")));
        let more = others.len().saturating_sub(MAX_LINES);
        let lines = others.iter().take(MAX_LINES).map(|other| format!("with it: {}", describe_difference(other)));
        let finding = finding.notes(lines).notes((more > 0).then(|| format!("with it: {more} more")));
        let expected = first.expected_text().unwrap_or_else(|| "nothing of it".to_owned());
        let found = first.found.clone().unwrap_or_else(|| "nothing".to_owned());
        judgement.add_finding(finding.expected(expected).found(Some(found)));
    }
    for difference in &judged.result_differences {
        judge_result(case, difference, judgement);
    }
}

/// A part of the result that differs, unless an earlier finding or a difference of the kernel's state explains it.
fn judge_result(case: &CallCase<'_>, difference: &ResultDifference, judgement: &mut JudgementBuilder) {
    if case.judged.differences.iter().any(|other| explains(other, difference))
        || note_known(case, judgement, |finding| is_about_result(finding, difference))
    {
        return;
    }
    let finding = new_finding(case, FindingCode::PL107, &difference.key, difference.fact.to_string());
    let expected = difference.expected.clone().unwrap_or_else(|| "nothing of it".to_owned());
    let found = difference.found.clone().unwrap_or_else(|| "nothing".to_owned());
    judgement.add_finding(finding.expected(expected).found(Some(found)));
}

/// Whether a difference of the kernel's state has the same cause: the plugin did something else, and reports what it did.
fn explains(state: &Difference, result: &ResultDifference) -> bool {
    if state.subject != Subject::Pod {
        return false;
    }
    match &result.fact {
        ResultFact::Interface(name) => state.key.kind == FactKind::Link && state.key.link == *name,
        ResultFact::Address(address) => {
            state.key.kind == FactKind::Address && address.addr().is_ipv6() == state.key.item.contains(':')
        }
        ResultFact::Route(to) => state.key.kind == FactKind::Route && destination(&state.key.item) == to.to_string(),
        ResultFact::Whole | ResultFact::Version | ResultFact::Dns => false,
    }
}

fn destination(item: &str) -> &str {
    item.split(' ').next().unwrap_or_default()
}

/// Whether a finding about the reported state (`PL20x`) or an expectation is about the same part of the result.
fn is_about_result(finding: &Finding, difference: &ResultDifference) -> bool {
    let texts = [Some(finding.message.as_str()), finding.expected.as_deref(), finding.found.as_deref()];
    let mentions = |topic: &str| texts.iter().flatten().any(|text| text.contains(topic));
    match &difference.fact {
        ResultFact::Interface(name) => match finding.code {
            FindingCode::PL206 => finding.interface.as_deref() == Some(name),
            FindingCode::PL203 => mentions(name),
            _ => false,
        },
        ResultFact::Address(address) => finding.code == FindingCode::PL201 && mentions(&address.addr().to_string()),
        ResultFact::Route(to) => {
            finding.code == FindingCode::PL202
                && (mentions(&to.to_string()) || to.prefix_len() == 0 && mentions("default"))
        }
        ResultFact::Whole | ResultFact::Version | ResultFact::Dns => false,
    }
}

/// Whether a fact was to go and is still there.
fn is_left(difference: &Difference) -> bool {
    difference.found.is_some() && difference.expected_text().is_none()
}

fn new_finding(case: &CallCase<'_>, code: FindingCode, key: &str, fact: String) -> Finding {
    let judged = case.judged;
    let verb = match code {
        FindingCode::PL350 | FindingCode::PL107 => "differs with",
        FindingCode::PL513 => "is left by",
        _ => "changed with",
    };
    let command = if judged.call.command == CniCommand::Del { "DEL of " } else { "" };
    let message = format!("{fact} {verb} {command}{}", describe_plugin(judged));
    let mut finding = Finding::new(code, message).pod(&case.pod.name).interface(&judged.call.ifname);
    finding.network = Some(judged.call.network.clone());
    if let Some(network) = case.network {
        let is_list = network.chain.as_ref().is_some_and(|chain| chain.is_list);
        let path = if is_list { format!("plugins/{}/{key}", judged.call.position) } else { key.to_owned() };
        finding = finding.source(network.place(&path));
    }
    let key = (!key.is_empty()).then(|| format!("key: {key}"));
    finding.notes(key)
}

/// The facts that explain others come first: links, then addresses, then the rest.
fn sorted(differences: &[Difference]) -> Vec<&Difference> {
    let rank = |difference: &&Difference| match difference.key.kind {
        FactKind::Link if difference.key.item == "kind" => 0,
        FactKind::Link => 1,
        FactKind::Address => 2,
        FactKind::Rule | FactKind::Neighbour | FactKind::Firewall => 3,
        FactKind::Route if is_of_kernel(difference) => 5,
        FactKind::Route => 4,
        _ => 6,
    };
    let mut sorted: Vec<&Difference> = differences.iter().collect();
    sorted.sort_by_key(rank);
    sorted
}

fn is_of_kernel(difference: &Difference) -> bool {
    let values = [difference.found.as_deref(), difference.before.as_deref()];
    let expected = difference.expected_text();
    values.into_iter().flatten().chain(expected.as_deref()).any(|value| value.contains("proto kernel"))
}

/// Whether a difference follows from what made another one: one key of the configuration; all facts of a link that came or
/// went; routes that the kernel makes for an address; the two files of a setting.
fn has_same_cause(first: &Difference, other: &Difference) -> bool {
    let key = first.key_path();
    if !key.is_empty() && key == other.key_path() && first.key.kind == other.key.kind {
        return true;
    }
    let same_link = first.subject == other.subject && first.key.link == other.key.link && !first.key.link.is_empty();
    match first.key.kind {
        FactKind::Link if first.key.item == "kind" => same_link,
        FactKind::Link if first.key.item == "up" => {
            same_link && matches!(other.key.kind, FactKind::Route | FactKind::Qdisc)
        }
        FactKind::Link if first.key.item == "mtu" => same_link && other.key.item.ends_with("/mtu"),
        FactKind::Address => same_link && other.key.kind == FactKind::Route && is_of_kernel(other),
        FactKind::Sysctl => {
            other.key.kind == FactKind::Sysctl && first.subject == other.subject && same_sysctl(first, other)
        }
        FactKind::Firewall => other.key.kind == FactKind::Firewall && first.subject == other.subject,
        _ => false,
    }
}

/// Whether two sysctls have one name: forwarding of all devices follows from one switch.
fn same_sysctl(first: &Difference, other: &Difference) -> bool {
    let name = |difference: &Difference| difference.key.item.rsplit('/').next().unwrap_or_default().to_owned();
    let is_forwarding = |name: &str| matches!(name, "forwarding" | "ip_forward" | "accept_redirects");
    name(first) == name(other) || (is_forwarding(&name(first)) && is_forwarding(&name(other)))
}

/// Whether an earlier finding is about the same fact. Then it gets the plugin as a note, and no second finding is made.
fn is_known(case: &CallCase<'_>, difference: &Difference, judgement: &mut JudgementBuilder) -> bool {
    note_known(case, judgement, |finding| is_about(finding, difference))
}

fn note_known(case: &CallCase<'_>, judgement: &mut JudgementBuilder, is_about: impl Fn(&Finding) -> bool) -> bool {
    let note = format!("first seen after {}", describe_plugin(case.judged));
    for finding in judgement.findings_mut() {
        let of_pod = finding.pod.as_deref().is_none_or(|pod| pod == case.pod.name);
        let is_earlier = finding.is_failure() && !PREDICTED.contains(&finding.code);
        if of_pod && is_earlier && is_about(finding) {
            if !finding.notes.contains(&note) {
                finding.notes.push(note);
            }
            return true;
        }
    }
    false
}

/// The codes of this module.
const PREDICTED: [FindingCode; 5] =
    [FindingCode::PL107, FindingCode::PL350, FindingCode::PL351, FindingCode::PL352, FindingCode::PL513];

fn is_about(finding: &Finding, difference: &Difference) -> bool {
    let texts = [Some(finding.message.as_str()), finding.expected.as_deref(), finding.found.as_deref()];
    let mentions = |topic: &str| !topic.is_empty() && texts.iter().flatten().any(|text| text.contains(topic));
    let item = difference.key.item.as_str();
    let first = item.split(' ').next().unwrap_or_default();
    let is_leak = finding.code.as_str().starts_with("PL5");
    match difference.key.kind {
        FactKind::Route => mentions(first),
        FactKind::Address => mentions(first) || mentions(first.split('/').next().unwrap_or_default()),
        FactKind::File => is_leak && mentions(item.rsplit('/').next().unwrap_or_default()),
        FactKind::Firewall => is_leak && mentions(item.split(" of ").next().unwrap_or_default()),
        FactKind::Link => is_leak && difference.subject == Subject::Node && mentions("link "),
        _ => false,
    }
}

fn describe_fact(difference: &Difference) -> String {
    format!("{} on the {}", difference.key, difference.subject.as_str()).replace("on the pod", "in the pod")
}

fn describe_difference(difference: &Difference) -> String {
    let expected = difference.expected_text().unwrap_or_else(|| "nothing of it".to_owned());
    let found = difference.found.clone().unwrap_or_else(|| "nothing".to_owned());
    format!("{}: expected {expected}, found {found}", describe_fact(difference))
}
