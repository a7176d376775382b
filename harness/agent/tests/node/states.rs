//! Reading the state of a pod and its node: two readings without a change between them are equal.

use crate::testbed::{new_testbed, pod, run_shell};
use plumbline_core::protocol::{Op, Outcome, Target};
use plumbline_core::state::{Change, FactKind, PodAndNode, Subject};

const PAIRS: usize = 200;

fn read(agent: &mut crate::agent::Agent, name: &str) -> PodAndNode {
    match agent.request(Op::PodState(pod(name))) {
        Outcome::PodState { state, chains } if chains.is_empty() => state,
        other => panic!("{other:?}"),
    }
}

/// What appears some time after its cause: link-local addresses and the local table of IPv6.
fn settles(change: &Change) -> bool {
    matches!(change.key.kind, FactKind::Address | FactKind::Route) && change.key.item.contains(':')
}

#[test]
fn two_hundred_pairs_of_readings_are_equal() {
    let mut agent = new_testbed();
    for name in ["a", "b"] {
        let mut first = read(&mut agent, name);
        assert!(first.pod.len() > 300 && first.node.len() > 300, "{} {}", first.pod.len(), first.node.len());
        for pair in 0..PAIRS / 2 {
            let second = read(&mut agent, name);
            let mut changes = first.changes_to(&second);
            changes.retain(|change| !settles(change));
            assert_eq!(changes, [], "pair {pair} of pod {name}");
            first = second;
        }
    }
}

#[test]
fn a_change_in_the_pod_and_one_on_its_node_are_seen() {
    let mut agent = new_testbed();
    let before = read(&mut agent, "a");
    run_shell(&mut agent, pod("a"), "ip link set dev eth1 txqueuelen 500");
    run_shell(&mut agent, Target::NodeAt(1), "ip link set dev va alias left");
    // Another pod's end of a veth on another node.
    run_shell(&mut agent, Target::NodeAt(2), "ip link set dev vb alias left");
    let mut changes = before.changes_to(&read(&mut agent, "a"));
    changes.retain(|change| !settles(change));
    let shown: Vec<_> = changes.iter().map(|one| (one.subject, one.key.to_string(), one.after.as_deref())).collect();
    assert_eq!(
        shown,
        [
            (Subject::Pod, "txqueuelen of eth1".to_owned(), Some("500")),
            (Subject::Node, "alias of peer(eth1)".to_owned(), Some("left")),
        ]
    );
}
