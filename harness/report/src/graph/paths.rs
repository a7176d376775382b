//! The paths of packets: requested by the plan, and observed by captures and replies.

use super::captured::{PathCaptures, endpoint};
use super::model::{End, Graph, Path, PathState};
use plumbline_core::finding::Finding;
use plumbline_core::observe::Observation;
use plumbline_core::plan::{
    Because, Destination, NodeAddress, Plan, ProbeEndpoint, Protocol, ReachedBy, Unreachable, WantedReach,
};
use plumbline_core::source::Source;
use plumbline_core::wire::{ProbeEnd, ProbeResult, dns};

/// The captures of a path in a run.
#[derive(Clone, Copy)]
struct Captures<'a> {
    of_path: Option<&'a PathCaptures<'a>>,
    /// Whether there was a run.
    observed: bool,
}

/// All paths of a plan. A path with a failure of the judge failed, also if it was answered.
pub(super) fn of(plan: &Plan, observation: Option<&Observation>, findings: &[Finding], graph: &Graph) -> Vec<Path> {
    let wire = observation.and_then(|observation| observation.wire.as_ref());
    let mut paths: Vec<Path> = Vec::new();
    for expectation in &plan.expect {
        let pod = expectation.pod.as_str();
        let mut add = |kind: &str, place: usize, source: &Source, draw: &dyn Fn(Captures<'_>) -> Path| {
            let of_path = wire.and_then(|wire| PathCaptures::of(wire, &format!("{pod}/{kind}"), place));
            let path = draw(Captures { of_path: of_path.as_ref(), observed: observation.is_some() });
            paths.push(Path { number: paths.len() + 1, ..judged(path, findings, source) });
        };
        for (place, wanted) in expectation.reaches.iter().enumerate() {
            add("reaches", place, &wanted.source, &|captures| {
                build_reach_path(plan, graph, pod, &wanted.value, captures)
            });
        }
        for (place, wanted) in expectation.cannot_reach.iter().enumerate() {
            add("cannotReach", place, &wanted.source, &|captures| {
                build_unreachable_path(plan, graph, pod, &wanted.value, captures)
            });
        }
        for (place, wanted) in expectation.reached_by.iter().enumerate() {
            add("reachedBy", place, &wanted.source, &|captures| {
                build_ingress_path(graph, pod, &wanted.value, captures)
            });
        }
    }
    paths
}

/// The path with the judge's failure about its line in the scenario.
fn judged(mut path: Path, findings: &[Finding], source: &Source) -> Path {
    let here = |at: &Source| source.line > 0 && at.line == source.line && at.file == source.file;
    let error = findings.iter().find(|finding| finding.is_failure() && finding.source.as_ref().is_some_and(here));
    if let (Some(error), PathState::Held(how)) = (error, &path.state) {
        path.state = PathState::Failed(format!("{how}, but {}: {}", error.code, error.message));
    }
    path
}

fn build_reach_path(plan: &Plan, graph: &Graph, pod: &str, wanted: &WantedReach, captures: Captures<'_>) -> Path {
    let mut text = format!("{pod} reaches {} by {}", destination(&wanted.to), describe_probe(wanted.by, wanted.port));
    let through = wanted.through.as_ref().map(|through| through.value.as_str());
    if let Some(through) = through {
        text.push_str(&format!(", through {through}"));
    }
    if let Some(gateway) = &wanted.gateway {
        text.push_str(&format!(", by the gateway {}", gateway.value));
    }
    // An interface with captured frames is more exact than the requested one.
    let captured = captures.of_path.and_then(|captures| {
        let mut at_pod = captures.captures.iter().filter(|(suffix, ..)| *suffix == "pod");
        at_pod.find(|(.., capture)| !capture.frames.is_empty()).map(|(.., capture)| capture.interface.as_str())
    });
    let ends = (attachment(graph, pod, captured.or(through)), find_far_end(plan, graph, &wanted.to));
    path(text, false, ends, captures, |end| is_as_requested(wanted, end))
}

/// A path with its result.
fn path(
    text: String,
    forbidden: bool,
    (from, to): (End, End),
    captures: Captures<'_>,
    is_passed: impl Fn(&ProbeEnd) -> bool,
) -> Path {
    let state = match (captures.of_path.and_then(|captures| captures.probe), captures.observed) {
        (None, false) => PathState::Requested,
        (None, true) => PathState::Failed("nothing was sent".to_owned()),
        (Some(probe), _) if is_passed(&probe.end) => PathState::Held(describe_end(probe)),
        (Some(probe), _) => PathState::Failed(describe_end(probe)),
    };
    Path {
        number: 0,
        text,
        forbidden,
        from,
        to,
        state,
        stations: captures.of_path.map(PathCaptures::stations).unwrap_or_default(),
        arrival: captures.of_path.map(PathCaptures::arrival).unwrap_or_default(),
    }
}

/// Whether a probe ended as requested: with a reply, or for a lookup with the one expected address.
fn is_as_requested(wanted: &WantedReach, end: &ProbeEnd) -> bool {
    match (end, &wanted.lookup) {
        (ProbeEnd::Answered { .. }, None) => true,
        (ProbeEnd::Resolved { code, addresses, .. }, Some(lookup)) => {
            let wanted = lookup.resolves_to.value;
            code == dns::NO_ERROR && !addresses.is_empty() && addresses.iter().all(|address| *address == wanted)
        }
        _ => false,
    }
}

fn build_unreachable_path(plan: &Plan, graph: &Graph, pod: &str, wanted: &Unreachable, captures: Captures<'_>) -> Path {
    let because = match wanted.because {
        Because::NoRoute => "no route",
        Because::NoAnswer => "no answer",
        Because::Refused => "refused",
        Because::Filtered => "filtered",
    };
    let to = destination(&wanted.to);
    let text = format!("{pod} cannot reach {to} by {}: {because}", describe_probe(wanted.by, wanted.port));
    let ends = (attachment(graph, pod, None), find_far_end(plan, graph, &wanted.to));
    path(text, true, ends, captures, |end| {
        matches!(
            (wanted.because, end),
            (Because::NoRoute, ProbeEnd::NoRoute)
                | (Because::NoAnswer, ProbeEnd::NoAnswer)
                | (Because::Refused, ProbeEnd::Refused)
                | (Because::Filtered, ProbeEnd::Filtered { .. })
        )
    })
}

/// An ingress path. It has text and no line, because lines begin at pods.
fn build_ingress_path(graph: &Graph, pod: &str, wanted: &ReachedBy, captures: Captures<'_>) -> Path {
    let sender = wanted.sender.as_ref().map_or_else(|| "its node".to_owned(), endpoint);
    let at = if wanted.at == NodeAddress::Localhost { "localhost of its node" } else { "its node" };
    let family = if wanted.v6 { ", IPv6" } else { "" };
    let mut text = format!(
        "{pod} is reached by {sender} at {at} by {}{family}",
        describe_probe(wanted.by, Some(wanted.host_port))
    );
    if let Some(back) = &wanted.back_by {
        text.push_str(&format!(", answered by {}", back.value));
    }
    let ends = (End::Outside, attachment(graph, pod, None));
    path(text, false, ends, captures, |end| matches!(end, ProbeEnd::Answered { .. }))
}

fn describe_probe(protocol: Protocol, port: Option<u16>) -> String {
    let name = match protocol {
        Protocol::Icmp => "icmp",
        Protocol::Udp => "udp",
        Protocol::Tcp => "tcp",
        Protocol::Arp => "arp",
    };
    port.map_or_else(|| name.to_owned(), |port| format!("{name} port {port}"))
}

fn destination(to: &Destination) -> String {
    match to {
        Destination::Address { address, at: Some(at) } => format!("{address} at {}", endpoint(at)),
        Destination::Address { address, at: None } => address.to_string(),
        Destination::Pod { pod, interface, .. } => format!("pod {pod} {interface}"),
    }
}

fn describe_end(probe: &ProbeResult) -> String {
    match &probe.end {
        ProbeEnd::Answered { by, mac, saw } => {
            let mac = mac.as_ref().map(|mac| format!(" with {mac}")).unwrap_or_default();
            let saw = saw.map(|saw| format!(", which saw {}", saw.ip())).unwrap_or_default();
            format!("answered by {by}{mac} in {}{saw}", crate::text::duration(probe.took_us))
        }
        ProbeEnd::Resolved { by, code, addresses } => {
            let all: String = addresses.iter().map(|address| format!(", {address}")).collect();
            format!("{by} said {code}{all} in {}", crate::text::duration(probe.took_us))
        }
        ProbeEnd::Sent => "sent".to_owned(),
        ProbeEnd::NoRoute => "no route".to_owned(),
        ProbeEnd::NoAnswer => format!("no reply in {}", crate::text::duration(probe.took_us)),
        ProbeEnd::Refused => "refused".to_owned(),
        ProbeEnd::Filtered { what, by } => {
            format!("{what}{}", by.map(|by| format!(", says {by}")).unwrap_or_default())
        }
        ProbeEnd::Unable { why } => format!("could not be sent: {why}"),
    }
}

fn attachment(graph: &Graph, pod: &str, interface: Option<&str>) -> End {
    for (n, node) in graph.nodes.iter().enumerate() {
        if let Some(p) = node.pods.iter().position(|known| known.name == pod) {
            let found = interface.and_then(|interface| {
                node.pods[p].attachments.iter().position(|attachment| attachment.interface == interface)
            });
            return found.map_or(End::Pod(n, p), |a| End::Attachment(n, p, a));
        }
    }
    End::Outside
}

fn find_far_end(plan: &Plan, graph: &Graph, to: &Destination) -> End {
    match to {
        Destination::Pod { pod, interface, .. } => attachment(graph, pod, Some(interface)),
        Destination::Address { at: Some(ProbeEndpoint::Pod(pod)), .. } => attachment(graph, pod, None),
        Destination::Address { at: Some(ProbeEndpoint::Host(host)), .. } => {
            graph.hosts.iter().position(|known| known.name == *host).map_or(End::Outside, End::Host)
        }
        Destination::Address { at: Some(ProbeEndpoint::Node(_)), .. } => End::Outside,
        Destination::Address { address, at: None } => {
            let has = |host: &plumbline_core::plan::Host| {
                let own = host.ports.iter().flat_map(|port| &port.addresses).chain(&host.behind);
                own.into_iter().any(|net| net.addr() == *address)
            };
            plan.topology.hosts.iter().position(has).map_or(End::Outside, End::Host)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Arrival;
    use super::*;
    use plumbline_core::finding::{FindingCode, Severity};

    #[test]
    fn an_answered_path_with_a_failure_of_the_judge_failed() {
        let at = |line| Source { file: "a.yaml".into(), line, column: 9 };
        let finding = |severity| Finding { severity, ..Finding::new(FindingCode::PL404, "another tag").source(&at(7)) };
        let path = || Path {
            number: 1,
            text: String::new(),
            forbidden: false,
            from: End::Outside,
            to: End::Outside,
            state: PathState::Held("answered".into()),
            stations: vec![],
            arrival: Arrival::Target,
        };
        let state = |severity, line| judged(path(), &[finding(severity)], &at(line)).state;
        assert_eq!(state(Severity::Failure, 7), PathState::Failed("answered, but PL404: another tag".into()));
        assert_eq!(state(Severity::Failure, 8), PathState::Held("answered".into()));
        assert_eq!(state(Severity::Warning, 7), PathState::Held("answered".into()));
    }
}
