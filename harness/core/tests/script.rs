//! From a plan and observed pods to the script: listeners, captures and probes.

mod common;

use common::wired::{observed, wired};
use plumbline_core::observe::PodState;
use plumbline_core::plan::{Destination, Lookup, ProbeEndpoint, Protocol, Wanted};
use plumbline_core::script::build_script;
use plumbline_core::wire::{ProbeAction, Script, Tap};

fn made() -> Script {
    build_script(&wired(), &observed()).unwrap()
}

fn pod(name: &str) -> ProbeEndpoint {
    ProbeEndpoint::Pod(name.to_owned())
}

fn gw() -> ProbeEndpoint {
    ProbeEndpoint::Host("gw".to_owned())
}

#[test]
fn without_probes_there_is_no_script() {
    let mut plan = wired();
    plan.expect.iter_mut().for_each(|wanted| {
        wanted.reaches.clear();
        wanted.cannot_reach.clear();
    });
    assert_eq!(build_script(&plan, &observed()), None);
}

#[test]
fn each_request_goes_to_the_observed_address_from_its_own_endpoint() {
    let probes = made().probes;
    let found: Vec<String> = probes
        .iter()
        .map(|(endpoint, probe)| match &probe.what {
            ProbeAction::Request { by, to, port, dev, times: 3, .. } => {
                format!("{} {endpoint} {by} {to} {port:?} {dev:?}", probe.id)
            }
            ProbeAction::Control { interface, tags, .. } => format!("{} {endpoint} {interface:?} {tags:?}", probe.id),
            other => panic!("{other:?}"),
        })
        .filter(|line| !line.starts_with("other-"))
        .collect();
    assert_eq!(
        found,
        [
            "pod/reaches/0/gateway pod pod ARP 10.0.0.1 None Some(\"eth1\")",
            "pod/reaches/0/tagged host gw Uplink(\"outside\") [100]",
            "pod/reaches/0 pod pod ICMP 10.2.2.3 None None",
            "pod/reaches/1 pod pod TCP 10.2.2.3 Some(8080) None",
            "pod/reaches/2 pod pod UDP 10.0.0.11 Some(5000) None",
            "pod/reaches/3 pod pod UDP 10.0.0.12 Some(5000) None",
            "pod/reaches/4 pod pod UDP 10.0.0.13 Some(5000) None",
            "pod/reaches/5 pod pod ARP 10.0.0.1 None Some(\"eth1\")",
            "pod/cannotReach/0 pod pod ICMP 10.0.0.11 None None",
            "pod/cannotReach/0/sender pod pod ICMP 10.0.0.12 None None",
            "pod/cannotReach/0/third host peer ICMP 10.0.0.11 None None",
            "pod/cannotReach/1 pod pod ICMP 203.0.113.1 None None",
            "pod/cannotReach/1/sender pod pod ICMP 10.2.2.3 None None",
        ]
    );
    let others = probes.iter().filter(|(endpoint, _)| *endpoint == pod("other-1")).count();
    assert_eq!(others, 2, "each copy probes both others");
}

#[test]
fn listeners_are_at_the_destination_and_once_per_port() {
    let listeners = made().listeners;
    let found: Vec<String> = listeners
        .iter()
        .map(|(endpoint, one)| format!("{} {endpoint} {} {}:{}", one.id, one.protocol, one.address, one.port))
        .collect();
    assert_eq!(
        found,
        [
            "pod/reaches/1/listen host gw TCP 10.2.2.3:8080",
            "pod/reaches/2/listen pod other-1 UDP 10.0.0.11:5000",
            "pod/reaches/3/listen pod other-2 UDP 10.0.0.12:5000",
            "pod/reaches/4/listen pod other-3 UDP 10.0.0.13:5000",
        ]
    );
    let mut plan = wired();
    let again = plan.expect[0].reaches[1].clone();
    plan.expect[1].reaches.push(again);
    assert_eq!(
        build_script(&plan, &observed()).unwrap().listeners.len(),
        4,
        "two probes of one port share its listener"
    );
}

#[test]
fn captures_are_at_the_pod_at_the_uplink_and_at_the_destination() {
    let script = made();
    let uplink = || Tap::Uplink("outside".to_owned());
    let eth = |name: &str| Tap::Name(name.to_owned());
    assert_eq!(script.capture(&pod("pod"), &eth("eth1")).unwrap().id, "pod/reaches/0/pod");
    assert_eq!(script.capture(&pod("pod"), &eth("eth0")).unwrap().id, "pod/reaches/0/pod/eth0");
    assert_eq!(script.capture(&pod("pod"), &eth("lo")), None);
    assert_eq!(script.capture(&ProbeEndpoint::Node(2), &uplink()).unwrap().id, "pod/reaches/0/uplink");
    assert_eq!(script.capture(&gw(), &uplink()).unwrap().id, "pod/reaches/0/far");
    let addresses = |capture: &plumbline_core::wire::Capture| -> Vec<String> {
        capture.addresses.iter().map(ToString::to_string).collect()
    };
    let kept = addresses(script.capture(&pod("pod"), &eth("eth1")).unwrap());
    assert_eq!(kept[..2], ["10.2.2.3", "10.0.0.1"], "with the next hop, for its neighbour frames");
    assert!(kept.contains(&"203.0.113.1".to_owned()), "{kept:?}");
    let mut places: Vec<_> = script.captures.iter().map(|(endpoint, capture)| (endpoint, &capture.interface)).collect();
    let all = places.len();
    places.dedup();
    assert_eq!((places.len(), all), (10, 10), "eight of pods, one of the node, one of the gateway");
}

#[test]
fn a_capture_with_too_many_addresses_has_no_filter() {
    let mut plan = wired();
    let reach = plan.expect[0].reaches[0].clone();
    for last in 0..20 {
        let mut more = reach.clone();
        let address = format!("10.2.3.{last}").parse().unwrap();
        more.value.to = plumbline_core::plan::Destination::Address { address, at: Some(gw()) };
        plan.expect[0].reaches.push(more);
    }
    let script = build_script(&plan, &observed()).unwrap();
    assert!(script.capture(&pod("pod"), &Tap::Name("eth1".to_owned())).unwrap().addresses.is_empty());
}

#[test]
fn destinations_without_an_address_are_left_out_of_the_script() {
    let mut observation = observed();
    observation.pods[1].kernel.as_mut().unwrap().links[2].addresses.clear();
    observation.pods[2].state = PodState::NotReady { reason: "waited".into() };
    let script = build_script(&wired(), &observation).unwrap();
    let has = |id: &str| script.probes.iter().any(|(_, probe)| probe.id == id);
    assert!(has("pod/reaches/1") && has("pod/reaches/4"));
    assert!(!has("pod/reaches/2") && !has("pod/reaches/3"), "neither an address nor a pod");
    assert!(!has("pod/cannotReach/0") && !has("pod/cannotReach/0/sender"), "no control without its probe");
    assert!(!script.probes.iter().any(|(endpoint, _)| *endpoint == pod("other-2")), "it is not up");
}

#[test]
fn a_control_frame_comes_from_another_endpoint_than_the_node_if_possible() {
    let sender = |plan: &plumbline_core::plan::Plan| {
        let script = build_script(plan, &observed()).unwrap();
        script.probes.into_iter().find(|(_, probe)| probe.id.ends_with("/tagged")).unwrap()
    };
    let mut plan = wired();
    plan.expect[0].reaches[0].value.tags.as_mut().unwrap().value.clear();
    let (endpoint, probe) = sender(&plan);
    assert_eq!(endpoint, gw());
    assert!(
        matches!(probe.what, ProbeAction::Control { tags, .. } if tags == [100]),
        "an untagged path is proven by a tagged frame"
    );
    plan.topology.hosts.clear();
    assert_eq!(sender(&plan).0, ProbeEndpoint::Node(1), "the pod is on the second");
    plan.topology.nodes = 1;
    plan.pods[0].node = Some(1);
    assert_eq!(sender(&plan).0, ProbeEndpoint::Node(1));
}

#[test]
fn a_control_frame_has_priority_bits_if_they_are_expected() {
    for (wanted, sent) in [(None, 0), (Some(0), 7), (Some(1), 1), (Some(7), 7)] {
        let mut plan = wired();
        let source = plan.expect[0].reaches[0].source.clone();
        plan.expect[0].reaches[0].value.priority = wanted.map(|value| plumbline_core::plan::Wanted { value, source });
        let script = build_script(&plan, &observed()).unwrap();
        let (_, probe) = script.probes.into_iter().find(|(_, probe)| probe.id.ends_with("/tagged")).unwrap();
        assert!(
            matches!(probe.what, ProbeAction::Control { priority, .. } if priority == sent),
            "{wanted:?}: {probe:?}"
        );
    }
}

#[test]
fn an_arp_probe_is_sent_through_the_interface_of_the_route() {
    let mut plan = wired();
    plan.expect[0].cannot_reach[0].value.by = Protocol::Arp;
    let script = build_script(&plan, &observed()).unwrap();
    let (_, probe) = script.probes.iter().find(|(_, probe)| probe.id == "pod/cannotReach/0").unwrap();
    assert!(matches!(&probe.what, ProbeAction::Request { dev: Some(dev), .. } if dev == "eth1"), "{probe:?}");
}

#[test]
fn a_lookup_goes_to_the_name_server_without_a_listener() {
    let mut plan = wired();
    let reach = &mut plan.expect[0].reaches[2];
    let resolves_to = Wanted { value: "fd00::1".parse().unwrap(), source: reach.source.clone() };
    reach.value.lookup = Some(Lookup { name: "a.b".into(), resolves_to });
    reach.value.to = Destination::Address { address: "172.30.0.10".parse().unwrap(), at: None };
    let made = build_script(&plan, &observed()).unwrap();
    let (endpoint, probe) = made.probes.iter().find(|(_, probe)| probe.id == "pod/reaches/2").unwrap();
    let what = ProbeAction::Lookup {
        to: "172.30.0.10".parse().unwrap(),
        port: 5000,
        from: None,
        name: "a.b".into(),
        v6: true,
        times: 3,
    };
    assert_eq!((endpoint, &probe.what), (&pod("pod"), &what));
    assert!(!made.listeners.iter().any(|(_, listener)| listener.id.starts_with("pod/reaches/2/")));
    let at_eth0 = made.capture(&pod("pod"), &Tap::Name("eth0".into())).unwrap();
    assert!(at_eth0.addresses.is_empty() || at_eth0.addresses.contains(&"172.30.0.10".parse().unwrap()), "{at_eth0:?}");
}
