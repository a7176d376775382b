//! The judge over changed observations: each change gives its finding, and the unchanged seed passes.

mod common;

use common::observed::{self, route, seed};
use common::seed_edits::{codes, eth, kernel, plan, pod, texts};
use plumbline_core::judge::{judge, verdict};
use plumbline_core::observe::Observation;
use plumbline_core::verdict::Verdict;

#[test]
fn the_seed_passes_with_its_two_warnings() {
    let Verdict::Pass { checked, warnings } = verdict(&plan(), &seed(), false) else {
        panic!("{:#?}", verdict(&plan(), &seed(), false));
    };
    let found: Vec<String> =
        warnings.iter().map(|finding| format!("{} {}", finding.code, finding.network.as_deref().unwrap())).collect();
    assert_eq!(found, ["PL601 management-net", "PL601 sip-net"]);
    let source = warnings[0].source.as_ref().unwrap();
    assert!(source.file.ends_with("chain-example/management.yaml") && source.line == 14, "{source}");
    // Per attachment: attached; reported interface, address, MAC and route; and, expected, 5 of the link (there, kind,
    // parent, state, address), no other address, 2 routes, no other route, and both facts in the report as well.
    // Then the default route's number and device.
    assert_eq!(checked, 2 * (1 + 4 + 5 + 1 + 2 + 1 + 2) + 2);
}

#[test]
fn strict_makes_the_warnings_fail() {
    assert!(matches!(verdict(&plan(), &seed(), true), Verdict::Fail { .. }));
}

type Edit = fn(&mut Observation);

#[test]
fn every_change_gives_its_finding_and_no_other() {
    let edits: Vec<(&str, &[&str], Edit)> = vec![
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
        ("route on another interface, not reported", &["PL322 eth1", "PL323 eth2"], |o| {
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
        ("an IPv6 default route on an interface that the scenario does not name", &["PL333 net9"], |o| {
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
    let mut all = Vec::new();
    for (what, wanted, edit) in edits {
        let mut observation = seed();
        edit(&mut observation);
        let judgement = judge(&plan, &observation);
        let mut found = codes(&judgement.findings);
        let mut wanted: Vec<String> = wanted.iter().map(|&code| code.to_owned()).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{what}: {:#?}", judgement.findings);
        let fails = judgement.findings.iter().any(|finding| finding.is_failure());
        let verdict = verdict(&plan, &observation, false);
        assert_eq!(matches!(verdict, Verdict::Fail { .. }), fails, "{what}: {verdict:?}");
        all.extend(judgement.findings);
    }
    insta::assert_snapshot!("finding-texts", texts(&all));
}
