//! One pod as the judge sees it: its plan, its kernel, and what is reported of each attachment.

use crate::finding::{Finding, FindingCode};
use crate::observe::{KernelState, Link, LogLine, PodObservation};
use crate::plan::{InterfaceExpectation, Pod, PodExpectation};
use crate::source::Source;
use ipnet::IpNet;
use std::net::IpAddr;

/// A route of a CNI result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReportedRoute {
    /// Destination.
    pub to: IpNet,
    /// Gateway; absent where the result names none.
    pub via: Option<IpAddr>,
    /// Table (CNI 1.1).
    pub table: Option<u32>,
}

/// What is reported of one attachment, both sources in one shape.
#[derive(Debug, Clone, Default)]
pub(super) struct ReportedState {
    /// Interface in the pod.
    pub interface: String,
    /// Network's name as reported.
    pub network: String,
    /// Whether a CNI result was read.
    pub has_result: bool,
    /// Interfaces of the result that are in the sandbox.
    pub sandbox_interfaces: Vec<String>,
    /// Addresses with prefix length, with the interface they belong to.
    pub addresses: Vec<(String, IpNet)>,
    /// Addresses of the network-status entry: without prefix length.
    pub status_ips: Vec<IpAddr>,
    /// Routes of the result.
    pub routes: Vec<ReportedRoute>,
    /// MAC addresses by interface, lower case, from both sources.
    pub macs: Vec<(String, String)>,
}

impl ReportedState {
    /// Whether it is about an interface of the pod.
    pub fn has(&self, interface: &str) -> bool {
        self.interface == interface || self.sandbox_interfaces.iter().any(|name| name == interface)
    }
}

/// One pod as it is judged.
#[derive(Clone, Copy)]
pub(super) struct PodCase<'a> {
    /// The pod as planned.
    pub pod: &'a Pod,
    /// The pod as seen.
    pub observed: &'a PodObservation,
    /// Its kernel state.
    pub kernel: &'a KernelState,
    /// What is reported.
    pub reported: &'a [ReportedState],
    /// What is expected of it.
    pub expectation: Option<&'a PodExpectation>,
}

impl PodCase<'_> {
    /// A link by name.
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.kernel.link(name)
    }

    /// What is reported of an interface.
    pub fn reported_of(&self, interface: &str) -> Option<&ReportedState> {
        self.reported.iter().find(|reported| reported.has(interface))
    }

    /// A finding about the pod.
    pub fn pod_finding(&self, code: FindingCode, message: impl Into<String>, source: &Source) -> Finding {
        Finding::new(code, message).pod(&self.pod.name).source(source)
    }

    /// A finding about an expected interface: with pod, interface, network and source.
    pub fn finding(&self, code: FindingCode, message: impl Into<String>, wanted: &InterfaceExpectation) -> Finding {
        let mut finding = self.pod_finding(code, message, &wanted.source).interface(&wanted.name);
        finding.network = self.network_of(&wanted.name).map(str::to_owned);
        finding
    }

    /// The network that made an interface, as the pod names it.
    pub fn network_of(&self, interface: &str) -> Option<&str> {
        let mut attachments = self.pod.attachments.iter();
        attachments.find(|attachment| attachment.interface == interface).map(|attachment| attachment.network.as_str())
    }

    /// What plugins wrote on standard error for this interface while they succeeded, and lines of runtime logs,
    /// that name `topic`; without such a line, those about routes in general. At most five.
    pub fn log_lines_about(&self, interface: &str, topic: &str) -> Vec<String> {
        let bare = topic.split('/').next().unwrap_or(topic);
        let is_relevant = |text: &str| names(text, bare) || text.to_ascii_lowercase().contains("route");
        let lines = self.stderr_lines_about(interface, topic).into_iter();
        let quote = |plugin: &str, line: &str| super::messages::quote(&format!("{plugin} wrote to stderr"), line);
        let mut lines: Vec<String> = lines.map(|(plugin, line)| quote(plugin, line)).collect();
        // Log lines name no interface; those that name the destination come first. Lines of a call's own standard error
        // are not repeated.
        let log = || self.observed.log.iter().filter(|line| line.origin != "event");
        let known = |lines: &[String], text: &str| {
            lines.iter().any(|line| line.split_once(": ").is_some_and(|(_, own)| text.contains(own)))
        };
        // A plugin's own line may be just "network is unreachable".
        let from_plugin = |line: &&LogLine| line.origin.starts_with("plugin stderr");
        let exact: Vec<_> = log().filter(|line| names(&line.text, bare)).collect();
        let wide: Vec<_> = log().filter(|line| is_relevant(&line.text)).collect();
        let wide = [exact, wide, log().filter(from_plugin).collect()].into_iter().find(|found| !found.is_empty());
        for line in wide.unwrap_or_default() {
            let line = super::messages::quote(&line.origin, &line.text);
            if !known(&lines, &line) {
                lines.push(line);
            }
        }
        lines.dedup();
        lines.truncate(5);
        lines
    }

    /// The texts that [`PodCase::log_lines_about`] would quote of plugins' standard error.
    pub fn stderr_about(&self, interface: &str, topic: &str) -> Vec<String> {
        self.stderr_lines_about(interface, topic).into_iter().map(|(_, line)| line.to_owned()).collect()
    }

    /// Plugins and their lines on standard error that name the destination; where none does, those about routes.
    fn stderr_lines_about(&self, interface: &str, topic: &str) -> Vec<(&str, &str)> {
        let bare = topic.split('/').next().unwrap_or(topic);
        let calls = self.observed.outcomes.iter().flat_map(|(_, outcome)| &outcome.calls).chain(&self.observed.calls);
        let lines: Vec<(&str, &str)> = calls
            .filter(|call| call.ifname == interface)
            .flat_map(|call| call.stderr.lines().map(move |line| (call.plugin.as_str(), line)))
            .collect();
        let exact: Vec<_> = lines.iter().filter(|(_, line)| names(line, bare)).copied().collect();
        if !exact.is_empty() {
            return exact;
        }
        lines.into_iter().filter(|(_, line)| line.to_ascii_lowercase().contains("route")).collect()
    }
}

/// Whether a text names an address, and not a longer one that holds it: `::` is no part of `2001:db8::`.
fn names(text: &str, address: &str) -> bool {
    let longer = |c: char| c.is_ascii_alphanumeric() || c == '.';
    // Every place counts, those that overlap too: in `IP:::` the last two colons are the address.
    text.char_indices().any(|(at, _)| {
        let (before, rest) = text.split_at(at);
        let after = rest.strip_prefix(address);
        !before.ends_with(longer) && after.is_some_and(|after| !after.starts_with(|c: char| longer(c) || c == ':'))
    })
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn an_address_is_named_whole() {
        let line = "failed to add route: {Dst:{IP:2001:db8:: Mask:ffffffff} GW:10.1.0.0}: file exists";
        assert!(names(line, "2001:db8::") && names(line, "10.1.0.0"));
        assert!(!names(line, "::") && !names(line, "0.1.0.0") && !names(line, "10.1.0"));
        assert!(names("failed to add route: {Dst:{IP::: Mask:00} GW:fe80::1}: file exists", "::"));
    }
}
