//! Testbeds of more than one node.

use crate::agent::{Agent, LONG, Plugins, chain, request};
use crate::testbed::{new_testbed, run_shell, topology};
use plumbline_core::cni::CniCommand;
use plumbline_core::plan::{NodeLink, Topology};
use plumbline_core::protocol::{Op, Outcome, Target};
use serde_json::json;

/// A plugin that writes state to the usual folders, and makes a macvlan on br-ex.
const STATEFUL: &str = r#"
[ "$CNI_COMMAND" = ADD ] || exit 0
echo lease >> /var/lib/cni/leases; echo run >> /run/cni/state; echo tmp >> /tmp/made
ip link add tmp0 link br-ex type macvlan mode bridge && ip link set tmp0 netns "$CNI_NETNS" >&2
wc -l < /var/lib/cni/leases >&2
echo '{"cniVersion": "1.0.0"}'"#;

#[test]
fn plugins_run_on_the_pods_node_with_its_own_state() {
    let plugins = Plugins::new().with("keeps", STATEFUL);
    let mut agent = Agent::node(&plugins);
    assert_eq!(agent.request(Op::Topology(topology())), Outcome::Done);
    run_shell(&mut agent, Target::NodeAt(2), "ip link add only-here type bridge");
    for (pod, node) in [("one", 1), ("two", 2), ("more", 2)] {
        assert!(matches!(agent.request(Op::PodAdd { name: pod.into(), node }), Outcome::Netns { .. }));
        let mut add = request(CniCommand::Add, &chain("1.0.0", &[json!({"type": "keeps"})]), LONG);
        (add.pod, add.container_id) = (pod.into(), pod.into());
        let Outcome::Chain(outcome) = agent.request(Op::Cni(add)) else { panic!("no chain") };
        assert_eq!(outcome.error, None, "{:?}", outcome.calls);
        let leases = if pod == "more" { "2\n" } else { "1\n" };
        assert_eq!(outcome.calls[0].stderr, leases, "pod {pod}");
    }
    let list = "ls /var/lib/cni/results /tmp; cat /run/cni/state";
    assert_eq!(run_shell(&mut agent, Target::Node, list), "/tmp:\nmade\n\n/var/lib/cni/results:\nnet-one-eth1\nrun\n");
    let own = run_shell(&mut agent, Target::NodeAt(2), list);
    assert_eq!(own, "/tmp:\nmade\n\n/var/lib/cni/results:\nnet-more-eth1\nnet-two-eth1\nrun\nrun\n");
    // The parent of the pod's link is found on its own node.
    let Outcome::Observed(seen) = agent.request(Op::Observe { target: Target::Pod("two".into()), with_ip: true })
    else {
        panic!("nothing seen")
    };
    let parent = seen.kernel.links.iter().find(|link| link.name == "tmp0").unwrap().parent.unwrap();
    assert_eq!(seen.node_links.get(&parent).map(String::as_str), Some("br-ex"));
    assert!(seen.ip.is_some() && seen.node_links.values().any(|name| name == "only-here"), "{:?}", seen.node_links);
    assert_eq!(agent.request(Op::PodDel { name: "two".into() }), Outcome::Done);
    assert_eq!(run_shell(&mut agent, Target::NodeAt(2), "ls /run/netns"), "more\none\n");
    assert_eq!(agent.end(), Some(0));
}

#[test]
fn nodes_and_hosts_are_observed_by_name() {
    let mut agent = new_testbed();
    let names = |agent: &mut Agent, target: Target| -> Vec<String> {
        let Outcome::Observed(seen) = agent.request(Op::Observe { target, with_ip: false }) else {
            panic!("nothing seen")
        };
        seen.kernel.links.into_iter().map(|link| link.name).collect()
    };
    assert_eq!(names(&mut agent, Target::NodeAt(1)), ["lo", "br-ex", "uplink0", "va"]);
    assert_eq!(names(&mut agent, Target::NodeAt(2)), ["lo", "br-ex", "uplink0", "vb"]);
    assert_eq!(names(&mut agent, Target::Host("gw".into())), ["lo", "eth0"]);
    for absent in [Target::NodeAt(3), Target::Host("no-host".into())] {
        let Outcome::Fault(fault) = agent.request(Op::Observe { target: absent, with_ip: false }) else {
            panic!("seen")
        };
        assert!(fault.gone, "{fault:?}");
    }
    let Outcome::Fault(fault) = agent.request(Op::PodAdd { name: "c".into(), node: 3 }) else { panic!("made") };
    assert!(fault.doing.contains("node 3"), "{fault:?}");
    assert_eq!(agent.request(Op::Topology(topology())), Outcome::Done, "the same topology again");
    let Outcome::Fault(fault) = agent.request(Op::Topology(Topology::default())) else { panic!("made") };
    assert!(fault.cause.contains("another topology"), "{fault:?}");
}

/// Where the kernel supports VLANs they are made; otherwise the fault names the capability.
#[test]
fn the_fault_names_a_missing_vlan_capability() {
    let plugins = Plugins::new();
    let mut agent = Agent::node(&plugins);
    let Outcome::Probed(probed) = agent.request(Op::Probe) else { panic!("not probed") };
    let mut wanted = topology();
    wanted.links = vec![NodeLink { name: "br-ex.100".into(), parent: "br-ex".into(), vlan: 100, ..link() }];
    wanted.hosts[0].ports[0].vlan = Some(100);
    match agent.request(Op::Topology(wanted)) {
        Outcome::Done => assert!(probed["vlan"].there),
        Outcome::Fault(fault) => {
            assert!(!probed["vlan"].there, "{fault:?}");
            assert!(fault.doing.contains("br-ex.100") && fault.cause.contains("`vlan`"), "{fault:?}");
        }
        other => panic!("{other:?}"),
    }
    let mut agent = Agent::node(&plugins);
    let mut wanted = topology();
    wanted.bridges[0].vlan_filtering = true;
    wanted.bridges[0].vlans = vec![100];
    match agent.request(Op::Topology(wanted)) {
        Outcome::Done => assert!(probed["bridge-vlan-filtering"].there),
        Outcome::Fault(fault) => {
            assert!(!probed["bridge-vlan-filtering"].there, "{fault:?}");
            assert!(fault.cause.contains("`bridge-vlan-filtering`"), "{fault:?}");
        }
        other => panic!("{other:?}"),
    }
}

/// A capability is tried by making a rule in another namespace.
#[test]
fn trials_of_rules_leave_the_node_unchanged() {
    let plugins = Plugins::new();
    let mut agent = Agent::node(&plugins);
    let Outcome::Probed(probed) = agent.request(Op::Probe) else { panic!("not probed") };
    let kept = [
        ("nftables-fib", "nft", "nft list tables"),
        ("connmark", "iptables", "iptables -t mangle -S | grep CONNMARK || true"),
        ("ipvs", "ipvsadm", "ipvsadm -Ln | grep 192.0.2.1 || true"),
    ];
    for (name, program, list) in kept {
        let one = &probed[name];
        assert!(one.seen.contains(program), "{name}: {one:?}");
        if one.there {
            assert_eq!(run_shell(&mut agent, Target::Node, list), "", "{name}");
        }
    }
}

fn link() -> NodeLink {
    NodeLink { name: String::new(), parent: String::new(), vlan: 1, protocol: Default::default(), priority: None }
}
