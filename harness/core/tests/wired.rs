//! Topologies, copies and reachability in the scenario file: valid forms and refused ones.

mod common;

use common::edited::{S, assert_refused};
use common::wired::{files, wired};
use plumbline_core::plan::{Because, Destination, ProbeEndpoint, Protocol, VlanProtocol};

#[test]
fn a_topology_is_read() {
    let topology = wired().topology;
    assert_eq!(topology.nodes, 2);
    let bridge = &topology.bridges[0];
    assert_eq!((bridge.uplink.as_deref(), bridge.vlan_filtering), (Some("outside"), true));
    assert_eq!(bridge.vlans, [100, 200]);
    assert_eq!((topology.links[0].vlan, topology.links[0].protocol), (100, VlanProtocol::Customer));
    let names: Vec<(&str, bool)> = topology.hosts.iter().map(|host| (host.name.as_str(), host.gateway)).collect();
    assert_eq!(names, [("gw", true), ("peer", false)]);
    assert_eq!(topology.hosts[0].ports[0].vlan, Some(100));
    assert_eq!(topology.hosts[0].behind[0].to_string(), "10.2.2.3/32");
    assert_eq!(topology.hosts[0].routes[0].1.to_string(), "10.0.0.7");
}

#[test]
fn copies_are_separate_pods_and_share_their_expectations() {
    let plan = wired();
    let names: Vec<(&str, Option<usize>)> = plan.pods.iter().map(|pod| (pod.name.as_str(), pod.node)).collect();
    assert_eq!(names, [("pod", Some(2)), ("other-1", None), ("other-2", None), ("other-3", None)]);
    assert_eq!(plan.pods[2].manifest["metadata"]["name"], "other-2");
    let expected: Vec<&str> = plan.expect.iter().map(|wanted| wanted.pod.as_str()).collect();
    assert_eq!(expected, ["pod", "other-1", "other-2", "other-3"]);
    let target = |index: usize| -> Vec<String> {
        let reaches = &plan.expect[index].reaches;
        let pod = |to: &Destination| match to {
            Destination::Pod { pod, .. } => pod.clone(),
            Destination::Address { address, .. } => address.to_string(),
        };
        reaches.iter().map(|reach| pod(&reach.value.to)).collect()
    };
    assert_eq!(target(2), ["other-1", "other-3"], "all others, and not itself");
    assert_eq!(target(0), ["10.2.2.3", "10.2.2.3", "other-1", "other-2", "other-3", "10.0.0.1"]);
}

#[test]
fn probes_are_read_with_the_lines_that_request_them() {
    let plan = wired();
    let reach = &plan.expect[0].reaches[0];
    assert_eq!((reach.source.line, reach.value.by), (24, Protocol::Icmp));
    assert_eq!(reach.value.to.endpoint(), Some(ProbeEndpoint::Host("gw".into())));
    let tags = reach.value.tags.as_ref().unwrap();
    assert_eq!((tags.value.as_slice(), tags.source.line, tags.source.column), ([100].as_slice(), 24, 104));
    let cannot = &plan.expect[0].cannot_reach[0].value;
    assert_eq!((cannot.because, &cannot.reached_by), (Because::NoAnswer, &Some(ProbeEndpoint::Host("peer".into()))));
    assert_eq!(plan.expect[0].cannot_reach[1].value.reached_by, None);
}

#[test]
fn mistakes_in_a_topology_are_reported_with_their_place() {
    for (what, from, to, at, field, part) in [
        ("no nodes", "nodes: 2", "nodes: 0", "5:10", "topology.nodes", "0 nodes"),
        (
            "uplink",
            "uplink: outside, vlanF",
            "uplink: outsde, vlanF",
            "7:30",
            "topology.bridges[0].uplink",
            "did you mean `outside`?",
        ),
        ("VLAN 0", "vlans: [100, 200]", "vlans: [0, 200]", "7:68", "topology.bridges[0].vlans[0]", "VLAN 0"),
        ("VLAN 4095", "vlans: [100, 200]", "vlans: [100, 4095]", "7:73", "topology.bridges[0].vlans[1]", "VLAN 4095"),
        (
            "VLAN 1",
            "vlans: [100, 200]",
            "vlans: [100, 1]",
            "7:73",
            "topology.bridges[0].vlans[1]",
            "untagged in any case",
        ),
        ("VLAN twice", "vlans: [100, 200]", "vlans: [100, 100]", "7:73", "topology.bridges[0].vlans[1]", "twice"),
        ("no filtering", "vlanFiltering: true, ", "", "7:46", "topology.bridges[0].vlans", "vlanFiltering"),
        (
            "no uplink",
            "uplink: outside, vlanFilt",
            "vlanFilt",
            "7:50",
            "topology.bridges[0].vlans",
            "this bridge has none",
        ),
        ("parent", "parent: br-ex", "parent: br-xe", "9:34", "topology.links[0].parent", "did you mean `br-ex`?"),
        ("link's VLAN", "vlan: 100, protocol", "vlan: 4096, protocol", "9:47", "topology.links[0].vlan", "VLAN 4096"),
        (
            "link's priority",
            "802.1Q }",
            "802.1Q, priority: 8 }",
            "9:80",
            "topology.links[0].priority",
            "priority 8; 0 to 7",
        ),
        ("protocol", "802.1Q", "802.1x", "9:62", "topology.links[0].protocol", "802.1ad"),
        ("link's name", "name: br-ex.100", "name: br-ex", "9:15", "topology.links[0].name", "already"),
        (
            "uplinks twice",
            "[{ name: outside }]",
            "[{ name: outside }, { name: outside }]",
            "10:40",
            "topology.uplinks[1].name",
            "twice",
        ),
        (
            "port's uplink",
            "[{ uplink: outside, vlan: 100,",
            "[{ uplink: inside, vlan: 100,",
            "12:37",
            "topology.gateways[0].ports[0].uplink",
            "no uplink `inside`",
        ),
        (
            "port's address",
            "10.0.0.1/24",
            "10.0.0.1",
            "12:69",
            "topology.gateways[0].ports[0].addresses[0]",
            "no prefix length",
        ),
        ("behind", "10.2.2.3/32", "10.2.2.3/33", "12:95", "topology.gateways[0].behind[0]", "/33"),
        (
            "off-link route",
            "via: 10.0.0.7",
            "via: 10.7.0.7",
            "12:142",
            "topology.gateways[0].routes[0].via",
            "on none of the networks",
        ),
        (
            "route's family",
            "via: 10.0.0.7",
            "via: 'fd00::7'",
            "12:142",
            "topology.gateways[0].routes[0].via",
            "another family",
        ),
        ("host twice", "name: peer,", "name: gw,", "14:15", "topology.peers[0].name", "twice"),
        ("a pod's name", "name: peer,", "name: pod,", "14:15", "topology", "the name of a pod"),
        (
            "a host without a port",
            "ports: [{ uplink: outside, addresses: [10.9.0.1/24] }]",
            "ports: []",
            "14:15",
            "topology.peers[0].ports",
            "at least one port",
        ),
        (
            "lane",
            "topology:\n  nodes",
            "lanes: [netsn]\ntopology:\n  nodes",
            "4:9",
            "lanes[0]",
            "did you mean `netns`?",
        ),
        ("node", "node: 2", "node: 3", "19:33", "pods[0].node", "nodes 1 to 2"),
        ("node 0", "node: 2", "node: 0", "19:33", "pods[0].node", "node 0"),
        ("copies", "copies: 3", "copies: 0", "20:37", "pods[1].copies", "0 copies"),
        ("too many copies", "copies: 3", "copies: 101", "20:37", "pods[1].copies", "101 copies"),
        (
            "a network's node",
            "  - template: nad.yaml\n",
            "  - template: nad.yaml\n    node: 1\n",
            "17:11",
            "networks[0].node",
            "goes with pods",
        ),
    ] {
        assert_refused(what, &files().replace_text(S, from, to), &format!("s/case.yaml:{at}"), field, part);
    }
}

#[test]
fn mistakes_in_probes_are_reported_with_their_place() {
    let r = "expect.pod.reaches";
    let c = "expect.pod.cannotReach";
    for (what, from, to, at, field, part) in [
        ("host", "at: gw, by: icmp", "at: gv, by: icmp", "24:29", format!("{r}[0].at"), "did you mean `gw`?"),
        (
            "not its address",
            "to: 10.2.2.3, at: gw, by: icmp",
            "to: 10.2.2.4, at: gw, by: icmp",
            "24:29",
            format!("{r}[0].at"),
            "neither on a port nor behind",
        ),
        (
            "not the port's network",
            "to: 10.2.2.3, at: gw, by: icmp",
            "to: 10.0.0.2, at: gw, by: icmp",
            "24:29",
            format!("{r}[0].at"),
            "neither on a port nor behind",
        ),
        (
            "a pod's address",
            "to: 10.2.2.3, at: gw, by: icmp",
            "to: 10.0.0.11, at: other-1, by: icmp",
            "24:30",
            format!("{r}[0].at"),
            "does not request",
        ),
        ("by", "at: gw, by: icmp, t", "at: gw, by: icpm, t", "24:37", format!("{r}[0].by"), "did you mean `icmp`?"),
        (
            "through",
            "by: icmp, through: eth1",
            "by: icmp, through: eth9",
            "24:52",
            format!("{r}[0].through"),
            "no interface `eth9`",
        ),
        (
            "gateway's family",
            "gateway: 10.0.0.1",
            "gateway: 'fd00::1'",
            "24:67",
            format!("{r}[0].gateway"),
            "another family",
        ),
        (
            "gateway alone",
            "through: eth1, gateway",
            "gateway",
            "24:52",
            format!("{r}[0].gateway"),
            "`through` is missing",
        ),
        (
            "seenFrom without at",
            "to: 10.2.2.3, at: gw, by: icmp",
            "to: 10.2.2.3, by: icmp",
            "24:79",
            format!("{r}[0].seenFrom"),
            "needs `at`",
        ),
        ("tag 0", "tags: [100]", "tags: [0]", "24:105", format!("{r}[0].tags[0]"), "VLAN 0"),
        ("tag 4095", "tags: [100]", "tags: [4095]", "24:105", format!("{r}[0].tags[0]"), "VLAN 4095"),
        ("three tags", "tags: [100]", "tags: [1, 2, 3]", "24:104", format!("{r}[0].tags"), "3 tags"),
        (
            "priority 8",
            "tags: [100]",
            "tags: [100], priority: 8",
            "24:121",
            format!("{r}[0].priority"),
            "priority 8; 0 to 7",
        ),
        (
            "priority without a tag",
            "tags: [100]",
            "tags: [], priority: 5",
            "24:118",
            format!("{r}[0].priority"),
            "`tags` with one is missing",
        ),
        ("no port", "by: tcp, port: 8080", "by: tcp", "25:9", format!("{r}[1]"), "`port` is missing"),
        (
            "a port of ICMP",
            "by: tcp, port: 8080",
            "by: icmp, port: 8080",
            "25:49",
            format!("{r}[1].port"),
            "only UDP and TCP",
        ),
        ("port 0", "port: 8080", "port: 0", "25:48", format!("{r}[1].port"), "port 0"),
        ("port 65536", "port: 8080", "port: 65536", "25:48", format!("{r}[1].port"), "port 65536"),
        (
            "pod",
            "{ pod: other, interface: eth1, by: udp",
            "{ pod: othr, interface: eth1, by: udp",
            "26:16",
            format!("{r}[2].pod"),
            "did you mean `other`?",
        ),
        (
            "pod's interface",
            "interface: eth1, by: udp",
            "interface: eth2, by: udp",
            "26:34",
            format!("{r}[2].interface"),
            "no interface `eth2`",
        ),
        (
            "no interface",
            "{ pod: other, interface: eth1, by: udp",
            "{ pod: other, by: udp",
            "26:9",
            format!("{r}[2]"),
            "`interface` is missing",
        ),
        (
            "itself",
            "{ pod: other, interface: eth1, by: udp",
            "{ pod: pod, interface: eth1, by: udp",
            "26:16",
            format!("{r}[2].pod"),
            "reaching itself",
        ),
        (
            "both",
            "{ pod: other, interface: eth1, by: udp",
            "{ pod: other, to: 10.0.0.1, interface: eth1, by: udp",
            "26:9",
            format!("{r}[2]"),
            "either `to` or `pod`",
        ),
        (
            "arp without interface",
            "by: arp, through: eth1",
            "by: arp",
            "27:9",
            format!("{r}[3]"),
            "`through` is missing",
        ),
        (
            "multicast",
            "{ to: 10.0.0.1, at: gw, by: arp",
            "{ to: 224.0.0.1, at: gw, by: arp",
            "27:15",
            format!("{r}[3].to"),
            "single machine",
        ),
        (
            "because",
            "because: no-answer",
            "because: no-anser",
            "29:61",
            format!("{c}[0].because"),
            "did you mean `no-answer`?",
        ),
        ("no because", "because: no-answer, ", "", "29:9", format!("{c}[0]"), "`because` is missing"),
        (
            "no control",
            ", control: { pod: other-2, interface: eth1 }",
            "",
            "29:9",
            format!("{c}[0]"),
            "`control` is missing",
        ),
        (
            "control of many",
            "control: { pod: other-2,",
            "control: { pod: other,",
            "29:81",
            format!("{c}[0].control"),
            "one destination",
        ),
        ("no third endpoint", ", reachedBy: peer", "", "29:9", format!("{c}[0]"), "`reachedBy` is missing"),
        (
            "third endpoint",
            "reachedBy: peer",
            "reachedBy: per",
            "29:127",
            format!("{c}[0].reachedBy"),
            "did you mean `peer`?",
        ),
        ("the sender", "reachedBy: peer", "reachedBy: pod", "29:127", format!("{c}[0].reachedBy"), "the sender itself"),
        (
            "the destination",
            "reachedBy: peer",
            "reachedBy: other-1",
            "29:127",
            format!("{c}[0].reachedBy"),
            "the destination itself",
        ),
        (
            "expected twice",
            "  other:\n    reaches",
            "  other-2:\n    reaches: [{ to: 10.0.0.1, by: icmp }]\n  other:\n    reaches",
            "33:3",
            "expect.other-2".to_owned(),
            "in line 31 already",
        ),
    ] {
        assert_refused(what, &files().replace_text(S, from, to), &format!("s/case.yaml:{at}"), &field, part);
    }
}

#[test]
fn an_absence_is_refused_if_no_other_expectation_proves_the_pod() {
    let edited = files().replace_text(
        S,
        "  other:\n    reaches:\n      - { pod: other, interface: eth1, by: icmp }\n",
        "  other-1:\n    interfaces: { eth9: { absent: true } }\n",
    );
    assert_refused("absence alone", &edited, "s/case.yaml:32:19", "expect.other-1", "absence");
    let edited = files().replace_text(S, "  other:\n    reaches:\n      - { pod: other, interface: eth1, by: icmp }\n", "  other-1:\n    interfaces: { eth9: { absent: true } }\n    reaches: [{ pod: other-2, interface: eth1, by: icmp }]\n");
    assert!(edited.load().is_ok(), "{:?}", edited.load());
}

#[test]
fn a_lookup_needs_its_expected_address() {
    const LINE: &str = "{ pod: other, interface: eth1, by: udp, port: 5000 }";
    const LOOKUP: &str = "{ to: 10.9.9.9, by: udp, port: 53, lookup: a.b., resolvesTo: 'fd00::1' }";
    let plan = files().replace_text(S, LINE, LOOKUP).load().unwrap();
    let reach = plan.expect[0].reaches.iter().find(|reach| reach.source.line == 26).unwrap();
    let lookup = reach.value.lookup.as_ref().unwrap();
    assert_eq!((lookup.name.as_str(), lookup.resolves_to.source.line), ("a.b", 26), "without the dot at the end");
    assert_eq!(lookup.resolves_to.value.to_string(), "fd00::1", "of either family");
    let r = "expect.pod.reaches[2]";
    for (what, from, to, at, field, part) in [
        ("no expected address", ", resolvesTo: 'fd00::1'", "", "26:9", r.to_owned(), "`resolvesTo` is missing"),
        ("no name", "lookup: a.b., ", "", "26:56", format!("{r}.resolvesTo"), "goes with `lookup`"),
        ("by TCP", "by: udp", "by: tcp", "26:52", format!("{r}.lookup"), "asked for by `udp`"),
        ("no name", "a.b.", "a..b", "26:52", format!("{r}.lookup"), "`a..b` is not a name"),
        ("no address", "'fd00::1'", "'fd00::/64'", "26:70", format!("{r}.resolvesTo"), "fd00::/64"),
        ("a host", "to: 10.9.9.9", "to: 10.0.0.1, at: gw", "26:60", format!("{r}.lookup"), "know no names"),
    ] {
        let changed = LOOKUP.replace(from, to);
        assert_ne!(changed, LOOKUP, "{what}");
        assert_refused(what, &files().replace_text(S, LINE, &changed), &format!("s/case.yaml:{at}"), &field, part);
    }
}
