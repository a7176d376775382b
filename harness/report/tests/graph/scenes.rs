//! Scenarios for pictures: the seed's, and one with nodes, an uplink, hosts and packets on the wire.

use super::common;
use plumbline_core::observe::{Observation, PodState};
use plumbline_core::plan::{
    Because, Bridge, Destination, Host, HostPort, NodeLink, Plan, ProbeEndpoint, Protocol, Topology, Unreachable,
    Uplink, VlanProtocol, Wanted, WantedReach,
};
use plumbline_core::source::Source;
use plumbline_core::wire::{
    Capture, CaptureResult, Direction, Probe, ProbeAction, ProbeEnd, ProbeResult, ProbeResults, RawFrame, Script, Tap,
    WireObservation,
};
use plumbline_report::graph::{Graph, build_graph};

/// The seed's scenario. The name of its file is relative to the checkout.
pub fn seed_plan() -> Plan {
    common::load("openshift/chain-example.yaml").unwrap()
}

/// The seed as requested.
pub fn seed() -> Graph {
    build_graph(&seed_plan(), None)
}

/// Nodes with their own interfaces, and a pod with ingress probes: as requested.
pub fn behind() -> Graph {
    build_graph(&common::load("terway/host-port.yaml[public-access]").unwrap(), None)
}

/// The seed with its expected observation.
pub fn seed_seen() -> Graph {
    build_graph(&seed_plan(), Some(&common::observed::seed()))
}

/// The seed with several failures: a missing route, an extra address, an extra route, a link down.
pub fn seed_with_failures() -> Graph {
    let mut seen = common::observed::seed();
    let kernel = seen.pods[0].kernel.as_mut().unwrap();
    kernel.routes.retain(|route| route.to.to_string() != "10.0.0.0/8");
    kernel.routes.push(common::observed::route("203.0.113.0/24", Some("192.168.200.1"), "eth2"));
    let more = kernel.links[3].addresses[0].clone();
    kernel.links[3]
        .addresses
        .push(plumbline_core::observe::Address { address: "10.9.9.9/32".parse().unwrap(), ..more });
    kernel.links[2].flags.clear();
    let mut drawn = build_graph(&seed_plan(), Some(&seen));
    drawn.verdict = Some("FAIL, 19 facts checked, 4 failures; lane netns".to_owned());
    drawn
}

fn wanted<T>(value: T) -> Wanted<T> {
    Wanted { value, source: Source::default() }
}

fn address(text: &str, at: Option<ProbeEndpoint>) -> Destination {
    Destination::Address { address: text.parse().unwrap(), at }
}

fn reach(to: Destination, by: Protocol, port: Option<u16>, through: Option<&str>) -> Wanted<WantedReach> {
    wanted(WantedReach {
        to,
        by,
        port,
        lookup: None,
        from: None,
        through: through.map(|name| wanted(name.to_owned())),
        gateway: None,
        seen_from: None,
        tags: None,
        priority: None,
    })
}

/// Three nodes on an uplink with a gateway and a peer, and two pods like the seed's.
pub fn wired_plan() -> Plan {
    let mut plan = seed_plan();
    plan.name = "openshift/two-gateways".into();
    plan.summary = "what is behind the gateways is reached by the right interface".into();
    let host = |name: &str, gateway: bool, vlan: Option<u16>, addresses: &[&str], behind: &[&str]| Host {
        name: name.into(),
        gateway,
        ports: vec![HostPort {
            uplink: "outside".into(),
            vlan,
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        }],
        behind: behind.iter().map(|text| text.parse().unwrap()).collect(),
        routes: if gateway { vec![("10.0.0.0/8".parse().unwrap(), "192.168.100.7".parse().unwrap())] } else { vec![] },
        source: Source::default(),
    };
    plan.topology = Topology {
        nodes: 2,
        bridges: vec![Bridge {
            name: "br-ex".into(),
            addresses: vec![],
            uplink: Some("outside".into()),
            vlan_filtering: true,
            vlans: vec![100, 200],
        }],
        links: vec![NodeLink {
            name: "br-ex.100".into(),
            parent: "br-ex".into(),
            vlan: 100,
            protocol: VlanProtocol::Customer,
            priority: None,
        }],
        uplinks: vec![Uplink { name: "outside".into() }],
        hosts: vec![
            host("gw", true, None, &["192.168.100.1/24", "192.168.200.1/24"], &["10.1.2.3/32", "172.16.9.9/32"]),
            host("peer-100", false, Some(100), &["192.168.100.66/24"], &[]),
        ],
        ..Topology::default()
    };
    let mut other = plan.pods[0].clone();
    other.name = "other".into();
    plan.pods.push(other);
    let gw = || Some(ProbeEndpoint::Host("gw".into()));
    plan.expect[0].reaches = vec![
        reach(address("10.1.2.3", gw()), Protocol::Icmp, None, Some("eth1")),
        reach(address("172.16.9.9", gw()), Protocol::Tcp, Some(8080), Some("eth2")),
        reach(
            Destination::Pod { pod: "other".into(), interface: "eth1".into(), v6: false },
            Protocol::Udp,
            Some(5000),
            Some("eth1"),
        ),
    ];
    plan.expect[0].cannot_reach = vec![wanted(Unreachable {
        to: address("203.0.113.1", None),
        by: Protocol::Icmp,
        port: None,
        from: None,
        because: Because::NoRoute,
        sender_reaches: address("10.1.2.3", None),
        reached_by: None,
    })];
    plan
}

/// That scenario as requested.
pub fn wired() -> Graph {
    build_graph(&wired_plan(), None)
}

fn probe(id: &str, end: ProbeEnd, took_us: u64) -> (Probe, ProbeResult) {
    let what = ProbeAction::Request {
        by: Protocol::Icmp,
        to: "10.1.2.3".parse().unwrap(),
        port: None,
        from: None,
        dev: None,
        times: 3,
    };
    let (id, sent) = (id.to_owned(), 1);
    (Probe { id: id.clone(), what, window_ms: 1000 }, ProbeResult { id, sent, end, took_us })
}

/// A frame's head: two MAC addresses, tags, EtherType of IPv4.
fn frame(tags: &[u16]) -> RawFrame {
    let tags: String = tags.iter().map(|id| format!("8100{id:04x}")).collect();
    let bytes = format!("020000000001020000000002{tags}080045000054");
    RawFrame { at_us: 0, direction: Direction::Out, bytes, length: 98 }
}

/// That scenario as observed: the first path passes with an unexpected tag, the second gets no reply, the third passes.
pub fn wired_seen() -> Graph {
    let mut seen = common::observed::seed();
    seen.pods[0].node = "plumbline-worker".into();
    let mut other = seen.pods[0].clone();
    other.pod = "other".into();
    other.node = "plumbline-worker2".into();
    other.state = PodState::NotReady { reason: "waited 60 s for pod other to be Ready; last seen: Pending".into() };
    other.kernel = None;
    seen.pods.push(other);
    let by = || "10.1.2.3".parse().unwrap();
    let saw = Some("192.168.100.10:40000".parse().unwrap());
    let all = [
        probe("chain-test-pod/reaches/0", ProbeEnd::Answered { by: by(), mac: None, saw: None }, 412),
        probe("chain-test-pod/reaches/1", ProbeEnd::NoAnswer, 1_000_000),
        probe("chain-test-pod/reaches/2", ProbeEnd::Answered { by: by(), mac: None, saw }, 733),
        probe("chain-test-pod/cannotReach/0", ProbeEnd::NoRoute, 8),
    ];
    let capture = |id: &str, party: ProbeEndpoint, interface: &str, frames: Vec<RawFrame>| {
        let id = format!("chain-test-pod/reaches/{id}");
        let tap = Capture { id: id.clone(), interface: Tap::Name(interface.into()), addresses: vec![] };
        ((party, tap), CaptureResult { id, interface: interface.into(), frames, dropped: 0 })
    };
    let pod = || ProbeEndpoint::Pod("chain-test-pod".into());
    let gw = || ProbeEndpoint::Host("gw".into());
    let captures = [
        capture("0/pod", pod(), "eth1", vec![frame(&[]), frame(&[])]),
        capture("0/uplink", ProbeEndpoint::Node(1), "up0", vec![frame(&[100]), frame(&[])]),
        capture("0/far", gw(), "eth0", vec![frame(&[])]),
        capture("1/pod", pod(), "eth2", vec![frame(&[])]),
        capture("1/far", gw(), "eth0", vec![]),
    ];
    let (taps, caught) = captures.into_iter().unzip();
    let wire = WireObservation {
        script: Script {
            probes: all.iter().map(|(probe, _)| (pod(), probe.clone())).collect(),
            captures: taps,
            listeners: vec![],
        },
        results: ProbeResults {
            probes: all.into_iter().map(|(_, seen)| seen).collect(),
            captures: caught,
            listeners: vec![],
        },
    };
    seen.wire = Some(wire);
    let mut drawn = build_graph(&wired_plan(), Some(&seen));
    // The golden texts leave out findings of the judge of packets, because these probe results are incomplete.
    for pod in drawn.nodes.iter_mut().flat_map(|node| &mut node.pods) {
        pod.findings.retain(|label| !label.text.starts_with("PL4"));
        for attachment in &mut pod.attachments {
            attachment.findings.retain(|label| !label.text.starts_with("PL4"));
        }
    }
    drawn
}

/// Many pods with long names on three nodes, each reaching the next.
pub fn many() -> Graph {
    let mut plan = wired_plan();
    plan.topology.nodes = 3;
    let one = plan.pods[0].clone();
    let long = "a-name-as-long-as-kubernetes-lets-a-pod-have-".repeat(5);
    plan.pods = (0..20).map(|n| plumbline_core::plan::Pod { name: format!("{long}{n}"), ..one.clone() }).collect();
    build_graph(&plan, Some(&Observation::default()))
}
