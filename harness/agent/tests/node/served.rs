//! `serve`, on a node that somebody else made: here, this host.

use crate::talk::{AGENT, Agent};
use plumbline_core::plan::Bridge;
use plumbline_core::protocol::{Op, Outcome, Target};
use std::collections::BTreeMap;

fn served() -> Agent {
    Agent::start(&[AGENT, "serve"])
}

fn refusal(outcome: Outcome) -> (String, bool) {
    match outcome {
        Outcome::Fault(fault) => (format!("{}: {}", fault.doing, fault.cause), fault.gone),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_host_is_read_as_it_is() {
    let mut agent = served();
    let Outcome::Observed(seen) = agent.ask(Op::Observe { target: Target::Node, with_ip: false }) else { panic!() };
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
    let mut agent = served();
    assert_eq!(agent.ask(Op::Read { path: path.clone() }), Outcome::File { text: Some("abc".into()), names: None });
    let listed = agent.ask(Op::Read { path: folder.path().display().to_string() });
    assert_eq!(listed, Outcome::File { text: None, names: Some(vec!["abc".into()]) });
    assert!(refusal(agent.ask(Op::Read { path: absent.clone() })).1, "what is not there is gone");
    // The vector of FIPS 180-2, appendix B.1.
    let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let hashed = agent.ask(Op::Hash { paths: vec![path.clone(), absent] });
    assert_eq!(hashed, Outcome::Hashes(BTreeMap::from([(path, sum.to_owned())])));
}

#[test]
fn what_only_a_private_node_does_is_refused() {
    let mut agent = served();
    for op in [
        Op::PodAdd { name: "p".into(), node: 1 },
        Op::PodDel { name: "p".into() },
        Op::Stay,
        Op::CniVersions { plugins: vec![] },
    ] {
        assert!(refusal(agent.ask(op)).0.contains("only private nodes do this"));
    }
}

#[test]
fn a_pod_that_this_node_does_not_know_is_gone() {
    let mut agent = served();
    let (namespace, name, uid) = ("no-such".to_owned(), "pod".to_owned(), "u".to_owned());
    let target = Target::Sandbox { namespace: namespace.clone(), name: name.clone(), uid: uid.clone() };
    let (text, gone) = refusal(agent.ask(Op::Observe { target, with_ip: false }));
    assert!(gone && text.contains("no-such/pod"), "{text}");
    let reported = agent.ask(Op::Reported { namespace: namespace.clone(), name: name.clone(), uid: uid.clone() });
    assert_eq!(reported, Outcome::Reported(Vec::new()));
    let waited = agent.ask(Op::AwaitGone { namespace, name, uid, deadline_ms: 1000 });
    assert_eq!(waited, Outcome::Gone { gone: true, last_seen: None });
}

#[test]
fn a_link_that_is_no_bridge_is_not_taken_for_one() {
    let mut agent = served();
    let (text, _) = refusal(agent.ask(Op::Bridges(vec![Bridge { name: "lo".into(), ..Bridge::default() }])));
    assert!(text.contains("no bridge") || text.contains("not permitted"), "{text}");
}

#[test]
fn a_request_that_is_not_understood_is_answered_with_its_number() {
    use std::io::Write;
    let mut agent = served();
    writeln!(agent.input.as_mut().unwrap(), r#"{{"id": 1, "op": {{"dance": {{}}}}}}"#).unwrap();
    let (text, _) = refusal(agent.ask_again());
    assert!(text.contains("understand a request") && text.contains("dance"), "{text}");
    assert!(matches!(agent.ask(Op::Hello), Outcome::Hello { .. }), "the talk goes on");
}
