//! The judge of ingress probes (`PL420` to `PL423`) over packets made by hand.

mod common;

use common::edited::S;
use common::frames::{ethernet, frame, ipv4, mac, tcp};
use common::observed::{link, route, seed};
use common::terway::files;
use plumbline_core::judge::{Judgement, judge};
use plumbline_core::observe::{KernelState, NodeObservation, Observation, PodObservation};
use plumbline_core::plan::{Plan, ProbeEndpoint};
use plumbline_core::script::build_script;
use plumbline_core::wire::{
    CaptureResult, Direction, ListenerResult, ProbeEnd, ProbeResult, ProbeResults, Tap, WireObservation,
};

const CLIENT: &str = "10.66.0.20";
const NODE: &str = "10.66.0.10";
const POD: &str = "10.77.0.17";
/// The source port of the client.
const OWN: u16 = 40_000;

struct Probed {
    plan: Plan,
    observation: Observation,
}

/// The scenario with its first `reachedBy` alone, and the expected replies.
fn passing(edits: &[(&'static str, &str, &str)]) -> Probed {
    let files = edits.iter().fold(files(), |files, (path, from, to)| files.replace_text(path, from, to));
    let mut plan = files.load().unwrap_or_else(|errors| panic!("{errors:#?}"));
    plan.expect[0].reached_by.truncate(1);
    plan.expect[0].sysctls.clear();
    plan.expect[0].link_local = None;
    let pod: PodObservation = seed().pods.remove(0);
    let links =
        vec![link(1, "lo", None, None, &["127.0.0.1/8"]), link(2, "eth0", Some("veth"), Some(9), &["10.77.0.17/32"])];
    let kernel = KernelState { links, routes: vec![route("0.0.0.0/0", Some("169.254.1.1"), "eth0")], rules: vec![] };
    let (reported, outcomes) = (vec![], vec![]);
    let pod = PodObservation { pod: "web".into(), kernel: Some(kernel), reported, outcomes, ..pod };
    let node = |node: usize, address: &str| {
        let links = vec![link(2, "eth0", Some("veth"), None, &[address]), link(3, "eth1", Some("veth"), None, &[])];
        let routes = vec![route("0.0.0.0/0", Some("10.66.0.1"), "eth0")];
        NodeObservation { node, name: format!("node-{node}"), kernel: KernelState { links, routes, rules: vec![] } }
    };
    let mut observation = Observation { pods: vec![pod], ..Observation::default() };
    observation.nodes = vec![node(1, "10.66.0.10/24"), node(2, "10.66.0.11/24")];
    let script = build_script(&plan, &observation).unwrap();
    let mut results = ProbeResults::default();
    for (_, capture) in &script.captures {
        let (Tap::Name(name) | Tap::Uplink(name)) = &capture.interface;
        results.captures.push(CaptureResult {
            id: capture.id.clone(),
            interface: name.clone(),
            frames: vec![],
            dropped: 0,
        });
    }
    let from: std::net::SocketAddr = format!("{CLIENT}:{OWN}").parse().unwrap();
    for (_, listener) in &script.listeners {
        results.listeners.push(ListenerResult { id: listener.id.clone(), alive: true, from: vec![from] });
    }
    let end = ProbeEnd::Answered { by: NODE.parse().unwrap(), mac: None, saw: Some(from) };
    results.probes.push(ProbeResult { id: script.probes[0].1.id.clone(), sent: 1, end, took_us: 900 });
    observation.wire = Some(WireObservation { script, results });
    let mut probed = Probed { plan, observation };
    let client = ProbeEndpoint::Host("client".into());
    probed.add_frame(&client, "lan", Direction::Out, request_frame(NODE, 8080));
    probed.add_frame(&ProbeEndpoint::Node(1), "eth0", Direction::In, request_frame(NODE, 8080));
    probed.add_frame(&ProbeEndpoint::Pod("web".into()), "eth0", Direction::In, request_frame(POD, 80));
    probed.add_frame(&ProbeEndpoint::Pod("web".into()), "eth0", Direction::Out, reply_frame(POD, 80));
    probed
}

fn request_frame(to: &str, port: u16) -> Vec<u8> {
    ethernet(mac(1), mac(2), &[], 0x0800, &ipv4(CLIENT, to, 6, &tcp(OWN, port, 0x02)))
}

fn reply_frame(from: &str, port: u16) -> Vec<u8> {
    ethernet(mac(2), mac(1), &[], 0x0800, &ipv4(from, CLIENT, 6, &tcp(port, OWN, 0x12)))
}

impl Probed {
    /// Adds a reply that leaves the node through this interface.
    fn with_reply_through(mut self, interface: &str) -> Self {
        self.add_frame(&ProbeEndpoint::Node(1), interface, Direction::Out, reply_frame(NODE, 8080));
        self
    }

    fn add_frame(&mut self, endpoint: &ProbeEndpoint, interface: &str, way: Direction, bytes: Vec<u8>) {
        let wire = self.observation.wire.as_mut().unwrap();
        let name = |tap: &Tap| matches!(tap, Tap::Name(name) | Tap::Uplink(name) if name == interface);
        let found = wire.script.captures.iter().find(|(at, capture)| at == endpoint && name(&capture.interface));
        let id = &found.unwrap_or_else(|| panic!("no capture at {interface} of {endpoint}")).1.id;
        let seen = wire.results.captures.iter_mut().find(|seen| seen.id == *id).unwrap();
        seen.frames.push(frame(way, &bytes));
    }

    fn with_end(mut self, end: ProbeEnd) -> Self {
        self.observation.wire.as_mut().unwrap().results.probes[0].end = end;
        self
    }

    fn judge(&self) -> Judgement {
        judge(&self.plan, &self.observation)
    }

    fn codes(&self) -> Vec<String> {
        self.judge().findings.iter().map(|finding| finding.code.to_string()).collect()
    }
}

#[test]
fn a_reply_through_the_interface_of_its_request_passes() {
    let judgement = passing(&[]).with_reply_through("eth0").judge();
    assert!(judgement.findings.is_empty() && judgement.unobserved.is_empty(), "{judgement:#?}");
    assert!(judgement.checked >= 3, "{}", judgement.checked);
}

#[test]
fn pl420_shows_how_far_the_request_came() {
    let probed = passing(&[]).with_end(ProbeEnd::NoAnswer);
    let judgement = probed.judge();
    let finding = &judgement.findings[0];
    assert_eq!(probed.codes(), ["PL420"]);
    assert_eq!(finding.message, "TCP port 8080 of node 1 (10.66.0.10) from host client: not reached");
    assert_eq!(finding.source.as_ref().map(|source| source.line), Some(20));
    let notes = finding.notes.join("\n");
    for line in [
        "lan of host client: saw requests out, no reply in",
        "eth1 of node 1: saw nothing of it",
        "eth0 of pod web: saw requests in, replies out",
    ] {
        assert!(notes.contains(line), "{notes}");
    }
}

#[test]
fn pl420_names_the_endpoint_that_replied_instead_of_the_pod() {
    let mut probed = passing(&[]).with_reply_through("eth0");
    probed.observation.wire.as_mut().unwrap().results.listeners[0].from.clear();
    assert_eq!(probed.codes(), ["PL420"]);
    assert!(probed.judge().findings[0].message.ends_with("answered, but not by the pod"));
}

#[test]
fn pl421_names_the_interface_that_the_reply_left_through_and_the_cause() {
    let chain = ("s/chain.conflist", "\"symmetric_routing\": true", "\"symmetric_routing\": false");
    let probed = passing(&[chain]).with_reply_through("eth1").with_end(ProbeEnd::NoAnswer);
    assert_eq!(probed.codes(), ["PL420", "PL421"]);
    let finding = &probed.judge().findings[1];
    assert_eq!(finding.found.as_deref(), Some("reply through eth1"));
    let notes = finding.notes.join("\n");
    assert!(notes.contains("TCP SYN ACK") && notes.contains("does not ask for symmetric_routing"), "{notes}");
    // The reply arrives, but not through the interface that `backBy` names.
    assert_eq!(passing(&[chain]).with_reply_through("eth1").codes(), ["PL421"]);
    // Without `backBy` the reply must leave through the interface of the request.
    let without_back_by = (S, ", backBy: eth0", "");
    assert_eq!(passing(&[chain, without_back_by]).with_reply_through("eth1").codes(), ["PL421"]);
}

#[test]
fn pl422_names_the_source_address_that_the_pod_saw() {
    let probed = passing(&[(S, "seenFrom: client", "seenFrom: node")]).with_reply_through("eth0");
    assert_eq!(probed.codes(), ["PL422"]);
    let finding = &probed.judge().findings[0];
    assert_eq!(finding.expected.as_deref(), Some("seen from node 1"));
    assert_eq!(finding.found.as_deref(), Some("seen from 10.66.0.20 (host client)"));
    assert_eq!(passing(&[(S, "seenFrom: client", "seenFrom: 10.66.0.20")]).with_reply_through("eth0").codes(), [""; 0]);
}

#[test]
fn pl423_names_the_defect_of_the_nftables_backend_and_of_no_other() {
    let node = (S, "seenFrom: client", "seenFrom: node");
    let with = |keys: &str| {
        let to = format!("\"type\": \"portmap\", {keys}");
        passing(&[node, ("s/chain.conflist", "\"type\": \"portmap\"", &to)]).with_reply_through("eth0").codes()
    };
    assert_eq!(with("\"masqAll\": true, \"backend\": \"nftables\""), ["PL422", "PL423"]);
    assert_eq!(with("\"masqAll\": true, \"backend\": \"iptables\""), ["PL422"]);
    assert_eq!(with("\"masqAll\": false, \"backend\": \"nftables\""), ["PL422"]);
}

#[test]
fn a_missing_observation_is_an_error() {
    let mut unobserved = passing(&[]).with_reply_through("eth0");
    unobserved.observation.nodes.clear();
    assert!(unobserved.judge().unobserved.join("\n").contains("node 1 was not observed"));
    let no_reply = passing(&[]).judge();
    assert!(no_reply.findings.is_empty());
    assert!(
        no_reply.unobserved.join("\n").contains("no interface of the node has the reply"),
        "{:?}",
        no_reply.unobserved
    );
}
