//! No configuration, environment, output or change makes the predictor or the judge panic.

mod common;

use common::observed::{call, link};
use plumbline_core::cni::{ChainOutcome, CniCommand, PluginCall, StateBefore};
use plumbline_core::judge::judge;
use plumbline_core::observe::{KernelState, Observation, PodObservation};
use plumbline_core::plan::Plan;
use plumbline_core::predict::Predictor;
use plumbline_core::state::{Change, FactKey, FactKind, NamespaceState, PodAndNode, Subject};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

const PLUGINS: [&str; 9] =
    ["bridge", "host-device", "loopback", "macvlan", "portmap", "ptp", "route-override", "tuning", "whereabouts"];

/// The keys that models read, some in another letter case.
const KEYS: &[&str] = &[
    "name",
    "type",
    "bridge",
    "isGateway",
    "isDefaultGateway",
    "forceAddress",
    "ipMasq",
    "ipMasqBackend",
    "mtu",
    "MTU",
    "hairpinMode",
    "portIsolation",
    "enabledad",
    "vlan",
    "macspoofchk",
    "promiscMode",
    "mac",
    "device",
    "master",
    "mode",
    "bcqueuelen",
    "linkInContainer",
    "snat",
    "masqAll",
    "markMasqBit",
    "backend",
    "portMappings",
    "hostPort",
    "containerPort",
    "protocol",
    "hostIP",
    "addroutes",
    "delroutes",
    "flushroutes",
    "flushgateway",
    "sysctl",
    "promisc",
    "allmulti",
    "txQLen",
    "dataDir",
    "ipam",
    "Ipam",
    "addresses",
    "address",
    "gateway",
    "routes",
    "dst",
    "gw",
    "table",
    "priority",
    "scope",
    "advmss",
    "subnet",
    "ranges",
    "rangeStart",
    "rangeEnd",
    "ips",
    "ipRanges",
    "runtimeConfig",
    "args",
    "cni",
    "prevResult",
    "interfaces",
    "interface",
    "sandbox",
    "net.ipv4.conf.IFNAME.arp_filter",
    "net.ipv4.conf.default.arp_filter",
    "net/core/somaxconn",
    "..",
    "",
];

const TEXTS: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "1500",
    "1279",
    "4294967295",
    "18446744073709551616",
    "static",
    "host-local",
    "dhcp",
    "bridge",
    "passthru",
    "iptables",
    "eth1",
    "eth0",
    "lo",
    "br-ex",
    "cni0",
    "peer(eth1)",
    "default",
    "veth",
    "macvlan",
    "/",
    "..",
    "a/b",
    " ",
    "10.0.0.0/8",
    "10.0.0.2/24",
    "10.0.0.2",
    "10.0.0.1",
    "255.255.255.255/32",
    "255.255.255.255",
    "0.0.0.0/0",
    "0.0.0.0",
    "255.255.255.254/31",
    "10.0.0.0/33",
    "::/0",
    "::",
    "fd00::/64",
    "fd00::2/64",
    "fd00::2",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe80::1/64",
    "0a:00:00:00:00:01",
    "0a-00",
    "0a0é",
    "é",
    "\u{0}",
    "eth1 of the pod",
    "br-ex of the node",
    "a link elsewhere",
    "up",
    "on",
    "off",
    "tcp",
    "udp",
    "scope global secondary",
    "unicast via 10.0.0.1 proto boot",
    "unicast proto kernel scope link",
    "unicast nexthop dev eth1 weight 1 via fd00::1 nexthop dev eth0 weight 1 via fd00::2 proto boot",
    "broadcast proto kernel",
    "{\"mtu\":99999999999,\"promisc\":true,\"allmulti\":false,\"mac\":\"x\",\"txQLen\":-1}",
    "lookup 100",
    "run-0\neth1",
];

const LINKS: &[&str] = &["", "lo", "eth1", "eth0", "br-ex", "cni0", "peer(eth1)", "default", "all", "eth0 eth1", "é é"];

const ITEMS: &[&str] = &[
    "",
    "kind",
    "up",
    "mtu",
    "mac",
    "parent",
    "master",
    "mode",
    "promiscuity",
    "allmulti",
    "root",
    "0.0.0.0/0",
    "0.0.0.0/0 metric 100",
    "::/0 metric 1024",
    "fd00::/64 metric 256",
    "10.0.0.0/8 (2)",
    "10.0.0.0/8",
    "10.0.0.2/32 table 255",
    "10.0.0.2/24",
    "fe80::1/64",
    "fd00::2/64",
    "not an address",
    "100: inet from all",
    "100: inet from all to 10.0.0.0/8",
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv4/conf/lo/forwarding",
    "net/ipv6/conf/lo/mtu",
    "net/ipv6/conf/lo/accept_ra",
    "net/ipv4/conf/default/forwarding",
    "net/ipv4/conf/eth1/arp_filter",
    "/lo/",
    "/var/lib/cni/networks/n/10.0.0.2",
    "/run/cni/tuning/run-0_eth1.json",
    "-A CNI-HOSTPORT-DNAT -j x of ip nat",
    "é",
];

/// Any JSON of the keys and texts above, and numbers that overflow.
fn any_value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        select(vec![
            0,
            1,
            -1,
            13,
            31,
            32,
            64,
            253,
            254,
            255,
            256,
            1280,
            65536,
            i64::from(u32::MAX),
            i64::MAX,
            i64::MIN
        ])
        .prop_map(Value::from),
        Just(Value::from(u64::MAX)),
        Just(json!(1.5e300)),
    ];
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        2 => any::<bool>().prop_map(Value::from),
        3 => number,
        8 => select(TEXTS).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::from), any_object(inner).prop_map(Value::Object),]
    })
}

fn any_object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    vec((select(KEYS), inner), 0..6)
        .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// A configuration in which the deeper keys stand where models look for them.
fn any_configuration() -> impl Strategy<Value = Value> {
    let ranges = vec(vec(any_object(any_value()).prop_map(Value::Object), 0..3).prop_map(Value::from), 0..3);
    let ipam =
        (any_object(any_value()), select(vec!["static", "host-local"]), ranges, vec(any_object(any_value()), 0..3));
    let ipam = ipam.prop_map(|(mut ipam, kind, ranges, routes)| {
        ipam.insert("type".to_owned(), json!(kind));
        ipam.insert("ranges".to_owned(), ranges.into());
        ipam.insert("routes".to_owned(), json!(routes));
        Value::Object(ipam)
    });
    let own = (any_object(any_value()), prop_oneof![ipam, any_value()], any_object(any_value()));
    let given = (any_object(any_value()), vec(any_object(any_value()), 0..3), any_object(any_value()));
    (own, given).prop_map(|((mut top, ipam, sysctl), (runtime, mappings, previous))| {
        let mut runtime = runtime;
        runtime.insert("portMappings".to_owned(), json!(mappings));
        for (key, value) in [
            ("ipam", ipam),
            ("sysctl", Value::Object(sysctl)),
            ("runtimeConfig", Value::Object(runtime.clone())),
            ("args", json!({ "cni": runtime })),
            ("prevResult", Value::Object(previous)),
        ] {
            top.entry(key).or_insert(value);
        }
        Value::Object(top)
    })
}

/// Networks that are valid, at the ends of what there is.
const NETWORKS: &[&str] = &[
    "10.0.0.0/24",
    "10.0.0.2/24",
    "255.255.255.255/32",
    "255.255.255.254/31",
    "0.0.0.0/0",
    "0.0.0.0/32",
    "::/0",
    "fd00::2/64",
    "fe80::1/64",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
];

/// A configuration that models can follow to its end, with a few keys replaced.
fn near_configuration() -> impl Strategy<Value = Value> {
    let address = || select(NETWORKS).prop_map(|net| net.split('/').next().unwrap_or_default());
    let range = (select(NETWORKS), proptest::option::of(address()), proptest::option::of(address()));
    let range =
        range.prop_map(|(subnet, first, last)| json!({ "subnet": subnet, "rangeStart": first, "rangeEnd": last }));
    let addresses = vec((select(NETWORKS), address()), 1..4);
    let addresses =
        addresses.prop_map(|all| all.iter().map(|(net, gw)| json!({ "address": net, "gateway": gw })).collect());
    let ipam = prop_oneof![
        addresses.prop_map(|all: Vec<Value>| json!({ "type": "static", "addresses": all })),
        vec(vec(range, 1..3), 1..3).prop_map(|ranges| json!({ "type": "host-local", "ranges": ranges })),
    ];
    let routes = || vec((select(NETWORKS), proptest::option::of(address())), 0..3);
    let routes = || {
        routes().prop_map(|all| json!(all.iter().map(|(to, gw)| json!({ "dst": to, "gw": gw })).collect::<Vec<_>>()))
    };
    let switches = vec((select(KEYS), any::<bool>()), 0..8);
    let odd = vec((select(KEYS), any_value()), 0..2);
    (ipam, routes(), routes(), switches, odd, select(NETWORKS)).prop_map(|(mut ipam, routes, others, switches, odd, net)| {
        ipam["routes"] = routes.clone();
        let interfaces = json!([{ "name": "eth1", "sandbox": "/run/netns/p" }, { "name": "lo", "sandbox": "x" }]);
        let mapping = json!({ "hostPort": 65535, "containerPort": 1, "protocol": "udp" });
        let mut top = json!({
            "name": "n", "bridge": "br-ex", "master": "br-ex", "device": "eth0", "ipam": ipam, "promisc": true, "allmulti": true,
            "runtimeConfig": { "portMappings": [mapping] }, "addroutes": routes, "delroutes": others,
            "sysctl": {},
            "prevResult": { "interfaces": interfaces, "routes": others, "ips": [{ "address": net, "interface": 0 }] },
        });
        let switches = switches.into_iter().map(|(key, on)| (key, Value::from(on)));
        let changed = switches.filter(|(key, _)| key.starts_with("is") || key.starts_with("flush") || key.ends_with("Masq"));
        changed.chain(odd).for_each(|(key, value)| top[key] = value);
        top
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    let kinds = vec![
        FactKind::Link,
        FactKind::Address,
        FactKind::Route,
        FactKind::Rule,
        FactKind::Neighbour,
        FactKind::Sysctl,
        FactKind::Firewall,
        FactKind::Qdisc,
        FactKind::File,
        FactKind::Mount,
    ];
    let value = || proptest::option::of(select(TEXTS).prop_map(str::to_owned));
    let key =
        (select(kinds), select(LINKS), select(ITEMS)).prop_map(|(kind, link, item)| FactKey::new(kind, link, item));
    (any::<bool>(), key, value(), value()).prop_map(|(is_pod, key, before, after)| Change {
        subject: if is_pod { Subject::Pod } else { Subject::Node },
        key,
        before,
        after,
    })
}

fn any_state() -> impl Strategy<Value = PodAndNode> {
    // What models look for most, and then anything.
    let links = vec((select(LINKS), select(ITEMS), select(TEXTS)), 0..40);
    (links, vec(any_change(), 0..40)).prop_map(|(links, changes)| {
        let mut facts = NamespaceState::default();
        links.into_iter().for_each(|(link, item, value)| facts.set(FactKey::link(link, item), value));
        let mut state = PodAndNode { pod: facts.clone(), node: facts };
        state.apply(&changes);
        state
    })
}

fn any_call() -> impl Strategy<Value = PluginCall> {
    let addresses = vec((select(NETWORKS), select(NETWORKS)), 1..4).prop_map(|all| {
        let ip = |(net, gw): &(&str, &str)| json!({ "address": net, "gateway": gw.split('/').next(), "interface": 0 });
        json!({ "ips": all.iter().map(ip).collect::<Vec<_>>() }).to_string()
    });
    let output = prop_oneof![
        3 => addresses,
        1 => any_configuration().prop_map(|value| value.to_string()),
        1 => ".{0,20}",
    ];
    let command = select(vec![CniCommand::Add, CniCommand::Add, CniCommand::Check, CniCommand::Del]);
    let arguments = (select(TEXTS), select(TEXTS), select(TEXTS))
        .prop_map(|(one, two, three)| format!("IgnoreUnknown=true;IP={one},{two};GATEWAY={two};MAC={one};{three}"));
    let arguments = prop_oneof![2 => Just("IgnoreUnknown=true".to_owned()), 1 => arguments];
    let environment = (select(TEXTS), arguments);
    let configuration = prop_oneof![2 => near_configuration(), 1 => any_configuration()];
    let names =
        (select(PLUGINS.to_vec()), select(vec!["eth1", "eth1", "eth1", "lo", "", "é", "a/b"]), 0..5usize, command);
    (names, configuration, output, environment, vec(any_change(), 0..20)).prop_map(
        |((plugin, interface, position, command), stdin, stdout, (container, arguments), changes)| {
            let env = [("CNI_CONTAINERID", container), ("CNI_ARGS", arguments.as_str())];
            PluginCall {
                command,
                stdin,
                stdout,
                env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
                changes: Some(changes),
                ..call("n", position, plugin, interface)
            }
        },
    )
}

fn any_outcome() -> impl Strategy<Value = ChainOutcome> {
    (any_state(), vec(any_call(), 1..4)).prop_map(|(state, calls)| ChainOutcome {
        result: None,
        error: None,
        calls,
        before: Some(StateBefore::Whole(state)),
    })
}

static PLAN: LazyLock<Plan> = LazyLock::new(|| common::load("openshift/chain-example.yaml").unwrap());

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_makes_the_predictor_panic(outcome in any_outcome(), since in vec(any_change(), 0..10)) {
        let mut predictor = Predictor::default();
        for judged in predictor.judge_chain(&outcome) {
            for difference in &judged.differences {
                let _ = (difference.expected_text(), difference.key_path(), difference.key.to_string());
            }
        }
        let later = ChainOutcome { before: Some(StateBefore::Since(since)), ..outcome };
        prop_assert!(predictor.judge_chain(&later).len() <= later.calls.len());
    }

    #[test]
    fn nothing_makes_the_judge_panic(added in any_outcome(), removed in any_outcome()) {
        let plan = &*PLAN;
        let name = plan.networks[0].name.clone();
        let pod = PodObservation {
            pod: plan.pods[0].name.clone(),
            kernel: Some(KernelState { links: vec![link(3, "eth1", None, None, &[])], ..KernelState::default() }),
            outcomes: vec![(name.clone(), added)],
            removals: vec![(name, removed)],
            ..PodObservation::default()
        };
        let findings = judge(plan, &Observation { pods: vec![pod], ..Observation::default() }).findings;
        prop_assert!(findings.iter().all(|finding| !finding.message.is_empty()));
    }
}
