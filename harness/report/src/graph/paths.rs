//! The ways of packets: what the plan wants, and what captures and answers showed.

use super::captured::Seen;
use super::model::{Came, End, Graph, Path, PathState};
use plumbline_core::finding::Finding;
use plumbline_core::observe::Observation;
use plumbline_core::plan::{
    Because, Destination, NodeAddress, Plan, ProbeEndpoint, Protocol, ReachedBy, Unreachable, WantedReach,
};
use plumbline_core::source::Source;
use plumbline_core::wire::{CaptureResult, ProbeEnd, ProbeResult, dns};

/// All paths of a plan. An answer is not enough: a path about which the judge found an error is not as asked.
pub(super) fn of(plan: &Plan, observation: Option<&Observation>, findings: &[Finding], graph: &Graph) -> Vec<Path> {
    let wire = observation.and_then(|observation| observation.wire.as_ref());
    let looked = observation.is_some();
    let mut paths = Vec::new();
    for expectation in &plan.expect {
        let pod = expectation.pod.as_str();
        for (place, wanted) in expectation.reaches.iter().enumerate() {
            let seen = wire.and_then(|wire| Seen::of(wire, &format!("{pod}/reaches"), place));
            let path = reach(plan, graph, pod, &wanted.value, seen.as_ref(), looked);
            paths.push(judged(path, findings, &wanted.source));
        }
        for (place, wanted) in expectation.cannot_reach.iter().enumerate() {
            let seen = wire.and_then(|wire| Seen::of(wire, &format!("{pod}/cannotReach"), place));
            let path = cannot(plan, graph, pod, &wanted.value, seen.as_ref(), looked);
            paths.push(judged(path, findings, &wanted.source));
        }
        for (place, wanted) in expectation.reached_by.iter().enumerate() {
            let seen = wire.and_then(|wire| Seen::of(wire, &format!("{pod}/reachedBy"), place));
            let path = reached(graph, pod, &wanted.value, seen.as_ref(), looked);
            paths.push(judged(path, findings, &wanted.source));
        }
    }
    for (place, path) in paths.iter_mut().enumerate() {
        path.number = place + 1;
    }
    paths
}

/// Takes an error that the judge found about this very line into the path.
fn judged(mut path: Path, findings: &[Finding], source: &Source) -> Path {
    let here = |at: &Source| source.line > 0 && at.line == source.line && at.file == source.file;
    let error = findings.iter().find(|finding| finding.is_failure() && finding.source.as_ref().is_some_and(here));
    if let (Some(error), PathState::Held(how)) = (error, &path.state) {
        path.state = PathState::Failed(format!("{how}, but {}: {}", error.code, error.message));
    }
    path
}

fn reach(plan: &Plan, graph: &Graph, pod: &str, wanted: &WantedReach, seen: Option<&Seen<'_>>, looked: bool) -> Path {
    let mut text = format!("{pod} reaches {} by {}", destination(&wanted.to), by(wanted.by, wanted.port));
    let through = wanted.through.as_ref().map(|through| through.value.as_str());
    if let Some(through) = through {
        text.push_str(&format!(", through {through}"));
    }
    if let Some(gateway) = &wanted.gateway {
        text.push_str(&format!(", by the gateway {}", gateway.value));
    }
    let state = match (seen.and_then(|seen| seen.probe), looked) {
        (None, false) => PathState::Asked,
        (None, true) => PathState::Failed("nothing was sent".to_owned()),
        (Some(probe), _) if holds(wanted, &probe.end) => PathState::Held(end(probe)),
        (Some(probe), _) => PathState::Failed(end(probe)),
    };
    // The interface that packets were captured on tells more than the one that was wanted.
    let captured = seen.and_then(|seen| {
        let at_pod = |(suffix, _, capture): &&(&str, Option<&ProbeEndpoint>, &CaptureResult)| {
            *suffix == "pod" && !capture.frames.is_empty()
        };
        seen.captures.iter().find(at_pod).map(|(_, _, capture)| capture.interface.as_str())
    });
    Path {
        number: 0,
        text,
        forbidden: false,
        from: attachment(graph, pod, captured.or(through)),
        to: far(plan, graph, &wanted.to),
        state,
        stations: seen.map(Seen::stations).unwrap_or_default(),
        came: seen.map(Seen::came).unwrap_or_default(),
    }
}

/// Whether a probe ended as it should: answered; where a name was asked for, with its one address.
fn holds(wanted: &WantedReach, end: &ProbeEnd) -> bool {
    match (end, &wanted.lookup) {
        (ProbeEnd::Answered { .. }, None) => true,
        (ProbeEnd::Resolved { code, addresses, .. }, Some(lookup)) => {
            let wanted = lookup.resolves_to.value;
            code == dns::NO_ERROR && !addresses.is_empty() && addresses.iter().all(|address| *address == wanted)
        }
        _ => false,
    }
}

fn cannot(plan: &Plan, graph: &Graph, pod: &str, wanted: &Unreachable, seen: Option<&Seen<'_>>, looked: bool) -> Path {
    let because = match wanted.because {
        Because::NoRoute => "no route",
        Because::NoAnswer => "no answer",
        Because::Refused => "refused",
        Because::Filtered => "filtered",
    };
    let to = destination(&wanted.to);
    let text = format!("{pod} cannot reach {to} by {}: {because}", by(wanted.by, wanted.port));
    let state = match (seen.and_then(|seen| seen.probe), looked) {
        (None, false) => PathState::Asked,
        (None, true) => PathState::Failed("nothing was sent".to_owned()),
        (Some(probe), _) => {
            let fits = matches!(
                (wanted.because, &probe.end),
                (Because::NoRoute, ProbeEnd::NoRoute)
                    | (Because::NoAnswer, ProbeEnd::NoAnswer)
                    | (Because::Refused, ProbeEnd::Refused)
                    | (Because::Filtered, ProbeEnd::Filtered { .. })
            );
            if fits { PathState::Held(end(probe)) } else { PathState::Failed(end(probe)) }
        }
    };
    Path {
        number: 0,
        text,
        forbidden: true,
        from: attachment(graph, pod, None),
        to: far(plan, graph, &wanted.to),
        state,
        stations: seen.map(Seen::stations).unwrap_or_default(),
        came: seen.map(Seen::came).unwrap_or_default(),
    }
}

/// A way in: told in words and not drawn, since lines lead out of pods.
fn reached(graph: &Graph, pod: &str, wanted: &ReachedBy, seen: Option<&Seen<'_>>, looked: bool) -> Path {
    let sender = wanted.sender.as_ref().map_or_else(|| "its node".to_owned(), party);
    let at = if wanted.at == NodeAddress::Localhost { "localhost of its node" } else { "its node" };
    let family = if wanted.v6 { ", IPv6" } else { "" };
    let mut text = format!("{pod} is reached by {sender} at {at} by {}{family}", by(wanted.by, Some(wanted.host_port)));
    if let Some(back) = &wanted.back_by {
        text.push_str(&format!(", answered by {}", back.value));
    }
    let state = match (seen.and_then(|seen| seen.probe), looked) {
        (None, false) => PathState::Asked,
        (None, true) => PathState::Failed("nothing was sent".to_owned()),
        (Some(probe), _) if matches!(probe.end, ProbeEnd::Answered { .. }) => PathState::Held(end(probe)),
        (Some(probe), _) => PathState::Failed(end(probe)),
    };
    Path {
        number: 0,
        text,
        forbidden: false,
        from: End::Nobody,
        to: attachment(graph, pod, None),
        state,
        stations: seen.map(Seen::stations).unwrap_or_default(),
        came: Came::There,
    }
}

fn party(party: &ProbeEndpoint) -> String {
    match party {
        ProbeEndpoint::Host(host) => host.clone(),
        ProbeEndpoint::Pod(pod) => format!("pod {pod}"),
        ProbeEndpoint::Node(number) => format!("node {number}"),
    }
}

fn by(protocol: Protocol, port: Option<u16>) -> String {
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
        Destination::Address { address, at: Some(ProbeEndpoint::Host(host)) } => format!("{address} at {host}"),
        Destination::Address { address, at: Some(ProbeEndpoint::Pod(pod)) } => format!("{address} at pod {pod}"),
        Destination::Address { address, at: Some(ProbeEndpoint::Node(node)) } => format!("{address} at node {node}"),
        Destination::Address { address, at: None } => address.to_string(),
        Destination::Pod { pod, interface, .. } => format!("pod {pod} {interface}"),
    }
}

fn end(probe: &ProbeResult) -> String {
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
    End::Nobody
}

fn far(plan: &Plan, graph: &Graph, to: &Destination) -> End {
    match to {
        Destination::Pod { pod, interface, .. } => attachment(graph, pod, Some(interface)),
        Destination::Address { at: Some(ProbeEndpoint::Pod(pod)), .. } => attachment(graph, pod, None),
        Destination::Address { at: Some(ProbeEndpoint::Host(host)), .. } => {
            graph.hosts.iter().position(|known| known.name == *host).map_or(End::Nobody, End::Host)
        }
        Destination::Address { at: Some(ProbeEndpoint::Node(_)), .. } => End::Nobody,
        Destination::Address { address, at: None } => {
            let has = |host: &plumbline_core::plan::Host| {
                let own = host.ports.iter().flat_map(|port| &port.addresses).chain(&host.behind);
                own.into_iter().any(|net| net.addr() == *address)
            };
            plan.topology.hosts.iter().position(has).map_or(End::Nobody, End::Host)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plumbline_core::finding::{FindingCode, Severity};

    #[test]
    fn an_answer_about_which_the_judge_found_an_error_is_no_green_path() {
        let at = |line| Source { file: "a.yaml".into(), line, column: 9 };
        let finding = |severity| Finding { severity, ..Finding::new(FindingCode::PL404, "another tag").source(&at(7)) };
        let path = || Path {
            number: 1,
            text: String::new(),
            forbidden: false,
            from: End::Nobody,
            to: End::Nobody,
            state: PathState::Held("answered".into()),
            stations: vec![],
            came: Came::There,
        };
        let state = |severity, line| judged(path(), &[finding(severity)], &at(line)).state;
        assert_eq!(state(Severity::Failure, 7), PathState::Failed("answered, but PL404: another tag".into()));
        assert_eq!(state(Severity::Failure, 8), PathState::Held("answered".into()));
        assert_eq!(state(Severity::Warning, 7), PathState::Held("answered".into()));
    }
}
