//! What changed with each call of a plugin, against what its configuration says (`PL107` for the result, `PL350`
//! to `PL352` for the state, `PL513` and
//! `PL514` for DEL).

use super::causes;
use super::judgement::JudgementBuilder;
use crate::cni::{ChainOutcome, CniCommand, Exit, StateAfter};
use crate::finding::{Finding, FindingCode};
use crate::observe::PodObservation;
use crate::plan::{Network, Plan, Pod};
use crate::predict::{
    self, Coverage, Difference, JudgedCall, Predictor, ResultDifference, Unpredicted, fails_at_second_del,
};
use crate::state::{FactKind, Subject};
use serde_json::Value;
use std::collections::BTreeSet;

/// The fact of a finding about an address that an IPAM plugin was not to give.
pub(super) const WRONG_LEASE: &str = "its address";

/// No more lines than this beside the first of one cause.
const MAX_LINES: usize = 12;

/// Judges the calls that attached a pod.
pub(super) fn judge_attached(plan: &Plan, pod: &Pod, observed: &PodObservation, judgement: &mut JudgementBuilder) {
    let mut predictor = Predictor::default();
    let mut coverage = Coverage::default();
    let mut unmodelled = BTreeSet::new();
    let observed_calls = observed.outcomes.iter().flat_map(|(name, outcome)| {
        let judged = judge_chain(plan, name, &mut predictor, outcome);
        judged.into_iter().map(move |one| (name.as_str(), one))
    });
    let mut calls: Vec<(&str, JudgedCall<'_>)> = observed_calls.collect();
    let mut after = observed.state_after.as_ref();
    if let Some(reason) = after.and_then(|after| why_not_compared(pod, after)) {
        judgement.add_note(format!("pod {}: its state is not compared with a prediction: {reason}", pod.name));
        after = None;
    }
    let without_record = after.into_iter().flat_map(|after| &after.chains).filter(|chain| chain.calls.is_empty());
    unmodelled
        .extend(without_record.map(|chain| format!("the chain of {}, of which the node has no record", chain.ifname)));
    let after = after.map(predict::judge_attached).unwrap_or_default();
    calls.extend(after.into_iter().map(|one| (one.call.network.as_str(), one)));
    for (name, judged) in &calls {
        coverage.add(judged.coverage);
        unmodelled.extend(judged.unpredicted.as_ref().and_then(|reason| describe_unpredicted(judged, reason)));
        judge_call(&CallCase::new(plan, pod, name, judged), judgement);
    }
    if coverage != Coverage::default() || !unmodelled.is_empty() {
        let Coverage { exact, constrained } = coverage;
        let mut note = format!("pod {}: {exact} facts predicted, {constrained} constrained", pod.name);
        if !unmodelled.is_empty() {
            note.push_str(&format!("; not modelled: {}", unmodelled.into_iter().collect::<Vec<_>>().join(", ")));
        }
        judgement.add_note(note);
    }
}

/// Why the state of a pod in a cluster can't be compared: there is nothing to compare it with, or something else than the
/// chains of its attachments may change it.
fn why_not_compared(pod: &Pod, after: &StateAfter) -> Option<&'static str> {
    let spec = &pod.manifest["spec"];
    let containers =
        ["initContainers", "containers"].into_iter().flat_map(|key| spec[key].as_array().into_iter().flatten());
    let may_change = |container: &Value| {
        let context = &container["securityContext"];
        let added = context["capabilities"]["add"].as_array().into_iter().flatten();
        let may_set = |name: &Value| ["ALL", "NET_ADMIN", "CAP_NET_ADMIN"].iter().any(|known| name == known);
        context["privileged"] == true || added.into_iter().any(may_set)
    };
    if after.baseline.is_none() {
        Some("no pod without attachments was read on its node")
    } else if pod.default_network().is_some() {
        Some("its default network is another one than that of the pod it would be compared with")
    } else if pod.attachments.iter().any(|attachment| attachment.default_route.is_some()) {
        Some("Multus changes its default routes after the chains")
    } else if containers.into_iter().any(may_change) {
        Some("its containers may change their network")
    } else if spec["hostUsers"] == false {
        Some("it has a user namespace of its own")
    } else if spec["securityContext"]["sysctls"].as_array().is_some_and(|list| !list.is_empty()) {
        Some("it sets sysctls")
    } else {
        None
    }
}

/// Judges the calls that detached a pod when it was removed; after the leaks, which are reported first.
pub(super) fn judge_removed(plan: &Plan, pod: &Pod, observed: &PodObservation, judgement: &mut JudgementBuilder) {
    let mut predictor = Predictor::default();
    // Judged already; here for the state that they leave, and for what could not be predicted.
    observed.outcomes.iter().for_each(|(_, outcome)| drop(predictor.judge_chain(outcome)));
    let mut seen = BTreeSet::new();
    for (name, outcome) in &observed.removals {
        let interface = outcome.calls.first().map(|call| call.ifname.as_str());
        if !seen.insert((name, interface)) {
            judge_second_del(plan, pod, (name, outcome), &mut predictor, judgement);
            continue;
        }
        for judged in judge_chain(plan, name, &mut predictor, outcome) {
            judge_call(&CallCase::new(plan, pod, name, &judged), judgement);
        }
    }
}

/// A second DEL must succeed and change nothing.
fn judge_second_del(
    plan: &Plan,
    pod: &Pod,
    (name, outcome): (&str, &ChainOutcome),
    predictor: &mut Predictor,
    judgement: &mut JudgementBuilder,
) {
    for judged in complete(plan, name, predictor.judge_second_del(outcome)) {
        let case = CallCase::new(plan, pod, name, &judged);
        let plugin = describe_plugin(&judged);
        if judged.call.exit != Exit::Code(0) {
            let reason = fails_at_second_del(&judged.call.plugin);
            if let (Exit::Code(_), Some(reason)) = (&judged.call.exit, reason) {
                judgement.add_note(format!("pod {}: a second DEL of {plugin} fails: {reason}", pod.name));
                continue;
            }
            let finding = new_finding(&case, FindingCode::PL514, "", "state".to_owned());
            let error = outcome.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
            let finding = Finding { message: format!("second DEL of {plugin} fails"), ..finding };
            judgement.add_finding(finding.expected("success").found(Some(error)));
        } else if let Some((first, others)) = judged.differences.split_first() {
            let finding = new_finding(&case, FindingCode::PL514, "", describe_fact(first));
            let lines = others.iter().take(MAX_LINES).map(|other| format!("with it: {}", describe_difference(other)));
            let expected = first.expected_text().unwrap_or_else(|| "nothing of it".to_owned());
            let found = first.found.clone().unwrap_or_else(|| "nothing".to_owned());
            judgement.add_finding(finding.notes(lines).expected(expected).found(Some(found)));
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
    complete(plan, name, predictor.judge_chain(outcome))
}

fn complete<'a>(plan: &Plan, name: &str, mut judged: Vec<JudgedCall<'a>>) -> Vec<JudgedCall<'a>> {
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
        // In a cluster the chain has no other name than that in its configuration, which several networks may have.
        let requested = || {
            let attachment = pod.attachments.iter().find(|one| one.interface == judged.call.ifname)?;
            plan.networks.iter().find(|network| attachment.names(pod, network))
        };
        let network = if judged.is_observed { None } else { requested() };
        let network =
            network.or_else(|| plan.networks.iter().find(|network| is_network(network, name, &judged.call.network)));
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
        let finding = new_finding(case, FindingCode::PL350, key, WRONG_LEASE.to_owned());
        judgement.add_finding(finding.expected(expected.clone()).found(Some(found.clone())));
    }
    for group in causes::group(&judged.differences) {
        let Some((first, others)) = group.split_first() else { continue };
        if is_known(case, first, others, judgement) {
            continue;
        }
        let absorbed =
            judgement.remove_findings(|finding| causes::is_consequence(finding, &case.pod.name, first)).into_iter();
        let absorbed = absorbed.map(|finding| {
            let expected = finding.expected.map(|expected| format!(": {expected}")).unwrap_or_default();
            format!("with it: {}{expected}", finding.message)
        });
        let code = match (&first.predicted, first.subject) {
            // What DEL leaves, and was to take away.
            _ if judged.call.command == CniCommand::Del && is_left(first) => FindingCode::PL513,
            (Some(_), _) => FindingCode::PL350,
            (None, Subject::Pod) => FindingCode::PL351,
            (None, Subject::Node) => FindingCode::PL352,
        };
        if code == FindingCode::PL513 && is_surplus_file(first, judgement) {
            continue;
        }
        let finding = new_finding(case, code, first.key_path(), describe_fact(first));
        let reason =
            first.predicted.as_ref().map(|predicted| predicted.cause.reason).filter(|reason| !reason.is_empty());
        let finding = finding.notes(reason.map(|reason| format!("predicted because: {reason}")));
        let more = others.len().saturating_sub(MAX_LINES);
        let lines = others.iter().take(MAX_LINES).map(|other| format!("with it: {}", describe_difference(other)));
        let finding = finding.notes(absorbed).notes(lines).notes((more > 0).then(|| format!("with it: {more} more")));
        let expected = first.expected_text().unwrap_or_else(|| "nothing of it".to_owned());
        let found = first.found.clone().unwrap_or_else(|| "nothing".to_owned());
        judgement.add_finding(finding.expected(expected).found(Some(found)));
    }
    for difference in &judged.result_differences {
        judge_result(case, difference, judgement);
    }
}

/// Whether a file that DEL leaves is one that the plugin was not to make in the first place.
fn is_surplus_file(difference: &Difference, judgement: &mut JudgementBuilder) -> bool {
    let fact = describe_fact(difference);
    let is_it = |finding: &Finding| finding.code == FindingCode::PL352 && finding.message.starts_with(&fact);
    difference.key.kind == FactKind::File && judgement.findings_mut().iter().any(is_it)
}

/// A part of the result that differs, unless an earlier finding or a difference of the kernel's state explains it.
fn judge_result(case: &CallCase<'_>, difference: &ResultDifference, judgement: &mut JudgementBuilder) {
    if case.judged.differences.iter().any(|other| causes::explains_result(other, difference))
        || note_known(case, judgement, Vec::new(), |finding| causes::is_about_result(finding, difference))
    {
        return;
    }
    let finding = new_finding(case, FindingCode::PL107, &difference.key, difference.fact.to_string());
    let expected = difference.expected.clone().unwrap_or_else(|| "nothing of it".to_owned());
    let found = difference.found.clone().unwrap_or_else(|| "nothing".to_owned());
    judgement.add_finding(finding.expected(expected).found(Some(found)));
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
    let command = match judged.call.command {
        _ if code == FindingCode::PL514 => "second DEL of ",
        CniCommand::Del => "DEL of ",
        _ => "",
    };
    // Without a reading after each call, a change without a prediction can be that of any plugin.
    let is_of_any = !judged.is_observed && code != FindingCode::PL350;
    let by = if is_of_any { "the pod's chains".to_owned() } else { format!("{command}{}", describe_plugin(judged)) };
    let message = format!("{fact} {verb} {by}");
    let mut finding = Finding::new(code, message).pod(&case.pod.name).interface(&judged.call.ifname);
    finding.network = Some(judged.call.network.clone());
    if let Some(network) = case.network {
        let is_list = network.chain.as_ref().is_some_and(|chain| chain.is_list);
        let path =
            if is_list && !is_of_any { format!("plugins/{}/{key}", judged.call.position) } else { key.to_owned() };
        finding = finding.source(network.place(&path));
    }
    let key = (!key.is_empty()).then(|| format!("key: {key}"));
    finding.notes(key)
}

/// Whether an earlier finding is about the same fact. Then it gets the plugin as a note, and no second finding is made.
fn is_known(
    case: &CallCase<'_>,
    difference: &Difference,
    others: &[&Difference],
    judgement: &mut JudgementBuilder,
) -> bool {
    // Where a missing interface is instead.
    let links = others.iter().filter(|other| causes::is_of_whole_link(other));
    let lines = links.map(|other| format!("with it: {}", describe_difference(other))).collect();
    note_known(case, judgement, lines, |finding| causes::is_about(finding, difference))
}

fn note_known(
    case: &CallCase<'_>,
    judgement: &mut JudgementBuilder,
    lines: Vec<String>,
    is_about: impl Fn(&Finding) -> bool,
) -> bool {
    let plugin = describe_plugin(case.judged);
    let first = if case.judged.is_observed { format!("first seen after {plugin}") } else { format!("from {plugin}") };
    for finding in judgement.findings_mut() {
        let of_pod = finding.pod.as_deref().is_none_or(|pod| pod == case.pod.name);
        let is_earlier = finding.is_failure() && !PREDICTED.contains(&finding.code);
        if of_pod && is_earlier && is_about(finding) {
            for note in std::iter::once(first).chain(lines) {
                if !finding.notes.contains(&note) {
                    finding.notes.push(note);
                }
            }
            return true;
        }
    }
    false
}

/// The codes of this module.
const PREDICTED: [FindingCode; 6] = [
    FindingCode::PL107,
    FindingCode::PL350,
    FindingCode::PL351,
    FindingCode::PL352,
    FindingCode::PL513,
    FindingCode::PL514,
];

fn describe_fact(difference: &Difference) -> String {
    format!("{} on the {}", difference.key, difference.subject.as_str()).replace("on the pod", "in the pod")
}

fn describe_difference(difference: &Difference) -> String {
    let expected = difference.expected_text().unwrap_or_else(|| "nothing of it".to_owned());
    let found = difference.found.clone().unwrap_or_else(|| "nothing".to_owned());
    format!("{}: expected {expected}, found {found}", describe_fact(difference))
}
