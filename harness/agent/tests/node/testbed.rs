//! A private testbed: two nodes, an uplink, a gateway with addresses behind it, pods on the bridges.

use crate::agent::{Agent, Plugins};
use plumbline_core::plan::{Bridge, Host, HostPort, Protocol, Topology, Uplink};
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_core::source::Source;
use plumbline_core::wire::{
    Capture, CaptureResult, Listener, ListenerResult, Probe, ProbeAction, ProbeEnd, ProbeResult, Tap,
};
use std::time::Duration;

/// Pod `a` on node 1 and pod `b` on node 2, each with eth1 in 192.168.100.0/24 (and fd00:100::/64) on its node's br-ex,
/// and a route to 10.0.0.0/8 by the gateway, which has 10.1.2.3 behind it.
pub fn topology() -> Topology {
    let port = HostPort {
        uplink: "outside".into(),
        vlan: None,
        addresses: vec!["192.168.100.1/24".parse().unwrap(), "fd00:100::1/64".parse().unwrap()],
    };
    let host = |name: &str, gateway: bool, ports: Vec<HostPort>, behind: &[&str]| Host {
        name: name.into(),
        gateway,
        ports,
        behind: behind.iter().map(|one| one.parse().unwrap()).collect(),
        routes: Vec::new(),
        source: Source::default(),
    };
    Topology {
        nodes: 2,
        bridges: vec![Bridge { name: "br-ex".into(), uplink: Some("outside".into()), ..Bridge::default() }],
        links: Vec::new(),
        uplinks: vec![Uplink { name: "outside".into() }],
        hosts: vec![host("gw", true, vec![port], &["10.1.2.3/32"])],
        ..Topology::default()
    }
}

/// The testbed, with both pods attached by `ip`.
pub fn new_testbed() -> Agent {
    let plugins = Plugins::new();
    add_pods(Agent::node(&plugins))
}

/// Creates the topology and the pods on a node.
pub fn add_pods(mut agent: Agent) -> Agent {
    assert_eq!(agent.request(Op::Topology(topology())), Outcome::Done);
    for (pod, node, last) in [("a", 1, 10), ("b", 2, 20)] {
        assert!(matches!(agent.request(Op::PodAdd { name: pod.into(), node }), Outcome::Netns { .. }));
        // `ip netns` does not work in a private root, so the namespace is named by its file, which every node sees. Both
        // ends have the same index, which delays the kernel's link watch most.
        let script = format!(
            "ip link add v{pod} index 77 type veth peer name eth1 index 77 netns /run/netns/{pod} && \
             ip link set v{pod} master br-ex up"
        );
        run_shell(&mut agent, Target::NodeAt(node), &script);
        run_shell(
            &mut agent,
            Target::Pod(pod.into()),
            &format!(
                "ip addr add 192.168.100.{last}/24 dev eth1 && ip addr add fd00:100::{last}/64 dev eth1 nodad && \
                 ip link set eth1 up && ip route add 10.0.0.0/8 via 192.168.100.1"
            ),
        );
    }
    agent
}

/// Runs a shell command, which must succeed.
pub fn run_shell(agent: &mut Agent, target: Target, line: &str) -> String {
    let argv = vec!["sh".into(), "-c".into(), line.into()];
    match agent.request(Op::Exec { target, argv, deadline_ms: 60_000 }) {
        Outcome::Ran { code: Some(0), stdout, .. } => stdout,
        other => panic!("{line}: {other:?}"),
    }
}

pub fn pod(name: &str) -> Target {
    Target::Pod(name.into())
}

pub fn gateway() -> Target {
    Target::Host("gw".into())
}

/// The window of a probe that ends before it: by an answer, a refusal, or an error.
pub const WINDOW: Duration = Duration::from_secs(30);

pub fn new_probe(id: &str, by: Protocol, to: &str, port: Option<u16>) -> Probe {
    let what = ProbeAction::Request { by, to: to.parse().unwrap(), port, from: None, dev: None, times: 2 };
    Probe { id: id.into(), what, window_ms: u64::try_from(WINDOW.as_millis()).unwrap() }
}

pub fn new_listener(id: &str, protocol: Protocol, port: u16) -> Listener {
    Listener { id: id.into(), protocol, address: "0.0.0.0".parse().unwrap(), port }
}

pub fn new_capture(id: &str, interface: Tap, addresses: &[&str]) -> Capture {
    Capture { id: id.into(), interface, addresses: addresses.iter().map(|one| one.parse().unwrap()).collect() }
}

pub fn open_wire(agent: &mut Agent, listeners: Vec<(Target, Listener)>, captures: Vec<(Target, Capture)>) {
    assert_eq!(agent.request(Op::WireOpen { listeners, captures }), Outcome::Done);
}

pub fn send_probes(agent: &mut Agent, probes: Vec<(Target, Probe)>) -> Vec<ProbeResult> {
    match agent.request(Op::WireProbe(probes)) {
        Outcome::Probes(seen) => seen,
        other => panic!("{other:?}"),
    }
}

pub fn close_wire(agent: &mut Agent) -> (Vec<CaptureResult>, Vec<ListenerResult>) {
    match agent.request(Op::WireClose) {
        Outcome::WireObservation { captures, listeners } => (captures, listeners),
        other => panic!("{other:?}"),
    }
}

/// Sends one probe and returns its end.
pub fn send_probe(agent: &mut Agent, target: Target, what: Probe) -> ProbeEnd {
    send_probes(agent, vec![(target, what)]).remove(0).end
}
