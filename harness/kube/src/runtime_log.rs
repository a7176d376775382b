//! Log lines about a pod: its events, and the container runtime's log.

use k8s_openapi::api::core::v1::Event;
use plumbline_core::observe::{LogLine, printable};
use std::collections::BTreeMap;

/// The reason of the kubelet's event when a sandbox, and so its networks, could not be created.
const FAILED: &str = "FailedCreatePodSandBox";

/// The prefixes of Multus' own messages: about a pod (`pkg/multus/multus.go`, `cmdErr`) and about a network
/// (`pkg/k8sclient/k8sclient.go`, `getKubernetesDelegate`).
const MULTUS: [&str; 2] = ["Multus: [", "network-attachment-definition ("];
/// The prefixes of Multus' messages about a plugin that it called (`pkg/multus/multus.go`, `delegateAdd`, `confAdd`).
const CALLED: [&str; 3] = ["error adding container to network", "delegateAdd", "confAdd"];

/// Collects the events of one pod. The API server repeats an event whenever its count increases.
///
/// If an attempt failed because the API server did not answer Multus, the testbed is at fault. Such an attempt is neither
/// counted nor listed.
#[derive(Debug, Default)]
pub struct Sandbox {
    /// By the event's name: its count and its text.
    events: BTreeMap<String, (usize, LogLine)>,
    /// The names of the events, the last updated one last.
    order: Vec<String>,
    unanswered: Option<String>,
}

/// Whether this is Multus' message about a request to the API server that got no answer. Messages about a plugin that Multus
/// called do not count: a plugin's requests are its own.
///
/// For a request without an answer, Go's HTTP client prints method and URL (`net/url`, `Error.Error`). If the server refuses a
/// request, client-go prints the server's message. A rejected certificate counts as an answer too. Logs escape the quotes
/// around the URL once more.
fn is_unanswered(text: &str) -> bool {
    text.match_indices("https://").any(|(at, _)| {
        let (before, after) = text.split_at(at);
        let has = |text: &str, all: &[&str]| all.iter().any(|part| text.contains(part));
        if !has(before, &MULTUS) || has(before, &CALLED) || has(after, &["x509:", "tls:"]) {
            return false;
        }
        let verb = text[..at].trim_end_matches(['"', '\\']);
        let path = text[at + "https://".len()..].split_once('/').map_or("", |(_, path)| path);
        verb.len() < at
            && [" Get ", " Put ", " Patch ", " Post ", " Delete "].iter().any(|known| verb.ends_with(known))
            && ["api/v1/", "apis/"].iter().any(|root| path.starts_with(root))
    })
}

impl Sandbox {
    /// Adds an event, or replaces it if it has a new count.
    pub fn add_event(&mut self, event: &Event) {
        let message = event.message.as_deref().unwrap_or_default();
        let text = printable(message);
        if is_unanswered(message) {
            self.unanswered = Some(text);
            return;
        }
        let name = event.metadata.name.clone().unwrap_or_default();
        let count = event.count.or(event.series.as_ref().and_then(|s| s.count)).unwrap_or(1);
        let line = LogLine { origin: "event".to_owned(), reason: event.reason.clone().unwrap_or_default(), text };
        self.order.retain(|known| *known != name);
        self.order.push(name.clone());
        self.events.insert(name, (usize::try_from(count).unwrap_or(1), line));
    }

    /// The number of failed attempts at the sandbox.
    pub fn attempts(&self) -> usize {
        self.events.values().filter(|(_, line)| line.reason == FAILED).map(|(count, _)| *count).sum()
    }

    /// Multus' last message about an unanswered request to the API server, while it set up this sandbox; none without one.
    pub fn unanswered(&self) -> Option<&str> {
        self.unanswered.as_deref()
    }

    /// The last failure, else the last event, else the message about an unanswered request.
    pub fn last(&self) -> String {
        let in_order = || self.order.iter().rev().filter_map(|name| self.events.get(name)).map(|(_, line)| line);
        let line = in_order().find(|line| line.reason == FAILED).or_else(|| in_order().next());
        let text = line.map(|line| format!("event {}: {}", line.reason, line.text));
        text.or_else(|| self.unanswered.clone()).unwrap_or_default()
    }

    /// All events, oldest first.
    pub fn into_lines(mut self) -> Vec<LogLine> {
        self.order.iter().filter_map(|name| self.events.remove(name)).map(|(_, line)| line).collect()
    }
}

/// The lines of a container runtime's log that concern one pod. These are the lines that name the pod, and the lines without
/// the runtime's format: plugins wrote them on standard error while the runtime created this pod's sandbox. Lines about
/// unanswered requests to the API server are left out, as in [`Sandbox`].
///
/// A plugin's line does not name its pod. If the runtime began another pod's sandbox at the same time, the origin of the line
/// names this doubt.
pub fn filter_runtime_log(log: &str, namespace: &str, name: &str) -> Vec<LogLine> {
    let names_it = |line: &str| {
        line.contains(&format!("name:\\\"{name}\\\"")) && line.contains(&format!("namespace:\\\"{namespace}\\\""))
    };
    let (mut within, mut ended, mut exclusive) = (false, false, true);
    let mut lines = Vec::new();
    for line in log.lines() {
        let of_runtime = line.starts_with("time=");
        let begins = of_runtime && line.contains("RunPodSandbox for") && !line.contains("returns");
        if begins && names_it(line) {
            (within, ended) = (true, false);
        } else if begins && within {
            exclusive = false;
        }
        if of_runtime && names_it(line) && ["level=error", "level=warning"].iter().any(|l| line.contains(l)) {
            if !is_unanswered(line) {
                lines.push(LogLine { origin: "runtime log".to_owned(), reason: String::new(), text: printable(line) });
            }
        } else if within && !ended && !of_runtime && !is_routine(line) {
            lines.push(LogLine { origin: "plugin stderr".to_owned(), reason: String::new(), text: printable(line) });
        }
        if of_runtime && within && names_it(line) && !begins {
            ended = true;
        }
    }
    if !exclusive {
        for line in lines.iter_mut().filter(|line| line.origin == "plugin stderr") {
            line.origin = "plugin stderr, of this pod or of another pod that was set up at the same time".to_owned();
        }
    }
    lines
}

/// Whether a line is blank, or is an information line (`I`) of Multus' own logger (klog), which logs every attachment.
fn is_routine(line: &str) -> bool {
    let head: Vec<char> = line.trim().chars().take(6).collect();
    head.is_empty()
        || (head.len() == 6 && head[0] == 'I' && head[1..5].iter().all(char::is_ascii_digit) && head[5] == ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = include_str!("testdata/containerd.log");

    #[test]
    fn a_plugins_line_belongs_to_the_sandbox_that_was_set_up_at_the_time() {
        let lines = filter_runtime_log(LOG, "chain-example", "chain-test-pod");
        let texts: Vec<_> = lines.iter().map(|h| (h.origin.as_str(), h.text.as_str())).collect();
        assert_eq!(texts, [("plugin stderr", "network is unreachable")]);
        assert_eq!(filter_runtime_log(LOG, "chain-example", "another"), []);
    }

    fn event(name: &str, count: i32, message: &str) -> Event {
        Event {
            metadata: kube::core::ObjectMeta { name: Some(name.into()), ..Default::default() },
            reason: Some(FAILED.into()),
            message: Some(message.into()),
            count: Some(count),
            ..Default::default()
        }
    }

    const UNANSWERED: &str = "plugin type=\"multus\" failed (add): Multus: [a/client/UID]: error waiting for pod: Get \"https://100.65.0.1:443/api/v1/namespaces/a/pods/client?timeout=1m0s\": context deadline exceeded";

    #[test]
    fn an_attempt_without_an_answer_of_the_api_server_does_not_count() {
        let mut sandbox = Sandbox::default();
        sandbox.add_event(&event("a", 2, UNANSWERED));
        assert_eq!(sandbox.attempts(), 0);
        assert_eq!(sandbox.unanswered(), Some(printable(UNANSWERED).as_str()));
        assert_eq!(sandbox.last(), printable(UNANSWERED));
        sandbox.add_event(&event("b", 1, "a plugin delegate must have the 'type' field"));
        assert_eq!(sandbox.attempts(), 1);
        assert_eq!(sandbox.into_lines().len(), 1);
        let begin = r#"time="t" level=info msg="RunPodSandbox for name:\"client\" namespace:\"a\"""#;
        let end = begin.replace("info", "error").replace("msg=", &format!("error={:?} msg=", UNANSWERED));
        assert_eq!(filter_runtime_log(&format!("{begin}\n{end}\n"), "a", "client"), []);
    }

    #[test]
    fn a_refusal_of_the_api_server_is_an_answer() {
        for answered in [
            "error waiting for pod: pods \"client\" is forbidden: User \"multus\" cannot get resource \"pods\"",
            "cannot find a network-attachment-definition (b) in namespace (a): network-attachment-definitions \"b\" not found",
            "Multus: [a/client/UID]: Get \"https://10.0.0.1/v1/lease\": context deadline exceeded",
            "plugin type=\"multus\" failed (add): Multus: [a/client/UID:b]: error adding container to network \"b\": plugin type=\"macvlan\" failed (add): Get \"https://100.65.0.1:443/apis/whereabouts.cni.cncf.io/v1alpha1/ippools\": dial tcp 100.65.0.1:443: i/o timeout",
            "plugin type=\"bridge\" failed (add): Get \"https://100.65.0.1:443/api/v1/nodes/a\": context deadline exceeded",
            "Multus: [a/client/UID]: error waiting for pod: Get \"https://100.65.0.1:443/api/v1/pods\": tls: failed to verify certificate: x509: unknown authority",
            "Multus: [a/client/UID]: see https://100.65.0.1/api/v1/ for more",
        ] {
            assert!(!is_unanswered(answered), "{answered}");
        }
    }

    #[test]
    fn attempts_are_the_sum_of_the_counts_of_all_events() {
        let mut sandbox = Sandbox::default();
        let event = |name: &str, count: i32| event(name, count, "no\u{1b}[1m");
        sandbox.add_event(&event("a", 1));
        sandbox.add_event(&event("a", 2));
        sandbox.add_event(&event("b", 1));
        assert_eq!(sandbox.attempts(), 3);
        assert_eq!(sandbox.into_lines()[0].text, printable("no\u{1b}[1m"));
    }
}
