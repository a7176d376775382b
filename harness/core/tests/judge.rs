//! The judge, bent in every way: each change of what was seen gives its finding, and the seed as it should be passes.

mod common;

use plumbline_core::cni::{CniCommand, PluginCall};

use common::observed::{self, call, link, route, seed, stopped};
use plumbline_core::finding::{Finding, Severity};
use plumbline_core::judge::{judge, verdict};
use plumbline_core::observe::{Heard, KernelState, Link, Observation, PodObservation, PodState};
use plumbline_core::plan::{Plan, PodExpectation, Wanted};
use plumbline_core::source::Source;
use plumbline_core::verdict::Verdict;

fn plan() -> Plan {
    common::load("openshift/chain-example.yaml").unwrap()
}

fn pod(observation: &mut Observation) -> &mut PodObservation {
    &mut observation.pods[0]
}

fn kernel(observation: &mut Observation) -> &mut KernelState {
    pod(observation).kernel.as_mut().unwrap()
}

fn eth<'a>(observation: &'a mut Observation, name: &str) -> &'a mut Link {
    kernel(observation).links.iter_mut().find(|link| link.name == name).unwrap()
}

/// Findings other than the two of the seed's own `vlan` keys, as `PL301 eth1`.
fn codes(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .filter(|finding| finding.code.0 != "PL601")
        .map(|finding| format!("{} {}", finding.code, finding.interface.as_deref().unwrap_or("-")))
        .collect()
}

#[test]
fn the_seed_passes_with_its_two_warnings() {
    let Verdict::Pass { checked, warnings } = verdict(&plan(), &seed(), false) else {
        panic!("{:#?}", verdict(&plan(), &seed(), false));
    };
    let told: Vec<String> =
        warnings.iter().map(|finding| format!("{} {}", finding.code, finding.network.as_deref().unwrap())).collect();
    assert_eq!(told, ["PL601 management-net", "PL601 sip-net"]);
    let source = warnings[0].source.as_ref().unwrap();
    assert!(source.file.ends_with("chain-example/management.yaml") && source.line == 14, "{source}");
    // Per attachment: attached; reported interface, address, MAC and route; and, wanted, 5 of the link (there, kind,
    // parent, state, address), no other address, 2 routes, no other route, and both facts in the report as well.
    // Then the default route's number and device.
    assert_eq!(checked, 2 * (1 + 4 + 5 + 1 + 2 + 1 + 2) + 2);
}

#[test]
fn strict_makes_the_warnings_fail() {
    assert!(matches!(verdict(&plan(), &seed(), true), Verdict::Fail { .. }));
}

type Bend = fn(&mut Observation);

#[test]
fn every_bend_gives_its_finding_and_no_other() {
    let bends: Vec<(&str, &[&str], Bend)> = vec![
        ("address missing in kernel and report", &["PL301 eth1"], |o| {
            eth(o, "eth1").addresses.remove(0);
            pod(o).reported[0].result.as_mut().unwrap()["ips"] = serde_json::json!([]);
        }),
        ("address reported, not in the kernel", &["PL201 eth1"], |o| {
            eth(o, "eth1").addresses.remove(0);
        }),
        ("wrong prefix in kernel and report", &["PL302 eth1"], |o| {
            eth(o, "eth1").addresses[0].address = "192.168.100.10/25".parse().unwrap();
            pod(o).reported[0].result.as_mut().unwrap()["ips"][0]["address"] = "192.168.100.10/25".into();
        }),
        ("wrong prefix in the kernel alone", &["PL201 eth1"], |o| {
            eth(o, "eth1").addresses[0].address = "192.168.100.10/25".parse().unwrap();
        }),
        ("an extra address", &["PL303 eth1"], |o| {
            eth(o, "eth1")
                .addresses
                .push(observed::link(1, "x", None, None, &["192.168.100.77/24"]).addresses[0].clone());
        }),
        ("addresses swapped", &["PL304 eth1", "PL304 eth2", "PL303 eth1", "PL303 eth2"], |o| {
            let one = std::mem::take(&mut eth(o, "eth1").addresses);
            let two = std::mem::replace(&mut eth(o, "eth2").addresses, one);
            eth(o, "eth1").addresses = two;
            for reported in &mut pod(o).reported {
                reported.result =
                    Some(serde_json::json!({"interfaces": [{"name": reported.interface, "sandbox": "x"}]}));
            }
            kernel(o).routes.iter_mut().for_each(|route| route.protocol = "kernel".to_owned());
        }),
        ("duplicate address", &["PL306 eth1"], |o| {
            eth(o, "eth1").addresses[0].flags = vec!["dadfailed".into(), "tentative".into()]
        }),
        ("tentative", &["PL307 eth1"], |o| eth(o, "eth1").addresses[0].flags = vec!["tentative".into()]),
        ("address in the kernel, not reported", &["PL204 eth1"], |o| {
            pod(o).reported[0].result.as_mut().unwrap()["ips"] = serde_json::json!([]);
        }),
        ("kind", &["PL312 eth1"], |o| eth(o, "eth1").kind = Some("veth".into())),
        ("parent", &["PL313 eth1"], |o| eth(o, "eth1").parent = Some(9)),
        ("parent not on the node", &["PL313 eth1"], |o| eth(o, "eth1").parent = Some(77)),
        ("no parent", &["PL313 eth1"], |o| eth(o, "eth1").parent = None),
        ("down", &["PL314 eth1"], |o| eth(o, "eth1").flags = vec![]),
        ("no carrier", &["PL314 eth1"], |o| eth(o, "eth1").state = "LOWERLAYERDOWN".into()),
        ("MAC in the report stale", &["PL206 eth1"], |o| eth(o, "eth1").mac = "02:00:00:00:00:99".into()),
        ("route missing in kernel and report", &["PL320 eth1"], |o| {
            kernel(o).routes.retain(|route| route.to.to_string() != "10.0.0.0/8");
            pod(o).reported[0].result.as_mut().unwrap()["routes"] = serde_json::json!([]);
        }),
        ("route reported, not in the kernel", &["PL202 eth1"], |o| {
            kernel(o).routes.retain(|route| route.to.to_string() != "10.0.0.0/8");
        }),
        ("route in the kernel, not reported", &["PL205 eth1"], |o| {
            pod(o).reported[0].result.as_mut().unwrap()["routes"] = serde_json::json!([]);
        }),
        ("wrong gateway in kernel and report", &["PL321 eth1"], |o| {
            kernel(o).routes[3] = route("10.0.0.0/8", Some("192.168.100.9"), "eth1");
            pod(o).reported[0].result.as_mut().unwrap()["routes"][0]["gw"] = "192.168.100.9".into();
        }),
        ("wrong source", &["PL321 eth1"], |o| kernel(o).routes[2].src = Some("192.168.100.11".parse().unwrap())),
        ("wrong scope", &["PL321 eth1"], |o| kernel(o).routes[2].scope = "global".into()),
        ("prefix of a route too wide", &["PL320 eth2", "PL323 eth2"], |o| {
            kernel(o).routes[5] = route("172.0.0.0/8", Some("192.168.200.1"), "eth2");
            pod(o).reported[1].result.as_mut().unwrap()["routes"][0]["dst"] = "172.0.0.0/8".into();
        }),
        ("route on another interface", &["PL202 eth1", "PL323 eth2"], |o| {
            kernel(o).routes[3] = route("10.0.0.0/8", Some("192.168.100.1"), "eth2");
        }),
        ("route on another interface, nobody reports", &["PL322 eth1", "PL323 eth2"], |o| {
            kernel(o).routes[3] = route("10.0.0.0/8", Some("192.168.100.1"), "eth2");
            pod(o).reported[0].result.as_mut().unwrap()["routes"] = serde_json::json!([]);
        }),
        ("route in another table, as sbr leaves it", &["PL321 eth1"], |o| kernel(o).routes[3].table = 100),
        ("an extra route", &["PL323 eth1"], |o| {
            kernel(o).routes.push(route("10.99.0.0/16", Some("192.168.100.1"), "eth1"))
        }),
        ("linkdown", &["PL324 eth1"], |o| kernel(o).routes[3].hops[0].flags = vec!["linkdown".into()]),
        ("a second default that wins", &["PL323 eth1", "PL331 -", "PL330 -"], |o| {
            kernel(o).routes.insert(0, route("0.0.0.0/0", Some("192.168.100.1"), "eth1"));
        }),
        ("no default", &["PL331 -"], |o| {
            kernel(o).routes.remove(0);
        }),
        ("an IPv6 default on an interface that nobody named", &["PL333 net9"], |o| {
            kernel(o).routes.push(route("::/0", Some("fe80::9"), "net9"));
        }),
        ("interface gone, still reported", &["PL102 eth2", "PL310 eth2"], |o| {
            kernel(o).links.pop();
            kernel(o).routes.retain(|route| route.hops[0].dev.as_deref() != Some("eth2"));
        }),
        ("Multus not in force", &["PL102 eth1", "PL102 eth2", "PL310 eth1", "PL310 eth2"], |o| {
            kernel(o).links.truncate(2);
            kernel(o).routes.truncate(2);
            pod(o).reported.clear();
            pod(o).outcomes.clear();
        }),
        ("attached, not reported", &["PL106 eth2"], |o| {
            pod(o).reported.pop();
        }),
        ("an interface of the report that is not there", &["PL203 eth7"], |o| {
            let result = pod(o).reported[0].result.as_mut().unwrap();
            result["interfaces"].as_array_mut().unwrap().push(serde_json::json!({"name": "eth7", "sandbox": "x"}));
        }),
        ("stderr with exit 0", &["PL105 eth1"], |o| pod(o).outcomes[0].1.calls[1].stderr = "something odd\n".into()),
    ];
    let plan = plan();
    for (what, wanted, bend) in bends {
        let mut observation = seed();
        bend(&mut observation);
        let judgement = judge(&plan, &observation);
        let mut found = codes(&judgement.findings);
        let mut wanted: Vec<String> = wanted.iter().map(|&code| code.to_owned()).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{what}: {:#?}", judgement.findings);
        let fails = judgement.findings.iter().any(|finding| finding.severity == Severity::Error);
        let verdict = verdict(&plan, &observation, false);
        assert_eq!(matches!(verdict, Verdict::Fail { .. }), fails, "{what}: {verdict:?}");
    }
}

#[test]
fn a_wrong_prefix_stands_beside_what_was_wanted_with_its_line() {
    let mut observation = seed();
    eth(&mut observation, "eth1").addresses[0].address = "192.168.100.10/25".parse().unwrap();
    pod(&mut observation).reported.clear();
    let judgement = judge(&plan(), &observation);
    let finding = judgement.findings.iter().find(|finding| finding.code.0 == "PL302").unwrap();
    assert_eq!(finding.expected.as_deref(), Some("192.168.100.10/24 dev eth1"));
    assert_eq!(finding.found.as_deref(), Some("192.168.100.10/25 dev eth1"));
    let text = std::fs::read_to_string(&finding.source.as_ref().unwrap().file).unwrap();
    assert!(text.lines().nth(finding.source.as_ref().unwrap().line - 1).unwrap().contains("192.168.100.10/24"));
}

#[test]
fn an_off_link_gateway_is_one_finding_with_the_plugins_line() {
    let mut observation = seed();
    kernel(&mut observation).routes.retain(|route| route.to.to_string() != "10.0.0.0/8");
    pod(&mut observation).outcomes[0].1.calls[1].stderr = "error: failed to add route: network is unreachable\n".into();
    let text = "route-override: error: failed to add route: network is unreachable".to_owned();
    pod(&mut observation).heard.push(Heard { origin: "plugin stderr".into(), reason: String::new(), text });
    let judgement = judge(&plan(), &observation);
    assert_eq!(codes(&judgement.findings), ["PL202 eth1"], "the stderr line is a note, no second finding");
    assert_eq!(judgement.findings[0].notes.len(), 1, "said once: {:?}", judgement.findings[0].notes);
    pod(&mut observation).heard.clear();
    let finding = &judgement.findings[0];
    assert!(
        finding.notes[0].contains("network is unreachable") && finding.notes[0].contains("route-override"),
        "{:?}",
        finding.notes
    );
    assert!(finding.source.as_ref().unwrap().file.ends_with("chain-example.yaml"));

    // Where no result could be read, the runtime's log takes its place.
    pod(&mut observation).reported.clear();
    pod(&mut observation).outcomes.clear();
    let text = "failed to add route: {Dst: 10.0.0.0/8}: network is unreachable".to_owned();
    pod(&mut observation).heard.push(Heard { origin: "runtime log".into(), reason: String::new(), text });
    let judgement = judge(&plan(), &observation);
    assert_eq!(codes(&judgement.findings), ["PL320 eth1"]);
    assert!(
        judgement.findings[0].notes[0].starts_with("runtime log: failed to add route"),
        "{:?}",
        judgement.findings[0].notes
    );
    // A line that says next to nothing is still the plugin's.
    let observed = pod(&mut observation);
    observed.heard =
        vec![Heard { origin: "plugin stderr".into(), reason: String::new(), text: "network is unreachable".into() }];
    let judgement = judge(&plan(), &observation);
    assert_eq!(judgement.findings[0].notes, ["plugin stderr: network is unreachable"]);
}

#[test]
fn a_missing_binary_names_the_link_of_the_chain_and_the_search_path() {
    let mut observation = seed();
    let observed = pod(&mut observation);
    observed.state = PodState::NotReady { reason: "network sip-net could not be added".into() };
    observed.kernel = None;
    observed.outcomes[1] =
        stopped("sip-net", 1, "route-override", "failed to find plugin \"route-override\" in path [/opt/cni/bin]");
    // What is undone afterwards may fail too; that is no cause.
    let (name, mut undone) = stopped("management-net", 1, "route-override", "failed to find plugin");
    undone.calls.push(PluginCall { command: CniCommand::Del, ..call("management-net", 0, "macvlan", "eth1") });
    observed.outcomes.push((name, undone));
    let judgement = judge(&plan(), &observation);
    assert_eq!(codes(&judgement.findings), ["PL101 eth2"]);
    let finding = &judgement.findings[0];
    assert!(finding.notes.iter().any(|note| note.starts_with("undoing management-net")), "{:?}", finding.notes);
    assert_eq!(finding.message, "plugin route-override (link 2 of 2) of network sip-net failed");
    assert!(finding.notes.iter().any(|note| note.contains("[/opt/cni/bin]")), "{:?}", finding.notes);
    assert!(matches!(verdict(&plan(), &observation, false), Verdict::Fail { .. }));
}

#[test]
fn on_a_cluster_the_innermost_plugin_is_read_from_the_event() {
    let mut observation = seed();
    let observed = pod(&mut observation);
    observed.state = PodState::NotReady { reason: "waited 120 s for Ready".into() };
    observed.kernel = None;
    observed.outcomes.clear();
    let text = "failed to setup network for sandbox \"x\": plugin type=\"multus\" name=\"multus-cni-network\" failed (add): \
        [ns/chain-test-pod/uid:sip-net]: error adding container to network \"sip-net\": plugin type=\"macvlan\" failed (add): Link not found";
    observed.heard = vec![Heard { origin: "event".into(), reason: "FailedCreatePodSandBox".into(), text: text.into() }];
    let judgement = judge(&plan(), &observation);
    assert_eq!(judgement.findings[0].message, "plugin macvlan of network sip-net failed");
    assert_eq!(codes(&judgement.findings), ["PL101 eth2"]);
    pod(&mut observation).heard.clear();
    assert_eq!(codes(&judge(&plan(), &observation).findings), ["PL104 -"]);
}

#[test]
fn what_was_not_observed_is_broken_and_never_a_pass() {
    let mut observation = seed();
    pod(&mut observation).kernel = None;
    assert!(matches!(verdict(&plan(), &observation, false), Verdict::Broken { .. }));
    assert!(matches!(verdict(&plan(), &Observation::default(), false), Verdict::Broken { .. }));
    let mut bare = plan();
    bare.expect.clear();
    bare.pods[0].attachments.clear();
    let mut observation = seed();
    pod(&mut observation).reported.clear();
    let Verdict::Broken { cause, .. } = verdict(&bare, &observation, false) else { panic!("nothing was checked") };
    assert!(cause.contains("PL901"), "{cause}");
}

#[test]
fn a_parent_that_cannot_be_seen_is_neither_pass_nor_fail() {
    let plan = plan();
    let full = judge(&plan, &seed()).checked;
    let mut observation = seed();
    pod(&mut observation).node_links = None;
    let judgement = judge(&plan, &observation);
    assert_eq!(codes(&judgement.findings), Vec::<String>::new());
    assert_eq!(judgement.checked, full - 2);
    assert_eq!(judgement.notes.len(), 2, "{:?}", judgement.notes);
}

#[test]
fn a_bare_network_and_pod_are_still_checked() {
    let mut bare = plan();
    bare.expect.clear();
    let mut observation = seed();
    assert!(
        matches!(verdict(&bare, &observation, false), Verdict::Pass { checked: 10, .. }),
        "{:?}",
        verdict(&bare, &observation, false)
    );
    kernel(&mut observation).routes.retain(|route| route.to.to_string() != "10.0.0.0/8");
    assert!(matches!(verdict(&bare, &observation, false), Verdict::Fail { .. }));
}

#[test]
fn network_status_counts_as_a_report() {
    let mut observation = seed();
    for reported in &mut pod(&mut observation).reported {
        let ip = reported.result.take().unwrap()["ips"][0]["address"]
            .as_str()
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        reported.status =
            Some(serde_json::json!({"name": "ns/x", "interface": reported.interface, "ips": [ip], "dns": {}}));
    }
    assert_eq!(codes(&judge(&plan(), &observation).findings), Vec::<String>::new());
    pod(&mut observation).reported[0].status.as_mut().unwrap()["ips"][0] = "192.168.100.99".into();
    assert_eq!(codes(&judge(&plan(), &observation).findings), ["PL201 eth1"]);
}

#[test]
fn calls_recorded_elsewhere_are_read_for_their_stderr() {
    let mut observation = seed();
    let mut one = call("management-net", 1, "route-override", "eth1");
    one.stderr = "odd".into();
    pod(&mut observation).calls.push(one);
    assert_eq!(codes(&judge(&plan(), &observation).findings), ["PL105 eth1"]);
}

#[test]
fn a_network_said_to_exist_that_is_not_there_is_told_with_multus_event() {
    let mut plan = plan();
    let network = &mut plan.networks[1];
    (network.manifest, network.config, network.chain) = (None, None, None);
    let mut observation = seed();
    let observed = pod(&mut observation);
    observed.state = PodState::NotReady { reason: "waited 120 s".into() };
    observed.kernel = None;
    observed.outcomes.clear();
    let text = "cannot find a network-attachment-definition (sip-net) in namespace (chain-example): not found";
    observed.heard = vec![Heard { origin: "event".into(), reason: "NoNetworkFound".into(), text: text.into() }];
    let judgement = judge(&plan, &observation);
    assert_eq!(codes(&judgement.findings), ["PL103 eth2"]);
    assert!(judgement.findings[0].notes.iter().any(|note| note.starts_with("event NoNetworkFound: cannot find")));
}

/// A wanted value from nowhere in particular.
fn want<T>(value: T) -> Wanted<T> {
    Wanted { value, source: Source::default() }
}

#[test]
fn wishes_that_the_seed_does_not_have() {
    type Wish = fn(&mut PodExpectation);
    let wishes: [(&str, &[&str], Wish); 12] = [
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
    for (what, codes_wanted, wish) in wishes {
        let mut plan = plan();
        wish(&mut plan.expect[0]);
        let judgement = judge(&plan, &seed());
        assert_eq!(codes(&judgement.findings), codes_wanted, "{what}: {:#?}", judgement.findings);
    }
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
fn an_address_wanted_twice_over_is_not_hidden_by_another_interface() {
    // What the report says of eth2 must not satisfy what is wanted of eth1.
    let mut observation = seed();
    eth(&mut observation, "eth1").addresses.remove(0);
    pod(&mut observation).reported.remove(0);
    assert_eq!(codes(&judge(&plan(), &observation).findings), ["PL301 eth1", "PL106 eth1"]);
}

#[test]
fn a_table_of_its_own_is_looked_at_where_a_route_names_it() {
    let mut plan = plan();
    let routes = plan.expect[0].interfaces[0].routes.as_mut().unwrap();
    routes.items[1].value.table = Some(100);
    let mut observation = seed();
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL321 eth1"], "it is in the main table");
    kernel(&mut observation).routes[3].table = 100;
    assert_eq!(codes(&judge(&plan, &observation).findings), Vec::<String>::new());
}

#[test]
fn a_chain_that_failed_under_a_pod_that_runs_is_told_by_its_plugin() {
    let mut observation = seed();
    kernel(&mut observation).links.pop();
    kernel(&mut observation).routes.retain(|route| route.hops[0].dev.as_deref() != Some("eth2"));
    let observed = pod(&mut observation);
    observed.reported.pop();
    observed.outcomes[1] = stopped("chain-example/sip-net", 0, "macvlan", "Link not found");
    let judgement = judge(&plan(), &observation);
    assert_eq!(codes(&judgement.findings), ["PL101 eth2", "PL310 eth2"]);
    assert!(
        judgement.findings[0].message.starts_with("plugin macvlan (link 1 of 2)"),
        "{}",
        judgement.findings[0].message
    );
}

#[test]
fn one_finding_hides_no_other_of_its_kind() {
    // Of two routes wanted of eth1, one is reported and missing, the other is missing and nobody reports it.
    let mut plan = plan();
    let routes = plan.expect[0].interfaces[0].routes.as_mut().unwrap();
    let mut another = routes.items[1].clone();
    another.value.to = "10.99.0.0/16".parse().unwrap();
    another.source.line += 100;
    routes.items.push(another);
    let mut observation = seed();
    kernel(&mut observation).routes.retain(|route| route.to.to_string() != "10.0.0.0/8");
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL202 eth1", "PL320 eth1"]);
    // The same of addresses.
    let mut plan = self::plan();
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
fn a_default_route_without_a_word_may_go_where_it_is_expected() {
    let mut plan = plan();
    plan.expect[0].default = None;
    assert_eq!(codes(&judge(&plan, &seed()).findings), Vec::<String>::new(), "by eth0");
    let mut observation = seed();
    kernel(&mut observation).routes.push(route("0.0.0.0/0", Some("192.168.100.1"), "eth1"));
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL323 eth1"], "an exact list tells it already");
    plan.expect[0].interfaces[0].routes.as_mut().unwrap().exact = false;
    assert_eq!(
        codes(&judge(&plan, &observation).findings),
        ["PL333 eth1"],
        "a list that allows more does not ask for it"
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
    plan.pods[0].attachments[1].default_route = vec!["192.168.200.1".parse().unwrap()];
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL333 eth1"], "asked for by another attachment");
    plan.pods[0].attachments[0].default_route = vec!["192.168.100.1".parse().unwrap()];
    assert_eq!(codes(&judge(&plan, &observation).findings), Vec::<String>::new(), "asked for by the attachment");
}

#[test]
fn only_a_network_said_to_exist_can_be_missing() {
    let mut observation = seed();
    let observed = pod(&mut observation);
    observed.state = PodState::NotReady { reason: "waited 120 s".into() };
    observed.kernel = None;
    observed.outcomes.clear();
    let text = "cannot find a network-attachment-definition (sip-net) in namespace (chain-example): not found";
    let heard = |reason: &str, text: &str| Heard { origin: "event".into(), reason: reason.into(), text: text.into() };
    observed.heard = vec![heard("NoNetworkFound", text)];
    assert_eq!(codes(&judge(&plan(), &observation).findings), ["PL104 -"], "this one the scenario brought");
    let mut plan = plan();
    plan.networks[1].manifest = None;
    // By the words alone, as kubelet's event has them.
    pod(&mut observation).heard = vec![heard("FailedCreatePodSandBox", text)];
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL103 eth2"]);
    pod(&mut observation).heard = vec![heard("NoNetworkFound", "cannot find another-net")];
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL104 -"], "another network is missing");
    pod(&mut observation).heard = vec![heard("Pulling", "pulling an image for sip-net")];
    assert_eq!(codes(&judge(&plan, &observation).findings), ["PL104 -"]);
}

#[test]
fn the_nearest_address_is_of_the_same_family_and_no_link_local_one() {
    let mut observation = seed();
    eth(&mut observation, "eth1").addresses.remove(0);
    pod(&mut observation).reported[0].result.as_mut().unwrap()["ips"] = serde_json::json!([]);
    let judgement = judge(&plan(), &observation);
    assert_eq!(judgement.findings[0].code.0, "PL301");
    assert_eq!(judgement.findings[0].found, None, "fe80::2/64 is nothing like it");
}
