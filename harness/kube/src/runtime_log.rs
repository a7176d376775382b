//! What others said about a pod: its events, and the runtime's log.

use k8s_openapi::api::core::v1::Event;
use plumbline_core::observe::{LogLine, printable};
use std::collections::BTreeMap;

/// The event by which kubelet tells that a sandbox, and so its networks, could not be made.
const FAILED: &str = "FailedCreatePodSandBox";

/// What Multus writes before its own words: of a pod, and of a network that it asked for (`pkg/multus/multus.go`, `cmdErr`;
/// `pkg/k8sclient/k8sclient.go`, `getKubernetesDelegate`).
const MULTUS: [&str; 2] = ["Multus: [", "network-attachment-definition ("];
/// And before those of a plugin that it called (`pkg/multus/multus.go`, `delegateAdd`, `confAdd`).
const CALLED: [&str; 3] = ["error adding container to network", "delegateAdd", "confAdd"];

/// Events of one pod, as they come; each is told again whenever it is counted up.
///
/// Attempts that failed because Multus got no answer from the API server are the bed's: they are neither counted nor told
/// with the others.
#[derive(Debug, Default)]
pub struct Sandbox {
    /// By the event's own name: when it was last heard, how often it was counted, and the words.
    events: BTreeMap<String, (usize, LogLine)>,
    order: Vec<String>,
    unanswered: Option<String>,
}

/// Whether these are words of Multus, which asked the API server over the network and got no answer at all. Of a plugin that
/// it called they are not: what that asks whom is the plugin's own.
///
/// Go's HTTP client tells so by method and URL (`net/url`, `Error.Error`); what the server refused is told by client-go in
/// the server's own words, and a certificate that is not believed is an answer too. Logs escape the quotes around the URL
/// once more.
fn is_unanswered(text: &str) -> bool {
    text.match_indices("https://").any(|(at, _)| {
        let (before, after) = text.split_at(at);
        let has = |text: &str, all: &[&str]| all.iter().any(|one| text.contains(one));
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
    /// Takes one in.
    pub fn add_event(&mut self, event: &Event) {
        let message = event.message.as_deref().unwrap_or_default();
        let text = printable(message);
        if is_unanswered(message) {
            self.unanswered = Some(text);
            return;
        }
        let name = event.metadata.name.clone().unwrap_or_default();
        let count = event.count.or(event.series.as_ref().and_then(|s| s.count)).unwrap_or(1);
        let heard = LogLine { origin: "event".to_owned(), reason: event.reason.clone().unwrap_or_default(), text };
        self.order.retain(|known| *known != name);
        self.order.push(name.clone());
        self.events.insert(name, (usize::try_from(count).unwrap_or(1), heard));
    }

    /// How many attempts at the sandbox failed.
    pub fn attempts(&self) -> usize {
        self.events.values().filter(|(_, heard)| heard.reason == FAILED).map(|(count, _)| *count).sum()
    }

    /// The last words of somebody who got no answer from the API server while this sandbox was made; none where nobody said so.
    pub fn unanswered(&self) -> Option<&str> {
        self.unanswered.as_deref()
    }

    /// The last failure, else the last event, else that the API server did not answer.
    pub fn last(&self) -> String {
        let in_order = || self.order.iter().rev().filter_map(|name| self.events.get(name)).map(|(_, heard)| heard);
        let heard = in_order().find(|heard| heard.reason == FAILED).or_else(|| in_order().next());
        let told = heard.map(|h| format!("event {}: {}", h.reason, h.text));
        told.or_else(|| self.unanswered.clone()).unwrap_or_default()
    }

    /// All of it, oldest first.
    pub fn into_heard(mut self) -> Vec<LogLine> {
        self.order.iter().filter_map(|name| self.events.remove(name)).map(|(_, heard)| heard).collect()
    }
}

/// The lines of a container runtime's log that concern one pod: those that name it, and those without the runtime's
/// own form, which are what its plugins wrote on their standard error while this pod's sandbox was made. Not such as tell of
/// an API server that did not answer, as in [`Sandbox`].
///
/// A plugin's line does not say for which pod it was written. Where another pod's sandbox was begun in the same
/// while, that is said in the origin.
pub fn runtime_log(log: &str, namespace: &str, name: &str) -> Vec<LogLine> {
    let names_it = |line: &str| {
        line.contains(&format!("name:\\\"{name}\\\"")) && line.contains(&format!("namespace:\\\"{namespace}\\\""))
    };
    let (mut within, mut ended, mut alone) = (false, false, true);
    let mut heard = Vec::new();
    for line in log.lines() {
        let of_runtime = line.starts_with("time=");
        let begins = of_runtime && line.contains("RunPodSandbox for") && !line.contains("returns");
        if begins && names_it(line) {
            (within, ended) = (true, false);
        } else if begins && within {
            alone = false;
        }
        if of_runtime && names_it(line) && ["level=error", "level=warning"].iter().any(|l| line.contains(l)) {
            if !is_unanswered(line) {
                heard.push(LogLine { origin: "runtime log".to_owned(), reason: String::new(), text: printable(line) });
            }
        } else if within && !ended && !of_runtime && !is_routine(line) {
            heard.push(LogLine { origin: "plugin stderr".to_owned(), reason: String::new(), text: printable(line) });
        }
        if of_runtime && within && names_it(line) && !begins {
            ended = true;
        }
    }
    if !alone {
        for one in heard.iter_mut().filter(|h| h.origin == "plugin stderr") {
            one.origin = "plugin stderr, of this pod or of another whose sandbox was made meanwhile".to_owned();
        }
    }
    heard
}

/// Blank lines, and the lines that Multus' own logger (klog, `I` for information) writes of every attachment.
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
    fn a_plugins_line_is_taken_from_the_while_of_its_sandbox() {
        let heard = runtime_log(LOG, "chain-example", "chain-test-pod");
        let texts: Vec<_> = heard.iter().map(|h| (h.origin.as_str(), h.text.as_str())).collect();
        assert_eq!(texts, [("plugin stderr", "network is unreachable")]);
        assert_eq!(runtime_log(LOG, "chain-example", "another"), []);
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
    fn an_attempt_without_an_answer_of_the_api_server_is_the_beds() {
        let mut sandbox = Sandbox::default();
        sandbox.add_event(&event("a", 2, UNANSWERED));
        assert_eq!(sandbox.attempts(), 0);
        assert_eq!(sandbox.unanswered(), Some(printable(UNANSWERED).as_str()));
        assert_eq!(sandbox.last(), printable(UNANSWERED));
        sandbox.add_event(&event("b", 1, "a plugin delegate must have the 'type' field"));
        assert_eq!(sandbox.attempts(), 1);
        assert_eq!(sandbox.into_heard().len(), 1);
        let begin = r#"time="t" level=info msg="RunPodSandbox for name:\"client\" namespace:\"a\"""#;
        let end = begin.replace("info", "error").replace("msg=", &format!("error={:?} msg=", UNANSWERED));
        assert_eq!(runtime_log(&format!("{begin}\n{end}\n"), "a", "client"), []);
    }

    #[test]
    fn what_the_api_server_refused_is_an_answer() {
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
    fn attempts_are_counted_over_events_and_within_one() {
        let mut sandbox = Sandbox::default();
        let event = |name: &str, count: i32| event(name, count, "no\u{1b}[1m");
        sandbox.add_event(&event("a", 1));
        sandbox.add_event(&event("a", 2));
        sandbox.add_event(&event("b", 1));
        assert_eq!(sandbox.attempts(), 3);
        assert_eq!(sandbox.into_heard()[0].text, printable("no\u{1b}[1m"));
    }
}
