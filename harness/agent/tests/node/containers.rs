//! Changes of mode `serve` in its own namespace in a container: bridge ports, an external host. The tests use a new network
//! namespace.

use crate::agent::{AGENT, Agent};
use crate::testbed::run_shell;
use plumbline_core::observe::Link;
use plumbline_core::plan::{Bridge, Host, HostPort, Protocol};
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_core::source::Source;
use plumbline_core::wire::{Capture, Listener, Probe, ProbeAction, ProbeEnd, Tap};

fn start_serve() -> Agent {
    Agent::start(&["unshare", "--user", "--map-root-user", "--net", AGENT, "serve"])
}

fn link(agent: &mut Agent, name: &str) -> Link {
    let Outcome::Observed(seen) = agent.request(Op::Observe { target: Target::Node, with_ip: false }) else { panic!() };
    seen.kernel.links.into_iter().find(|link| link.name == name).unwrap_or_else(|| panic!("no {name}"))
}

fn read_fault(outcome: Outcome) -> String {
    match outcome {
        Outcome::Fault(fault) => format!("{}: {}", fault.doing, fault.cause),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_interface_named_by_name_or_mac_becomes_a_bridge_port() {
    let mut agent = start_serve();
    let bridge = Bridge { name: "br-ex".into(), uplink: Some("outside".into()), ..Bridge::default() };
    assert_eq!(agent.request(Op::Bridges(vec![bridge.clone()])), Outcome::Done);
    for (number, by_mac) in [(1, false), (2, true)] {
        let (name, mac) = (format!("eth{number}"), format!("02:42:ac:11:00:0{number}"));
        run_shell(
            &mut agent,
            Target::Node,
            &format!(
                "ip link add {name} address {mac} type veth peer name far{number} && ip link set far{number} up && \
                 ip addr add 172.18.0.{number}/16 dev {name}"
            ),
        );
        let interface = if by_mac { mac } else { name.clone() };
        assert_eq!(agent.request(Op::Port { bridge: bridge.clone(), interface }), Outcome::Done);
        let master = link(&mut agent, "br-ex").index;
        let port = link(&mut agent, &name);
        assert_eq!(port.master, Some(master));
        assert!(port.addresses.iter().all(|one| one.address.addr().is_ipv6()), "{:?}", port.addresses);
        assert_eq!(port.state, "UP");
    }
    let text = read_fault(agent.request(Op::Port { bridge, interface: "eth9".into() }));
    assert!(text.contains("eth9") && text.contains("eth1"), "{text}");
}

#[test]
fn a_container_becomes_a_host_that_listens_captures_and_answers() {
    let mut agent = start_serve();
    run_shell(
        &mut agent,
        Target::Node,
        "ip link add eth0 type veth peer name far && ip link set far up && ip addr add 172.18.0.5/16 dev eth0 && \
         ip link set eth0 up && ip route add default via 172.18.0.1 && ip addr add fd00:18::5/64 dev eth0 nodad && \
         ip route add default via fd00:18::1",
    );
    let port = HostPort { uplink: "outside".into(), vlan: None, addresses: vec!["192.168.100.1/24".parse().unwrap()] };
    let host = Host {
        name: "gw".into(),
        gateway: true,
        ports: vec![port],
        behind: vec!["10.1.2.3/32".parse().unwrap()],
        routes: vec![("10.0.0.0/8".parse().unwrap(), "192.168.100.7".parse().unwrap())],
        source: Source::default(),
    };
    assert_eq!(agent.request(Op::BeHost { host: host.clone(), interfaces: vec!["eth0".into()] }), Outcome::Done);
    assert_eq!(
        agent.request(Op::BeHost { host: host.clone(), interfaces: vec!["eth0".into()] }),
        Outcome::Done,
        "again"
    );
    let addresses = |link: Link| -> Vec<String> {
        let all = link.addresses.iter().map(|one| one.address.to_string());
        all.filter(|one| !one.starts_with("fe80")).collect()
    };
    assert_eq!(addresses(link(&mut agent, "eth0")), ["192.168.100.1/24"]);
    assert!(addresses(link(&mut agent, "lo")).contains(&"10.1.2.3/32".to_owned()));
    assert_eq!(run_shell(&mut agent, Target::Node, "cat /proc/sys/net/ipv4/ip_forward"), "1\n");
    let routes = run_shell(&mut agent, Target::Node, "ip route; ip -6 route");
    assert!(routes.contains("10.0.0.0/8 via 192.168.100.7 dev eth0") && !routes.contains("default"), "{routes}");
    let text = read_fault(agent.request(Op::BeHost { host, interfaces: Vec::new() }));
    assert!(text.contains("expected 1, one for each port, found 0"), "{text}");

    let listener =
        Listener { id: "l".into(), protocol: Protocol::Udp, address: "10.1.2.3".parse().unwrap(), port: 5000 };
    let capture = Capture { id: "c".into(), interface: Tap::Name("lo".into()), addresses: Vec::new() };
    let opened = Op::WireOpen {
        listeners: vec![(Target::Node, listener)],
        captures: vec![(Target::Node, capture.clone()), (Target::Netns("/proc/self/ns/net".into()), capture)],
    };
    assert_eq!(agent.request(opened), Outcome::Done);
    let to = "10.1.2.3".parse().unwrap();
    let what = ProbeAction::Request { by: Protocol::Udp, to, port: Some(5000), from: None, dev: None, times: 1 };
    let Outcome::Probes(seen) =
        agent.request(Op::WireProbe(vec![(Target::Node, Probe { id: "p".into(), what, window_ms: 1000 })]))
    else {
        panic!("no probes")
    };
    assert!(matches!(seen[0].end, ProbeEnd::Answered { saw: Some(_), .. }), "{seen:?}");
    let Outcome::WireObservation { captures, listeners } = agent.request(Op::WireClose) else { panic!("nothing seen") };
    assert!(listeners[0].alive && listeners[0].from.len() == 1, "{listeners:?}");
    // Both captures are of one interface of one namespace: each has request and answer, sent and received.
    let counts: Vec<usize> = captures.iter().map(|one| one.frames.len()).collect();
    assert!(counts.len() == 2 && counts[0] == counts[1] && counts[0] >= 4, "{counts:?}");
    let lost = Capture { id: "u".into(), interface: Tap::Uplink("outside".into()), addresses: Vec::new() };
    let text = read_fault(agent.request(Op::WireOpen { listeners: Vec::new(), captures: vec![(Target::Node, lost)] }));
    assert!(text.contains("has no topology"), "{text}");
}
