//! A default network of the scenario's own: read byte for byte, and refused on lanes that can't install it.

mod common;

use common::edited::{Files, S, assert_refused};

const FILE: &str = "s/own.conflist";
const GOOD: &[u8] = br#"{ "name": "own", "plugins": [{ "type": "ptp" }] }"#;

fn files(lanes: &str, config: &[u8]) -> Files {
    let named = format!("{lanes}topology:\n  defaultNetwork: own.conflist\n");
    let mut files = Files::new().replace_text(S, "topology:\n", &named);
    files.0.insert(FILE, config.to_vec());
    files
}

#[test]
fn a_default_network_is_read_byte_for_byte() {
    let own = files("lanes: [netns]\n", GOOD).load().unwrap().topology.default_network.unwrap();
    assert_eq!((own.name.as_str(), own.config.as_bytes()), ("own", GOOD));
    assert!(own.source.to_string().starts_with("s/case.yaml:"), "{}", own.source);
}

#[test]
fn lanes_without_own_nodes_are_refused() {
    for lanes in ["", "lanes: [netns, kind]\n"] {
        let line = if lanes.is_empty() { "s/case.yaml:6:19" } else { "s/case.yaml:7:19" };
        assert_refused("another lane", &files(lanes, GOOD), line, "topology.defaultNetwork", "nodes of its own");
    }
}

#[test]
fn an_invalid_default_network_is_refused() {
    let lanes = "lanes: [netns]\n";
    assert_refused("no JSON", &files(lanes, b"name: own"), FILE, "", "not JSON");
    assert_refused("no plugins", &files(lanes, br#"{"name":"own"}"#), FILE, "", "`plugins`");
    let missing = files(lanes, GOOD).replace_text(S, "own.conflist", "none.conflist");
    assert_refused("no file", &missing, "s/case.yaml:7:19", "topology.defaultNetwork", "no such file");
}
