//! The judge of packets: every code fails once, with its text, and nothing passes on a testbed that proves nothing.

mod common;

use common::acted::{Acted, GATEWAY};
use common::frames::{arp, ethernet, mac};
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

fn codes(acted: &Acted) -> Vec<String> {
    let judgement = acted.judged();
    assert_eq!(judgement.unobserved, Vec::<String>::new());
    judgement.findings.iter().map(|finding| finding.code.to_string()).collect()
}

#[test]
fn every_fact_of_a_pass_is_counted() {
    let acted = Acted::well();
    assert_eq!(acted.told(), "");
    let with = acted.judged().checked;
    let mut without = Acted::well();
    without.plan.expect.iter_mut().for_each(|wanted| {
        wanted.reaches.clear();
        wanted.cannot_reach.clear();
    });
    // Six and six answers; by one interface and back twice; one gateway; one source; one tag; two that are not reached.
    assert_eq!(with - without.judged().checked, 12 + 4 + 1 + 1 + 1 + 2);
}

#[test]
fn pl401_without_a_reply_shows_how_far_the_request_came() {
    let mut acted = Acted::well();
    acted.end("pod/reaches/1", ProbeEnd::NoAnswer);
    for place in [(pod(), "eth1"), (gw(), "outside"), (ProbeEndpoint::Node(2), "outside")] {
        acted.take(&place.0, place.1, "port 8080 to 10.0.0.10");
    }
    acted.take(&gw(), "outside", "to 10.2.2.3 port 8080");
    insta::assert_snapshot!(acted.told());
    assert!(matches!(fold(acted.judged(), false), Verdict::Fail { .. }));
}

#[test]
fn pl401_names_a_neighbour_that_does_not_reply() {
    let mut acted = Acted::well();
    acted.end("pod/reaches/1", ProbeEnd::NoAnswer);
    for place in [(pod(), "eth1"), (gw(), "outside"), (ProbeEndpoint::Node(2), "outside")] {
        acted.take(&place.0, place.1, "8080");
        acted.take(&place.0, place.1, "ARP 10.0.0.1 is at");
    }
    acted.plan.expect[0].reaches.retain(|reach| reach.value.port == Some(8080));
    acted.plan.expect[0].cannot_reach.clear();
    // Ids go by place; the one that is left comes first now.
    acted.end("pod/reaches/0", ProbeEnd::NoAnswer);
    insta::assert_snapshot!(acted.told());
}

#[test]
fn pl401_distinguishes_no_route_from_refused() {
    let mut acted = Acted::well();
    acted.end("pod/reaches/1", ProbeEnd::NoRoute);
    acted.end("pod/reaches/2", ProbeEnd::Refused);
    let told = acted.told();
    assert!(told.contains("found: no route: the pod's own kernel did not send it"), "{told}");
    assert!(told.contains("found: refused"), "{told}");
}

#[test]
fn pl401_when_a_different_endpoint_replied() {
    let mut acted = Acted::well();
    acted.take(&gw(), "outside", "10.2.2.3 port 8080");
    insta::assert_snapshot!(acted.told());
    let theirs = Acted::well().take(&gw(), "outside", "10.0.0.10 port 4003 to 10.2.2.3");
    acted.frames(&gw(), "outside").extend(theirs);
    acted.change(&gw(), "outside", "10.0.0.10 port 4003 to", |bytes| bytes[4 + 14 + 20] = 9);
    assert!(acted.told().starts_with("ERROR probe pod/reaches/1: answered, but its request"), "{}", acted.told());
    let mut acted = Acted::well();
    acted.end("pod/reaches/1", ProbeEnd::Answered { by: "10.9.9.9".parse().unwrap(), mac: None, saw: None });
    assert_eq!(codes(&acted), ["PL401"], "another address than was asked");
}

#[test]
fn pl401_when_the_destination_has_no_address() {
    let mut acted = Acted::well();
    acted.observation.pods[3].kernel.as_mut().unwrap().links[2].addresses.clear();
    let told = acted.told();
    assert!(told.contains("PL401 not reached: the target has no address"), "{told}");
    assert!(told.contains("found: eth1 of pod other-3 has no global IPv4 address"), "{told}");
}

/// The third question of the wired scenario put to a name server, which answers at the other pod's address.
fn asked(end: ProbeEnd) -> Acted {
    let mut acted = Acted::well();
    let reach = &mut acted.plan.expect[0].reaches[2];
    let source = reach.source.clone();
    let resolves_to = Wanted { value: "172.30.0.1".parse().unwrap(), source };
    reach.value.lookup = Some(Lookup { name: "kubernetes.default.svc.cluster.local".into(), resolves_to });
    acted.end("pod/reaches/2", end);
    acted
}

fn resolved(code: &str, addresses: &[&str]) -> ProbeEnd {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    ProbeEnd::Resolved { by: "10.0.0.11".parse().unwrap(), code: code.into(), addresses }
}

#[test]
fn pl407_a_name_that_resolves_to_a_different_address() {
    let well = asked(resolved("NOERROR", &["172.30.0.1"]));
    assert_eq!(well.told(), "");
    assert_eq!(well.judged().checked, Acted::well().judged().checked + 1);
    insta::assert_snapshot!(asked(resolved("NXDOMAIN", &[])).told());
    for (code, addresses) in [
        ("NOERROR", vec!["172.30.0.9"]),
        ("NOERROR", vec!["172.30.0.1", "172.30.0.9"]),
        ("NOERROR", vec![]),
        ("SERVFAIL", vec!["172.30.0.1"]),
    ] {
        assert_eq!(codes(&asked(resolved(code, &addresses))), ["PL407"], "{code} {addresses:?}");
    }
}

#[test]
fn pl401_a_name_server_without_a_dns_answer_is_not_reached() {
    let by = "10.0.0.11".parse().unwrap();
    assert_eq!(codes(&asked(ProbeEnd::Answered { by, mac: None, saw: None })), ["PL401"], "a datagram of any kind");
    assert_eq!(codes(&asked(ProbeEnd::NoAnswer)), ["PL401"]);
}

#[test]
fn pl402_request_and_reply_through_different_interfaces() {
    let mut acted = Acted::well();
    for part in ["10.0.0.10 to 10.2.2.3, ICMP", "10.2.2.3 to 10.0.0.10, ICMP"] {
        let astray = acted.take(&pod(), "eth1", part);
        acted.frames(&pod(), "eth0").extend(astray);
    }
    insta::assert_snapshot!(acted.told());
    let mut acted = Acted::well();
    let astray = acted.take(&pod(), "eth1", "10.2.2.3 to 10.0.0.10, ICMP");
    acted.frames(&pod(), "eth0").extend(astray);
    let told = acted.told();
    assert!(told.contains("PL402 ICMP to 10.2.2.3 at host gw: reply arrived through a different interface"), "{told}");
    assert!(told.contains("found: back through eth0"), "{told}");
    let mut both = Acted::well();
    let copy = both.take(&pod(), "eth1", "10.0.0.10 to 10.2.2.3, ICMP");
    both.frames(&pod(), "eth1").extend(copy.clone());
    both.frames(&pod(), "eth0").extend(copy);
    assert_eq!(codes(&both), ["PL402"], "by the right one and by another");
}

#[test]
fn a_vlan_on_the_interface_wanted_is_no_other_way_out() {
    let mut acted = Acted::well();
    let copy = acted.take(&pod(), "eth1", "10.2.2.3, ICMP");
    acted.frames(&pod(), "eth1").extend(copy.clone());
    acted.frames(&pod(), "eth0").extend(copy);
    assert_eq!(codes(&acted), ["PL402"]);
    let eth0 = &mut acted.observation.pods[0].kernel.as_mut().unwrap().links[1];
    (eth0.parent, eth0.parent_netns) = (Some(3), None);
    assert_eq!(codes(&acted), Vec::<String>::new());
}

#[test]
fn pl403_sent_to_a_different_neighbour() {
    let mut acted = Acted::well();
    let other = [2, 0, 0, 0, 0, 0x66];
    acted.change(&pod(), "eth1", "10.0.0.10 to 10.2.2.3, ICMP", |bytes| bytes[..6].copy_from_slice(&other));
    let tells = ethernet(mac(0x10), other, &[], 0x0806, &arp(false, ("10.0.0.2", other), "10.0.0.10"));
    acted.frame_at(&pod(), "eth1", Direction::In, &tells);
    insta::assert_snapshot!(acted.told());
    let mut acted = Acted::well();
    acted.end("pod/reaches/0/gateway", ProbeEnd::NoAnswer);
    let told = acted.told();
    assert!(
        told.contains("PL403 ICMP to 10.2.2.3 at host gw: no neighbour answers for the gateway's address"),
        "{told}"
    );
}

#[test]
fn pl404_seen_from_a_different_address() {
    let mut acted = Acted::well();
    acted.change(&gw(), "outside", "10.0.0.10 to 10.2.2.3, ICMP", |bytes| bytes[4 + 14 + 15] = 99);
    insta::assert_snapshot!(acted.told());
    // Of UDP and TCP the listener's word counts.
    let mut acted = Acted::well();
    let seen_from = acted.plan.expect[0].reaches[0].value.seen_from.clone();
    acted.plan.expect[0].reaches[1].value.seen_from = seen_from;
    assert_eq!(codes(&acted), Vec::<String>::new());
    let saw = Some("10.0.0.99:4003".parse().unwrap());
    acted.end("pod/reaches/1", ProbeEnd::Answered { by: "10.2.2.3".parse().unwrap(), mac: None, saw });
    assert_eq!(codes(&acted), ["PL404"]);
}

#[test]
fn a_source_address_that_was_not_observed_is_an_error() {
    let mut acted = Acted::well();
    let wire = acted.wire();
    let far = wire.script.capture(&gw(), &Tap::Uplink("outside".into())).unwrap().id.clone();
    wire.script.captures.retain(|(_, capture)| capture.id != far);
    wire.results.captures.retain(|seen| seen.id != far);
    let told = acted.told();
    assert_eq!(told, "ERROR probe pod/reaches/0: answered, but the far end does not report the source address\n");
}

#[test]
fn requests_of_a_different_pod_are_not_counted() {
    let mut acted = Acted::well();
    let theirs = acted.take(&gw(), "outside", "10.0.0.10 to 10.2.2.3, ICMP");
    acted.frames(&gw(), "outside").extend(theirs);
    // Another pod's echo, by its identifier, to the same address: masked, untagged and by another source.
    let mut other =
        acted.frames(&gw(), "outside").iter().find(|frame| frame.bytes.contains("0a020203")).unwrap().octets().unwrap();
    other.drain(12..16);
    other[14 + 15] = 99;
    other[14 + 20 + 4..14 + 20 + 6].copy_from_slice(&[9, 9]);
    acted.frame_at(&gw(), "outside", Direction::In, &other);
    acted.frame_at(&ProbeEndpoint::Node(2), "outside", Direction::Out, &other);
    assert_eq!(acted.told(), "");
}

#[test]
fn pl405_different_tags_or_none() {
    let mut acted = Acted::well();
    acted.change(&ProbeEndpoint::Node(2), "outside", "10.0.0.10 to 10.2.2.3, ICMP", |bytes| {
        bytes.drain(12..16);
    });
    insta::assert_snapshot!(acted.told());
    let mut acted = Acted::well();
    acted.change(&ProbeEndpoint::Node(2), "outside", "10.2.2.3 to 10.0.0.10, ICMP", |bytes| bytes[15] = 200);
    let told = acted.told();
    assert!(told.contains("found: VLAN 100; VLAN 200"), "the answers count too: {told}");
    let mut acted = Acted::well();
    acted.take(&ProbeEndpoint::Node(2), "outside", "ICMP");
    let told = acted.told();
    assert!(told.contains("reached without using the node's uplink"), "{told}");
}

#[test]
fn untagged_is_judged_only_in_a_capture_that_shows_tags() {
    let mut acted = Acted::well();
    acted.change(&ProbeEndpoint::Node(2), "outside", "10.2.2.3, ICMP", |bytes| {
        bytes.drain(12..16);
    });
    acted.change(&ProbeEndpoint::Node(2), "outside", "10.2.2.3 to", |bytes| {
        if bytes[12..14] == [0x81, 0] {
            bytes.drain(12..16);
        }
    });
    acted.plan.expect[0].reaches[0].value.tags.as_mut().unwrap().value.clear();
    assert_eq!(acted.told(), "");
    acted.change(&ProbeEndpoint::Node(2), "outside", "control frame", |bytes| {
        bytes.drain(12..16);
    });
    let told = acted.told();
    assert!(told.contains("ERROR capture pod/reaches/0/uplink at uplink outside: the control frame with VLAN 100 is shown in it as untagged"), "{told}");
    acted.take(&ProbeEndpoint::Node(2), "outside", "control frame");
    assert!(acted.told().contains("was not seen in it"), "{}", acted.told());
}

/// All is well, and the questions of the first `reaches` have these priority bits in their tag.
fn prioritised(wanted: u8, sent: u8) -> Acted {
    let mut plan = common::wired::wired();
    let source = plan.expect[0].reaches[0].source.clone();
    plan.expect[0].reaches[0].value.priority = Some(plumbline_core::plan::Wanted { value: wanted, source });
    let mut acted = Acted::of(plan);
    acted.change(&ProbeEndpoint::Node(2), "outside", "10.0.0.10 to 10.2.2.3, ICMP", |bytes| bytes[14] |= sent << 5);
    acted
}

#[test]
fn pl406_different_priority_bits() {
    assert_eq!(prioritised(5, 5).told(), "");
    assert_eq!(prioritised(0, 0).told(), "");
    assert_eq!(prioritised(5, 5).judged().checked, Acted::well().judged().checked + 1, "one fact more");
    insta::assert_snapshot!(prioritised(5, 0).told());
    assert_eq!(codes(&prioritised(0, 5)), ["PL406"]);
    assert_eq!(codes(&prioritised(5, 4)), ["PL406"]);
    // One question of two, and an inner tag with other bits.
    let mut acted = prioritised(5, 5);
    let copy = acted.take(&ProbeEndpoint::Node(2), "outside", "10.0.0.10 to 10.2.2.3, ICMP");
    acted.frames(&ProbeEndpoint::Node(2), "outside").extend([copy.clone(), copy].concat());
    let last = acted.frames(&ProbeEndpoint::Node(2), "outside").last_mut().unwrap();
    let mut bytes = last.octets().unwrap();
    bytes[14] &= 0x1f;
    *last = common::frames::frame(Direction::Out, &bytes);
    assert!(acted.told().contains("found: priority 0; priority 5"), "{}", acted.told());
    // The answers' bits are set by whoever answers.
    let mut acted = prioritised(5, 5);
    acted.change(&ProbeEndpoint::Node(2), "outside", "10.2.2.3 to 10.0.0.10, ICMP", |bytes| bytes[14] |= 3 << 5);
    assert_eq!(acted.told(), "");
    // Another pod's questions are none of it.
    let mut acted = prioritised(5, 5);
    acted.change(&ProbeEndpoint::Node(2), "outside", "TCP", |bytes| bytes[14] |= 3 << 5);
    assert_eq!(acted.told(), "");
    // Without a tag there are no bits: that is said once.
    let mut acted = prioritised(5, 5);
    acted.change(&ProbeEndpoint::Node(2), "outside", "10.0.0.10 to 10.2.2.3, ICMP", |bytes| {
        bytes.drain(12..16);
    });
    assert_eq!(codes(&acted), ["PL405"]);
}

#[test]
fn priority_bits_are_judged_only_in_a_capture_that_shows_them() {
    for (wanted, shown) in [(5, "VLAN 100 priority 5"), (0, "VLAN 100 priority 7")] {
        let mut acted = prioritised(wanted, wanted);
        acted.change(&ProbeEndpoint::Node(2), "outside", "control frame", |bytes| bytes[14] &= 0x1f);
        let told = acted.told();
        let part = format!(
            "ERROR capture pod/reaches/0/uplink at uplink outside: the control frame with {shown} is shown in it as VLAN 100\n"
        );
        assert!(told.contains(&part), "{told}");
    }
    let mut acted = prioritised(5, 5);
    acted.take(&ProbeEndpoint::Node(2), "outside", "10.0.0.10 to 10.2.2.3, ICMP");
    assert!(acted.told().contains("no request left through uplink outside"), "{}", acted.told());
}

#[test]
fn pl410_forbidden_target_reached() {
    let mut acted = Acted::well();
    acted.end("pod/cannotReach/0", ProbeEnd::Answered { by: "10.0.0.11".parse().unwrap(), mac: None, saw: None });
    insta::assert_snapshot!(acted.told());
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
            let mut acted = Acted::well();
            acted.plan.expect[0].cannot_reach[0].value.because = *because;
            acted.end("pod/cannotReach/0", end.clone());
            let wanted: &[&str] = if because == other { &[] } else { &["PL411"] };
            assert_eq!(codes(&acted), wanted, "{because:?} wanted, {other:?} found");
        }
    }
    let mut acted = Acted::well();
    acted.end("pod/cannotReach/0", ends[3].1.clone());
    insta::assert_snapshot!(acted.told());
    let mut acted = Acted::well();
    acted.observation.pods[1].kernel.as_mut().unwrap().links.pop();
    let told = acted.told();
    assert!(told.contains("PL411 not probed"), "never passed over: {told}");
}

#[test]
fn a_forbidden_target_is_judged_only_with_its_controls() {
    for id in ["pod/cannotReach/0/sender", "pod/cannotReach/0/third", "pod/cannotReach/1/sender"] {
        let mut acted = Acted::well();
        acted.end(id, ProbeEnd::NoAnswer);
        let told = acted.told();
        assert!(told.starts_with(&format!("ERROR probe {id}, the control (ICMP to ")), "{told}");
        assert!(matches!(fold(acted.judged(), false), Verdict::Error { .. }));
        acted.end(id, ProbeEnd::Answered { by: "10.9.9.9".parse().unwrap(), mac: None, saw: None });
        assert!(acted.told().starts_with("ERROR"), "answered by somebody else");
        // Even where the question itself was answered: then nothing is known of who answers what.
        acted.wire().results.probes.retain(|probe| probe.id != id);
        assert!(acted.told().starts_with("ERROR"), "not told of at all");
    }
    let mut acted = Acted::well();
    let slow = |took_us: u64, acted: &mut Acted| {
        let mut probes = acted.wire().results.probes.iter_mut();
        probes.find(|probe| probe.id == "pod/cannotReach/0/third").unwrap().took_us = took_us;
    };
    slow(100_000, &mut acted);
    assert_eq!(acted.told(), "");
    slow(100_001, &mut acted);
    assert!(acted.told().contains("took up to 100 ms, so no reply within 1000 ms proves nothing"), "{}", acted.told());
}

#[test]
fn a_testbed_that_proves_nothing_is_an_error() {
    type Bend = fn(&mut Acted);
    let bends: [(&str, Bend); 8] = [
        ("none were captured", |acted| acted.observation.wire = None),
        ("no result", |acted| acted.wire().results.probes.truncate(3)),
        ("could not be sent: no such tool", |acted| {
            acted.end("pod/reaches/1", ProbeEnd::Unable { why: "no such tool".into() });
        }),
        ("no result", |acted| acted.wire().results.captures.truncate(1)),
        ("dropped 1 frames", |acted| acted.wire().results.captures[0].dropped = 1),
        ("no result", |acted| acted.wire().results.listeners.clear()),
        ("did not last to the end", |acted| acted.wire().results.listeners[0].alive = false),
        ("it was not sent", |acted| {
            acted.wire().script.probes.retain(|(_, probe)| probe.id != "pod/reaches/1");
            acted.wire().results.probes.retain(|probe| probe.id != "pod/reaches/1");
        }),
    ];
    for (part, bend) in bends {
        let mut acted = Acted::well();
        bend(&mut acted);
        let Verdict::Error { cause, .. } = fold(acted.judged(), false) else { panic!("{part}: {:?}", acted.judged()) };
        assert!(cause.contains(part), "{part}: {cause}");
    }
}

#[test]
fn a_reply_that_no_capture_of_the_pod_has_is_an_error() {
    for part in ["10.0.0.10 to 10.2.2.3, ICMP", "10.2.2.3 to 10.0.0.10, ICMP"] {
        let mut acted = Acted::well();
        acted.take(&pod(), "eth1", part);
        assert!(acted.told().starts_with("ERROR probe pod/reaches/0: answered, but"), "{}", acted.told());
    }
}

#[test]
fn a_pod_that_is_not_up_is_reported_once_and_never_skipped() {
    let mut acted = Acted::well();
    acted.observation.pods[0].state = PodState::NotReady { reason: "waited".into() };
    let judgement = acted.judged();
    let about: Vec<_> = judgement.findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(about, ["PL104"]);
    assert!(judgement.unobserved.is_empty(), "{:?}", judgement.unobserved);
}

#[test]
fn a_request_that_arrived_without_a_reply_is_a_note() {
    let mut acted = Acted::well();
    let copy = acted.take(&pod(), "eth1", "10.0.0.10 to 10.0.0.11, ICMP");
    acted.frames(&pod(), "eth1").extend(copy.clone());
    let came: Vec<_> =
        copy.into_iter().map(|frame| plumbline_core::wire::RawFrame { direction: Direction::In, ..frame }).collect();
    acted.frames(&ProbeEndpoint::Pod("other-1".into()), "eth1").extend(came);
    let notes = acted.judged().notes;
    assert!(
        notes
            .iter()
            .any(|note| note.starts_with("ICMP to 10.0.0.11 at pod other-1 from pod pod: the request arrived there")),
        "{notes:?}"
    );
    assert_eq!(GATEWAY[5], 0x77);
}
