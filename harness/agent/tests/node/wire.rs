//! The wire of a private bed: what is sent, heard and captured.

use crate::bed::{ask, attached, bed, capture, close, gateway, listener, one, open, pod, probe, run};
use crate::talk::{AGENT, Agent};
use plumbline_core::plan::Protocol;
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_core::wire::{CaptureSeen, Direction, Listener, Probe, ProbeEnd, Send, Tap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// More frames than a capture's buffer holds.
const FLOOD: usize = 14_000;

fn answered(end: &ProbeEnd) -> Option<(IpAddr, Option<IpAddr>)> {
    match end {
        ProbeEnd::Answered { by, saw, .. } => Some((*by, saw.map(|saw| saw.ip()))),
        _ => None,
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn all_protocols_reach_and_the_frames_are_seen_on_the_whole_way() {
    let mut agent = bed();
    let taps = [
        ("pod", pod("a"), Tap::Name("eth1".into())),
        ("uplink", Target::NodeAt(1), Tap::Uplink("outside".into())),
        ("far", gateway(), Tap::Uplink("outside".into())),
    ];
    let captures = taps.into_iter().map(|(id, at, tap)| (at, capture(id, tap, &["192.168.100.10"]))).collect();
    let listeners = vec![
        (gateway(), listener("udp", Protocol::Udp, 5000)),
        (gateway(), listener("tcp", Protocol::Tcp, 8080)),
        (pod("b"), listener("pod", Protocol::Tcp, 8080)),
    ];
    open(&mut agent, listeners, captures);
    let start = Instant::now();
    let seen = probe(
        &mut agent,
        vec![
            (pod("a"), ask("icmp", Protocol::Icmp, "10.1.2.3", None)),
            (pod("a"), ask("udp", Protocol::Udp, "10.1.2.3", Some(5000))),
            (pod("a"), ask("tcp", Protocol::Tcp, "10.1.2.3", Some(8080))),
            (pod("a"), ask("arp", Protocol::Arp, "192.168.100.1", None)),
            (pod("a"), ask("pod", Protocol::Tcp, "192.168.100.20", Some(8080))),
            (pod("a"), ask("icmp6", Protocol::Icmp, "fd00:100::20", None)),
            (pod("a"), ask("nd", Protocol::Arp, "fd00:100::20", None)),
        ],
    );
    let took = start.elapsed();
    let ends: Vec<_> = seen.iter().map(|one| answered(&one.end)).collect();
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
    assert!(took < Duration::from_millis(400), "no window is waited for: {took:?}");
    assert!(seen.iter().all(|one| one.sent == 1), "{seen:?}");
    for arp in [&seen[3], &seen[6]] {
        assert!(matches!(&arp.end, ProbeEnd::Answered { mac: Some(mac), .. } if mac.len() == 17), "{arp:?}");
    }

    let (captures, listeners) = close(&mut agent);
    assert_eq!(captures.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["pod", "uplink", "far"]);
    let [there, uplink, far] = captures.as_slice() else { panic!() };
    assert_eq!([&there.interface, &uplink.interface, &far.interface], ["eth1", "uplink0", "eth0"]);
    // An echo request: ICMP in IPv4, type 8.
    let echo = |seen: &CaptureSeen, way: Direction| {
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
    let told: Vec<_> = listeners.iter().map(|one| (one.id.as_str(), one.alive, one.from.len())).collect();
    assert_eq!(told, [("udp", true, 1), ("tcp", true, 1), ("pod", true, 1)], "{listeners:?}");
    assert!(listeners.iter().all(|one| Some(one.from[0].ip()) == own));
}

#[test]
fn what_is_no_answer_of_a_name_server_answers_no_lookup() {
    let mut agent = bed();
    open(&mut agent, vec![(gateway(), listener("udp", Protocol::Udp, 53))], Vec::new());
    let (to, name) = (address("10.1.2.3"), "a.example".to_owned());
    let what = Send::Lookup { to, port: 53, from: None, name, v6: false, times: 2 };
    let seen = one(&mut agent, pod("a"), Probe { id: "lookup".into(), what, window_ms: 300 });
    assert_eq!(seen, ProbeEnd::NoAnswer, "a listener of ours says its piece, and that is no DNS");
    let (_, listeners) = close(&mut agent);
    assert_eq!(listeners[0].from.len(), 2, "asked twice, since nothing was taken for an answer: {listeners:?}");
}

#[test]
fn a_tagged_control_frame_is_seen_tagged_on_its_way_out_and_in() {
    let mut agent = bed();
    let captures = vec![
        (Target::NodeAt(1), capture("uplink", Tap::Uplink("outside".into()), &["192.0.2.1"])),
        (gateway(), capture("far", Tap::Uplink("outside".into()), &["192.0.2.1"])),
        (pod("b"), capture("other", Tap::Name("eth1".into()), &["192.0.2.1"])),
    ];
    open(&mut agent, Vec::new(), captures);
    let control = |id: &str, tags: &[u16], priority: u8| Probe {
        id: id.into(),
        what: Send::Control { interface: Tap::Name("eth1".into()), tags: tags.to_vec(), priority },
        window_ms: 1000,
    };
    let sent = probe(
        &mut agent,
        vec![
            (pod("a"), control("plain", &[], 0)),
            (pod("a"), control("one", &[100], 0)),
            (pod("a"), control("two", &[100, 200], 0)),
            (pod("a"), control("high", &[100], 5)),
            // Its addresses are not those of the captures.
            (pod("a"), ask("other", Protocol::Icmp, "192.168.100.1", None)),
        ],
    );
    assert!(sent[..4].iter().all(|one| one.end == ProbeEnd::Sent), "{sent:?}");
    let (captures, _) = close(&mut agent);
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
fn every_way_of_not_reaching_is_told_apart() {
    let mut agent = bed();
    // What answers for itself that nobody may pass, and what nobody answers for.
    run(&mut agent, gateway(), "ip route add prohibit 10.7.0.0/16 && ip route add blackhole 10.8.0.0/16");
    let short = |mut probe: Probe| {
        probe.window_ms = 200;
        probe
    };
    let start = Instant::now();
    let seen = probe(
        &mut agent,
        vec![
            (pod("a"), ask("no-route", Protocol::Icmp, "203.0.113.1", None)),
            (pod("a"), ask("no-route", Protocol::Udp, "203.0.113.1", Some(9))),
            (pod("a"), ask("no-route", Protocol::Tcp, "203.0.113.1", Some(9))),
            (pod("a"), ask("no-route", Protocol::Arp, "203.0.113.1", None)),
            (pod("a"), ask("no-route", Protocol::Icmp, "2001:db8::1", None)),
            (pod("a"), ask("refused", Protocol::Udp, "10.1.2.3", Some(9))),
            (pod("a"), ask("refused", Protocol::Tcp, "10.1.2.3", Some(9))),
            (pod("a"), ask("refused", Protocol::Udp, "fd00:100::20", Some(9))),
            (pod("a"), ask("filtered", Protocol::Icmp, "10.7.0.1", None)),
            (pod("a"), ask("filtered", Protocol::Udp, "10.7.0.1", Some(9))),
            // From another: a kernel tells one sender only so often (`ip_error`).
            (pod("b"), ask("filtered", Protocol::Tcp, "10.7.0.1", Some(9))),
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
    assert!(took < Duration::from_millis(400), "no window is waited for: {took:?}");
    let silent = probe(
        &mut agent,
        vec![
            (pod("a"), short(ask("gone", Protocol::Icmp, "10.8.0.1", None))),
            (pod("a"), short(ask("nobody", Protocol::Udp, "192.168.100.99", Some(9)))),
            (pod("a"), short(ask("nobody", Protocol::Tcp, "192.168.100.99", Some(9)))),
            (pod("a"), short(ask("nobody", Protocol::Arp, "192.168.100.99", None))),
        ],
    );
    assert!(
        silent.iter().all(|one| one.end == ProbeEnd::NoAnswer && one.took_us >= 200_000 && one.sent == 2),
        "{silent:?}"
    );
    // A neighbour that the sender's own kernel gives up on (after 3 s) is nobody's refusal.
    run(&mut agent, pod("a"), "echo 50 > /proc/sys/net/ipv4/neigh/eth1/retrans_time_ms");
    let given_up = one(&mut agent, pod("a"), ask("nobody", Protocol::Udp, "192.168.100.98", Some(9)));
    assert_eq!(given_up, ProbeEnd::NoAnswer);
    let unable = one(&mut agent, pod("a"), ask("no-port", Protocol::Udp, "10.1.2.3", None));
    assert!(matches!(unable, ProbeEnd::Unable { .. }), "{unable:?}");
    let unable = one(&mut agent, pod("nobody"), ask("no-pod", Protocol::Icmp, "10.1.2.3", None));
    assert!(matches!(unable, ProbeEnd::Unable { .. }), "{unable:?}");
}

#[test]
fn a_packet_filter_of_the_sender_is_told_as_filtered() {
    let mut agent = bed();
    // A route stands in for it: nftables are not on every host.
    run(&mut agent, pod("a"), "ip route add prohibit 10.6.0.0/16 && ip route add unreachable 10.5.0.0/16");
    let end = one(&mut agent, pod("a"), ask("x", Protocol::Udp, "10.6.0.1", Some(9)));
    assert!(matches!(&end, ProbeEnd::Filtered { what, by: None } if what.contains("own namespace")), "{end:?}");
    assert_eq!(one(&mut agent, pod("a"), ask("x", Protocol::Icmp, "10.5.0.1", None)), ProbeEnd::NoRoute);
}

#[test]
fn a_listener_answers_between_requests_and_is_dead_once_its_address_is_gone() {
    let mut agent = bed();
    let at = Listener { address: address("192.168.100.20"), ..listener("bound", Protocol::Udp, 5000) };
    open(&mut agent, vec![(pod("b"), at), (gateway(), listener("any", Protocol::Udp, 5000))], Vec::new());
    // Asked by another program while the agent has nothing to do but to wait for it.
    let line = "exec 3<>/dev/udp/10.1.2.3/5000; echo hello >&3; head -c 14 <&3";
    let argv = vec!["bash".into(), "-c".into(), line.into()];
    match agent.ask(Op::Exec { target: pod("a"), argv, deadline_ms: 5000 }) {
        Outcome::Ran { code: Some(0), stdout, .. } => assert_eq!(stdout, "192.168.100.10"),
        other => panic!("{other:?}"),
    }
    run(&mut agent, pod("b"), "ip addr del 192.168.100.20/24 dev eth1");
    let (_, listeners) = close(&mut agent);
    let told: Vec<_> = listeners.iter().map(|one| (one.id.as_str(), one.alive, one.from.len())).collect();
    assert_eq!(told, [("bound", false, 0), ("any", true, 1)]);
}

#[test]
fn a_flood_beyond_the_buffer_is_counted() {
    let mut agent = bed();
    open(&mut agent, Vec::new(), vec![(pod("a"), capture("all", Tap::Name("eth1".into()), &[]))]);
    // Sent one after the other before anybody reads.
    let control = |number: usize| Probe {
        id: number.to_string(),
        what: Send::Control { interface: Tap::Name("eth1".into()), tags: Vec::new(), priority: 0 },
        window_ms: 1,
    };
    let sent = probe(&mut agent, (0..FLOOD).map(|number| (pod("a"), control(number))).collect());
    assert!(sent.iter().all(|one| one.end == ProbeEnd::Sent));
    let (captures, _) = close(&mut agent);
    let (kept, dropped) = (captures[0].frames.len(), usize::try_from(captures[0].dropped).unwrap());
    assert!(dropped > 0 && kept + dropped >= FLOOD, "{kept} kept, {dropped} dropped");

    open(&mut agent, Vec::new(), vec![(pod("a"), capture("again", Tap::Name("eth1".into()), &[]))]);
    assert_eq!(close(&mut agent).0[0].dropped, 0, "counted from the opening on");
}

#[test]
fn what_can_not_be_opened_is_named_and_nothing_stays_open() {
    let mut agent = bed();
    let refused = |outcome: Outcome| match outcome {
        Outcome::Fault(fault) => format!("{}: {}", fault.doing, fault.cause),
        other => panic!("{other:?}"),
    };
    let twice = vec![(pod("a"), listener("x", Protocol::Tcp, 80)), (pod("a"), listener("y", Protocol::Tcp, 80))];
    let text = refused(agent.ask(Op::WireOpen { listeners: twice, captures: Vec::new() }));
    assert!(text.contains("0.0.0.0:80") && text.contains("pod a"), "{text}");
    let lost = vec![(pod("a"), capture("c", Tap::Name("eth9".into()), &[]))];
    let text = refused(agent.ask(Op::WireOpen { listeners: Vec::new(), captures: lost }));
    assert!(text.contains("eth9"), "{text}");
    let lost = vec![(pod("a"), capture("c", Tap::Uplink("outside".into()), &[]))];
    let text = refused(agent.ask(Op::WireOpen { listeners: Vec::new(), captures: lost }));
    assert!(text.contains("uplink outside"), "{text}");
    assert_eq!(close(&mut agent), (Vec::new(), Vec::new()));
    open(&mut agent, vec![(pod("a"), listener("x", Protocol::Tcp, 80))], Vec::new());
    assert!(close(&mut agent).1[0].alive);
}

#[test]
fn an_ordinary_user_has_the_same_wire() {
    let (_folder, path) = crate::user::open_copy();
    let mut line = crate::user::as_user(&path);
    line.push("node".into());
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    assert_ne!(line[0], AGENT);
    let mut agent = attached(Agent::start(&line));
    let captures = vec![(gateway(), capture("far", Tap::Uplink("outside".into()), &["192.168.100.20"]))];
    open(&mut agent, vec![(gateway(), listener("tcp", Protocol::Tcp, 8080))], captures);
    let seen = probe(
        &mut agent,
        vec![
            (pod("b"), ask("icmp", Protocol::Icmp, "10.1.2.3", None)),
            (pod("b"), ask("tcp", Protocol::Tcp, "10.1.2.3", Some(8080))),
            (pod("b"), ask("arp", Protocol::Arp, "192.168.100.10", None)),
        ],
    );
    assert!(seen.iter().all(|one| matches!(one.end, ProbeEnd::Answered { .. })), "{seen:?}");
    let (captures, listeners) = close(&mut agent);
    assert!(captures[0].frames.len() >= 4 && captures[0].dropped == 0 && listeners[0].alive, "{captures:?}");
    assert_eq!(agent.end(), Some(0));
}
