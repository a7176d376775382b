//! Addresses, ranges, gateways, routes.

use super::Pair;
use super::texts::{MACVLAN, bare, by_pod, config, deployment, fixed, ipam, list, nad, pod, pod_with};
use plumbline_core::lint::ClusterFacts;
use std::collections::BTreeMap;

/// A range of host-local with these keys.
fn range(keys: &str) -> String {
    ipam(&format!(r#""type": "host-local", "subnet": "192.0.2.0/24"{keys}"#))
}

/// A network with an address of static with these keys.
fn address(keys: &str) -> String {
    ipam(&format!(r#""type": "static", "addresses": [ {{ {keys} }} ]"#))
}

/// A network whose pods choose their addresses, with one route.
fn route(keys: &str) -> String {
    by_pod(&format!(r#""routes": [ {{ {keys} }} ]"#))
}

/// A network of host-local with the range from one address to another.
fn part(name: &str, master: &str, first: u8, last: u8) -> String {
    let keys = format!(
        r#""type": "macvlan", "master": "{master}", "ipam": {{ "type": "host-local", "subnet": "192.0.2.0/24", "rangeStart": "192.0.2.{first}", "rangeEnd": "192.0.2.{last}" }}"#
    );
    nad(name, &config(&keys).replace(r#""name": "net""#, &format!(r#""name": "{name}""#)))
}

fn ips(addresses: &str) -> String {
    pod_with(&format!(r#""ips": [ {addresses} ]"#))
}

pub fn pairs() -> Vec<Pair> {
    let mut pairs = of_gateways();
    pairs.extend(of_addresses());
    pairs.extend(of_sharing());
    pairs.extend(of_routes());
    pairs
}

fn of_gateways() -> Vec<Pair> {
    let chosen = || route(r#""dst": "10.0.0.0/8", "gw": "192.0.2.1""#);
    let with_default = |gateway: &str| range("") + &pod_with(&format!(r#""default-route": [ "{gateway}" ]"#));
    vec![
        Pair::new(
            "gateway of a range off its subnet",
            "PL605",
            range(r#", "gateway": "192.0.3.1""#),
            range(r#", "gateway": "192.0.2.1""#),
        ),
        Pair::new(
            "gateway of an address off its subnet",
            "PL605",
            address(r#""address": "192.0.2.9/24", "gateway": "192.0.3.1""#),
            address(r#""address": "192.0.2.9/23", "gateway": "192.0.3.1""#),
        ),
        Pair::new(
            "gateway off the subnet, to which no route leads",
            "PL605",
            address(r#""address": "192.0.2.9/31", "gateway": "169.254.1.1""#),
            address(r#""address": "192.0.2.9/32", "gateway": "169.254.1.1""#),
        ),
        Pair::new(
            "gateway is the pod's own address",
            "PL605",
            address(r#""address": "192.0.2.9/24", "gateway": "192.0.2.9""#),
            address(r#""address": "192.0.2.9/24", "gateway": "192.0.2.1""#),
        ),
        Pair::new(
            "gateway 0.0.0.0 of an address",
            "PL605",
            address(r#""address": "192.0.2.9/24", "gateway": "0.0.0.0""#),
            address(r#""address": "192.0.2.9/24""#),
        ),
        Pair::new(
            "gateway 0.0.0.0 of a route",
            "PL605",
            route(r#""dst": "10.0.0.0/8", "gw": "0.0.0.0""#),
            route(r#""dst": "10.0.0.0/8""#),
        ),
        Pair::new(
            "gateway of a route off the subnet",
            "PL605",
            range(r#", "routes": [ { "dst": "10.0.0.0/8", "gw": "192.0.3.1" } ]"#),
            range(r#", "routes": [ { "dst": "192.0.3.1/32" }, { "dst": "10.0.0.0/8", "gw": "192.0.3.1" } ]"#),
        ),
        Pair::new(
            "gateway of `addroutes` off the subnet",
            "PL605",
            list(&[
                &inner(),
                r#""type": "route-override", "addroutes": [ { "dst": "10.0.0.0/8", "gw": "192.0.3.1" } ]"#,
            ]),
            list(&[
                &inner(),
                r#""type": "route-override", "addroutes": [ { "dst": "10.0.0.0/8", "gw": "192.0.2.1" } ]"#,
            ]),
        ),
        Pair::new(
            "gateway of a route off the addresses that a pod chooses",
            "PL605",
            chosen() + &ips(r#""198.51.100.9/24""#),
            chosen() + &ips(r#""192.0.2.9/24""#),
        ),
        Pair::new(
            "gateway of `default-route` off the subnet",
            "PL605",
            with_default("192.0.3.1"),
            with_default("192.0.2.1"),
        ),
        Pair::new(
            "gateway of `default-route` is the pod's own address",
            "PL605",
            by_pod(r#""routes": []"#) + &pod_with(r#""ips": [ "192.0.2.9/24" ], "default-route": [ "192.0.2.9" ]"#),
            by_pod(r#""routes": []"#) + &pod_with(r#""ips": [ "192.0.2.9/24" ], "default-route": [ "192.0.2.1" ]"#),
        ),
    ]
}

fn inner() -> String {
    format!(r#"{MACVLAN}, "ipam": {{ "type": "host-local", "subnet": "192.0.2.0/24" }}"#)
}

fn of_addresses() -> Vec<Pair> {
    let chosen = || by_pod(r#""routes": []"#);
    vec![
        Pair::new(
            "host bits in a subnet",
            "PL605",
            ipam(r#""type": "host-local", "subnet": "192.0.2.1/24""#),
            range(""),
        ),
        Pair::new(
            "host bits in a destination",
            "PL605",
            route(r#""dst": "10.0.0.1/8""#),
            route(r#""dst": "10.0.0.1/32""#),
        ),
        Pair::new(
            "edge of a range outside",
            "PL605",
            range(r#", "rangeEnd": "192.0.3.9""#),
            range(r#", "rangeEnd": "192.0.2.9""#),
        ),
        Pair::new(
            "end of a range before its start",
            "PL605",
            range(r#", "rangeStart": "192.0.2.9", "rangeEnd": "192.0.2.8""#),
            range(r#", "rangeStart": "192.0.2.9", "rangeEnd": "192.0.2.9""#),
        ),
        Pair::new(
            "address without prefix length",
            "PL605",
            address(r#""address": "192.0.2.9""#),
            address(r#""address": "192.0.2.9/32""#),
        ),
        Pair::new(
            "address of the network",
            "PL605",
            address(r#""address": "192.0.2.0/24""#),
            address(r#""address": "192.0.2.0/31""#),
        ),
        Pair::new(
            "broadcast address",
            "PL605",
            address(r#""address": "192.0.2.255/24""#),
            address(r#""address": "192.0.2.255/23""#),
        ),
        Pair::new(
            "address of the network in `ips`",
            "PL605",
            chosen() + &ips(r#""192.0.2.0/24""#),
            chosen() + &ips(r#""192.0.2.1/24""#),
        ),
        Pair::new(
            "broadcast address in `ips`",
            "PL605",
            chosen() + &ips(r#""192.0.2.255/24""#),
            chosen() + &ips(r#""192.0.2.255/23""#),
        ),
        Pair::new(
            "no prefix length in `ips`",
            "PL605",
            chosen() + &ips(r#""192.0.2.9""#),
            bare(&format!(r#"{}, "capabilities": {{ "ips": true }}"#, inner())) + &ips(r#""192.0.2.9""#),
        ),
        Pair::new(
            "`ips` outside the range of host-local",
            "PL605",
            range("") + &ips(r#""192.0.3.9""#),
            range("") + &ips(r#""192.0.2.9""#),
        ),
        Pair::new(
            "`ips` is the gateway of host-local",
            "PL605",
            range("") + &ips(r#""192.0.2.1""#),
            range(r#", "gateway": "192.0.2.254""#) + &ips(r#""192.0.2.1""#),
        ),
        Pair::new(
            "multicast MAC address",
            "PL605",
            bare(&format!(r#"{MACVLAN}, "mac": "01:00:5e:00:00:01""#)),
            bare(&format!(r#"{MACVLAN}, "mac": "02:00:5e:00:00:01""#)),
        ),
        Pair::new(
            "multicast MAC address that a pod requests",
            "PL605",
            bare(MACVLAN) + &pod_with(r#""mac": "33:33:00:00:00:01""#),
            bare(MACVLAN) + &pod_with(r#""mac": "32:33:00:00:00:01""#),
        ),
    ]
}

fn of_sharing() -> Vec<Pair> {
    let own = || fixed("net", "eth1", "192.0.2.9/24");
    let chosen = || by_pod(r#""routes": []"#);
    let one = |name: &str, ip: &str| pod(name, &format!(r#"[ {{ "name": "net", "ips": [ "{ip}" ] }} ]"#));
    vec![
        Pair::new(
            "static address of two pods",
            "PL615",
            own() + &pod("a", "net") + &pod("b", "net"),
            own() + &pod("a", "net"),
        ),
        Pair::new(
            "static address of two replicas",
            "PL615",
            own() + &deployment(2, "net"),
            own() + &deployment(1, "net"),
        ),
        Pair::new(
            "static address of two networks",
            "PL615",
            fixed("a", "eth1", "192.0.2.9/24") + &fixed("b", "eth1", "192.0.2.9/24"),
            fixed("a", "eth1", "192.0.2.9/24") + &fixed("b", "eth2", "192.0.2.9/24"),
        ),
        Pair::new(
            "address that two pods choose",
            "PL615",
            chosen() + &one("a", "192.0.2.9/24") + &one("b", "192.0.2.9/24"),
            chosen() + &one("a", "192.0.2.9/24") + &one("b", "192.0.2.10/24"),
        ),
        Pair::new(
            "address twice in a pod",
            "PL615",
            fixed("a", "eth1", "192.0.2.9/24") + &fixed("b", "eth2", "192.0.2.9/24") + &pod("web", "a,b"),
            fixed("a", "eth1", "192.0.2.9/24") + &fixed("b", "eth2", "192.0.2.10/24") + &pod("web", "a,b"),
        ),
        Pair::new(
            "address twice in one attachment",
            "PL615",
            chosen() + &ips(r#""192.0.2.9/24", "192.0.2.9/24""#),
            chosen() + &ips(r#""192.0.2.9/24", "192.0.2.10/24""#),
        ),
        Pair::new(
            "address twice in a configuration",
            "PL615",
            ipam(r#""type": "static", "addresses": [ { "address": "192.0.2.9/24" }, { "address": "192.0.2.9/32" } ]"#),
            ipam(r#""type": "static", "addresses": [ { "address": "192.0.2.9/24" }, { "address": "192.0.2.8/32" } ]"#),
        ),
        Pair::new(
            "ranges of two networks overlap",
            "PL615",
            part("a", "eth1", 2, 100) + &part("b", "eth1", 100, 200),
            part("a", "eth1", 2, 99) + &part("b", "eth1", 100, 200),
        ),
        Pair::new(
            "ranges on a bridge and on macvlan above it",
            "PL615",
            part("a", "br1", 2, 100)
                + &part("b", "br1", 100, 200).replace(r#""macvlan", "master""#, r#""bridge", "bridge""#),
            part("a", "br1", 2, 100)
                + &part("b", "br2", 100, 200).replace(r#""macvlan", "master""#, r#""bridge", "bridge""#),
        ),
        Pair::new(
            "address within the range of another network",
            "PL615",
            part("a", "eth1", 2, 100) + &fixed("b", "eth1", "192.0.2.50/24"),
            part("a", "eth1", 2, 100) + &fixed("b", "eth1", "192.0.2.101/24"),
        ),
    ]
}

fn of_routes() -> Vec<Pair> {
    let halves = |first: &str, second: &str| {
        by_pod(&format!(r#""routes": [ {{ "dst": "{first}" }}, {{ "dst": "{second}" }} ]"#))
    };
    let ranges = || ClusterFacts { ranges: vec!["10.96.0.0/12".parse().unwrap()], ..ClusterFacts::default() };
    let mtus = || ClusterFacts { mtus: BTreeMap::from([("eth1".to_owned(), 1500)]), ..ClusterFacts::default() };
    let mtu = |mtu: u32| bare(&format!(r#"{MACVLAN}, "mtu": {mtu}"#));
    let default = |gateways: &str| pod_with(&format!(r#""default-route": [ {gateways} ]"#));
    vec![
        Pair::new(
            "second default route",
            "PL616",
            route(r#""dst": "0.0.0.0/0""#),
            route(r#""dst": "0.0.0.0/0", "priority": 900"#),
        ),
        Pair::new(
            "default route of a bridge",
            "PL616",
            bare(
                r#""type": "bridge", "isDefaultGateway": true, "ipam": { "type": "host-local", "subnet": "192.0.2.0/24" }"#,
            ),
            bare(r#""type": "bridge", "isGateway": true, "ipam": { "type": "host-local", "subnet": "192.0.2.0/24" }"#),
        ),
        Pair::new(
            "two halves of a default route",
            "PL616",
            halves("0.0.0.0/1", "128.0.0.0/1"),
            halves("0.0.0.0/1", "128.0.0.0/2"),
        ),
        Pair::new("two halves for IPv6", "PL616", halves("::/1", "8000::/1"), halves("::/1", "8000::/2")),
        Pair::new(
            "two default routes that a pod requests",
            "PL616",
            bare(MACVLAN) + &default(r#""192.0.2.1", "192.0.2.2""#),
            bare(MACVLAN) + &default(r#""192.0.2.1", "2001:db8::1""#),
        ),
        Pair::new(
            "`default-route` is empty",
            "PL616",
            bare(MACVLAN) + &default(""),
            bare(MACVLAN) + &default(r#""192.0.2.1""#),
        ),
        Pair::new(
            "route over the range of services",
            "PL608",
            route(r#""dst": "10.0.0.0/8""#),
            route(r#""dst": "10.0.0.0/12""#),
        )
        .cluster(ranges()),
        Pair::new(
            "routes that cover a range together",
            "PL608",
            halves("10.96.0.0/13", "10.104.0.0/13"),
            halves("10.112.0.0/13", "10.120.0.0/13"),
        )
        .cluster(ranges()),
        Pair::new("MTU above the parent's", "PL605", mtu(9000), mtu(1500)).cluster(mtus()),
    ]
}
