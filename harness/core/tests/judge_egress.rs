//! The judge of packets: each code has one failing case with its text. Incomplete results are errors of the testbed.

mod common;

use common::frames::{arp, ethernet, mac};
use common::probed::{GATEWAY, Probed};
use plumbline_core::judge::fold;
use plumbline_core::observe::PodState;
use plumbline_core::plan::{Because, Lookup, ProbeEndpoint, Wanted};
use plumbline_core::verdict::Verdict;
use plumbline_core::wire::{Direction, ProbeEnd, Tap};

fn pod() -> ProbeEndpoint {
    ProbeEndpoint::Pod("pod".into())
}

fn gw() -> ProbeEndpoint {
    ProbeEndpoint::Host("gw".into())
}

fn codes(probed: &Probed) -> Vec<String> {
    let judgement = probed.judge();
    assert_eq!(judgement.unobserved, Vec::<String>::new());
    judgement.findings.iter().map(|finding| finding.code.to_string()).collect()
}

#[test]
fn every_fact_of_a_pass_is_counted() {
    let probed = Probed::passing();
    assert_eq!(probed.findings_text(), "");
    let with = probed.judge().checked;
    let mut without = Probed::passing();
    without.plan.expect.iter_mut().for_each(|wanted| {
        wanted.reaches.clear();
        wanted.cannot_reach.clear();
    });
    // Twelve replies, four paths through an interface and back, one gateway, one source, one tag, two unreachable targets.
    assert_eq!(with - without.judge().checked, 12 + 4 + 1 + 1 + 1 + 2);
}

#[test]
fn pl401_without_a_reply_shows_how_far_the_request_came() {
    let mut probed = Probed::passing();
    probed.set_end("pod/reaches/1", ProbeEnd::NoAnswer);
    for place in [(pod(), "eth1"), (gw(), "outside"), (ProbeEndpoint::Node(2), "outside")] {
        probed.remove_frames(&place.0, place.1, "port 8080 to 10.0.0.10");
    }
    probed.remove_frames(&gw(), "outside", "to 10.2.2.3 port 8080");
    insta::assert_snapshot!(probed.findings_text());
    assert!(matches!(fold(probed.judge(), false), Verdict::Fail { .. }));
}

#[test]
fn pl401_names_a_neighbour_that_does_not_reply() {
    let mut probed = Probed::passing();
    probed.set_end("pod/reaches/1", ProbeEnd::NoAnswer);
    for place in [(pod(), "eth1"), (gw(), "outside"), (ProbeEndpoint::Node(2), "outside")] {
        probed.remove_frames(&place.0, place.1, "8080");
        probed.remove_frames(&place.0, place.1, "ARP 10.0.0.1 is at");
    }
    probed.plan.expect[0].reaches.retain(|reach| reach.value.port == Some(8080));
    probed.plan.expect[0].cannot_reach.clear();
    // An id is a position in the list, so the remaining expectation has position 0.
    probed.set_end("pod/reaches/0", ProbeEnd::NoAnswer);
    insta::assert_snapshot!(probed.findings_text());
}

#[test]
fn pl401_distinguishes_no_route_from_refused() {
    let mut probed = Probed::passing();
    probed.set_end("pod/reaches/1", ProbeEnd::NoRoute);
    probed.set_end("pod/reaches/2", ProbeEnd::Refused);
    let text = probed.findings_text();
    assert!(text.contains("found: no route: the pod's own kernel did not send it"), "{text}");
    assert!(text.contains("found: refused"), "{text}");
}

#[test]
fn pl401_when_a_different_endpoint_replied() {
    let mut probed = Probed::passing();
    probed.remove_frames(&gw(), "outside", "10.2.2.3 port 8080");
    insta::assert_snapshot!(probed.findings_text());
    let theirs = Probed::passing().remove_frames(&gw(), "outside", "10.0.0.10 port 4003 to 10.2.2.3");
    probed.frames_mut(&gw(), "outside").extend(theirs);
    probed.change_frames(&gw(), "outside", "10.0.0.10 port 4003 to", |bytes| bytes[4 + 14 + 20] = 9);
    assert!(
        probed.findings_text().starts_with("ERROR probe pod/reaches/1: answered, but its request"),
        "{}",
        probed.findings_text()
    );
    let mut probed = Probed::passing();
    probed.set_end("pod/reaches/1", ProbeEnd::Answered { by: "10.9.9.9".parse().unwrap(), mac: None, saw: None });
    assert_eq!(codes(&probed), ["PL401"], "a reply from another address");
}

#[test]
fn pl401_when_the_destination_has_no_address() {
    let mut probed = Probed::passing();
    probed.observation.pods[3].kernel.as_mut().unwrap().links[2].addresses.clear();
    let text = probed.findings_text();
    assert!(text.contains("PL401 not reached: the target has no address"), "{text}");
    assert!(text.contains("found: eth1 of pod other-3 has no global IPv4 address"), "{text}");
}

/// The third probe of the wired scenario becomes a DNS lookup. The name server has the other pod's address.
fn with_lookup(end: ProbeEnd) -> Probed {
    let mut probed = Probed::passing();
    let reach = &mut probed.plan.expect[0].reaches[2];
    let source = reach.source.clone();
    let resolves_to = Wanted { value: "172.30.0.1".parse().unwrap(), source };
    reach.value.lookup = Some(Lookup { name: "kubernetes.default.svc.cluster.local".into(), resolves_to });
    probed.set_end("pod/reaches/2", end);
    probed
}

fn resolved_end(code: &str, addresses: &[&str]) -> ProbeEnd {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    ProbeEnd::Resolved { by: "10.0.0.11".parse().unwrap(), code: code.into(), addresses }
}

#[test]
fn pl407_a_name_that_resolves_to_a_different_address() {
    let passing = with_lookup(resolved_end("NOERROR", &["172.30.0.1"]));
    assert_eq!(passing.findings_text(), "");
    assert_eq!(passing.judge().checked, Probed::passing().judge().checked + 1);
    insta::assert_snapshot!(with_lookup(resolved_end("NXDOMAIN", &[])).findings_text());
    for (code, addresses) in [
        ("NOERROR", vec!["172.30.0.9"]),
        ("NOERROR", vec!["172.30.0.1", "172.30.0.9"]),
        ("NOERROR", vec![]),
        ("SERVFAIL", vec!["172.30.0.1"]),
    ] {
        assert_eq!(codes(&with_lookup(resolved_end(code, &addresses))), ["PL407"], "{code} {addresses:?}");
    }
}

#[test]
fn pl401_a_name_server_without_a_dns_answer_is_not_reached() {
    let by = "10.0.0.11".parse().unwrap();
    assert_eq!(
        codes(&with_lookup(ProbeEnd::Answered { by, mac: None, saw: None })),
        ["PL401"],
        "a datagram of any kind"
    );
    assert_eq!(codes(&with_lookup(ProbeEnd::NoAnswer)), ["PL401"]);
}

#[test]
fn pl402_request_and_reply_through_different_interfaces() {
    let mut probed = Probed::passing();
    for part in ["10.0.0.10 to 10.2.2.3, ICMP", "10.2.2.3 to 10.0.0.10, ICMP"] {
        let moved = probed.remove_frames(&pod(), "eth1", part);
        probed.frames_mut(&pod(), "eth0").extend(moved);
    }
    insta::assert_snapshot!(probed.findings_text());
    let mut probed = Probed::passing();
    let moved = probed.remove_frames(&pod(), "eth1", "10.2.2.3 to 10.0.0.10, ICMP");
    probed.frames_mut(&pod(), "eth0").extend(moved);
    let text = probed.findings_text();
    assert!(text.contains("PL402 ICMP to 10.2.2.3 at host gw: reply arrived through a different interface"), "{text}");
    assert!(text.contains("found: back through eth0"), "{text}");
    let mut both = Probed::passing();
    let copy = both.remove_frames(&pod(), "eth1", "10.0.0.10 to 10.2.2.3, ICMP");
    both.frames_mut(&pod(), "eth1").extend(copy.clone());
    both.frames_mut(&pod(), "eth0").extend(copy);
    assert_eq!(codes(&both), ["PL402"], "through the expected interface and through another");
}

#[test]
fn a_vlan_link_on_the_expected_interface_counts_as_that_interface() {
    let mut probed = Probed::passing();
    let copy = probed.remove_frames(&pod(), "eth1", "10.2.2.3, ICMP");
    probed.frames_mut(&pod(), "eth1").extend(copy.clone());
    probed.frames_mut(&pod(), "eth0").extend(copy);
    assert_eq!(codes(&probed), ["PL402"]);
    let eth0 = &mut probed.observation.pods[0].kernel.as_mut().unwrap().links[1];
    (eth0.parent, eth0.parent_netns) = (Some(3), None);
    assert_eq!(codes(&probed), Vec::<String>::new());
}

#[test]
fn pl403_sent_to_a_different_neighbour() {
    let mut probed = Probed::passing();
    let other = [2, 0, 0, 0, 0, 0x66];
    probed.change_frames(&pod(), "eth1", "10.0.0.10 to 10.2.2.3, ICMP", |bytes| bytes[..6].copy_from_slice(&other));
    let reply = ethernet(mac(0x10), other, &[], 0x0806, &arp(false, ("10.0.0.2", other), "10.0.0.10"));
    probed.add_frame(&pod(), "eth1", Direction::In, &reply);
    insta::assert_snapshot!(probed.findings_text());
    let mut probed = Probed::passing();
    probed.set_end("pod/reaches/0/gateway", ProbeEnd::NoAnswer);
    let text = probed.findings_text();
    assert!(
        text.contains("PL403 ICMP to 10.2.2.3 at host gw: no neighbour answers for the gateway's address"),
        "{text}"
    );
}

#[test]
fn pl404_seen_from_a_different_address() {
    let mut probed = Probed::passing();
    probed.change_frames(&gw(), "outside", "10.0.0.10 to 10.2.2.3, ICMP", |bytes| bytes[4 + 14 + 15] = 99);
    insta::assert_snapshot!(probed.findings_text());
    // For UDP and TCP the judge uses the source address that the listener reports.
    let mut probed = Probed::passing();
    let seen_from = probed.plan.expect[0].reaches[0].value.seen_from.clone();
    probed.plan.expect[0].reaches[1].value.seen_from = seen_from;
    assert_eq!(codes(&probed), Vec::<String>::new());
    let saw = Some("10.0.0.99:4003".parse().unwrap());
    probed.set_end("pod/reaches/1", ProbeEnd::Answered { by: "10.2.2.3".parse().unwrap(), mac: None, saw });
    assert_eq!(codes(&probed), ["PL404"]);
}

#[test]
fn a_source_address_that_was_not_observed_is_an_error() {
    let mut probed = Probed::passing();
    let wire = probed.wire_mut();
    let far = wire.script.capture(&gw(), &Tap::Uplink("outside".into())).unwrap().id.clone();
    wire.script.captures.retain(|(_, capture)| capture.id != far);
    wire.results.captures.retain(|seen| seen.id != far);
    let text = probed.findings_text();
    assert_eq!(text, "ERROR probe pod/reaches/0: answered, but the far end does not report the source address\n");
}

#[test]
fn requests_of_a_different_pod_are_not_counted() {
    let mut probed = Probed::passing();
    let theirs = probed.remove_frames(&gw(), "outside", "10.0.0.10 to 10.2.2.3, ICMP");
    probed.frames_mut(&gw(), "outside").extend(theirs);
    // An echo request of another pod (its identifier differs) to the same address: masked, untagged, other source.
    let mut other = probed
        .frames_mut(&gw(), "outside")
        .iter()
        .find(|frame| frame.bytes.contains("0a020203"))
        .unwrap()
        .octets()
        .unwrap();
    other.drain(12..16);
    other[14 + 15] = 99;
    other[14 + 20 + 4..14 + 20 + 6].copy_from_slice(&[9, 9]);
    probed.add_frame(&gw(), "outside", Direction::In, &other);
    probed.add_frame(&ProbeEndpoint::Node(2), "outside", Direction::Out, &other);
    assert_eq!(probed.findings_text(), "");
}

#[test]
fn pl405_different_tags_or_none() {
    let mut probed = Probed::passing();
    probed.change_frames(&ProbeEndpoint::Node(2), "outside", "10.0.0.10 to 10.2.2.3, ICMP", |bytes| {
        bytes.drain(12..16);
    });
    insta::assert_snapshot!(probed.findings_text());
    let mut probed = Probed::passing();
    probed.change_frames(&ProbeEndpoint::Node(2), "outside", "10.2.2.3 to 10.0.0.10, ICMP", |bytes| bytes[15] = 200);
    let text = probed.findings_text();
    assert!(text.contains("found: VLAN 100; VLAN 200"), "replies count too: {text}");
    let mut probed = Probed::passing();
    probed.remove_frames(&ProbeEndpoint::Node(2), "outside", "ICMP");
    let text = probed.findings_text();
    assert!(text.contains("reached without using the node's uplink"), "{text}");
}

#[test]
fn untagged_is_judged_only_in_a_capture_that_shows_tags() {
    let mut probed = Probed::passing();
    probed.change_frames(&ProbeEndpoint::Node(2), "outside", "10.2.2.3, ICMP", |bytes| {
        bytes.drain(12..16);
    });
    probed.change_frames(&ProbeEndpoint::Node(2), "outside", "10.2.2.3 to", |bytes| {
        if bytes[12..14] == [0x81, 0] {
            bytes.drain(12..16);
        }
    });
    probed.plan.expect[0].reaches[0].value.tags.as_mut().unwrap().value.clear();
    assert_eq!(probed.findings_text(), "");
    probed.change_frames(&ProbeEndpoint::Node(2), "outside", "control frame", |bytes| {
        bytes.drain(12..16);
    });
    let text = probed.findings_text();
    assert!(text.contains("ERROR capture pod/reaches/0/uplink at uplink outside: the control frame with VLAN 100 is shown in it as untagged"), "{text}");
    probed.remove_frames(&ProbeEndpoint::Node(2), "outside", "control frame");
    assert!(probed.findings_text().contains("was not seen in it"), "{}", probed.findings_text());
}

/// Passing results in which the requests of the first `reaches` have these priority bits in their tag.
fn with_priority(wanted: u8, sent: u8) -> Probed {
    let mut plan = common::wired::wired();
    let source = plan.expect[0].reaches[0].source.clone();
    plan.expect[0].reaches[0].value.priority = Some(plumbline_core::plan::Wanted { value: wanted, source });
    let mut probed = Probed::from_plan(plan);
    probed.change_frames(&ProbeEndpoint::Node(2), "outside", "10.0.0.10 to 10.2.2.3, ICMP", |bytes| {
        bytes[14] |= sent << 5
    });
    probed
}

#[test]
fn pl406_different_priority_bits() {
    assert_eq!(with_priority(5, 5).findings_text(), "");
    assert_eq!(with_priority(0, 0).findings_text(), "");
    assert_eq!(with_priority(5, 5).judge().checked, Probed::passing().judge().checked + 1, "one fact more");
    insta::assert_snapshot!(with_priority(5, 0).findings_text());
    assert_eq!(codes(&with_priority(0, 5)), ["PL406"]);
    assert_eq!(codes(&with_priority(5, 4)), ["PL406"]);
    // One of two requests has other priority bits.
    let mut probed = with_priority(5, 5);
    let copy = probed.remove_frames(&ProbeEndpoint::Node(2), "outside", "10.0.0.10 to 10.2.2.3, ICMP");
    probed.frames_mut(&ProbeEndpoint::Node(2), "outside").extend([copy.clone(), copy].concat());
    let last = probed.frames_mut(&ProbeEndpoint::Node(2), "outside").last_mut().unwrap();
    let mut bytes = last.octets().unwrap();
    bytes[14] &= 0x1f;
    *last = common::frames::frame(Direction::Out, &bytes);
    assert!(probed.findings_text().contains("found: priority 0; priority 5"), "{}", probed.findings_text());
    // The replying host sets the priority bits of replies, so the judge ignores them.
    let mut probed = with_priority(5, 5);
    probed
        .change_frames(&ProbeEndpoint::Node(2), "outside", "10.2.2.3 to 10.0.0.10, ICMP", |bytes| bytes[14] |= 3 << 5);
    assert_eq!(probed.findings_text(), "");
    // Requests of another probe do not count.
    let mut probed = with_priority(5, 5);
    probed.change_frames(&ProbeEndpoint::Node(2), "outside", "TCP", |bytes| bytes[14] |= 3 << 5);
    assert_eq!(probed.findings_text(), "");
    // A frame without a tag has no priority bits: only the missing tag is reported.
    let mut probed = with_priority(5, 5);
    probed.change_frames(&ProbeEndpoint::Node(2), "outside", "10.0.0.10 to 10.2.2.3, ICMP", |bytes| {
        bytes.drain(12..16);
    });
    assert_eq!(codes(&probed), ["PL405"]);
}

#[test]
fn priority_bits_are_judged_only_in_a_capture_that_shows_them() {
    for (wanted, shown) in [(5, "VLAN 100 priority 5"), (0, "VLAN 100 priority 7")] {
        let mut probed = with_priority(wanted, wanted);
        probed.change_frames(&ProbeEndpoint::Node(2), "outside", "control frame", |bytes| bytes[14] &= 0x1f);
        let text = probed.findings_text();
        let part = format!(
            "ERROR capture pod/reaches/0/uplink at uplink outside: the control frame with {shown} is shown in it as VLAN 100\n"
        );
        assert!(text.contains(&part), "{text}");
    }
    let mut probed = with_priority(5, 5);
    probed.remove_frames(&ProbeEndpoint::Node(2), "outside", "10.0.0.10 to 10.2.2.3, ICMP");
    assert!(probed.findings_text().contains("no request left through uplink outside"), "{}", probed.findings_text());
}

#[test]
fn pl410_forbidden_target_reached() {
    let mut probed = Probed::passing();
    probed.set_end("pod/cannotReach/0", ProbeEnd::Answered { by: "10.0.0.11".parse().unwrap(), mac: None, saw: None });
    insta::assert_snapshot!(probed.findings_text());
}

#[test]
fn pl411_not_reached_for_a_different_reason() {
    let ends = [
        (Because::NoRoute, ProbeEnd::NoRoute),
        (Because::NoAnswer, ProbeEnd::NoAnswer),
        (Because::Refused, ProbeEnd::Refused),
        (
            Because::Filtered,
            ProbeEnd::Filtered { what: "administratively prohibited".into(), by: "10.0.0.1".parse().ok() },
        ),
    ];
    for (because, _) in &ends {
        for (other, end) in &ends {
            let mut probed = Probed::passing();
            probed.plan.expect[0].cannot_reach[0].value.because = *because;
            probed.set_end("pod/cannotReach/0", end.clone());
            let wanted: &[&str] = if because == other { &[] } else { &["PL411"] };
            assert_eq!(codes(&probed), wanted, "{because:?} expected, {other:?} found");
        }
    }
    let mut probed = Probed::passing();
    probed.set_end("pod/cannotReach/0", ends[3].1.clone());
    insta::assert_snapshot!(probed.findings_text());
    let mut probed = Probed::passing();
    probed.observation.pods[1].kernel.as_mut().unwrap().links.pop();
    let text = probed.findings_text();
    assert!(text.contains("PL411 not probed"), "not skipped: {text}");
}

#[test]
fn a_forbidden_target_is_judged_only_with_its_controls() {
    for id in ["pod/cannotReach/0/sender", "pod/cannotReach/0/third", "pod/cannotReach/1/sender"] {
        let mut probed = Probed::passing();
        probed.set_end(id, ProbeEnd::NoAnswer);
        let text = probed.findings_text();
        assert!(text.starts_with(&format!("ERROR probe {id}, the control (ICMP to ")), "{text}");
        assert!(matches!(fold(probed.judge(), false), Verdict::Error { .. }));
        probed.set_end(id, ProbeEnd::Answered { by: "10.9.9.9".parse().unwrap(), mac: None, saw: None });
        assert!(probed.findings_text().starts_with("ERROR"), "a reply from another address");
        // The missing control is an error even if the forbidden target replied.
        probed.wire_mut().results.probes.retain(|probe| probe.id != id);
        assert!(probed.findings_text().starts_with("ERROR"), "no result of the control");
    }
    let mut probed = Probed::passing();
    let slow = |took_us: u64, probed: &mut Probed| {
        let mut probes = probed.wire_mut().results.probes.iter_mut();
        probes.find(|probe| probe.id == "pod/cannotReach/0/third").unwrap().took_us = took_us;
    };
    slow(100_000, &mut probed);
    assert_eq!(probed.findings_text(), "");
    slow(100_001, &mut probed);
    assert!(
        probed.findings_text().contains("took up to 100 ms, so no reply within 1000 ms proves nothing"),
        "{}",
        probed.findings_text()
    );
}

#[test]
fn a_testbed_that_proves_nothing_is_an_error() {
    type Edit = fn(&mut Probed);
    let edits: [(&str, Edit); 8] = [
        ("none were captured", |probed| probed.observation.wire = None),
        ("no result", |probed| probed.wire_mut().results.probes.truncate(3)),
        ("could not be sent: no such tool", |probed| {
            probed.set_end("pod/reaches/1", ProbeEnd::Unable { why: "no such tool".into() });
        }),
        ("no result", |probed| probed.wire_mut().results.captures.truncate(1)),
        ("dropped 1 frames", |probed| probed.wire_mut().results.captures[0].dropped = 1),
        ("no result", |probed| probed.wire_mut().results.listeners.clear()),
        ("did not last to the end", |probed| probed.wire_mut().results.listeners[0].alive = false),
        ("it was not sent", |probed| {
            probed.wire_mut().script.probes.retain(|(_, probe)| probe.id != "pod/reaches/1");
            probed.wire_mut().results.probes.retain(|probe| probe.id != "pod/reaches/1");
        }),
    ];
    for (part, edit) in edits {
        let mut probed = Probed::passing();
        edit(&mut probed);
        let Verdict::Error { cause, .. } = fold(probed.judge(), false) else { panic!("{part}: {:?}", probed.judge()) };
        assert!(cause.contains(part), "{part}: {cause}");
    }
}

#[test]
fn a_reply_that_no_capture_of_the_pod_has_is_an_error() {
    for part in ["10.0.0.10 to 10.2.2.3, ICMP", "10.2.2.3 to 10.0.0.10, ICMP"] {
        let mut probed = Probed::passing();
        probed.remove_frames(&pod(), "eth1", part);
        assert!(
            probed.findings_text().starts_with("ERROR probe pod/reaches/0: answered, but"),
            "{}",
            probed.findings_text()
        );
    }
}

#[test]
fn a_pod_that_is_not_up_is_reported_once_and_never_skipped() {
    let mut probed = Probed::passing();
    probed.observation.pods[0].state = PodState::NotReady { reason: "waited".into() };
    let judgement = probed.judge();
    let about: Vec<_> = judgement.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(about, ["PL104"]);
    assert!(judgement.unobserved.is_empty(), "{:?}", judgement.unobserved);
}

#[test]
fn a_request_that_arrived_without_a_reply_is_a_note() {
    let mut probed = Probed::passing();
    let copy = probed.remove_frames(&pod(), "eth1", "10.0.0.10 to 10.0.0.11, ICMP");
    probed.frames_mut(&pod(), "eth1").extend(copy.clone());
    let came: Vec<_> =
        copy.into_iter().map(|frame| plumbline_core::wire::RawFrame { direction: Direction::In, ..frame }).collect();
    probed.frames_mut(&ProbeEndpoint::Pod("other-1".into()), "eth1").extend(came);
    let notes = probed.judge().notes;
    assert!(
        notes
            .iter()
            .any(|note| note.starts_with("ICMP to 10.0.0.11 at pod other-1 from pod pod: the request arrived there")),
        "{notes:?}"
    );
    assert_eq!(GATEWAY[5], 0x77);
}
