//! Ports of nodes, `reachedBy`, `sysctls` and `linkLocal` in the scenario file: valid forms and refused ones.

mod common;

use common::edited::{S, assert_refused};
use common::terway::{SCENARIO, files, plan};
use plumbline_core::plan::{Backend, NodeAddress, ProbeEndpoint, Protocol, SeenAs};

#[test]
fn ports_of_nodes_and_their_eni_are_read() {
    let topology = plan().topology;
    let names: Vec<(usize, &str)> = topology.ports.iter().map(|port| (port.node, port.name.as_str())).collect();
    assert_eq!(names, [(1, "eth0"), (2, "eth0"), (1, "eth1")]);
    let eni = topology.ports[2].eni.as_ref().unwrap();
    assert_eq!(eni.table, Some(1001));
    let settings = eni.settings("eth1");
    assert_eq!((settings["eni"]["link"].as_str(), settings["pool"].as_str()), (Some("eth1"), Some("10.77.0.16/28")));
    assert!(topology.kube_mark_masq);
    assert_eq!(topology.tuning_allow_list, ["^net"]);
    assert_eq!(topology.symmetric.unwrap().backend, Backend::Nftables);
}

#[test]
fn an_ingress_probe_is_read_with_the_port_that_the_pod_requests() {
    let wanted = plan().expect.remove(0);
    let all: Vec<_> = wanted.reached_by.iter().map(|one| &one.value).collect();
    assert_eq!((all[0].container_port, all[0].by), (80, Protocol::Tcp));
    assert_eq!((all[2].container_port, all[2].by), (50, Protocol::Udp));
    assert_eq!(all[0].sender, Some(ProbeEndpoint::Host("client".into())));
    assert_eq!((all[1].sender.clone(), all[1].at), (None, NodeAddress::Localhost));
    assert_eq!((all[2].sender_at(1), all[1].sender_at(1)), (ProbeEndpoint::Node(2), ProbeEndpoint::Node(1)));
    assert_eq!(all[3].sender, Some(ProbeEndpoint::Pod("web".into())));
    let seen = |index: usize| all[index].seen_from.as_ref().map(|seen| seen.value.clone());
    assert_eq!(seen(0), Some(Some(SeenAs::Endpoint(ProbeEndpoint::Host("client".into())))));
    assert_eq!((seen(1), seen(3)), (Some(None), None));
    assert_eq!(all[0].back_by.as_ref().map(|link| link.source.line), Some(20));
    assert_eq!(wanted.link_local.map(|wanted| wanted.value), Some(false));
    assert_eq!(wanted.sysctls["net.ipv6.conf.all.disable_ipv6"].value, "1");
}

#[test]
fn mistakes_are_reported_with_their_place() {
    let ports = "topology.ports";
    let reached = "expect.web.reachedBy";
    for (from, to, at, field, part) in [
        (
            "uplink: lan, addresses: [10.66.0.10",
            "uplink: lam, addresses: [10.66.0.10",
            "12:29",
            format!("{ports}[0].uplink"),
            "did you mean `lan`?",
        ),
        ("node: 2, uplink", "node: 3, uplink", "13:27", format!("{ports}[1].node"), "nodes 1 to 2"),
        ("node: 2, uplink", "node: 1, uplink", "13:15", format!("{ports}[1].name"), "node 1 has a link `eth0` already"),
        (
            "defaults: [10.66.0.1] }\n    - { name: eth0, node",
            "defaults: [10.67.0.1] }\n    - { name: eth0, node",
            "12:73",
            format!("{ports}[0].defaults[0]"),
            "on none of the networks",
        ),
        (
            "defaults: [10.66.0.1] }\n    - { name: eth0, node",
            "defaults: [10.66.0.1, 10.66.0.2] }\n    - { name: eth0, node",
            "12:84",
            format!("{ports}[0].defaults[1]"),
            "of that family already",
        ),
        ("pool: 10.77.0.16/28, ", "", "14:39", format!("{ports}[2].eni"), "`pool` is missing"),
        ("gateway: 10.77.0.1, ", "", "14:60", format!("{ports}[2].eni"), "`gateway` is missing"),
        ("table: 1001", "table: 254", "14:68", format!("{ports}[2].eni.table"), "no table of its own"),
        (
            "pool: 10.77.0.16/28",
            "pool: 10.78.0.16/28",
            "14:80",
            format!("{ports}[2].eni.pool"),
            "not within the subnet",
        ),
        ("pool: 10.77.0.16/28", "pool: 'fd00::/120'", "14:80", format!("{ports}[2].eni.pool"), "expected IPv4"),
        ("sender: client, by", "sender: cliant, by", "20:19", format!("{reached}[0].sender"), "did you mean `client`?"),
        ("sender: node-2", "sender: node-3", "22:19", format!("{reached}[2].sender"), "nodes 1 to 2"),
        (
            "port: 8080, seenFrom: client",
            "port: 8081, seenFrom: client",
            "20:42",
            format!("{reached}[0].port"),
            "it has TCP 8080, UDP 5005",
        ),
        ("by: udp, port: 5005", "by: icmp, port: 5005", "22:31", format!("{reached}[2].by"), "none of udp, tcp"),
        ("sender: node, at", "sender: client, at", "21:31", format!("{reached}[1].at"), "expected `sender: node`"),
        ("seenFrom: 10.66.0.11", "seenFrom: 'fd00::1'", "22:58", format!("{reached}[2].seenFrom"), "another family"),
        (
            "backBy: eth0",
            "backBy: eth2",
            "20:74",
            format!("{reached}[0].backBy"),
            "no node of this topology has a port `eth2`",
        ),
        (
            "net.ipv6.conf.all.disable_ipv6",
            "kernel.msgmax",
            "24:16",
            "expect.web.sysctls.kernel.msgmax".to_owned(),
            "begins with net.",
        ),
        ("linkLocal: none", "linkLocal: no-one", "25:16", "expect.web.linkLocal".to_owned(), "none of none, some"),
        ("lanes: [netns]", "lanes: []", "9:20", "topology.tuningAllowList".to_owned(), "nodes of its own"),
        ("['^net']", "[]", "9:20", "topology.tuningAllowList".to_owned(), "expected at least one pattern"),
    ] {
        assert_refused(to, &files().replace_text(S, from, to), &format!("s/case.yaml:{at}"), &field, part);
    }
}

#[test]
fn symmetric_routing_requires_a_default_route_on_every_node() {
    let edited =
        files().replace_text(S, "addresses: [10.66.0.11/24], defaults: [10.66.0.1]", "addresses: [10.66.0.11/24]");
    assert_refused("no default", &edited, "s/case.yaml:7:19", "topology.defaultNetwork", "node 2 has none");
    let odd = files().replace_text("s/chain.conflist", "nftables", "ebpf");
    assert_refused("backend", &odd, "s/case.yaml:7:19", "topology.defaultNetwork", "neither iptables nor nftables");
}

#[test]
fn link_local_none_alone_is_refused() {
    let text = SCENARIO.split("    reachedBy:").next().unwrap().to_owned() + "    linkLocal: none\n";
    let mut files = files();
    files.0.insert(S, text.into_bytes());
    assert_refused("absence alone", &files, "s/case.yaml:19:16", "expect.web", "only absences");
}
