//! The wire of a private testbed: probes, listeners and captures.

use crate::agent::{AGENT, Agent};
use crate::testbed::{
    WINDOW, add_pods, close_wire, gateway, new_capture, new_listener, new_probe, new_testbed, open_wire, pod,
    run_shell, send_probe, send_probes,
};
use plumbline_core::plan::Protocol;
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_core::wire::{CaptureResult, Direction, Listener, Probe, ProbeAction, ProbeEnd, Tap};
use std::net::IpAddr;
use std::time::Instant;

/// More frames than a capture's buffer holds.
const FLOOD: usize = 14_000;

fn answer_of(end: &ProbeEnd) -> Option<(IpAddr, Option<IpAddr>)> {
    match end {
        ProbeEnd::Answered { by, saw, .. } => Some((*by, saw.map(|saw| saw.ip()))),
        _ => None,
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn all_protocols_reach_the_target_and_are_captured_at_each_hop() {
    let mut agent = new_testbed();
    let taps = [
        ("pod", pod("a"), Tap::Name("eth1".into())),
        ("uplink", Target::NodeAt(1), Tap::Uplink("outside".into())),
        ("far", gateway(), Tap::Uplink("outside".into())),
    ];
    let captures = taps.into_iter().map(|(id, at, tap)| (at, new_capture(id, tap, &["192.168.100.10"]))).collect();
    let listeners = vec![
        (gateway(), new_listener("udp", Protocol::Udp, 5000)),
        (gateway(), new_listener("tcp", Protocol::Tcp, 8080)),
        (pod("b"), new_listener("pod", Protocol::Tcp, 8080)),
    ];
    open_wire(&mut agent, listeners, captures);
    let start = Instant::now();
    let seen = send_probes(
        &mut agent,
        vec![
            (pod("a"), new_probe("icmp", Protocol::Icmp, "10.1.2.3", None)),
            (pod("a"), new_probe("udp", Protocol::Udp, "10.1.2.3", Some(5000))),
            (pod("a"), new_probe("tcp", Protocol::Tcp, "10.1.2.3", Some(8080))),
            (pod("a"), new_probe("arp", Protocol::Arp, "192.168.100.1", None)),
            (pod("a"), new_probe("pod", Protocol::Tcp, "192.168.100.20", Some(8080))),
            (pod("a"), new_probe("icmp6", Protocol::Icmp, "fd00:100::20", None)),
            (pod("a"), new_probe("nd", Protocol::Arp, "fd00:100::20", None)),
        ],
    );
    let took = start.elapsed();
    let ends: Vec<_> = seen.iter().map(|one| answer_of(&one.end)).collect();
    let own = Some(address("192.168.100.10"));
    let expected = [
        (address("10.1.2.3"), None),
        (address("10.1.2.3"), own),
        (address("10.1.2.3"), own),
        (address("192.168.100.1"), None),
        (address("192.168.100.20"), own),
        (address("fd00:100::20"), None),
        (address("fd00:100::20"), None),
    ];
    assert_eq!(ends, expected.map(Some), "{seen:?}");
    assert!(took < WINDOW, "the probes do not wait for their windows: {took:?}");
    assert!(seen.iter().all(|one| one.sent == 1), "{seen:?}");
    for arp in [&seen[3], &seen[6]] {
        assert!(matches!(&arp.end, ProbeEnd::Answered { mac: Some(mac), .. } if mac.len() == 17), "{arp:?}");
    }

    let (captures, listeners) = close_wire(&mut agent);
    assert_eq!(captures.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["pod", "uplink", "far"]);
    let [there, uplink, far] = captures.as_slice() else { panic!() };
    assert_eq!([&there.interface, &uplink.interface, &far.interface], ["eth1", "uplink0", "eth0"]);
    // An echo request: ICMP in IPv4, type 8.
    let echo = |seen: &CaptureResult, way: Direction| {
        let is = |bytes: &str| &bytes[24..28] == "0800" && &bytes[46..48] == "01" && &bytes[68..70] == "08";
        seen.frames.iter().filter(|one| one.direction == way && is(&one.bytes)).count()
    };
    assert_eq!((echo(there, Direction::Out), echo(uplink, Direction::Out), echo(far, Direction::In)), (1, 1, 1));
    assert!(
        captures
            .iter()
            .all(|one| one.dropped == 0 && one.frames.iter().all(|frame| frame.at_us > 1_600_000_000_000_000))
    );
    assert!(captures.iter().all(|one| one.frames.is_sorted_by_key(|frame| frame.at_us)));
    let seen: Vec<_> = listeners.iter().map(|one| (one.id.as_str(), one.alive, one.from.len())).collect();
    assert_eq!(seen, [("udp", true, 1), ("tcp", true, 1), ("pod", true, 1)], "{listeners:?}");
    assert!(listeners.iter().all(|one| Some(one.from[0].ip()) == own));
}

#[test]
fn a_datagram_that_is_no_dns_response_is_no_answer_to_a_lookup() {
    let mut agent = new_testbed();
    open_wire(&mut agent, vec![(gateway(), new_listener("udp", Protocol::Udp, 53))], Vec::new());
    let (to, name) = (address("10.1.2.3"), "a.example".to_owned());
    let what = ProbeAction::Lookup { to, port: 53, from: None, name, v6: false, times: 2 };
    let seen = send_probe(&mut agent, pod("a"), Probe { id: "lookup".into(), what, window_ms: 1000 });
    assert_eq!(seen, ProbeEnd::NoAnswer, "the listener answers with an address, which is no DNS");
    let (_, listeners) = close_wire(&mut agent);
    assert_eq!(listeners[0].from.len(), 2, "sent twice, because there was no answer: {listeners:?}");
}

#[test]
fn a_tagged_control_frame_is_captured_with_its_tags() {
    let mut agent = new_testbed();
    let captures = vec![
        (Target::NodeAt(1), new_capture("uplink", Tap::Uplink("outside".into()), &["192.0.2.1"])),
        (gateway(), new_capture("far", Tap::Uplink("outside".into()), &["192.0.2.1"])),
        (pod("b"), new_capture("other", Tap::Name("eth1".into()), &["192.0.2.1"])),
    ];
    open_wire(&mut agent, Vec::new(), captures);
    let control = |id: &str, tags: &[u16], priority: u8| Probe {
        id: id.into(),
        what: ProbeAction::Control { interface: Tap::Name("eth1".into()), tags: tags.to_vec(), priority },
        window_ms: 1000,
    };
    let sent = send_probes(
        &mut agent,
        vec![
            (pod("a"), control("plain", &[], 0)),
            (pod("a"), control("one", &[100], 0)),
            (pod("a"), control("two", &[100, 200], 0)),
            (pod("a"), control("high", &[100], 5)),
            // Its addresses are not those of the captures.
            (pod("a"), new_probe("other", Protocol::Icmp, "192.168.100.1", None)),
        ],
    );
    assert!(sent[..4].iter().all(|one| one.end == ProbeEnd::Sent), "{sent:?}");
    let (captures, _) = close_wire(&mut agent);
    for one in &captures {
        let types: Vec<&str> = one.frames.iter().map(|frame| frame.bytes.get(24..44).unwrap()).collect();
        // EtherType and what follows: as many tags as were sent, and the text.
        assert_eq!(types.len(), 4, "{}: {types:?}", one.id);
        assert!(types[0].starts_with("88b5706c6169"), "{types:?}");
        assert!(types[1].starts_with("8100006488b5"), "{types:?}");
        assert_eq!(types[2], "81000064810000c888b5", "{}", one.id);
        // The priority bits are the tag's upper three.
        assert!(types[3].starts_with("8100a06488b5"), "{types:?}");
        let lengths: Vec<u32> = one.frames.iter().map(|frame| frame.length).collect();
        assert_eq!(lengths, [60; 4], "{}", one.id);
    }
}

#[test]
fn each_reason_for_no_answer_has_its_own_end() {
    let mut agent = new_testbed();
    // One prefix that the gateway rejects with an ICMP error, and one that it drops.
    run_shell(&mut agent, gateway(), "ip route add prohibit 10.7.0.0/16 && ip route add blackhole 10.8.0.0/16");
    // Long enough that a delayed agent still sends twice.
    let short = |probe: Probe| Probe { window_ms: 1000, ..probe };
    let start = Instant::now();
    let seen = send_probes(
        &mut agent,
        vec![
            (pod("a"), new_probe("no-route", Protocol::Icmp, "203.0.113.1", None)),
            (pod("a"), new_probe("no-route", Protocol::Udp, "203.0.113.1", Some(9))),
            (pod("a"), new_probe("no-route", Protocol::Tcp, "203.0.113.1", Some(9))),
            (pod("a"), new_probe("no-route", Protocol::Arp, "203.0.113.1", None)),
            (pod("a"), new_probe("no-route", Protocol::Icmp, "2001:db8::1", None)),
            (pod("a"), new_probe("refused", Protocol::Udp, "10.1.2.3", Some(9))),
            (pod("a"), new_probe("refused", Protocol::Tcp, "10.1.2.3", Some(9))),
            (pod("a"), new_probe("refused", Protocol::Udp, "fd00:100::20", Some(9))),
            (pod("a"), new_probe("filtered", Protocol::Icmp, "10.7.0.1", None)),
            (pod("a"), new_probe("filtered", Protocol::Udp, "10.7.0.1", Some(9))),
            // From another pod: the kernel limits ICMP errors to one sender (`ip_error`).
            (pod("b"), new_probe("filtered", Protocol::Tcp, "10.7.0.1", Some(9))),
        ],
    );
    let took = start.elapsed();
    for one in &seen {
        match one.id.as_str() {
            "no-route" => assert_eq!(one.end, ProbeEnd::NoRoute, "{seen:?}"),
            "refused" => assert_eq!(one.end, ProbeEnd::Refused, "{seen:?}"),
            _ => {
                let what = "administratively prohibited".into();
                assert_eq!(one.end, ProbeEnd::Filtered { what, by: Some(address("192.168.100.1")) }, "{seen:?}");
            }
        }
    }
    assert!(took < WINDOW, "the probes do not wait for their windows: {took:?}");
    let silent = send_probes(
        &mut agent,
        vec![
            (pod("a"), short(new_probe("gone", Protocol::Icmp, "10.8.0.1", None))),
            (pod("a"), short(new_probe("absent", Protocol::Udp, "192.168.100.99", Some(9)))),
            (pod("a"), short(new_probe("absent", Protocol::Tcp, "192.168.100.99", Some(9)))),
            (pod("a"), short(new_probe("absent", Protocol::Arp, "192.168.100.99", None))),
        ],
    );
    assert!(
        silent.iter().all(|one| one.end == ProbeEnd::NoAnswer && one.took_us >= 1_000_000 && one.sent == 2),
        "{silent:?}"
    );
    // A failed neighbour discovery of the sender's own kernel (after 3 s) is no refusal.
    run_shell(&mut agent, pod("a"), "echo 50 > /proc/sys/net/ipv4/neigh/eth1/retrans_time_ms");
    let given_up = short(new_probe("absent", Protocol::Udp, "192.168.100.98", Some(9)));
    let given_up = send_probe(&mut agent, pod("a"), given_up);
    assert_eq!(given_up, ProbeEnd::NoAnswer);
    let unable = send_probe(&mut agent, pod("a"), new_probe("no-port", Protocol::Udp, "10.1.2.3", None));
    assert!(matches!(unable, ProbeEnd::Unable { .. }), "{unable:?}");
    let unable = send_probe(&mut agent, pod("absent"), new_probe("no-pod", Protocol::Icmp, "10.1.2.3", None));
    assert!(matches!(unable, ProbeEnd::Unable { .. }), "{unable:?}");
}

#[test]
fn a_packet_filter_of_the_sender_gives_filtered() {
    let mut agent = new_testbed();
    // A route instead of a filter: not every host has nftables.
    run_shell(&mut agent, pod("a"), "ip route add prohibit 10.6.0.0/16 && ip route add unreachable 10.5.0.0/16");
    let end = send_probe(&mut agent, pod("a"), new_probe("x", Protocol::Udp, "10.6.0.1", Some(9)));
    assert!(
        matches!(&end, ProbeEnd::Filtered { what, by: None } if what.contains("the sender's namespace")),
        "{end:?}"
    );
    assert_eq!(send_probe(&mut agent, pod("a"), new_probe("x", Protocol::Icmp, "10.5.0.1", None)), ProbeEnd::NoRoute);
}

#[test]
fn a_listener_answers_between_requests_until_its_address_is_removed() {
    let mut agent = new_testbed();
    let at = Listener { address: address("192.168.100.20"), ..new_listener("bound", Protocol::Udp, 5000) };
    open_wire(&mut agent, vec![(pod("b"), at), (gateway(), new_listener("any", Protocol::Udp, 5000))], Vec::new());
    // Another program sends while the agent waits for it.
    let line = "exec 3<>/dev/udp/10.1.2.3/5000; echo hello >&3; head -c 14 <&3";
    let argv = vec!["bash".into(), "-c".into(), line.into()];
    match agent.request(Op::Exec { target: pod("a"), argv, deadline_ms: 60_000 }) {
        Outcome::Ran { code: Some(0), stdout, .. } => assert_eq!(stdout, "192.168.100.10"),
        other => panic!("{other:?}"),
    }
    run_shell(&mut agent, pod("b"), "ip addr del 192.168.100.20/24 dev eth1");
    let (_, listeners) = close_wire(&mut agent);
    let seen: Vec<_> = listeners.iter().map(|one| (one.id.as_str(), one.alive, one.from.len())).collect();
    assert_eq!(seen, [("bound", false, 0), ("any", true, 1)]);
}

#[test]
fn frames_beyond_the_buffer_count_as_dropped() {
    let mut agent = new_testbed();
    open_wire(&mut agent, Vec::new(), vec![(pod("a"), new_capture("all", Tap::Name("eth1".into()), &[]))]);
    // All are sent before the capture is read.
    let control = |number: usize| Probe {
        id: number.to_string(),
        what: ProbeAction::Control { interface: Tap::Name("eth1".into()), tags: Vec::new(), priority: 0 },
        window_ms: 1,
    };
    let sent = send_probes(&mut agent, (0..FLOOD).map(|number| (pod("a"), control(number))).collect());
    assert!(sent.iter().all(|one| one.end == ProbeEnd::Sent));
    let (captures, _) = close_wire(&mut agent);
    let (kept, dropped) = (captures[0].frames.len(), usize::try_from(captures[0].dropped).unwrap());
    assert!(dropped > 0 && kept + dropped >= FLOOD, "{kept} kept, {dropped} dropped");

    open_wire(&mut agent, Vec::new(), vec![(pod("a"), new_capture("again", Tap::Name("eth1".into()), &[]))]);
    assert_eq!(close_wire(&mut agent).0[0].dropped, 0, "counted since the opening");
}

#[test]
fn the_fault_names_what_cannot_be_opened_and_nothing_stays_open() {
    let mut agent = new_testbed();
    let refused = |outcome: Outcome| match outcome {
        Outcome::Fault(fault) => format!("{}: {}", fault.doing, fault.cause),
        other => panic!("{other:?}"),
    };
    let twice =
        vec![(pod("a"), new_listener("x", Protocol::Tcp, 80)), (pod("a"), new_listener("y", Protocol::Tcp, 80))];
    let text = refused(agent.request(Op::WireOpen { listeners: twice, captures: Vec::new() }));
    assert!(text.contains("0.0.0.0:80") && text.contains("pod a"), "{text}");
    let lost = vec![(pod("a"), new_capture("c", Tap::Name("eth9".into()), &[]))];
    let text = refused(agent.request(Op::WireOpen { listeners: Vec::new(), captures: lost }));
    assert!(text.contains("eth9"), "{text}");
    let lost = vec![(pod("a"), new_capture("c", Tap::Uplink("outside".into()), &[]))];
    let text = refused(agent.request(Op::WireOpen { listeners: Vec::new(), captures: lost }));
    assert!(text.contains("uplink outside"), "{text}");
    assert_eq!(close_wire(&mut agent), (Vec::new(), Vec::new()));
    open_wire(&mut agent, vec![(pod("a"), new_listener("x", Protocol::Tcp, 80))], Vec::new());
    assert!(close_wire(&mut agent).1[0].alive);
}

#[test]
fn a_rootless_node_has_the_same_wire() {
    let (_folder, path) = crate::rootless::open_copy();
    let mut line = crate::rootless::as_user(&path);
    line.push("node".into());
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    assert_ne!(line[0], AGENT);
    let mut agent = add_pods(Agent::start(&line));
    let captures = vec![(gateway(), new_capture("far", Tap::Uplink("outside".into()), &["192.168.100.20"]))];
    open_wire(&mut agent, vec![(gateway(), new_listener("tcp", Protocol::Tcp, 8080))], captures);
    let seen = send_probes(
        &mut agent,
        vec![
            (pod("b"), new_probe("icmp", Protocol::Icmp, "10.1.2.3", None)),
            (pod("b"), new_probe("tcp", Protocol::Tcp, "10.1.2.3", Some(8080))),
            (pod("b"), new_probe("arp", Protocol::Arp, "192.168.100.10", None)),
        ],
    );
    assert!(seen.iter().all(|one| matches!(one.end, ProbeEnd::Answered { .. })), "{seen:?}");
    let (captures, listeners) = close_wire(&mut agent);
    assert!(captures[0].frames.len() >= 4 && captures[0].dropped == 0 && listeners[0].alive, "{captures:?}");
    assert_eq!(agent.end(), Some(0));
}
