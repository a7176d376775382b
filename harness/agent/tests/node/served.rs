//! Mode `serve` on a node that the agent did not make: this host.

use crate::agent::{AGENT, Agent};
use plumbline_core::plan::Bridge;
use plumbline_core::protocol::{Op, Outcome, Target};
use std::collections::BTreeMap;

fn start_serve() -> Agent {
    Agent::start(&[AGENT, "serve"])
}

fn read_fault(outcome: Outcome) -> (String, bool) {
    match outcome {
        Outcome::Fault(fault) => (format!("{}: {}", fault.doing, fault.cause), fault.gone),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_host_is_observed() {
    let mut agent = start_serve();
    let Outcome::Observed(seen) = agent.request(Op::Observe { target: Target::Node, with_ip: false }) else { panic!() };
    let lo = &seen.kernel.links[0];
    assert_eq!((lo.index, lo.name.as_str(), lo.mac.as_str()), (1, "lo", "00:00:00:00:00:00"));
    assert!(seen.node_links.values().any(|name| name == "lo"));
    assert_eq!(agent.end(), Some(0));
}

#[test]
fn files_are_read_listed_and_hashed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abc").display().to_string();
    std::fs::write(&path, "abc").unwrap();
    let absent = folder.path().join("absent").display().to_string();
    let mut agent = start_serve();
    assert_eq!(agent.request(Op::Read { path: path.clone() }), Outcome::File { text: Some("abc".into()), names: None });
    let listed = agent.request(Op::Read { path: folder.path().display().to_string() });
    assert_eq!(listed, Outcome::File { text: None, names: Some(vec!["abc".into()]) });
    assert!(read_fault(agent.request(Op::Read { path: absent.clone() })).1, "a missing file is gone");
    // The vector of FIPS 180-2, appendix B.1.
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let hashed = agent.request(Op::Hash { paths: vec![path.clone(), absent] });
    assert_eq!(hashed, Outcome::Hashes(BTreeMap::from([(path, sum.to_owned())])));
}

#[test]
fn requests_for_private_nodes_are_refused() {
    let mut agent = start_serve();
    for op in [
        Op::PodAdd { name: "p".into(), node: 1 },
        Op::PodDel { name: "p".into() },
        Op::Stay,
        Op::CniVersions { plugins: vec![] },
    ] {
        assert!(read_fault(agent.request(op)).0.contains("expected a private node"));
    }
}

#[test]
fn a_pod_without_a_sandbox_is_gone() {
    let mut agent = start_serve();
    let (namespace, name, uid) = ("no-such".to_owned(), "pod".to_owned(), "u".to_owned());
    let target = Target::Sandbox { namespace: namespace.clone(), name: name.clone(), uid: uid.clone() };
    let (text, gone) = read_fault(agent.request(Op::Observe { target, with_ip: false }));
    assert!(gone && text.contains("no-such/pod"), "{text}");
    let reported = agent.request(Op::Reported { namespace: namespace.clone(), name: name.clone(), uid: uid.clone() });
    assert_eq!(reported, Outcome::Reported(Vec::new()));
    let waited = agent.request(Op::AwaitSandboxRemoval { namespace, name, uid, deadline_ms: 1000 });
    assert_eq!(waited, Outcome::SandboxRemoval { removed: true, last_seen: None });
}

#[test]
fn a_link_of_another_kind_is_not_used_as_a_bridge() {
    let mut agent = start_serve();
    let (text, _) = read_fault(agent.request(Op::Bridges(vec![Bridge { name: "lo".into(), ..Bridge::default() }])));
    assert!(text.contains("no bridge") || text.contains("not permitted"), "{text}");
}

#[test]
fn an_unknown_request_gets_a_fault_with_its_number() {
    use std::io::Write;
    let mut agent = start_serve();
    writeln!(agent.input.as_mut().unwrap(), r#"{{"id": 1, "op": {{"dance": {{}}}}}}"#).unwrap();
    let (text, _) = read_fault(agent.read_next_reply());
    assert!(text.contains("parse a request") && text.contains("dance"), "{text}");
    assert!(matches!(agent.request(Op::Hello), Outcome::Hello { .. }), "the next request is served");
}
