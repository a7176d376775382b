//! Asked against reported: `PL10x`. Whether every attachment asked for was made, and what went wrong where one was not.

use super::accounts::Account;
use super::ledger::Ledger;
use super::words;
use crate::cni::{ChainError, ChainOutcome, CniCommand};
use crate::finding::{Finding, FindingCode};
use crate::observe::{KernelState, PodObservation};
use crate::plan::{Attachment, Plan, Pod};

/// Most lines of strangers kept with one finding.
const MOST_HEARD: usize = 8;

/// Judges the attachments of a pod that runs.
pub(super) fn attached(
    plan: &Plan,
    pod: &Pod,
    observed: &PodObservation,
    kernel: &KernelState,
    accounts: &[Account],
    ledger: &mut Ledger,
) {
    for attachment in &pod.attachments {
        ledger.check();
        if let Some((network, outcome, error)) = failed(observed, &attachment.network, &attachment.interface) {
            ledger.add(chain_failed(plan, pod, Some(attachment), network, outcome, error));
            continue;
        }
        let link = kernel.links.iter().find(|link| link.name == attachment.interface);
        let account = accounts.iter().find(|account| {
            account.interface == attachment.interface || account.sandbox_interfaces.contains(&attachment.interface)
        });
        match (link, account) {
            (Some(_), Some(_)) => {}
            (None, account) => {
                let names: Vec<&str> = kernel.links.iter().map(|link| link.name.as_str()).collect();
                let mut entry = Finding::new(
                    FindingCode::PL102,
                    format!("the pod runs, and network {} is not attached", attachment.network),
                );
                entry = about(entry, pod, attachment).expected(attachment.interface.clone());
                entry = entry.found(Some(format!("the pod has {}", names.join(", "))));
                let told = account.map(|account| {
                    if account.has_result {
                        "a CNI result names it all the same"
                    } else {
                        "network-status names it all the same"
                    }
                });
                ledger.add(entry.notes(told.map(str::to_owned)).notes(heard(observed, Some(&attachment.network))));
            }
            // Only where anything at all is reported: else this lane can't read reports.
            (Some(_), None) if !accounts.is_empty() => {
                ledger.add(about(
                    Finding::new(FindingCode::PL106, "the interface is there, and nothing reports it"),
                    pod,
                    attachment,
                ));
            }
            (Some(_), None) => {
                ledger.note(format!("what CNI reports of pod {}: not observable here", pod.name));
            }
        }
    }
}

/// Judges a pod that did not come up: that it does is one fact, and who says why becomes the finding.
pub(super) fn not_ready(plan: &Plan, pod: &Pod, observed: &PodObservation, reason: &str, ledger: &mut Ledger) {
    ledger.check();
    let mut found: Vec<Finding> = Vec::new();
    for (network, outcome) in observed.outcomes.iter().filter(|(_, outcome)| !is_undoing(outcome)) {
        if let Some(error) = &outcome.error {
            let attachment = pod
                .attachments
                .iter()
                .find(|attachment| same_network(network, &attachment.network) && runs(outcome, &attachment.interface));
            let entry = chain_failed(plan, pod, attachment, network, outcome, error);
            // A chain that can't be read fails the same way when it is undone, and makes no call that would tell.
            if !found.contains(&entry) {
                found.push(entry);
            }
        }
    }
    if found.is_empty() {
        found.push(by_hearsay(plan, pod, observed));
    }
    let state = words::quote("state", reason);
    let unchecked = plan.expect.iter().any(|expectation| expectation.pod == pod.name);
    let unchecked = unchecked.then(|| "nothing that is expected of this pod could be checked".to_owned());
    let undoing = observed.outcomes.iter().filter(|(_, outcome)| is_undoing(outcome));
    let undone: Vec<String> = undoing
        .filter_map(|(network, outcome)| {
            Some(words::quote(&format!("undoing {network}"), &outcome.error.as_ref()?.message))
        })
        .collect();
    for entry in found {
        let entry = entry.notes([state.clone()]).notes(undone.clone()).notes(heard(observed, None));
        ledger.add(entry.notes(unchecked.clone()));
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

/// Whether an outcome is that of an interface; an outcome without calls says nothing about it.
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
        return absent_network(pod, attachment, network, vec![words::quote("the runner", &error.message)]);
    }
    let links = planned.and_then(|planned| planned.chain.as_ref()).map_or(0, |chain| chain.links.len());
    let link = match (error.position, &error.plugin) {
        (Some(position), Some(plugin)) if links > 0 => format!("plugin {plugin} (link {} of {links})", position + 1),
        (_, Some(plugin)) => format!("plugin {plugin}"),
        _ => "the chain".to_owned(),
    };
    let mut notes = vec![words::quote("the runner", &error.message)];
    if let Some(cni) = &error.cni {
        let details = if cni.details.is_empty() { String::new() } else { format!("; {}", cni.details) };
        notes.push(words::quote(&format!("CNI error code {}", cni.code), &format!("{}{details}", cni.msg)));
    }
    let last = error.position.and_then(|position| outcome.calls.iter().rfind(|call| call.position == position));
    if let Some(call) = last.filter(|call| !call.stderr.trim().is_empty()) {
        notes.push(words::quote(&format!("{} wrote on stderr", call.plugin), &call.stderr));
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
    let message = format!("network {network} is said to exist already, and is not there: asked for, and not attached");
    let entry =
        Finding::new(FindingCode::PL103, message).pod(&pod.name).network(network).source(&pod.source).notes(notes);
    match attachment {
        Some(attachment) => entry.interface(&attachment.interface),
        None => entry,
    }
}

/// Where somebody else ran the chains, only their words are left. That the pod is not up stands without them;
/// they only choose the code and name the plugin.
fn by_hearsay(plan: &Plan, pod: &Pod, observed: &PodObservation) -> Finding {
    for attachment in &pod.attachments {
        let exists = plan
            .networks
            .iter()
            .find(|network| network.name == attachment.network)
            .is_some_and(|network| network.manifest.is_none());
        let missing = observed.heard.iter().any(|heard| {
            let says_so = heard.reason == "NoNetworkFound"
                || heard.text.contains("cannot find a network-attachment-definition")
                || heard.text.contains("cannot find get a network-attachment-definition");
            says_so && heard.text.contains(&attachment.network)
        });
        if exists && missing {
            return absent_network(pod, Some(attachment), &attachment.network, Vec::new());
        }
    }
    let named = observed.heard.iter().rev().find_map(|heard| Some((innermost_plugin(&heard.text)?, heard)));
    let Some((plugin, heard)) = named else {
        return Finding::new(FindingCode::PL104, "the pod did not come up").pod(&pod.name).source(&pod.source);
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

/// Events and log lines; those that name the network first, where one is asked for.
fn heard(observed: &PodObservation, network: Option<&str>) -> Vec<String> {
    let mut lines: Vec<&crate::observe::Heard> = observed.heard.iter().collect();
    lines.sort_by_key(|heard| network.is_some_and(|network| !heard.text.contains(network)));
    let who = |heard: &crate::observe::Heard| {
        if heard.reason.is_empty() { heard.origin.clone() } else { format!("{} {}", heard.origin, heard.reason) }
    };
    let mut lines: Vec<String> = lines.into_iter().map(|heard| words::quote(&who(heard), &heard.text)).collect();
    lines.dedup();
    lines.truncate(MOST_HEARD);
    lines
}
