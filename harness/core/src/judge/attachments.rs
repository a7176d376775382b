//! Requested against reported: `PL10x`. Whether every requested attachment was made, and the cause where it was not.

use super::judgement::JudgementBuilder;
use super::messages;
use super::pod_case::{PodCase, ReportedState};
use crate::cni::{ChainError, ChainOutcome, CniCommand, Exit};
use crate::finding::{Finding, FindingCode};
use crate::observe::{KernelState, LogLine, PodObservation};
use crate::plan::{Attachment, Plan, Pod};

/// Most log lines kept with one finding.
const MOST_LOG_LINES: usize = 8;

/// Judges the attachments of a pod that runs.
pub(super) fn attached(
    plan: &Plan,
    pod: &Pod,
    observed: &PodObservation,
    kernel: &KernelState,
    reported: &[ReportedState],
    judgement: &mut JudgementBuilder,
) {
    for attachment in &pod.attachments {
        judgement.count_fact();
        if let Some((network, outcome, error)) = failed(observed, &attachment.network, &attachment.interface) {
            judgement.add_finding(chain_failed(plan, pod, Some(attachment), network, outcome, error));
            continue;
        }
        let link = kernel.link(&attachment.interface);
        let report = reported.iter().find(|reported| reported.has(&attachment.interface));
        match (link, report) {
            (Some(_), Some(_)) => {}
            (None, report) => {
                let names: Vec<&str> = kernel.links.iter().map(|link| link.name.as_str()).collect();
                let message = format!("pod runs, but network {} is not attached", attachment.network);
                let entry =
                    finding(FindingCode::PL102, message, pod, attachment).expected(attachment.interface.clone());
                let entry = entry.found(format!("the pod has {}", names.join(", ")));
                let report = report
                    .map(|report| if report.has_result { "a CNI result names it" } else { "network-status names it" });
                judgement.add_finding(entry.notes(report).notes(quote_log(observed, Some(&attachment.network))));
            }
            // Only where anything at all is reported: else this lane can't read reports.
            (Some(_), None) if !reported.is_empty() => {
                let message = "interface exists but is not reported";
                judgement.add_finding(finding(FindingCode::PL106, message, pod, attachment));
            }
            (Some(_), None) => {
                judgement.add_note(format!("CNI results of pod {}: not observable on this lane", pod.name));
            }
        }
    }
}

/// Judges a pod that did not become ready. That it becomes ready is one fact; the known cause becomes the finding.
pub(super) fn not_ready(
    plan: &Plan,
    pod: &Pod,
    observed: &PodObservation,
    reason: &str,
    judgement: &mut JudgementBuilder,
) {
    judgement.count_fact();
    let mut found: Vec<Finding> = Vec::new();
    for (network, outcome) in observed.outcomes.iter().filter(|(_, outcome)| !is_undoing(outcome)) {
        if let Some(error) = &outcome.error {
            let is_it = |found: &&Attachment| same_network(network, &found.network) && runs(outcome, &found.interface);
            let attachment = pod.attachments.iter().find(is_it);
            let entry = chain_failed(plan, pod, attachment, network, outcome, error);
            // A chain that cannot be read fails in the same way when it is undone, without any plugin call.
            if !found.contains(&entry) {
                found.push(entry);
            }
        }
    }
    if found.is_empty() {
        found.push(finding_from_log(plan, pod, observed));
    }
    // The cause is quoted once: a lane's reason may repeat it, and undoing a chain may fail in the same way.
    let errors: Vec<&ChainError> = observed
        .outcomes
        .iter()
        .filter(|(_, outcome)| !is_undoing(outcome))
        .filter_map(|(_, outcome)| outcome.error.as_ref())
        .collect();
    let is_new = !errors.iter().any(|error| !error.message.is_empty() && reason.contains(&error.message));
    let state = is_new.then(|| messages::quote("state", reason));
    let is_new = |undone: &&ChainError| errors.iter().all(|error| cause(error) != cause(undone));
    let unchecked = plan.expect.iter().any(|expectation| expectation.pod == pod.name);
    let unchecked = unchecked.then(|| "no expectation of this pod was checked".to_owned());
    let undoing = observed.outcomes.iter().filter(|(_, outcome)| is_undoing(outcome));
    let quote = |network: &String, error: &ChainError| messages::quote(&format!("undoing {network}"), &error.message);
    let undone: Vec<String> =
        undoing.filter_map(|(network, outcome)| Some(quote(network, outcome.error.as_ref().filter(is_new)?))).collect();
    for entry in found {
        let entry = entry.notes(state.clone()).notes(undone.clone()).notes(quote_log(observed, None));
        judgement.add_finding(entry.notes(unchecked.clone()));
    }
}

/// A chain run backwards after another one failed: what goes wrong there comes after the cause.
fn is_undoing(outcome: &ChainOutcome) -> bool {
    outcome.calls.first().is_some_and(|call| call.command == CniCommand::Del)
}

/// The plugin of an error, and the runner's words after the command that failed.
fn cause(error: &ChainError) -> (Option<&str>, &str) {
    let words = error.message.split_once(" failed at ").and_then(|(_, rest)| rest.split_once(": "));
    (error.plugin.as_deref(), words.map_or(error.message.as_str(), |(_, cause)| cause))
}

fn finding(code: FindingCode, message: impl Into<String>, pod: &Pod, attachment: &Attachment) -> Finding {
    let entry = Finding::new(code, message).pod(&pod.name).source(&pod.source);
    entry.interface(&attachment.interface).network(&attachment.network)
}

/// A network's name with or without its namespace.
fn same_network(reported: &str, name: &str) -> bool {
    reported == name || reported.rsplit('/').next() == Some(name)
}

/// Whether an outcome is that of an interface; an outcome without calls belongs to none.
fn runs(outcome: &ChainOutcome, interface: &str) -> bool {
    outcome.calls.is_empty() || outcome.calls.iter().any(|call| call.ifname == interface)
}

fn failed<'a>(
    observed: &'a PodObservation,
    network: &str,
    interface: &str,
) -> Option<(&'a str, &'a ChainOutcome, &'a ChainError)> {
    observed.outcomes.iter().find_map(|(name, outcome)| {
        let fits = same_network(name, network) && runs(outcome, interface) && !is_undoing(outcome);
        Some((name.as_str(), outcome, outcome.error.as_ref().filter(|_| fits)?))
    })
}

/// A chain stopped: at which plugin, and why in that plugin's own words.
fn chain_failed(
    plan: &Plan,
    pod: &Pod,
    attachment: Option<&Attachment>,
    network: &str,
    outcome: &ChainOutcome,
    error: &ChainError,
) -> Finding {
    let planned = plan.networks.iter().find(|planned| same_network(network, &planned.name));
    if planned.is_some_and(|planned| planned.manifest.is_none()) && error.position.is_none() {
        return absent_network(pod, attachment, network, vec![messages::quote("the runner", &error.message)]);
    }
    let count = planned.and_then(|planned| planned.chain.as_ref()).map_or(0, |chain| chain.links.len());
    let part = match (error.position, &error.plugin) {
        (Some(position), Some(plugin)) if count > 0 => format!("plugin {} of {count} ({plugin})", position + 1),
        (_, Some(plugin)) => format!("plugin {plugin}"),
        _ => "the chain".to_owned(),
    };
    let mut notes = vec![messages::quote("the runner", &error.message)];
    if let Some(cni) = &error.cni {
        let details = if cni.details.is_empty() { String::new() } else { format!("; {}", cni.details) };
        notes.push(messages::quote(&format!("CNI error code {}", cni.code), &format!("{}{details}", cni.msg)));
    }
    let last = error.position.and_then(|position| outcome.calls.iter().rfind(|call| call.position == position));
    if let Some(call) = last.filter(|call| !call.stderr.trim().is_empty()) {
        notes.push(messages::quote(&format!("{} wrote to stderr", call.plugin), &call.stderr));
    }
    let entry = Finding::new(FindingCode::PL101, format!("{part} of network {network} failed"));
    let mut entry = entry.pod(&pod.name).network(network).notes(notes);
    entry.source = planned.map(|planned| planned.source.clone());
    entry.interface = attachment.map(|attachment| &attachment.interface).or(last.map(|call| &call.ifname)).cloned();
    entry
}

fn absent_network(pod: &Pod, attachment: Option<&Attachment>, network: &str, notes: Vec<String>) -> Finding {
    let message = format!("existing network {network} not found, so it is not attached");
    let entry = Finding::new(FindingCode::PL103, message).pod(&pod.name).network(network).source(&pod.source);
    Finding { interface: attachment.map(|attachment| attachment.interface.clone()), ..entry.notes(notes) }
}

/// Where a container runtime ran the chains, only its log is left. That the pod is not up stands without the log;
/// its lines only choose the code and name the plugin.
fn finding_from_log(plan: &Plan, pod: &Pod, observed: &PodObservation) -> Finding {
    for attachment in &pod.attachments {
        let network = plan.networks.iter().find(|network| network.name == attachment.network);
        let exists = network.is_some_and(|network| network.manifest.is_none());
        let missing = observed.log.iter().any(|line| {
            let is_missing_network = line.reason == "NoNetworkFound"
                || line.text.contains("cannot find a network-attachment-definition")
                || line.text.contains("cannot find get a network-attachment-definition");
            is_missing_network && line.text.contains(&attachment.network)
        });
        if exists && missing {
            return absent_network(pod, Some(attachment), &attachment.network, Vec::new());
        }
    }
    let named = observed.log.iter().rev().find_map(|line| Some((innermost_plugin(&line.text)?, line)));
    let Some((plugin, line)) = named else {
        return Finding::new(FindingCode::PL104, "pod did not become ready").pod(&pod.name).source(&pod.source);
    };
    let network = between(&line.text, "error adding container to network \"", "\"");
    let by_network = |network: &str| pod.attachments.iter().find(|found| same_network(network, &found.network));
    let attachment = network.and_then(by_network);
    let of = network.map(|network| format!(" of network {network}")).unwrap_or_default();
    let message = format!("plugin {plugin}{of} failed");
    match attachment {
        Some(attachment) => finding(FindingCode::PL101, message, pod, attachment),
        None => Finding::new(FindingCode::PL101, message).pod(&pod.name).source(&pod.source),
    }
}

/// The innermost `plugin type="x"` of a runtime's message, Multus itself left out: it only passes on.
fn innermost_plugin(text: &str) -> Option<&str> {
    text.match_indices("plugin type=\"")
        .filter_map(|(at, _)| between(&text[at..], "plugin type=\"", "\""))
        .filter(|plugin| !plugin.starts_with("multus"))
        .last()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = text.find(before)? + before.len();
    let length = text[start..].find(after)?;
    Some(&text[start..start + length])
}

/// Events and log lines; those that name the given network come first.
fn quote_log(observed: &PodObservation, network: Option<&str>) -> Vec<String> {
    let mut lines: Vec<&LogLine> = observed.log.iter().collect();
    lines.sort_by_key(|line| network.is_some_and(|network| !line.text.contains(network)));
    let quote = |line: &LogLine| messages::quote(format!("{} {}", line.origin, line.reason).trim_end(), &line.text);
    let mut lines: Vec<String> = lines.into_iter().map(quote).collect();
    lines.dedup();
    lines.truncate(MOST_LOG_LINES);
    lines
}

/// `PL105`: one warning for each call that succeeded and wrote to standard error what no other finding quotes.
pub(super) fn judge_stderr(case: &PodCase<'_>, judgement: &mut JudgementBuilder) {
    let calls = case.observed.outcomes.iter().flat_map(|(_, outcome)| &outcome.calls).chain(&case.observed.calls);
    for call in calls {
        if call.exit != Exit::Code(0) || call.command != CniCommand::Add {
            continue;
        }
        let fresh: Vec<&str> =
            call.stderr.lines().filter(|line| !line.trim().is_empty() && !judgement.is_quoted(line)).collect();
        if fresh.is_empty() {
            continue;
        }
        let message = format!("plugin {} exited with code 0 and wrote to standard error", call.plugin);
        let entry = Finding::new(FindingCode::PL105, message).pod(&case.pod.name);
        let entry = entry.interface(&call.ifname).network(&call.network);
        judgement.add_finding(entry.found(messages::quote("stderr", &fresh.join("\n"))));
    }
}
