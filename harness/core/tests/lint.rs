//! Each rule of the lint: one text in which it fires, and one near it in which it does not.

mod common;

use common::linted::{chain, codes, deployment, lint_as, lint_text, nad, pod, shown};
use common::seed_edits::texts;
use plumbline_core::finding::Finding;
use plumbline_core::keys::KeyTable;
use plumbline_core::lint::{ClusterFacts, Options};
use std::collections::BTreeMap;

const MACVLAN: &str = r#"{ "type": "macvlan", "master": "br-ex" }"#;

/// A macvlan network with this object `ipam`.
fn with_ipam(ipam: &str) -> String {
    format!(r#"{{ "cniVersion": "1.0.0", "name": "net", "type": "macvlan", "master": "br-ex", "ipam": {ipam} }}"#)
}

/// A macvlan network whose pods choose their addresses, with these routes.
fn with_routes(routes: &str) -> String {
    chain(&format!(
        r#"{{ "type": "macvlan", "master": "br-ex", "capabilities": {{ "ips": true }}, "ipam": {{ "type": "static", "routes": [ {routes} ] }} }}"#
    ))
}

/// A network with a range of host-local on this parent interface.
fn with_range(name: &str, master: &str, first: u8, last: u8) -> String {
    let config = format!(
        r#"{{ "cniVersion": "1.0.0", "name": "{name}", "type": "macvlan", "master": "{master}", "ipam": {{ "type": "host-local", "subnet": "192.0.2.0/24", "rangeStart": "192.0.2.{first}", "rangeEnd": "192.0.2.{last}" }} }}"#
    );
    nad(name, &config)
}

/// A network with a fixed address on this parent interface.
fn fixed(name: &str, master: &str, address: &str) -> String {
    let ipam = format!(r#"{{ "type": "static", "addresses": [ {{ "address": "{address}" }} ] }}"#);
    nad(name, &with_ipam(&ipam).replace("br-ex", master))
}

fn check(rules: Vec<(&str, String, Vec<&str>)>) -> Vec<Finding> {
    let mut all = Vec::new();
    for (what, text, wanted) in rules {
        let report = lint_text(&text);
        assert_eq!(codes(&report.findings), wanted, "{what}\n{text}\n{}", shown(&report));
        assert!(report.errors.is_empty(), "{what}\n{}", shown(&report));
        all.extend(report.findings);
    }
    all
}

#[test]
fn structure() {
    let mut all = check(vec![
        ("in order", nad("net", &chain(MACVLAN)), vec![]),
        ("not JSON", nad("net", "{ \"type\": \"macvlan\",\n}"), vec!["PL603"]),
        ("no configuration", "kind: NetworkAttachmentDefinition\nmetadata: { name: net }\n".into(), vec!["PL642"]),
        (
            "a mapping",
            "kind: NetworkAttachmentDefinition\nmetadata: { name: net }\nspec: { config: { type: a } }\n".into(),
            vec!["PL603"],
        ),
        ("meta plugin first", nad("net", &chain(r#"{ "type": "tuning" }"#)), vec!["PL604"]),
        ("meta plugin second", nad("net", &chain(&format!(r#"{MACVLAN}, {{ "type": "tuning" }}"#))), vec![]),
        ("two main plugins", nad("net", &chain(&format!(r#"{MACVLAN}, {{ "type": "bridge" }}"#))), vec!["PL607"]),
        ("no version", nad("net", r#"{ "name": "net", "type": "macvlan" }"#), vec!["PL606"]),
        (
            "versions in a list",
            nad("net", &format!(r#"{{ "cniVersions": [ "1.0.0" ], "name": "net", "plugins": [ {MACVLAN} ] }}"#)),
            vec![],
        ),
        (
            "firewall is too new for the version",
            nad("net", &chain(&format!(r#"{MACVLAN}, {{ "type": "firewall" }}"#)).replace("1.0.0", "0.3.1")),
            vec!["PL606"],
        ),
        (
            "firewall with its first version",
            nad("net", &chain(&format!(r#"{MACVLAN}, {{ "type": "firewall" }}"#)).replace("1.0.0", "0.4.0")),
            vec![],
        ),
        ("type beside plugins", nad("net", &chain(MACVLAN).replacen('{', "{ \"type\": \"bridge\",", 1)), vec!["PL613"]),
        (
            "a key of a list in other letters",
            nad("net", &chain(MACVLAN).replace("cniVersion", "cniversion")),
            vec!["PL606", "PL602"],
        ),
        ("a misspelt plugin", nad("net", &chain(r#"{ "type": "macvaln" }"#)), vec!["PL633"]),
        ("a vendor's plugin", nad("net", &chain(r#"{ "type": "example-fabric" }"#)), vec!["PL642"]),
        ("a known plugin of another project", nad("net", &chain(r#"{ "type": "sriov" }"#)), vec!["PL642"]),
        ("a name with a dot", nad("lan.one", &chain(MACVLAN)), vec!["PL641"]),
        ("a name with a digit", nad("lan-1", &chain(MACVLAN)), vec![]),
    ]);
    let file = |text: &str| lint_as("10-net.conflist", text, &Options::default()).findings;
    assert_eq!(codes(&file(&chain(MACVLAN))), [""; 0]);
    let nameless = file(&chain(MACVLAN).replace("\"name\": \"net\",", ""));
    assert_eq!(codes(&nameless), ["PL603"]);
    all.extend(nameless);
    insta::assert_snapshot!("finding-texts-of-structure", texts(&all));
}

#[test]
fn keys() {
    let with = |plugin: &str, key: &str| nad("net", &chain(&format!(r#"{{ "type": "{plugin}", {key} }}"#)));
    let all = check(vec![
        ("a key", with("macvlan", r#""linkInContainer": false"#), vec![]),
        ("in other letters", with("macvlan", r#""linkincontainer": false"#), vec!["PL612"]),
        ("an unknown key", with("macvlan", r#""mster": "eth1""#), vec!["PL602"]),
        ("a key of another plugin", with("macvlan", r#""isGateway": true"#), vec!["PL602"]),
        ("a comment", with("macvlan", r#""_note": "why""#), vec![]),
        ("a text for an integer", with("bridge", r#""vlan": "100""#), vec!["PL609"]),
        ("an integer", with("bridge", r#""vlan": 100"#), vec![]),
        ("a boolean in quotes", with("bridge", r#""isGateway": "true""#), vec!["PL609"]),
        ("null", with("bridge", r#""vlan": null"#), vec![]),
        (
            "a key of no release",
            nad("net", &chain(&format!(r#"{MACVLAN}, {{ "type": "sbr", "gateways": [] }}"#))),
            vec!["PL610"],
        ),
        ("a key of sbr", nad("net", &chain(&format!(r#"{MACVLAN}, {{ "type": "sbr", "table": 5 }}"#))), vec![]),
        ("a key of an IPAM plugin", nad("net", &with_ipam(r#"{ "type": "static", "adresses": [] }"#)), vec!["PL602"]),
        ("a plugin that is not known", with("sriov", r#""anything": 1"#), vec!["PL642"]),
    ]);
    insta::assert_snapshot!("finding-texts-of-keys", texts(&all));
}

/// whereabouts and route-override are not pinned: the suite has stand-ins of them.
#[test]
fn the_assumed_releases_are_those_of_the_lanes() {
    let pins = std::fs::read_to_string(common::suites().join("../images/pins.yaml")).unwrap();
    let releases = Options::default().releases;
    let mut pinned = Vec::new();
    for source in KeyTable::embedded().sources() {
        let release = releases.of(&source.name, &source.name);
        assert!(source.releases.contains(&release), "the keys of {} {release} were not read", source.name);
        if let Some(line) =
            pins.lines().find(|line| line.trim_start().starts_with(&format!("{}: {{ module", source.name)))
        {
            assert!(line.contains(&format!("version: v{release},")), "{} {release}: {line}", source.name);
            pinned.push(source.name.as_str());
        }
    }
    pinned.sort_unstable();
    assert_eq!(pinned, ["cni", "multus", "plugins", "terway"]);
}

#[test]
fn an_old_release_lacks_a_version() {
    let mut options = Options::default();
    let text = nad("net", &chain(MACVLAN).replace("1.0.0", "1.1.0"));
    assert_eq!(codes(&lint_as("f.yaml", &text, &options).findings), [""; 0]);
    options.releases.set("plugins", "v1.1.1").unwrap();
    assert_eq!(codes(&lint_as("f.yaml", &text, &options).findings), ["PL606"]);
    assert!(options.releases.set("plugins", "new").is_err());
    let unknown = options.releases.set("macvaln", "v1.4.0").unwrap_err().to_string();
    assert!(unknown.ends_with("did you mean `macvlan`?"), "{unknown}");
    let unknown = options.releases.set("containernetworking", "v1.4.0").unwrap_err().to_string();
    assert!(unknown.contains("sources: cni, plugins, whereabouts"), "{unknown}");
    assert_eq!(options.releases.describe_unread(), [""; 0]);
    options.releases.set("plugins", "v99.0.0").unwrap();
    options.releases.set("terway", "v1.5.6").unwrap();
    let report = lint_as("f.yaml", &text, &options);
    assert_eq!(
        report.assumed,
        [
            "the releases cni 1.3.1, multus 4.3.0, plugins 99.0.0, route-override 2024.6.0, terway 1.5.6, whereabouts 0.9.4",
            "plugins 99.0.0: keys are known up to 1.10.0; what a newer one reads is not",
            "terway 1.5.6: keys are known from 1.17.5 on; what an older one reads is not",
        ]
    );
}

#[test]
fn addresses_and_routes() {
    let range = |keys: &str| with_ipam(&format!(r#"{{ "type": "host-local", {keys} }}"#));
    let overridden = chain(
        r#"{ "type": "macvlan", "capabilities": { "ips": true }, "ipam": { "type": "static", "routes": [ { "dst": "0.0.0.0/0" } ] } }, { "type": "route-override", "flushgateway": true }"#,
    );
    let flushing = |flush: &str| {
        format!(r#"[ {{ "name": "net", "ips": [ "192.0.2.9/24" ], "cni-args": {{ "flushgateway": {flush} }} }} ]"#)
    };
    check(vec![
        ("a range", nad("net", &range(r#""subnet": "192.0.2.0/24""#)), vec![]),
        ("host bits", nad("net", &range(r#""subnet": "192.0.2.1/24""#)), vec!["PL605"]),
        (
            "a start outside",
            nad("net", &range(r#""subnet": "192.0.2.0/24", "rangeStart": "192.0.3.1""#)),
            vec!["PL605"],
        ),
        (
            "the end before the start",
            nad(
                "net",
                &range(
                    r#""ranges": [ [ { "subnet": "192.0.2.0/24", "rangeStart": "192.0.2.9", "rangeEnd": "192.0.2.8" } ] ]"#,
                ),
            ),
            vec!["PL605"],
        ),
        ("a gateway outside", nad("net", &range(r#""subnet": "192.0.2.0/24", "gateway": "192.0.3.1""#)), vec!["PL605"]),
        ("the address of the network", fixed("net", "eth1", "192.0.2.0/24"), vec!["PL605"]),
        ("the broadcast address", fixed("net", "eth1", "192.0.2.255/24"), vec!["PL605"]),
        ("an address of two", fixed("net", "eth1", "192.0.2.0/31"), vec![]),
        ("a single address", fixed("net", "eth1", "192.0.2.7/32"), vec![]),
        (
            "a range of whereabouts with host bits",
            nad("net", &with_ipam(r#"{ "type": "whereabouts", "range": "192.0.2.17/24", "gateway": "192.0.2.1" }"#)),
            vec![],
        ),
        (
            "a range of whereabouts outside",
            nad("net", &with_ipam(r#"{ "type": "whereabouts", "range": "192.0.2.0/24", "range_start": "192.0.3.1" }"#)),
            vec!["PL605"],
        ),
        (
            "a route's gateway off the network",
            nad("net", &range(r#""subnet": "192.0.2.0/24", "routes": [ { "dst": "10.0.0.0/8", "gw": "192.0.3.1" } ]"#)),
            vec!["PL605"],
        ),
        (
            "a route that leads to the gateway",
            nad(
                "net",
                &range(
                    r#""subnet": "192.0.2.0/24", "routes": [ { "dst": "192.0.3.1/32" }, { "dst": "10.0.0.0/8", "gw": "192.0.3.1" } ]"#,
                ),
            ),
            vec![],
        ),
        ("a default route", nad("net", &with_routes(r#"{ "dst": "0.0.0.0/0", "gw": "192.0.2.1" }"#)), vec!["PL616"]),
        (
            "one with a metric",
            nad("net", &with_routes(r#"{ "dst": "0.0.0.0/0", "gw": "192.0.2.1", "priority": 900 }"#)),
            vec![],
        ),
        (
            "the whole space in three parts",
            nad("net", &with_routes(r#"{ "dst": "0.0.0.0/1" }, { "dst": "128.0.0.0/2" }, { "dst": "192.0.0.0/2" }"#)),
            vec!["PL616"],
        ),
        ("half of the space", nad("net", &with_routes(r#"{ "dst": "0.0.0.0/1" }"#)), vec![]),
        ("a flushed default route", nad("net", &overridden), vec![]),
        (
            "one that a pod flushes",
            nad("net", &overridden.replace("true } ]", "false } ]")) + &pod("web", &flushing("true")),
            vec![],
        ),
        ("one that a pod does not flush", nad("net", &overridden) + &pod("web", &flushing("false")), vec!["PL616"]),
        (
            "delroutes leaves a default route",
            nad("net", &overridden.replace("\"flushgateway\": true", r#""delroutes": [ { "dst": "0.0.0.0/0" } ]"#)),
            vec!["PL616"],
        ),
        (
            "a multicast MAC address",
            nad("net", &chain(MACVLAN).replace("\"master\"", r#""mac": "01:00:5e:00:00:01", "master""#)),
            vec!["PL605"],
        ),
        (
            "a MAC address",
            nad("net", &chain(MACVLAN).replace("\"master\"", r#""mac": "02:00:00:00:00:01", "master""#)),
            vec![],
        ),
    ]);
}

#[test]
fn facts_of_the_cluster() {
    let cluster = ClusterFacts {
        ranges: vec!["10.96.0.0/12".parse().unwrap()],
        mtus: BTreeMap::from([("br-ex".to_owned(), 1500)]),
        tuning_allow_list: Some(vec!["^net\\.ipv4\\.conf\\.IFNAME\\.".to_owned()]),
        has_all_networks: true,
        ..ClusterFacts::default()
    };
    let options = Options { cluster, ..Options::default() };
    let tuning =
        |key: &str| nad("net", &chain(&format!(r#"{MACVLAN}, {{ "type": "tuning", "sysctl": {{ "{key}": "1" }} }}"#)));
    for (what, text, wanted) in [
        (
            "the MTU of the parent",
            nad("net", &chain(MACVLAN).replace("\"master\"", "\"mtu\": 1500, \"master\"")),
            vec![],
        ),
        ("a larger MTU", nad("net", &chain(MACVLAN).replace("\"master\"", "\"mtu\": 9000, \"master\"")), vec!["PL605"]),
        ("another range", nad("net", &with_routes(r#"{ "dst": "10.0.0.0/12" }"#)), vec![]),
        ("the range of services", nad("net", &with_routes(r#"{ "dst": "10.0.0.0/8" }"#)), vec!["PL608"]),
        ("half of the range", nad("net", &with_routes(r#"{ "dst": "10.96.0.0/13" }"#)), vec!["PL608"]),
        ("an allowed sysctl", tuning("net.ipv4.conf.IFNAME.rp_filter"), vec![]),
        ("a refused sysctl", tuning("net.ipv4.conf.all.rp_filter"), vec!["PL617"]),
        ("a network that does not exist", pod("web", "lan"), vec!["PL619"]),
    ] {
        let report = lint_as("f.yaml", &text, &options);
        assert_eq!(codes(&report.findings), wanted, "{what}\n{}", shown(&report));
    }
}

#[test]
fn sysctls() {
    let tuning =
        |sysctls: &str| nad("net", &chain(&format!(r#"{MACVLAN}, {{ "type": "tuning", "sysctl": {{ {sysctls} }} }}"#)));
    let all = check(vec![
        ("of any interface", tuning(r#""net.ipv4.conf.all.forwarding": "1""#), vec![]),
        ("of the attachment", tuning(r#""net.ipv4.conf.IFNAME.forwarding": "1""#), vec![]),
        ("not below net", tuning(r#""kernel.pid_max": "9""#), vec!["PL617"]),
        ("an interface with a dot", tuning(r#""net.ipv4.conf.eth0.100.forwarding": "1""#), vec!["PL617"]),
        ("the same key twice", tuning(r#""net.ipv4.ip_forward": "1", "net/ipv4/ip_forward": "0""#), vec!["PL617"]),
        (
            "of another interface",
            tuning(r#""net.ipv4.conf.eth1.forwarding": "1""#) + &pod("web", "net@net1"),
            vec!["PL617"],
        ),
        ("of its interface", tuning(r#""net.ipv4.conf.eth1.forwarding": "1""#) + &pod("web", "net@eth1"), vec![]),
        ("of eth0", tuning(r#""net.ipv4.conf.eth0.forwarding": "1""#) + &pod("web", "net@eth1"), vec![]),
    ]);
    insta::assert_snapshot!("finding-texts-of-sysctls", texts(&all));
}

#[test]
fn capabilities() {
    let by_pod = nad("net", &with_routes(""));
    let own = fixed("net", "br-ex", "192.0.2.10/24");
    let unaddressed = nad("net", &with_ipam(r#"{ "type": "static" }"#));
    let portmap = nad("net", &chain(&format!(r#"{MACVLAN}, {{ "type": "portmap" }}"#)));
    let mapped = portmap.replace("\"portmap\"", r#""portmap", "capabilities": { "portMappings": true }"#);
    let ips = r#"[ { "name": "net", "ips": [ "192.0.2.20/24" ] } ]"#;
    let ports = r#"[ { "name": "net", "portMappings": [ { "hostPort": 80, "containerPort": 80 } ] } ]"#;
    check(vec![
        ("the pod's address", by_pod.clone() + &pod("web", ips), vec![]),
        ("beside an own address", own + &pod("web", ips), vec!["PL614"]),
        ("static has none", unaddressed.clone(), vec!["PL614"]),
        ("static gets one by arguments", unaddressed + &pod("web", ips), vec![]),
        ("ports without the capability", portmap + &pod("web", ports), vec!["PL614"]),
        ("ports with it", mapped + &pod("web", ports), vec![]),
        (
            "a capability that the plugin does not read",
            nad("net", &chain(&format!(r#"{MACVLAN}, {{ "type": "tuning", "capabilities": {{ "ips": true }} }}"#))),
            vec!["PL614"],
        ),
        (
            "one that it reads",
            nad("net", &chain(&format!(r#"{MACVLAN}, {{ "type": "tuning", "capabilities": {{ "mac": true }} }}"#))),
            vec![],
        ),
        (
            "one of a plugin that is not known",
            nad("net", &chain(r#"{ "type": "sriov", "capabilities": { "ips": true }, "ipam": { "type": "static" } }"#)),
            vec!["PL642"],
        ),
        (
            "a MAC address that nothing reads",
            nad("net", &chain(r#"{ "type": "ptp", "ipam": { "type": "host-local", "subnet": "192.0.2.0/24" } }"#))
                + &pod("web", r#"[ { "name": "net", "mac": "02:00:00:00:00:01" } ]"#),
            vec!["PL614"],
        ),
        (
            "a MAC address that macvlan takes from the arguments",
            nad("net", &chain(MACVLAN)) + &pod("web", r#"[ { "name": "net", "mac": "02:00:00:00:00:01" } ]"#),
            vec![],
        ),
    ]);
}

#[test]
fn objects() {
    let net = nad("net", &chain(MACVLAN));
    let in_space =
        |text: &str, space: &str| text.replacen("metadata:\n", &format!("metadata:\n  namespace: {space}\n"), 1);
    let misplaced = deployment("web", 1, "net").replacen(
        "metadata:\n",
        "metadata:\n  annotations: { k8s.v1.cni.cncf.io/networks: net }\n",
        1,
    );
    let all = check(vec![
        ("a pod and its network", net.clone() + &pod("web", "net@eth1"), vec![]),
        (
            "a network that no pod requests",
            net.clone() + &nad("other", &chain(MACVLAN)) + &pod("web", "net"),
            vec!["PL640"],
        ),
        ("a network that is not here", net.clone() + &pod("web", "net,nte"), vec!["PL640"]),
        (
            "a network of another namespace",
            in_space(&net, "a") + &in_space(&pod("web", "net"), "b"),
            vec!["PL640", "PL619"],
        ),
        ("the namespace is named", in_space(&net, "a") + &in_space(&pod("web", "a/net"), "b"), vec![]),
        ("a namespace is not stated", in_space(&net, "a") + &pod("web", "net"), vec![]),
        (
            "an annotation on the workload",
            net.clone()
                + &misplaced.replacen(
                    "      annotations:\n        k8s.v1.cni.cncf.io/networks: 'net'\n",
                    "      labels: { a: b }\n",
                    1,
                ),
            vec!["PL618"],
        ),
        ("the same annotation on both", net.clone() + &misplaced, vec![]),
        ("a broken annotation", net.clone() + &pod("web", "[ { \"name\": \"net\" }"), vec!["PL618"]),
        ("one interface twice", net.clone() + &pod("web", "net@eth1,net@eth1"), vec!["PL618"]),
        (
            "a key that Multus ignores",
            net.clone() + &pod("web", r#"[ { "name": "net", "ip": "192.0.2.1" } ]"#),
            vec!["PL602"],
        ),
        (
            "a deprecated key",
            net.clone() + &pod("web", r#"[ { "name": "net", "interfaceRequest": "eth1" } ]"#),
            vec!["PL611"],
        ),
        (
            "an empty default route",
            net.clone() + &pod("web", r#"[ { "name": "net", "default-route": [] } ]"#),
            vec!["PL616"],
        ),
        (
            "a default route",
            net.clone() + &pod("web", r#"[ { "name": "net", "default-route": [ "192.0.2.1" ] } ]"#),
            vec![],
        ),
        (
            "two default routes",
            net.clone()
                + &pod(
                    "web",
                    r#"[ { "name": "net", "default-route": [ "192.0.2.1" ] }, { "name": "net", "default-route": [ "192.0.2.2" ] } ]"#,
                ),
            vec!["PL616"],
        ),
        (
            "a multicast MAC address",
            net + &pod("web", r#"[ { "name": "net", "mac": "33:33:00:00:00:01" } ]"#),
            vec!["PL605"],
        ),
    ]);
    insta::assert_snapshot!("finding-texts-of-objects", texts(&all));
}

#[test]
fn shared_addresses() {
    let by_pod = nad("net", &with_routes(""));
    let own = fixed("net", "br-ex", "192.0.2.10/24");
    let request = |ip: &str| format!(r#"[ {{ "name": "net", "ips": [ "{ip}" ] }} ]"#);
    let all = check(vec![
        ("one pod", own.clone() + &pod("a", "net"), vec![]),
        ("two pods", own.clone() + &pod("a", "net") + &pod("b", "net"), vec!["PL615"]),
        ("three replicas", own.clone() + &deployment("a", 3, "net"), vec!["PL615"]),
        ("one replica", own + &deployment("a", 1, "net"), vec![]),
        (
            "two pods choose one address",
            by_pod.clone() + &pod("a", &request("192.0.2.1/24")) + &pod("b", &request("192.0.2.1/24")),
            vec!["PL615"],
        ),
        (
            "two pods choose their addresses",
            by_pod.clone() + &pod("a", &request("192.0.2.1/24")) + &pod("b", &request("192.0.2.2/24")),
            vec![],
        ),
        ("two replicas choose one address", by_pod + &deployment("a", 2, &request("192.0.2.1/24")), vec!["PL615"]),
        (
            "one address twice in a pod",
            fixed("a", "eth1", "192.0.2.1/24") + &fixed("b", "eth2", "192.0.2.1/24") + &pod("web", "a,b"),
            vec!["PL615"],
        ),
        ("ranges that overlap", with_range("a", "eth1", 1, 100) + &with_range("b", "eth1", 100, 200), vec!["PL615"]),
        ("ranges side by side", with_range("a", "eth1", 1, 99) + &with_range("b", "eth1", 100, 200), vec![]),
        ("ranges on two segments", with_range("a", "eth1", 1, 100) + &with_range("b", "eth2", 1, 100), vec![]),
        (
            "an address within a range",
            with_range("a", "eth1", 1, 100) + &fixed("b", "eth1", "192.0.2.50/24"),
            vec!["PL615"],
        ),
        (
            "a range within a range behind another",
            with_range("a", "eth1", 1, 200) + &with_range("b", "eth1", 10, 20) + &with_range("c", "eth1", 15, 30),
            vec!["PL615", "PL615"],
        ),
    ]);
    insta::assert_snapshot!("finding-texts-of-sharing", texts(&all));
}
