//! Rules of the lint about shared addresses, values and annotations: each with a text in which it fires, and one near it
//! in which it does not.

mod common;

use common::linted::{chain, codes, deployment, lint_as, lint_text, nad, pod, shown};
use plumbline_core::lint::{InputFile, Options, lint};

const MACVLAN: &str = r#"{ "type": "macvlan", "master": "eth1" }"#;

fn with_ipam(name: &str, ipam: &str) -> String {
    nad(name, &chain(&format!(r#"{{ "type": "macvlan", "master": "eth1", "ipam": {{ {ipam} }} }}"#)))
}

fn whereabouts(name: &str, range: &str, keys: &str) -> String {
    with_ipam(name, &format!(r#""type": "whereabouts", "range": "{range}"{keys}"#))
}

fn local(keys: &str) -> String {
    with_ipam("net", &format!(r#""type": "host-local", {keys}"#))
}

fn fixed(name: &str) -> String {
    with_ipam(name, r#""type": "static", "addresses": [ { "address": "192.0.2.10/24" } ]"#)
}

fn main_plugin(keys: &str) -> String {
    nad("net", &chain(&format!("{{ {keys} }}")))
}

fn check(rules: Vec<(&str, String, Vec<&str>)>) {
    for (what, text, wanted) in rules {
        let report = lint_text(&text);
        assert_eq!(codes(&report.findings), wanted, "{what}\n{text}\n{}", shown(&report));
        assert!(report.errors.is_empty(), "{what}\n{}", shown(&report));
    }
}

#[test]
fn ranges_of_whereabouts() {
    let wide = || whereabouts("a", "192.0.2.0/24", "");
    let local =
        r#""type": "host-local", "subnet": "192.0.2.0/24", "rangeStart": "192.0.2.130", "rangeEnd": "192.0.2.140""#;
    check(vec![
        ("each address is reserved", wide() + &whereabouts("b", "192.0.2.0/25", ""), vec![]),
        (
            "one reserves none",
            wide() + &whereabouts("b", "192.0.2.0/25", r#", "enable_overlapping_ranges": false"#),
            vec!["PL615"],
        ),
        ("one pool", wide() + &whereabouts("b", "192.0.2.0/24", r#", "enable_overlapping_ranges": false"#), vec![]),
        (
            "another name of the network",
            wide() + &whereabouts("b", "192.0.2.0/25", r#", "network_name": "b""#),
            vec!["PL615"],
        ),
        ("within the range", wide() + &with_ipam("b", local), vec!["PL615"]),
        (
            "what is excluded",
            whereabouts("a", "192.0.2.0/24", r#", "exclude": [ "192.0.2.128/28" ]"#) + &with_ipam("b", local),
            vec![],
        ),
        (
            "a part of it",
            whereabouts("a", "192.0.2.0/24", r#", "exclude": [ "192.0.2.128/29" ]"#) + &with_ipam("b", local),
            vec!["PL615"],
        ),
    ]);
}

#[test]
fn objects_that_are_there_twice() {
    let file = |name: &str, text: String| InputFile::new(name, text);
    let found = |files: &[InputFile]| lint(files, &Options::default());
    let dev = file("dev.yaml", fixed("net") + &pod("web", "net"));
    let other = file("other.yaml", fixed("other") + &pod("db", "other"));
    let report = found(&[dev.clone(), file("prod.yaml", fixed("net") + &pod("web", "net"))]);
    assert_eq!(codes(&report.findings), ["PL640"], "{}", shown(&report));
    let report = found(&[dev, other]);
    assert_eq!(codes(&report.findings), ["PL615"], "{}", shown(&report));
    check(vec![
        ("a network twice", fixed("net") + &fixed("net") + &pod("web", "net"), vec!["PL635"]),
        ("a pod twice", fixed("net") + &pod("web", "net") + &pod("web", "net"), vec!["PL635"]),
        ("one network for two attachments", fixed("net") + &pod("web", "net,net"), vec!["PL615"]),
    ]);
}

#[test]
fn pods_of_one_segment() {
    let daemons = |network: &str| deployment("web", 1, network).replace("Deployment", "DaemonSet");
    let by_pod = |main: &str| {
        main_plugin(&format!(
            r#"{main}, "capabilities": {{ "ips": true, "mac": true }}, "ipam": {{ "type": "static" }}"#
        ))
    };
    let macvlan = by_pod(r#""type": "macvlan", "master": "eth1""#);
    let bridge = by_pod(r#""type": "bridge", "bridge": "br1""#);
    let ips = r#"[ { "name": "net", "ips": [ "192.0.2.7/24" ] } ]"#;
    let mac = |mac: &str| format!(r#"[ {{ "name": "net", "ips": [], "mac": "{mac}" }} ]"#);
    check(vec![
        ("a pod on each node", fixed("net") + &daemons("net"), vec!["PL615"]),
        (
            "each on its node's bridge",
            fixed("net").replace(MACVLAN, "").replace("macvlan", "bridge").replace("\"master\": \"eth1\", ", "")
                + &daemons("net"),
            vec![],
        ),
        ("each requests one address", macvlan.clone() + &daemons(ips), vec!["PL615"]),
        ("each on its bridge", bridge + &daemons(ips), vec![]),
        (
            "one MAC address",
            macvlan.clone() + &pod("a", &mac("02:00:00:00:00:0a")) + &pod("b", &mac("02-00-00-00-00-0A")),
            vec!["PL615"],
        ),
        (
            "two MAC addresses",
            macvlan + &pod("a", &mac("02:00:00:00:00:0a")) + &pod("b", &mac("02:00:00:00:00:0b")),
            vec![],
        ),
    ]);
}

#[test]
fn addresses_and_routes() {
    let route = |dst: &str| local(&format!(r#""subnet": "192.0.2.0/24", "routes": [ {{ "dst": "{dst}" }} ]"#));
    let six = |route: &str| {
        local(&format!(r#""ranges": [ [ {{ "subnet": "2001:db8::/64" }} ] ], "routes": [ {{ "dst": "{route}" }} ]"#))
    };
    let address = |address: &str| {
        with_ipam("net", &format!(r#""type": "static", "addresses": [ {{ "address": "{address}" }} ]"#))
    };
    let default = local(r#""subnet": "192.0.2.0/24", "routes": [ { "dst": "0.0.0.0/0" } ]"#);
    check(vec![
        ("host bits of IPv4", route("198.51.100.1/24"), vec!["PL605"]),
        ("host bits of IPv6", six("2001:db8:1::1/64"), vec![]),
        (
            "a key of another name",
            local(r#""subnet": "192.0.2.0/24", "routes": [ { "dest": "198.51.100.0/24" } ]"#),
            vec!["PL602"],
        ),
        ("no destination", local(r#""subnet": "192.0.2.0/24", "routes": [ { "gw": "192.0.2.1" } ]"#), vec!["PL605"]),
        ("a leading zero", address("192.0.2.010/24"), vec!["PL605"]),
        ("a zero", address("192.0.2.10/24"), vec![]),
        ("two addresses", local(r#""subnet": "192.0.2.0/31""#), vec!["PL605"]),
        ("four addresses", local(r#""subnet": "192.0.2.0/30""#), vec![]),
        (
            "a value that another plugin replaces",
            main_plugin(r#""type": "calico", "ipam": { "type": "host-local", "subnet": "usePodCidr" }"#),
            vec!["PL642"],
        ),
        ("a value for host-local", local(r#""subnet": "usePodCidr""#), vec!["PL605"]),
        (
            "static from the arguments",
            nad(
                "net",
                &chain(
                    r#"{ "type": "macvlan", "ipam": { "type": "static" }, "args": { "cni": { "ips": [ "192.0.2.5/24" ] } } }"#,
                ),
            ),
            vec![],
        ),
        ("a value of a wrong type alone", with_ipam("net", r#""type": "static", "addresses": {}"#), vec!["PL609"]),
    ]);
    let report =
        lint_text(&(default.clone() + &pod("web", r#"[ { "name": "net", "default-route": [ "192.0.2.1" ] } ]"#)));
    assert!(report.findings[0].notes[1].starts_with("leave it out"), "{}", shown(&report));
    let report = lint_text(&(default + &pod("web", "net")));
    assert!(report.findings[0].notes[1].contains("or request `default-route`"), "{}", shown(&report));
}

#[test]
fn values() {
    let trunk = |trunk: &str| main_plugin(&format!(r#""type": "bridge", "vlanTrunk": [ {{ {trunk} }} ]"#));
    let mtu = |mtu: u32, subnet: &str| {
        main_plugin(&format!(
            r#""type": "macvlan", "mtu": {mtu}, "ipam": {{ "type": "host-local", "ranges": [ [ {{ "subnet": "{subnet}" }} ] ] }}"#
        ))
    };
    check(vec![
        ("a trunk", trunk(r#""minID": 1, "maxID": 4094 "#), vec![]),
        ("a trunk backwards", trunk(r#""minID": 200, "maxID": 100"#), vec!["PL605"]),
        ("half of it", trunk(r#""minID": 200"#), vec!["PL605"]),
        ("an id", trunk(r#""id": 4095"#), vec!["PL605"]),
        ("15 letters", main_plugin(r#""type": "macvlan", "master": "abcdefghijklmno""#), vec![]),
        ("16 letters", main_plugin(r#""type": "macvlan", "master": "abcdefghijklmnop""#), vec!["PL605"]),
        ("1280 with IPv6", mtu(1280, "2001:db8::/64"), vec![]),
        ("1279 with IPv6", mtu(1279, "2001:db8::/64"), vec!["PL605"]),
        ("1279 with IPv4", mtu(1279, "192.0.2.0/24"), vec![]),
        ("67", mtu(67, "192.0.2.0/24"), vec!["PL605"]),
        ("no MTU", mtu(0, "2001:db8::/64"), vec![]),
    ]);
}

#[test]
fn structure() {
    let list = |keys: &str| nad("net", &chain(MACVLAN).replacen('{', &format!("{{ {keys},"), 1));
    check(vec![
        ("a key beside plugins", list(r#""mtu": 1400"#), vec!["PL602"]),
        ("capabilities beside plugins", list(r#""capabilities": { "ips": true }"#), vec!["PL602"]),
        ("a key of a list", list(r#""disableCheck": true"#), vec![]),
        ("a comment", list(r#""_comment": "why""#), vec![]),
        (
            "an IPAM plugin as the main one",
            main_plugin(r#""type": "whereabouts", "range": "192.0.2.0/24""#),
            vec!["PL605"],
        ),
        (
            "a name with blanks",
            nad("net", &chain(MACVLAN).replace("\"name\": \"net\"", "\"name\": \"my net\"")),
            vec!["PL605"],
        ),
        (
            "a name with dots",
            nad("net", &chain(MACVLAN).replace("\"name\": \"net\"", "\"name\": \"my_net.1-a\"")),
            vec![],
        ),
        ("an object's name", nad("My_Net", &chain(MACVLAN)), vec!["PL605"]),
        ("one that ends with a hyphen", nad("a.b-", &chain(MACVLAN)), vec!["PL605"]),
    ]);
    let text = nad("net", &chain(MACVLAN));
    for (release, wanted) in [("v0.9.1", &["PL606"][..]), ("v1.0.1", &[])] {
        let mut options = Options::default();
        options.releases.set("plugins", release).unwrap();
        let report = lint_as("f.yaml", &text, &options);
        assert_eq!(codes(&report.findings), wanted, "{release}\n{}", shown(&report));
    }
    let report = lint_text(&nad("net", &chain(r#"{ "type": "route-override", "dns": [] }"#)));
    assert!(!shown(&report).contains("every-plugin"), "{}", shown(&report));
}

#[test]
fn annotations() {
    let request = |keys: &str| nad("net", &chain(MACVLAN)) + &pod("web", &format!("[ {{ \"name\": \"net\"{keys} }} ]"));
    let dotted = nad("lan.one", &chain(MACVLAN));
    let mapped = nad(
        "net",
        &chain(&format!(r#"{MACVLAN}, {{ "type": "portmap", "capabilities": {{ "portMappings": true }} }}"#)),
    );
    check(vec![
        ("empty texts", request(r#", "namespace": "", "interface": "", "mac": """#), vec![]),
        ("a MAC address of eight bytes", request(r#", "mac": "02:00:00:00:00:01:02:03""#), vec!["PL605"]),
        ("no MAC address", request(r#", "mac": "02:00""#), vec!["PL618"]),
        ("a name with a dot", dotted.clone() + &pod("web", r#"[ { "name": "lan.one" } ]"#), vec!["PL641"]),
        ("its short form", dotted + &pod("web", "lan.one"), vec!["PL641", "PL618"]),
        (
            "ports in other letters",
            mapped
                + &pod("web", r#"[ { "name": "net", "portMappings": [ { "hostport": 80, "containerport": 80 } ] } ]"#),
            vec![],
        ),
        (
            "a bad element and a later one",
            nad("net", &chain(MACVLAN))
                + &pod("web", r#"[ { "name": "net", "mac": "a" }, { "name": "net", "mcc": "b" } ]"#),
            vec!["PL618", "PL602"],
        ),
    ]);
    let report = lint_text(
        &(nad("net", &chain(MACVLAN))
            + &pod("web", r#"[ { "name": "net", "mac": "a" }, { "name": "net", "mcc": "b" } ]"#)),
    );
    let columns: Vec<_> = report.findings.iter().map(|finding| finding.source.as_ref().unwrap().column).collect();
    assert!(columns[0] < columns[1], "{}", shown(&report));
}
