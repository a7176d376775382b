//! Many pods on one network, leaks after tear-down, and routes that cover the cluster's own ranges.

mod common;

use common::observed::{route, seed};
use common::seed_edits::{codes, kernel, plan};
use common::wired::{observed, wired};
use plumbline_core::finding::{Finding, FindingCode, Severity};
use plumbline_core::judge::judge;
use plumbline_core::observe::{Leak, Link, Observation};
use plumbline_core::plan::Plan;
use serde_json::json;

/// The wired scenario without its packets.
fn many() -> Plan {
    let mut plan = wired();
    plan.expect.clear();
    plan
}

fn eth1(observation: &mut Observation, pod: usize) -> &mut Link {
    &mut observation.pods[pod].kernel.as_mut().unwrap().links[2]
}

fn found(plan: &Plan, observation: &Observation) -> Vec<String> {
    let findings = judge(plan, observation).findings;
    findings.iter().map(|one| format!("{} {}", one.code, one.found.as_deref().unwrap_or_default())).collect()
}

#[test]
fn pl308_and_pl317_name_all_that_hold_the_same() {
    assert_eq!(found(&many(), &observed()), Vec::<String>::new());
    let mut observation = observed();
    for pod in [1, 3] {
        eth1(&mut observation, pod).addresses[0].address = "10.0.0.10/24".parse().unwrap();
        eth1(&mut observation, pod).mac = "02:00:00:00:00:12".to_owned();
    }
    assert_eq!(
        found(&many(), &observation),
        [
            "PL308 10.0.0.10 at eth1 of pod pod, eth1 of pod other-1, eth1 of pod other-3",
            "PL317 02:00:00:00:00:12 at eth1 of pod other-1, eth1 of pod other-2, eth1 of pod other-3",
        ]
    );
    let finding = judge(&many(), &observation).findings.remove(0);
    assert_eq!(finding.message, "two pods have the same address on network one");
    assert_eq!((finding.pod.as_deref(), finding.interface.as_deref()), (Some("other-1"), Some("eth1")));
    assert_eq!(finding.severity, Severity::Failure);
}

#[test]
fn two_facts_are_counted_where_pods_share_a_segment_and_none_where_one_is_alone() {
    let (plan, observation) = (many(), observed());
    let with = judge(&plan, &observation).checked;
    let mut apart = plan.clone();
    for (index, pod) in apart.pods.iter_mut().enumerate() {
        let mut network = plan.networks[0].clone();
        network.name = format!("own-{index}");
        pod.attachments[0].network.clone_from(&network.name);
        apart.networks.push(network);
    }
    let judged_alike = judge(&apart, &observation).checked;
    let mut same = observed();
    eth1(&mut same, 1).addresses[0].address = "10.0.0.10/24".parse().unwrap();
    assert_eq!(with, judged_alike, "networks on one parent are one segment");
    assert_eq!(found(&apart, &same), ["PL308 10.0.0.10 at eth1 of pod pod, eth1 of pod other-1"]);
    let message = judge(&apart, &same).findings.remove(0).message;
    assert_eq!(message, "two pods have the same address on networks own-0, own-1");
    for (index, network) in apart.networks.iter_mut().enumerate() {
        network.chain.as_mut().unwrap().links[0].conf["master"] = json!(format!("br-ex.{index}"));
    }
    assert_eq!(with - judge(&apart, &observation).checked, 2);
    assert_eq!(found(&apart, &same), Vec::<String>::new(), "one address on two segments is no mistake");
}

#[test]
fn addresses_that_ipvlan_and_link_local_share_by_design_are_no_finding() {
    let mut observation = observed();
    for pod in 0..4 {
        let link = eth1(&mut observation, pod);
        link.kind = Some("ipvlan".to_owned());
        link.mac = "02:00:00:00:00:77".to_owned();
        let mut address = link.addresses[0].clone();
        address.address = "fe80::1/64".parse().unwrap();
        link.addresses.push(address);
    }
    assert_eq!(found(&many(), &observation), Vec::<String>::new());
}

#[test]
fn an_address_may_repeat_on_another_node_if_no_uplink_joins_the_nodes() {
    let mut observation = observed();
    eth1(&mut observation, 1).addresses[0].address = "10.0.0.10/24".parse().unwrap();
    observation.pods[1].node = "another".to_owned();
    let same = "PL308 10.0.0.10 at eth1 of pod pod, eth1 of pod other-1";
    assert_eq!(found(&many(), &observation), [same], "an uplink joins the nodes");
    let conf = |plugin: &str, key: &str, name: &str| {
        let mut plan = many();
        let link = &mut plan.networks[0].chain.as_mut().unwrap().links[0];
        link.plugin = plugin.to_owned();
        link.conf = json!({"type": plugin, key: name});
        plan
    };
    for (plan, wanted, why) in [
        (conf("bridge", "bridge", "cni5"), false, "a bridge that the plugin makes"),
        (conf("bridge", "bridge", "br-ex"), true, "a bridge with an uplink"),
        (conf("ptp", "x", "y"), false, "a link of its own"),
        (conf("macvlan", "master", "eth0"), true, "a node's port: the segment behind it is unknown"),
        (conf("macvlan", "master", "br-ex.100"), true, "a VLAN on a bridge with an uplink"),
    ] {
        let codes = found(&plan, &observation);
        assert_eq!(codes.iter().any(|line| line == same), wanted, "{why}: {codes:?}");
    }
    let mut alone = many();
    alone.topology.bridges[0].uplink = None;
    assert_eq!(found(&alone, &observation), Vec::<String>::new(), "a bridge of each node alone");
    let node = observation.pods[0].node.clone();
    observation.pods[1].node = node;
    assert_eq!(found(&alone, &observation), [same], "both on one node");
}

#[test]
fn pl501_a_leaked_lease_fails_and_no_lease_is_a_fact() {
    let mut observation = seed();
    let before = judge(&plan(), &observation).checked;
    observation.leaks = Some(vec![]);
    let judgement = judge(&plan(), &observation);
    assert_eq!((codes(&judgement.findings), judgement.checked), (vec![], before + 1));
    let leak = |pod: Option<&str>| Leak {
        kind: Default::default(),
        pod: pod.map(str::to_owned),
        what: "192.168.100.10 of network management-net".into(),
        place: "/var/lib/cni/networks/management-net on node 1".into(),
    };
    observation.leaks = Some(vec![leak(Some("chain-test-pod")), leak(None)]);
    let findings = judge(&plan(), &observation).findings;
    assert_eq!(codes(&findings), ["PL501 -", "PL501 -"]);
    assert_eq!(findings[0].pod.as_deref(), Some("chain-test-pod"));
    assert_eq!(findings[0].found.as_deref(), Some("192.168.100.10 of network management-net"));
    assert_eq!(findings[0].notes, ["it lies in /var/lib/cni/networks/management-net on node 1"]);
}

#[test]
fn pl608_a_route_that_covers_the_clusters_ranges() {
    let mut observation = seed();
    let before = judge(&plan(), &observation).checked;
    observation.cluster_ranges = vec!["10.244.0.0/16".parse().unwrap(), "172.30.0.0/16".parse().unwrap()];
    let judgement = judge(&plan(), &observation);
    assert_eq!(judgement.checked, before + 2);
    let own: Vec<_> = judgement.findings.iter().filter(|finding| finding.code == FindingCode::PL608).collect();
    let lines: Vec<String> = own
        .iter()
        .map(|one| format!("{} {} {}", one.interface.as_deref().unwrap(), one.message, one.found.as_deref().unwrap()))
        .collect();
    assert_eq!(
        lines,
        [
            "eth1 route covers the cluster's own 10.244.0.0/16 10.0.0.0/8 via 192.168.100.1 dev eth1",
            "eth2 route covers the cluster's own 172.30.0.0/16 172.16.0.0/12 via 192.168.200.1 dev eth2",
        ]
    );
    assert_eq!((own[0].severity, own[0].network.as_deref()), (Severity::Warning, Some("management-net")));
    let written = |finding: &Finding| finding.source.as_ref().unwrap().to_string();
    assert_eq!(written(own[0]), plan().networks[0].keys["plugins/1/addroutes/0/dst"].to_string());
    assert_eq!(written(own[1]), plan().networks[1].keys["plugins/1/addroutes/0/dst"].to_string());
    // A route that no chain adds gets the position of the pod.
    let mut plan = plan();
    plan.networks[0].chain.as_mut().unwrap().links[1].conf["addroutes"] = json!([{ "dst": "10.0.0.0/9" }]);
    let findings = judge(&plan, &observation).findings;
    let own = findings.iter().find(|finding| finding.code == FindingCode::PL608).unwrap();
    assert_eq!(written(own), plan.pods[0].source.to_string());
}

#[test]
fn explicit_routes_on_eth0_keep_the_ranges() {
    let count = |routes: &[(&str, &str, u32)]| {
        let mut observation = seed();
        observation.cluster_ranges = vec!["10.244.0.0/16".parse().unwrap()];
        for (to, dev, metric) in routes {
            let mut route = route(to, Some("10.244.0.1"), dev);
            route.metric = *metric;
            kernel(&mut observation).routes.push(route);
        }
        let findings = judge(&plan(), &observation).findings;
        findings.iter().filter(|finding| finding.code == FindingCode::PL608).count()
    };
    assert_eq!(count(&[("10.244.0.0/16", "eth0", 0)]), 0, "the range itself");
    assert_eq!(count(&[("10.244.0.0/17", "eth0", 0), ("10.244.128.0/17", "eth0", 0)]), 0, "both halves");
    assert_eq!(count(&[("10.244.0.0/17", "eth0", 0)]), 1, "one half alone");
    assert_eq!(count(&[("10.240.0.0/12", "eth0", 0)]), 0, "wider, and still more specific than 10.0.0.0/8");
    assert_eq!(count(&[("10.244.0.0/16", "eth2", 0)]), 2, "by another added interface");
    assert_eq!(count(&[("10.244.0.0/16", "eth0", 0), ("10.244.7.0/24", "eth1", 0)]), 1, "a part of the range");
    assert_eq!(count(&[("10.0.0.0/8", "eth0", 5)]), 1, "as long, and with a higher metric");
    assert_eq!(count(&[("0.0.0.0/1", "eth0", 0)]), 1, "less specific");
}
