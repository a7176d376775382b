//! Requested against reported: `PL10x`. Whether every requested attachment was made, and the cause where it was not.

use super::judgement::JudgementBuilder;
use super::messages;
use super::pod_case::PodCase;
use super::pod_case::ReportedState;
use crate::cni::{ChainError, ChainOutcome, CniCommand, Exit};
use crate::finding::{Finding, FindingCode};
use crate::observe::{KernelState, PodObservation};
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
        let link = kernel.links.iter().find(|link| link.name == attachment.interface);
        let report = reported.iter().find(|reported| {
            reported.interface == attachment.interface || reported.sandbox_interfaces.contains(&attachment.interface)
        });
        match (link, report) {
            (Some(_), Some(_)) => {}
            (None, report) => {
                let names: Vec<&str> = kernel.links.iter().map(|link| link.name.as_str()).collect();
                let mut entry = Finding::new(
                    FindingCode::PL102,
                    format!("pod runs, but network {} is not attached", attachment.network),
                );
                entry = about(entry, pod, attachment).expected(attachment.interface.clone());
                entry = entry.found(Some(format!("the pod has {}", names.join(", "))));
                let told = report
                    .map(|report| if report.has_result { "a CNI result names it" } else { "network-status names it" });
                judgement.add_finding(
                    entry.notes(told.map(str::to_owned)).notes(heard(observed, Some(&attachment.network))),
                );
            }
            // Only where anything at all is reported: else this lane can't read reports.
            (Some(_), None) if !reported.is_empty() => {
                judgement.add_finding(about(
                    Finding::new(FindingCode::PL106, "interface exists but is not reported"),
                    pod,
                    attachment,
                ));
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
            let attachment = pod
                .attachments
                .iter()
                .find(|attachment| same_network(network, &attachment.network) && runs(outcome, &attachment.interface));
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
    let state = messages::quote("state", reason);
    let unchecked = plan.expect.iter().any(|expectation| expectation.pod == pod.name);
    let unchecked = unchecked.then(|| "no expectation of this pod was checked".to_owned());
    let undoing = observed.outcomes.iter().filter(|(_, outcome)| is_undoing(outcome));
    let undone: Vec<String> = undoing
        .filter_map(|(network, outcome)| {
            Some(messages::quote(&format!("undoing {network}"), &outcome.error.as_ref()?.message))
        })
        .collect();
    for entry in found {
        let entry = entry.notes([state.clone()]).notes(undone.clone()).notes(heard(observed, None));
        judgement.add_finding(entry.notes(unchecked.clone()));
    }
}

/// A chain run backwards after another one failed: what goes wrong there comes after the cause.
fn is_undoing(outcome: &ChainOutcome) -> bool {
    outcome.calls.first().is_some_and(|call| call.command == CniCommand::Del)
}

fn about(finding: Finding, pod: &Pod, attachment: &Attachment) -> Finding {
    finding.pod(&pod.name).interface(&attachment.interface).network(&attachment.network).source(&pod.source)
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

/// A chain stopped: which link of it, and in its own words why.
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
    let links = planned.and_then(|planned| planned.chain.as_ref()).map_or(0, |chain| chain.links.len());
    let link = match (error.position, &error.plugin) {
        (Some(position), Some(plugin)) if links > 0 => format!("plugin {} of {links} ({plugin})", position + 1),
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
    let entry = Finding::new(FindingCode::PL101, format!("{link} of network {network} failed"))
        .pod(&pod.name)
        .network(network)
        .notes(notes);
    let entry = match planned {
        Some(planned) => entry.source(&planned.source),
        None => entry,
    };
    match (attachment, last) {
        (Some(attachment), _) => entry.interface(&attachment.interface),
        (None, Some(call)) => entry.interface(&call.ifname),
        _ => entry,
    }
}

fn absent_network(pod: &Pod, attachment: Option<&Attachment>, network: &str, notes: Vec<String>) -> Finding {
    let message = format!("existing network {network} not found, so it is not attached");
    let entry =
        Finding::new(FindingCode::PL103, message).pod(&pod.name).network(network).source(&pod.source).notes(notes);
    match attachment {
        Some(attachment) => entry.interface(&attachment.interface),
        None => entry,
    }
}

/// Where somebody else ran the chains, only their words are left. That the pod is not up stands without them;
/// they only choose the code and name the plugin.
fn finding_from_log(plan: &Plan, pod: &Pod, observed: &PodObservation) -> Finding {
    for attachment in &pod.attachments {
        let exists = plan
            .networks
            .iter()
            .find(|network| network.name == attachment.network)
            .is_some_and(|network| network.manifest.is_none());
        let missing = observed.log.iter().any(|heard| {
            let is_missing_network = heard.reason == "NoNetworkFound"
                || heard.text.contains("cannot find a network-attachment-definition")
                || heard.text.contains("cannot find get a network-attachment-definition");
            is_missing_network && heard.text.contains(&attachment.network)
        });
        if exists && missing {
            return absent_network(pod, Some(attachment), &attachment.network, Vec::new());
        }
    }
    let named = observed.log.iter().rev().find_map(|heard| Some((innermost_plugin(&heard.text)?, heard)));
    let Some((plugin, heard)) = named else {
        return Finding::new(FindingCode::PL104, "pod did not become ready").pod(&pod.name).source(&pod.source);
    };
    let network = between(&heard.text, "error adding container to network \"", "\"");
    let attachment = network
        .and_then(|network| pod.attachments.iter().find(|attachment| same_network(network, &attachment.network)));
    let of = network.map(|network| format!(" of network {network}")).unwrap_or_default();
    let entry =
        Finding::new(FindingCode::PL101, format!("plugin {plugin}{of} failed")).pod(&pod.name).source(&pod.source);
    match attachment {
        Some(attachment) => entry.interface(&attachment.interface).network(&attachment.network),
        None => entry,
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
fn heard(observed: &PodObservation, network: Option<&str>) -> Vec<String> {
    let mut lines: Vec<&crate::observe::LogLine> = observed.log.iter().collect();
    lines.sort_by_key(|heard| network.is_some_and(|network| !heard.text.contains(network)));
    let who = |heard: &crate::observe::LogLine| {
        if heard.reason.is_empty() { heard.origin.clone() } else { format!("{} {}", heard.origin, heard.reason) }
    };
    let mut lines: Vec<String> = lines.into_iter().map(|heard| messages::quote(&who(heard), &heard.text)).collect();
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
        let entry = Finding::new(FindingCode::PL105, message)
            .pod(&case.pod.name)
            .interface(&call.ifname)
            .network(&call.network);
        judgement.add_finding(entry.found(Some(messages::quote("stderr", &fresh.join("\n")))));
    }
}
