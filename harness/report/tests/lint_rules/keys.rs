//! Keys: unknown ones, of other releases, of wrong types, twice, deprecated, missing.

use super::Pair;
use super::texts::{MACVLAN, bare, by_pod, ipam, list, pod, pod_with};

fn macvlan(keys: &str) -> String {
    bare(&format!("{MACVLAN}, {keys}"))
}

fn bridge(keys: &str) -> String {
    bare(&format!(r#""type": "bridge", {keys}"#))
}

/// A network whose pods are bandwidth's.
fn behind(keys: &str) -> String {
    list(&[r#""type": "bridge""#, keys])
}

fn arguments(chain: String, keys: &str) -> String {
    chain + &pod_with(&format!(r#""cni-args": {{ {keys} }}"#))
}

pub fn pairs() -> Vec<Pair> {
    let mut pairs = of_configurations();
    pairs.extend(of_requests());
    pairs.extend(missing());
    pairs
}

fn of_configurations() -> Vec<Pair> {
    vec![
        Pair::new(
            "unknown key, with the nearest",
            "PL602",
            bridge(r#""isGatway": true"#),
            bridge(r#""isGateway": true"#),
        ),
        Pair::new("key of another plugin", "PL602", macvlan(r#""isGateway": true"#), macvlan(r#""bcqueuelen": 1000"#)),
        Pair::new(
            "key below `ipam`",
            "PL602",
            ipam(r#""type": "host-local", "subnet": "192.0.2.0/24", "range_start": "192.0.2.9""#),
            ipam(r#""type": "host-local", "subnet": "192.0.2.0/24", "rangeStart": "192.0.2.9""#),
        ),
        Pair::new(
            "key that the plugin sets itself",
            "PL602",
            ipam(r#""type": "static", "addresses": [ { "address": "192.0.2.9/24", "version": "4" } ]"#),
            ipam(r#""type": "static", "addresses": [ { "address": "192.0.2.9/24", "_version": "4" } ]"#),
        ),
        Pair::new(
            "key that is decoded and not used",
            "PL602",
            ipam(r#""type": "whereabouts", "range": "192.0.2.0/24", "etcd_host": "192.0.2.1""#),
            ipam(r#""type": "whereabouts", "range": "192.0.2.0/24", "datastore": "kubernetes""#),
        ),
        Pair::new("`vlan` of macvlan", "PL601", macvlan(r#""vlan": 100"#), bridge(r#""vlan": 100"#)),
        Pair::new(
            "key newer than the release",
            "PL610",
            behind(r#""type": "sbr", "addSourceHints": true"#),
            behind(r#""type": "sbr", "table": 100"#),
        ),
        Pair::new(
            "key older than the release",
            "PL610",
            behind(r#""type": "bandwidth", "shapedSubnets": [ "192.0.2.0/24" ]"#),
            behind(r#""type": "bandwidth", "ingressRate": 1000, "ingressBurst": 1000"#),
        ),
        Pair::new("text for an integer", "PL609", bridge(r#""vlan": "100""#), bridge(r#""vlan": 100"#)),
        Pair::new("text for a boolean", "PL609", bridge(r#""isGateway": "true""#), bridge(r#""isGateway": null"#)),
        Pair::new(
            "number for a text",
            "PL609",
            behind(r#""type": "tuning", "sysctl": { "net.ipv4.ip_forward": 1 }"#),
            behind(r#""type": "tuning", "sysctl": { "net.ipv4.ip_forward": "1" }"#),
        ),
        Pair::new(
            "wrong type within `runtimeConfig`",
            "PL609",
            macvlan(r#""runtimeConfig": { "mac": 2 }"#),
            macvlan(r#""runtimeConfig": { "mac": "02:00:00:00:00:01", "other": 2 }"#),
        ),
        Pair::new(
            "wrong type within `args.cni`",
            "PL609",
            behind(r#""type": "tuning", "args": { "cni": { "mtu": "1400" } }"#),
            behind(r#""type": "tuning", "args": { "cni": { "mtu": 1400 }, "other": { "mtu": "1400" } }"#),
        ),
        Pair::new(
            "other letter case",
            "PL612",
            macvlan(r#""linkincontainer": false"#),
            macvlan(r#""linkInContainer": false"#),
        ),
        Pair::new(
            "key of a list in other letters",
            "PL602",
            list(&[MACVLAN]).replace("\"name\"", "\"Name\""),
            list(&[MACVLAN]),
        ),
        Pair::new(
            "key twice in one object",
            "PL635",
            macvlan(r#""mtu": 1400, "mtu": 1300"#),
            macvlan(r#""mtu": 1400, "ipam": { "type": "static", "addresses": [ { "address": "192.0.2.9/24" } ] }"#),
        ),
        Pair::new(
            "object twice",
            "PL635",
            macvlan(r#""ipam": { "type": "dhcp" }, "ipam": { "type": "dhcp" }"#),
            list(&[&format!(r#"{MACVLAN}, "ipam": {{ "type": "dhcp" }}"#), r#""type": "tuning""#]),
        ),
        Pair::new(
            "one key in two letter cases",
            "PL635",
            macvlan(r#""MTU": 1400, "mtu": 1300"#),
            macvlan(r#""mtu": 1300, "mode": "bridge""#),
        ),
    ]
}

/// Keys of the networks annotation.
fn of_requests() -> Vec<Pair> {
    let net = || by_pod(r#""routes": []"#);
    let tuned = || list(&[MACVLAN, r#""type": "tuning""#]);
    vec![
        Pair::new(
            "key that Multus ignores",
            "PL602",
            net() + &pod_with(r#""ip": "192.0.2.9/24""#),
            net() + &pod_with(r#""ips": [ "192.0.2.9/24" ]"#),
        ),
        Pair::new(
            "key that another program reads",
            "PL602",
            net() + &pod_with(r#""claim": "a""#),
            net() + &pod_with(r#""ipam-claim-reference": "a""#),
        ),
        Pair::new(
            "deprecated key",
            "PL611",
            net() + &pod_with(r#""interfaceRequest": "eth1""#),
            net() + &pod_with(r#""interface": "eth1""#),
        ),
        Pair::new(
            "text for a list",
            "PL609",
            net() + &pod_with(r#""ips": "192.0.2.9/24""#),
            net() + &pod_with(r#""ips": [ "192.0.2.9/24" ]"#),
        ),
        Pair::new(
            "text for a port",
            "PL609",
            mapped(r#""hostPort": "80", "containerPort": 80"#),
            mapped(r#""hostPort": 80, "containerPort": 80"#),
        ),
        Pair::new(
            "unknown key of a port",
            "PL602",
            mapped(r#""hostPort": 80, "containerPort": 80, "proto": "udp""#),
            mapped(r#""hostPort": 80, "containerPort": 80, "protocol": "udp""#),
        ),
        Pair::new(
            "text for a rate",
            "PL609",
            limited(r#""ingressRate": "1M", "ingressBurst": 1000"#),
            limited(r#""ingressRate": 1000000, "ingressBurst": 1000"#),
        ),
        Pair::new(
            "one key of an element twice",
            "PL635",
            net() + &pod_with(r#""mac": "02:00:00:00:00:01", "mac": "02:00:00:00:00:02""#),
            net() + &pod_with(r#""mac": "02:00:00:00:00:01""#),
        ),
        Pair::new(
            "wrong type in `cni-args`",
            "PL609",
            arguments(tuned(), r#""mtu": "1400""#),
            arguments(tuned(), r#""mtu": 1400"#),
        ),
        Pair::new(
            "key of `cni-args` that no plugin reads",
            "PL602",
            arguments(tuned(), r#""routes": []"#),
            arguments(list(&[MACVLAN, r#""type": "example-tuning""#]), r#""routes": []"#),
        )
        .others(&["PL642"]),
        Pair::new(
            "wrong type within a list of `cni-args`",
            "PL609",
            arguments(list(&[MACVLAN, r#""type": "route-override""#]), r#""addroutes": [ { "dst": 10 } ]"#),
            arguments(list(&[MACVLAN, r#""type": "route-override""#]), r#""addroutes": [ { "dst": "10.0.0.0/8" } ]"#),
        ),
    ]
}

fn mapped(keys: &str) -> String {
    let chain = list(&[MACVLAN, r#""type": "portmap", "capabilities": { "portMappings": true }"#]);
    chain + &pod("web", &format!(r#"[ {{ "name": "net", "portMappings": [ {{ {keys} }} ] }} ]"#))
}

fn limited(keys: &str) -> String {
    behind(r#""type": "bandwidth", "capabilities": { "bandwidth": true }"#)
        + &pod_with(&format!(r#""bandwidth": {{ {keys} }}"#))
}

/// Keys that a plugin needs.
fn missing() -> Vec<Pair> {
    let addresses = r#""ipam": { "type": "static", "addresses": [ { "address": "192.0.2.9/24" } ] }"#;
    let main = |plugin: &str, keys: &str| bare(&format!(r#""type": "{plugin}"{keys}"#));
    let with = |plugin: &str, keys: &str| main(plugin, &format!(", {keys}{addresses}"));
    vec![
        Pair::new("ptp without IPAM plugin", "PL643", main("ptp", ""), with("ptp", "")),
        Pair::new(
            "ptp with an empty `ipam`",
            "PL643",
            main("ptp", r#", "ipam": {}"#),
            main("bridge", r#", "ipam": {}"#),
        ),
        Pair::new(
            "list for `ipam`",
            "PL609",
            main("bridge", r#", "ipam": [ "dhcp" ]"#),
            main("bridge", r#", "ipam": { "type": "example-ipam", "other": 1 }"#),
        )
        .others(&["PL642"]),
        Pair::new(
            "number for the `type` of `ipam`",
            "PL609",
            main("bridge", r#", "ipam": { "type": 5 }"#),
            main("bridge", r#", "ipam": null"#),
        ),
        Pair::new("ipvlan without IPAM plugin", "PL643", main("ipvlan", ""), main("macvlan", "")),
        Pair::new(
            "vlan without `master`",
            "PL643",
            with("vlan", r#""vlanId": 5, "#),
            with("vlan", r#""vlanId": 5, "master": "eth1", "#),
        ),
        Pair::new(
            "host-device without a device",
            "PL643",
            main("host-device", ""),
            main("host-device", r#", "capabilities": { "deviceID": true }"#),
        ),
        Pair::new(
            "vrf without `vrfname`",
            "PL643",
            behind(r#""type": "vrf""#),
            behind(r#""type": "vrf", "vrfname": "red""#),
        ),
        Pair::new("host-local without a range", "PL643", ipam(r#""type": "host-local""#), ipam(r#""type": "dhcp""#)),
        Pair::new(
            "range without `subnet`",
            "PL643",
            ipam(r#""type": "host-local", "ranges": [ [ { "rangeStart": "192.0.2.9" } ] ]"#),
            ipam(r#""type": "host-local", "ranges": [ [ { "subnet": "192.0.2.0/24" } ] ]"#),
        ),
        Pair::new(
            "whereabouts without a range",
            "PL643",
            ipam(r#""type": "whereabouts""#),
            ipam(r#""type": "whereabouts", "ipRanges": [ { "range": "192.0.2.0/24" } ]"#),
        ),
    ]
}
