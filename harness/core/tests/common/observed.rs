//! Observations made by hand: the seed's scenario as the kernel shows it. Tests edit them.

use plumbline_core::cni::{ChainError, ChainOutcome, CniCommand, Exit, PluginCall};
use plumbline_core::observe::{
    Address, KernelState, Link, NextHop, Observation, PodObservation, PodState, Reported, Route, Witness,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A link that is up, with its addresses.
pub fn link(index: u32, name: &str, kind: Option<&str>, parent: Option<u32>, addresses: &[&str]) -> Link {
    let address = |text: &&str| Address {
        address: text.parse().unwrap(),
        scope: if text.starts_with("fe80") { "link" } else { "global" }.to_owned(),
        flags: vec![],
    };
    Link {
        index,
        name: name.to_owned(),
        kind: kind.map(str::to_owned),
        mode: None,
        parent,
        parent_netns: parent.map(|_| 0),
        flags: vec!["LOWER_UP".to_owned(), "UP".to_owned()],
        state: "UP".to_owned(),
        mtu: 1500,
        mac: format!("02:00:00:00:00:{index:02x}"),
        addresses: addresses.iter().map(address).collect(),
        ..Link::default()
    }
}

/// A route of the main table: `route("10.0.0.0/8", Some("192.168.100.1"), "eth1")`.
pub fn route(to: &str, via: Option<&str>, dev: &str) -> Route {
    Route {
        to: to.parse().unwrap(),
        kind: "unicast".to_owned(),
        hops: vec![NextHop {
            via: via.map(|via| via.parse().unwrap()),
            dev: Some(dev.to_owned()),
            weight: 1,
            flags: vec![],
        }],
        table: 254,
        protocol: "boot".to_owned(),
        scope: "global".to_owned(),
        src: None,
        metric: 0,
    }
}

/// The route that the kernel makes with an address.
pub fn connected(to: &str, src: &str, dev: &str) -> Route {
    Route {
        protocol: "kernel".to_owned(),
        scope: "link".to_owned(),
        src: Some(src.parse().unwrap()),
        ..route(to, None, dev)
    }
}

/// The result of one of the seed's chains.
pub fn result(interface: &str, mac: &str, address: &str, gateway: &str, to: &str) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "interfaces": [{"name": interface, "mac": mac, "sandbox": "/run/netns/pod"}],
        "ips": [{"interface": 0, "address": address, "gateway": gateway}],
        "routes": [{"dst": to, "gw": gateway}],
        "dns": {}
    })
}

/// One call of a plugin that succeeded.
pub fn call(network: &str, position: usize, plugin: &str, ifname: &str) -> PluginCall {
    PluginCall {
        network: network.to_owned(),
        position,
        plugin: plugin.to_owned(),
        command: CniCommand::Add,
        ifname: ifname.to_owned(),
        argv: vec![format!("/opt/cni/bin/{plugin}")],
        env: vec![],
        stdin: json!({}),
        stdout: String::new(),
        stderr: String::new(),
        exit: Exit::Code(0),
        duration_us: 1000,
        changes: None,
    }
}

fn outcome(network: &str, ifname: &str, result: Value) -> (String, ChainOutcome) {
    let calls = vec![call(network, 0, "macvlan", ifname), call(network, 1, "route-override", ifname)];
    (network.to_owned(), ChainOutcome { result: Some(result), error: None, calls, before: None })
}

/// The outcome of a chain that stopped at a plugin.
pub fn stopped(network: &str, position: usize, plugin: &str, message: &str) -> (String, ChainOutcome) {
    let error = ChainError {
        position: Some(position),
        plugin: Some(plugin.to_owned()),
        cni: None,
        message: message.to_owned(),
    };
    (network.to_owned(), ChainOutcome { result: None, error: Some(error), calls: vec![], before: None })
}

/// The seed's pod as the netns lane observes it when all is well.
pub fn seed() -> Observation {
    let links = vec![
        link(1, "lo", None, None, &["127.0.0.1/8", "::1/128"]),
        link(2, "eth0", Some("veth"), Some(9), &["10.244.0.5/24", "fe80::1/64"]),
        link(3, "eth1", Some("macvlan"), Some(5), &["192.168.100.10/24", "fe80::2/64"]),
        link(4, "eth2", Some("macvlan"), Some(5), &["192.168.200.10/24", "fe80::3/64"]),
    ];
    let routes = vec![
        route("0.0.0.0/0", Some("10.244.0.1"), "eth0"),
        connected("10.244.0.0/24", "10.244.0.5", "eth0"),
        connected("192.168.100.0/24", "192.168.100.10", "eth1"),
        route("10.0.0.0/8", Some("192.168.100.1"), "eth1"),
        connected("192.168.200.0/24", "192.168.200.10", "eth2"),
        route("172.16.0.0/12", Some("192.168.200.1"), "eth2"),
        Route { protocol: "kernel".to_owned(), metric: 256, ..route("fe80::/64", None, "eth1") },
        Route { kind: "multicast".to_owned(), table: 255, ..route("ff00::/8", None, "eth1") },
    ];
    let eth1 = result("eth1", "02:00:00:00:00:03", "192.168.100.10/24", "192.168.100.1", "10.0.0.0/8");
    let eth2 = result("eth2", "02:00:00:00:00:04", "192.168.200.10/24", "192.168.200.1", "172.16.0.0/12");
    let reported = |interface: &str, network: &str, result: &Value| Reported {
        interface: interface.to_owned(),
        network: network.to_owned(),
        result: Some(result.clone()),
        status: None,
    };
    Observation {
        pods: vec![PodObservation {
            pod: "chain-test-pod".to_owned(),
            node: "node".to_owned(),
            state: PodState::Running,
            transcripts: vec![],
            kernel: Some(KernelState { links, routes, rules: vec![] }),
            witnesses: vec![Witness::Agent, Witness::PodIp],
            reported: vec![reported("eth1", "management-net", &eth1), reported("eth2", "sip-net", &eth2)],
            outcomes: vec![outcome("management-net", "eth1", eth1), outcome("sip-net", "eth2", eth2)],
            removals: vec![],
            state_after: None,
            calls: vec![],
            log: vec![],
            node_links: Some(BTreeMap::from([(5, "br-ex".to_owned()), (9, "veth0".to_owned())])),
            sysctls: BTreeMap::new(),
        }],
        ..Observation::default()
    }
}
