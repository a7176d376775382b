//! The predicted CNI result of each plugin against the recorded one, and the findings of edits of it.

mod common;

use common::predicted::Recording;
use plumbline_core::cni::{Exit, PluginCall};
use plumbline_core::state::{Change, FactKey, FactKind, Subject};
use serde_json::{Value, json};

macro_rules! recording {
    ($name:literal) => {
        Recording::read(include_str!(concat!("fixtures/predict/", $name, ".txt")))
    };
}

type Edit = fn(&mut Value);

/// Asserts that each edit of a plugin's result gives exactly its one finding.
#[track_caller]
fn assert_edited(recording: &Recording, cases: &[(usize, Edit, &str)]) {
    for (position, edit, finding) in cases {
        let found = recording.clone().with_result(*position, edit).findings();
        assert_eq!(found, [*finding]);
    }
}

#[test]
fn each_part_of_the_result_of_a_main_plugin_is_compared() {
    assert_edited(
        &recording!("bridge"),
        &[
            (0, |result| result["cniVersion"] = json!("0.4.0"), "PL107 5 1/2 version of the CNI result"),
            (0, |result| drop(result["routes"].take()), "PL107 18 1/2 route 10.99.0.0/16 of the CNI result"),
            (
                0,
                |result| result["routes"][0]["gw"] = json!("10.7.0.9"),
                "PL107 18 1/2 route 10.99.0.0/16 of the CNI result",
            ),
            (
                0,
                |result| result["ips"][0]["gateway"] = json!("10.7.0.9"),
                "PL107 14 1/2 address 10.7.0.2/24 of the CNI result",
            ),
            (0, |result| result["ips"][1]["interface"] = json!(0), "PL107 15 1/2 address fd07::2/64 of the CNI result"),
            (
                0,
                |result| {
                    let first = result["ips"][0].clone();
                    result["ips"].as_array_mut().unwrap().push(first);
                },
                "PL107 5 1/2 address 10.7.0.2/24 of the CNI result",
            ),
            (
                0,
                |result| drop(result["interfaces"][2]["sandbox"].take()),
                "PL107 5 1/2 interface eth1 of the CNI result",
            ),
            (
                0,
                |result| result["interfaces"][2]["sandbox"] = json!("/run/netns/q"),
                "PL107 5 1/2 interface eth1 of the CNI result",
            ),
            (
                0,
                |result| result["interfaces"][0]["mac"] = json!("02:00:00:00:00:77"),
                "PL107 5 1/2 interface cni7 of the CNI result",
            ),
            (
                0,
                |result| result["interfaces"][1]["mac"] = json!("02:00:00:00:00:77"),
                "PL107 5 1/2 other end of a veth of the CNI result",
            ),
            (
                0,
                |result| result["interfaces"].as_array_mut().unwrap().push(json!({ "name": "more" })),
                "PL107 5 1/2 interface more of the CNI result",
            ),
            (
                0,
                |result| result["dns"] = json!({ "domain": "a.example" }),
                "PL107 11 1/2 DNS settings of the CNI result",
            ),
        ],
    );
}

#[test]
fn an_error_instead_of_a_result_is_the_one_cause() {
    let error: Edit = |result| *result = json!({ "cniVersion": "1.0.0", "code": 11, "msg": "try again later" });
    assert_edited(&recording!("bridge"), &[(0, error, "PL107 5 1/2 CNI result")]);
}

#[test]
fn a_result_without_interfaces_is_one_finding() {
    let drop_interfaces: Edit = |result| {
        result.as_object_mut().unwrap().remove("interfaces");
        for address in result["ips"].as_array_mut().unwrap() {
            address.as_object_mut().unwrap().remove("interface");
        }
    };
    let found = recording!("macvlan").with_result(1, drop_interfaces).findings();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("2/2 interface eth1 of the CNI result"), "{found:?}");
}

#[test]
fn meta_plugins_pass_the_result_on_but_for_what_they_change() {
    assert_edited(
        &recording!("bridge"),
        &[(
            1,
            |result| result["interfaces"][2]["mac"] = json!("02:00:00:00:00:04"),
            "PL107 27 2/2 interface eth1 of the CNI result",
        )],
    );
    assert_edited(
        &recording!("ptp"),
        &[(
            1,
            |result| drop(result["ips"].as_array_mut().unwrap().pop()),
            "PL107 16 2/2 address fd08::2/64 of the CNI result",
        )],
    );
    let routes = recording!("macvlan").with_result(1, |result| drop(result["routes"].as_array_mut().unwrap().pop()));
    assert!(routes.findings()[0].ends_with("2/2 route 172.16.0.0/12 of the CNI result"), "{:?}", routes.findings());
}

#[test]
fn a_sandbox_that_is_no_path_is_passed_on_as_it_is() {
    let text = include_str!("fixtures/predict/ptp.txt").replace("/run/netns/p", "run-0");
    let found = Recording::read(&text).findings();
    assert_eq!(found, ["PL107 5 1/2 interface eth1 of the CNI result"], "portmap passes it on");
}

#[test]
fn dns_settings_come_from_the_configuration_or_the_ipam_plugin() {
    let dns = r#""dns": { "nameservers": ["10.0.0.53"] }, "mode""#;
    let with_dns = recording!("macvlan").with_config("\"mode\"", dns);
    let found = with_dns.clone().with_result(0, |_| ()).findings();
    assert!(found.len() == 1 && found[0].ends_with("1/2 DNS settings of the CNI result"), "{found:?}");
    let right = with_dns.with_result(0, |result| result["dns"] = json!({ "nameservers": ["10.0.0.53"] }));
    assert_eq!(right.findings(), Vec::<String>::new());
    // What the file has can't be known.
    let file = recording!("bridge")
        .with_config("\"type\": \"host-local\"", "\"type\": \"host-local\", \"resolvConf\": \"/x\"");
    let any = file.with_result(0, |result| result["dns"] = json!({ "nameservers": ["10.0.0.53"] }));
    assert_eq!(any.findings(), Vec::<String>::new());
}

#[test]
fn numbers_of_routes_that_a_release_leaves_out_are_no_difference() {
    let found = recording!("macvlan").with_result(0, |result| result["routes"][0]["priority"] = json!(0)).findings();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn an_entry_that_a_runtime_cannot_read_is_a_finding() {
    let push = |result: &mut Value, key: &str, entry: Value| result[key].as_array_mut().unwrap().push(entry);
    for (key, entry) in
        [("routes", json!({ "dst": "10.0.0.0" })), ("ips", json!({ "address": "x" })), ("ips", json!(1))]
    {
        let found = recording!("bridge").with_result(0, |result| push(result, key, entry.clone())).findings();
        assert_eq!(found, ["PL107 5 1/2 entry of the CNI result"], "{key}: {entry}");
    }
}

#[test]
fn a_result_of_an_older_shape_is_not_compared() {
    let old = recording!("bridge").with_config("\"cniVersion\": \"1.0.0\"", "\"cniVersion\": \"0.2.0\"");
    assert_eq!(old.with_result(0, |result| drop(result["interfaces"].take())).findings(), Vec::<String>::new());
}

#[test]
fn a_wrong_address_in_kernel_and_result_is_one_finding() {
    let wrong = recording!("macvlan").with_result(0, |result| result["ips"][0]["address"] = json!("192.168.100.11/24"));
    let rows = "- pod address eth1: 192.168.100.10/24\n\
                + pod address eth1: 192.168.100.11/24 = scope global broadcast 192.168.100.255";
    let found = wrong.bent("add 0", rows).findings();
    assert!(found[0].starts_with("PL350"), "{found:?}");
    assert!(!found.iter().any(|finding| finding.starts_with("PL107")), "{found:?}");
}

#[test]
fn a_new_interface_has_a_mac_address_of_its_own() {
    let bridges = "~ pod link eth1: mac=02:00:00:00:00:02";
    let found =
        recording!("bridge").with_result(0, |result| result["interfaces"][2]["mac"] = json!("02:00:00:00:00:02"));
    assert_eq!(found.bent("add 0", bridges).findings(), ["PL350 5 1/2 mac of eth1 in the pod"]);
}

#[test]
fn the_bridge_may_take_any_address_and_must_report_it() {
    let rows = "~ node link cni7: mac=02:00:00:00:00:77";
    let found = recording!("bridge").with_result(0, |_| ()).bent("add 0", rows).findings();
    assert_eq!(found, ["PL107 5 1/2 interface cni7 of the CNI result"]);
    let right =
        recording!("bridge").with_result(0, |result| result["interfaces"][0]["mac"] = json!("02:00:00:00:00:77"));
    assert_eq!(right.bent("add 0", rows).findings(), Vec::<String>::new());
}

#[test]
fn a_rule_is_at_its_place_in_the_chain() {
    let mut ptp = recording!("ptp");
    ptp.base_rows("+ node firewall: -A POSTROUTING -j OTHER of ip nat");
    let masquerade =
        r#"-s 10.8.0.2/32 -m comment --comment "name: \"d\" id: \"run-0\"" -j CNI-a1ef6dd2afdd247a598b4ff7"#;
    let marked = r#"-m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ"#;
    let order = |rules: &[&str]| format!("+ node firewall: order of POSTROUTING of ip nat = {}", rules.join("\\n"));
    let right = ptp.clone().bent("add 0", &order(&["-j OTHER", masquerade])).findings();
    assert_eq!(right, Vec::<String>::new());
    let wrong = ptp.clone().bent("add 0", &order(&[masquerade, "-j OTHER"])).findings();
    assert_eq!(wrong, ["PL350 7 1/2 firewall: order of POSTROUTING of ip nat on the node"]);
    let ptp = ptp.also("add 0", &order(&["-j OTHER", masquerade]));
    let right = ptp.clone().bent("add 1", &order(&[marked, "-j OTHER", masquerade])).findings();
    assert_eq!(right, Vec::<String>::new());
    let wrong = ptp.bent("add 1", &order(&[masquerade, marked, "-j OTHER"])).findings();
    assert_eq!(wrong, ["PL350 16 2/2 firewall: order of POSTROUTING of ip nat on the node"]);
}

/// A second DEL of a recorded chain.
fn second_del(change: Option<Change>, exit: Exit, plugin: &str) -> Vec<String> {
    let recording = recording!("bridge");
    let edit = |call: &mut PluginCall| {
        call.exit = exit.clone();
        plugin.clone_into(&mut call.plugin);
        call.changes = Some(change.clone().into_iter().collect());
    };
    recording.second_del(edit)
}

#[test]
fn a_second_del_must_succeed_and_change_nothing() {
    assert_eq!(second_del(None, Exit::Code(0), "bridge"), Vec::<String>::new());
    assert_eq!(second_del(None, Exit::Code(1), "bridge"), ["PL514 second DEL of plugin 1 of 2 (bridge) fails"]);
    assert_eq!(second_del(None, Exit::Code(1), "host-device"), Vec::<String>::new(), "as upstream does");
    let change = Change {
        subject: Subject::Node,
        key: FactKey::new(FactKind::Sysctl, "", "net/ipv4/ip_forward"),
        before: Some("1".to_owned()),
        after: Some("0".to_owned()),
    };
    let message = "PL514 sysctl net/ipv4/ip_forward on the node changed with second DEL of plugin 1 of 2 (bridge)";
    assert_eq!(second_del(Some(change), Exit::Code(0), "bridge"), [message]);
}
