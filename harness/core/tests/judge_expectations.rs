//! Expectations that the seed's scenario does not have, and findings that must not hide one another.

mod common;

use common::observed::{link, route, seed, stopped};
use common::seed_edits::{codes, eth, kernel, plan, pod, texts};
use plumbline_core::judge::judge;
use plumbline_core::observe::{LogLine, PodState};
use plumbline_core::plan::{PodExpectation, Wanted};
use plumbline_core::source::Source;

/// An expected value without a place in a file.
fn want<T>(value: T) -> Wanted<T> {
    Wanted { value, source: Source::default() }
}

#[test]
fn expectations_that_the_seed_does_not_have() {
    type Edit = fn(&mut PodExpectation);
    let edits: [(&str, &[&str], Edit); 12] = [
        ("MAC as it is", &[], |wanted| wanted.interfaces[0].mac = Some(want("02:00:00:00:00:03".to_owned()))),
        ("another MAC", &["PL316 eth1"], |wanted| {
            wanted.interfaces[0].mac = Some(want("02:00:00:00:00:99".to_owned()))
        }),
        ("another MTU", &["PL315 eth1"], |wanted| wanted.interfaces[0].mtu = Some(want(1400))),
        ("down", &["PL314 eth1"], |wanted| wanted.interfaces[0].state = Some(want("down".to_owned()))),
        ("an address absent that is there", &["PL305 eth1"], |wanted| {
            wanted.interfaces[0].absent_addresses = vec![want("192.168.100.10/24".parse().unwrap())];
        }),
        ("an address absent that is not there", &[], |wanted| {
            wanted.interfaces[0].absent_addresses = vec![want("192.168.100.99/24".parse().unwrap())];
        }),
        ("a route absent that is there", &["PL325 eth1"], |wanted| {
            wanted.interfaces[0].absent_routes = vec![want("10.0.0.0/8".parse().unwrap())];
        }),
        ("a route absent that another interface has", &[], |wanted| {
            wanted.interfaces[0].absent_routes = vec![want("172.16.0.0/12".parse().unwrap())];
        }),
        ("another gateway of the default route", &["PL332 -"], |wanted| {
            wanted.default.as_mut().unwrap().via = Some(want("10.244.0.9".parse().unwrap()));
        }),
        ("no default at all", &["PL331 -"], |wanted| wanted.default.as_mut().unwrap().count.value = 0),
        ("an interface absent that is there", &["PL311 eth2"], |wanted| wanted.interfaces[1].absent = true),
        ("an IPv6 default that is not there", &["PL331 -"], |wanted| wanted.default6.clone_from(&wanted.default)),
    ];
    let mut all = Vec::new();
    for (what, codes_wanted, edit) in edits {
        let mut plan = plan();
        edit(&mut plan.expect[0]);
        let judgement = judge(&plan, &seed());
        assert_eq!(codes(&judgement.findings), codes_wanted, "{what}: {:#?}", judgement.findings);
        all.extend(judgement.findings);
    }
    insta::assert_snapshot!("finding-texts", texts(&all));
}

#[test]
fn lists_that_are_not_exact_allow_more_and_no_less() {
    let mut plan = plan();
    for interface in &mut plan.expect[0].interfaces {
        interface.addresses.as_mut().unwrap().exact = false;
        interface.routes.as_mut().unwrap().exact = false;
    }
    let mut observation = seed();
    kernel(&mut observation).routes.push(route("10.99.0.0/16", Some("192.168.100.1"), "eth1"));
    eth(&mut observation, "eth1").addresses.push(link(1, "x", None, None, &["192.168.100.77/24"]).addresses[0].clone());
    assert_eq!(codes(&judge(&plan, &observation).findings), Vec::<String>::new());
    kernel(&mut observation).routes.retain(|route| route.to.to_string() != "10.0.0.0/8");
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL202 eth1"]);
}

#[test]
fn the_report_of_one_interface_does_not_satisfy_another() {
    // The report of eth2 must not satisfy an expectation of eth1.
    let mut observation = seed();
    eth(&mut observation, "eth1").addresses.remove(0);
    pod(&mut observation).reported.remove(0);
    assert_eq!(codes(&judge(&plan(), &observation).findings), ["PL301 eth1", "PL106 eth1"]);
}

#[test]
fn a_route_is_searched_in_the_table_that_its_expectation_names() {
    let mut plan = plan();
    let routes = plan.expect[0].interfaces[0].routes.as_mut().unwrap();
    routes.items[1].value.table = Some(100);
    let mut observation = seed();
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL321 eth1"], "it is in the main table");
    kernel(&mut observation).routes[3].table = 100;
    assert_eq!(codes(&judge(&plan, &observation).findings), Vec::<String>::new());
}

#[test]
fn a_chain_that_failed_for_a_running_pod_is_reported_with_its_plugin() {
    let mut observation = seed();
    kernel(&mut observation).links.pop();
    kernel(&mut observation).routes.retain(|route| route.hops[0].dev.as_deref() != Some("eth2"));
    let observed = pod(&mut observation);
    observed.reported.pop();
    observed.outcomes[1] = stopped("chain-example/sip-net", 0, "macvlan", "Link not found");
    let judgement = judge(&plan(), &observation);
    assert_eq!(codes(&judgement.findings), ["PL101 eth2", "PL310 eth2"]);
    assert!(judgement.findings[0].message.starts_with("plugin 1 of 2 (macvlan)"), "{}", judgement.findings[0].message);
}

#[test]
fn one_finding_hides_no_other_of_its_kind() {
    // Both expected routes of eth1 are missing in the kernel; only one of them is reported.
    let mut plan = plan();
    let routes = plan.expect[0].interfaces[0].routes.as_mut().unwrap();
    let mut another = routes.items[1].clone();
    another.value.to = "10.99.0.0/16".parse().unwrap();
    another.source.line += 100;
    routes.items.push(another);
    let mut observation = seed();
    kernel(&mut observation).routes.retain(|route| route.to.to_string() != "10.0.0.0/8");
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL202 eth1", "PL320 eth1"]);
    // The same for addresses.
    let mut plan = common::seed_edits::plan();
    let addresses = plan.expect[0].interfaces[0].addresses.as_mut().unwrap();
    let mut another = addresses.items[0].clone();
    another.value = "192.168.100.99/24".parse().unwrap();
    another.source.line += 100;
    addresses.items.push(another);
    let mut observation = seed();
    eth(&mut observation, "eth1").addresses.remove(0);
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL201 eth1", "PL301 eth1"]);
}

#[test]
fn an_unrequested_default_route_may_use_an_interface_with_stated_routes() {
    let mut plan = plan();
    plan.expect[0].default = None;
    assert_eq!(codes(&judge(&plan, &seed()).findings), Vec::<String>::new(), "by eth0");
    let mut observation = seed();
    kernel(&mut observation).routes.push(route("0.0.0.0/0", Some("192.168.100.1"), "eth1"));
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL323 eth1"], "the exact list reports it already");
    plan.expect[0].interfaces[0].routes.as_mut().unwrap().exact = false;
    assert_eq!(
        codes(&judge(&plan, &observation).findings),
        ["PL333 eth1"],
        "a list that is not exact does not request it"
    );
    let routes = plan.expect[0].interfaces[0].routes.as_mut().unwrap();
    let mut stated = routes.items[1].clone();
    stated.value.to = "0.0.0.0/0".parse().unwrap();
    routes.items.push(stated);
    assert_eq!(
        codes(&judge(&plan, &observation).findings),
        ["PL205 eth1"],
        "stated among the routes, though not reported"
    );
    plan.expect[0].interfaces[0].routes = None;
    plan.pods[0].attachments[1].default_route = Some(vec!["192.168.200.1".parse().unwrap()]);
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL333 eth1"], "requested by another attachment");
    plan.pods[0].attachments[1].default_route = None;
    plan.pods[0].attachments[0].default_route = Some(vec!["192.168.100.1".parse().unwrap()]);
    assert_eq!(codes(&judge(&plan, &observation).findings), Vec::<String>::new(), "requested by the attachment");
}

#[test]
fn only_an_existing_network_can_be_missing() {
    let mut observation = seed();
    let observed = pod(&mut observation);
    observed.state = PodState::NotReady { reason: "waited 120 s".into() };
    observed.kernel = None;
    observed.outcomes.clear();
    let text = "cannot find a network-attachment-definition (sip-net) in namespace (chain-example): not found";
    let event = |reason: &str, text: &str| LogLine { origin: "event".into(), reason: reason.into(), text: text.into() };
    observed.log = vec![event("NoNetworkFound", text)];
    assert_eq!(codes(&judge(&plan(), &observation).findings), ["PL104 -"], "the scenario itself defines this network");
    let mut plan = plan();
    plan.networks[1].manifest = None;
    // The message alone, as in kubelet's event.
    pod(&mut observation).log = vec![event("FailedCreatePodSandBox", text)];
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL103 eth2"]);
    pod(&mut observation).log = vec![event("NoNetworkFound", "cannot find another-net")];
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL104 -"], "another network is missing");
    pod(&mut observation).log = vec![event("Pulling", "pulling an image for sip-net")];
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL104 -"]);
}

#[test]
fn the_nearest_address_is_of_the_same_family_and_no_link_local_one() {
    let mut observation = seed();
    eth(&mut observation, "eth1").addresses.remove(0);
    pod(&mut observation).reported[0].result.as_mut().unwrap()["ips"] = serde_json::json!([]);
    let judgement = judge(&plan(), &observation);
    assert_eq!(judgement.findings[0].code.as_str(), "PL301");
    assert_eq!(judgement.findings[0].found, None, "fe80::2/64 is nothing like it");
}
