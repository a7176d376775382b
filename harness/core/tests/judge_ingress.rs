//! The judge of ports of the node, `PL420` to `PL423`, over packets made by hand: one way in which each is told.

mod common;

use common::bent::S;
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
/// The client's own port.
const OWN: u16 = 40_000;

struct Acted {
    plan: Plan,
    observation: Observation,
}

/// The scenario with its first `reachedBy` alone, answered as wanted.
fn well(bend: &[(&'static str, &str, &str)]) -> Acted {
    let files = bend.iter().fold(files(), |files, (path, from, to)| files.bend(path, from, to));
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
    let mut acted = Acted { plan, observation };
    let client = ProbeEndpoint::Host("client".into());
    acted.at(&client, "lan", Direction::Out, question(NODE, 8080));
    acted.at(&ProbeEndpoint::Node(1), "eth0", Direction::In, question(NODE, 8080));
    acted.at(&ProbeEndpoint::Pod("web".into()), "eth0", Direction::In, question(POD, 80));
    acted.at(&ProbeEndpoint::Pod("web".into()), "eth0", Direction::Out, answer(POD, 80));
    acted
}

fn question(to: &str, port: u16) -> Vec<u8> {
    ethernet(mac(1), mac(2), &[], 0x0800, &ipv4(CLIENT, to, 6, &tcp(OWN, port, 0x02)))
}

fn answer(from: &str, port: u16) -> Vec<u8> {
    ethernet(mac(2), mac(1), &[], 0x0800, &ipv4(from, CLIENT, 6, &tcp(port, OWN, 0x12)))
}

impl Acted {
    /// An answer that leaves the node by this interface.
    fn leaves_by(mut self, interface: &str) -> Self {
        self.at(&ProbeEndpoint::Node(1), interface, Direction::Out, answer(NODE, 8080));
        self
    }

    fn at(&mut self, endpoint: &ProbeEndpoint, interface: &str, way: Direction, bytes: Vec<u8>) {
        let wire = self.observation.wire.as_mut().unwrap();
        let name = |tap: &Tap| matches!(tap, Tap::Name(name) | Tap::Uplink(name) if name == interface);
        let found = wire.script.captures.iter().find(|(at, capture)| at == endpoint && name(&capture.interface));
        let id = &found.unwrap_or_else(|| panic!("no capture at {interface} of {endpoint}")).1.id;
        let seen = wire.results.captures.iter_mut().find(|seen| seen.id == *id).unwrap();
        seen.frames.push(frame(way, &bytes));
    }

    fn ends(mut self, end: ProbeEnd) -> Self {
        self.observation.wire.as_mut().unwrap().results.probes[0].end = end;
        self
    }

    fn judged(&self) -> Judgement {
        judge(&self.plan, &self.observation)
    }

    fn codes(&self) -> Vec<String> {
        self.judged().findings.iter().map(|finding| finding.code.to_string()).collect()
    }
}

#[test]
fn a_reply_through_the_interface_of_its_request_passes() {
    let judged = well(&[]).leaves_by("eth0").judged();
    assert!(judged.findings.is_empty() && judged.unobserved.is_empty(), "{judged:#?}");
    assert!(judged.checked >= 3, "{}", judged.checked);
}

#[test]
fn pl420_shows_how_far_the_request_came() {
    let acted = well(&[]).ends(ProbeEnd::NoAnswer);
    let judged = acted.judged();
    let finding = &judged.findings[0];
    assert_eq!(acted.codes(), ["PL420"]);
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
    let mut acted = well(&[]).leaves_by("eth0");
    acted.observation.wire.as_mut().unwrap().results.listeners[0].from.clear();
    assert_eq!(acted.codes(), ["PL420"]);
    assert!(acted.judged().findings[0].message.ends_with("answered, but not by the pod"));
}

#[test]
fn pl421_names_the_interface_that_the_reply_left_through_and_the_cause() {
    let chain = ("s/chain.conflist", "\"symmetric_routing\": true", "\"symmetric_routing\": false");
    let acted = well(&[chain]).leaves_by("eth1").ends(ProbeEnd::NoAnswer);
    assert_eq!(acted.codes(), ["PL420", "PL421"]);
    let finding = &acted.judged().findings[1];
    assert_eq!(finding.found.as_deref(), Some("reply through eth1"));
    let notes = finding.notes.join("\n");
    assert!(notes.contains("TCP SYN ACK") && notes.contains("does not ask for symmetric_routing"), "{notes}");
    // Also where it arrives all the same: the scenario says by which interface it has to leave.
    assert_eq!(well(&[chain]).leaves_by("eth1").codes(), ["PL421"]);
    // Without `backBy` it has to leave as the question came.
    let unsaid = (S, ", backBy: eth0", "");
    assert_eq!(well(&[chain, unsaid]).leaves_by("eth1").codes(), ["PL421"]);
}

#[test]
fn pl422_names_the_source_address_that_the_pod_saw() {
    let acted = well(&[(S, "seenFrom: client", "seenFrom: node")]).leaves_by("eth0");
    assert_eq!(acted.codes(), ["PL422"]);
    let finding = &acted.judged().findings[0];
    assert_eq!(finding.expected.as_deref(), Some("seen from node 1"));
    assert_eq!(finding.found.as_deref(), Some("seen from 10.66.0.20 (host client)"));
    assert_eq!(well(&[(S, "seenFrom: client", "seenFrom: 10.66.0.20")]).leaves_by("eth0").codes(), [""; 0]);
}

#[test]
fn pl423_names_the_defect_of_the_nftables_backend_and_of_no_other() {
    let node = (S, "seenFrom: client", "seenFrom: node");
    let with = |keys: &str| {
        let to = format!("\"type\": \"portmap\", {keys}");
        well(&[node, ("s/chain.conflist", "\"type\": \"portmap\"", &to)]).leaves_by("eth0").codes()
    };
    assert_eq!(with("\"masqAll\": true, \"backend\": \"nftables\""), ["PL422", "PL423"]);
    assert_eq!(with("\"masqAll\": true, \"backend\": \"iptables\""), ["PL422"]);
    assert_eq!(with("\"masqAll\": false, \"backend\": \"nftables\""), ["PL422"]);
}

#[test]
fn a_missing_observation_is_an_error() {
    let mut blind = well(&[]).leaves_by("eth0");
    blind.observation.nodes.clear();
    assert!(blind.judged().unobserved.join("\n").contains("node 1 was not observed"));
    let silent = well(&[]).judged();
    assert!(silent.findings.is_empty());
    assert!(silent.unobserved.join("\n").contains("no interface of the node has the reply"), "{:?}", silent.unobserved);
}
