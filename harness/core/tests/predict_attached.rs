//! Predictions where only the state after all calls of ADD is known, as of a pod in a cluster.

mod common;

use common::predicted::Recording;

const RECORDINGS: [(&str, &str); 6] = [
    ("bridge", include_str!("fixtures/predict/bridge.txt")),
    ("host-device", include_str!("fixtures/predict/host-device.txt")),
    ("macvlan", include_str!("fixtures/predict/macvlan.txt")),
    ("macvlan-passthru", include_str!("fixtures/predict/macvlan-passthru.txt")),
    ("portmap-bridge", include_str!("fixtures/predict/portmap-bridge.txt")),
    ("ptp", include_str!("fixtures/predict/ptp.txt")),
];

fn recording(name: &str) -> Recording {
    let (_, text) = RECORDINGS.into_iter().find(|(known, _)| *known == name).unwrap();
    Recording::read(text)
}

#[test]
fn the_recorded_chains_have_no_finding() {
    for (name, text) in RECORDINGS {
        assert_eq!(Recording::read(text).findings_after(), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn each_difference_in_the_pod_is_one_finding() {
    for (name, step, rows, expected) in [
        ("macvlan", "add 1", "~ pod link eth1: mtu=1400", "PL350"),
        ("macvlan", "add 0", "~ pod link eth1: mode=private", "PL350"),
        ("macvlan", "add 1", "+ pod address eth1: 10.99.0.1/24 = scope global", "PL351"),
        ("macvlan", "add 1", "+ pod rule: 100 from 10.1.0.0/16 lookup 100 = ", "PL351"),
        ("macvlan", "add 1", "+ pod sysctl: net/ipv4/ip_forward = 7", "PL351"),
        ("ptp", "add 1", "- pod route eth1: 10.8.0.1/32", "PL350"),
        ("ptp", "add 1", "~ pod link eth1: up=off", "PL350"),
        ("bridge", "add 0", "+ pod neighbour eth1: 10.7.0.9 = 02:00:00:00:00:09 permanent", "PL351"),
    ] {
        let found = recording(name).bent(step, rows).findings_after();
        let codes: Vec<&str> = found.iter().map(|one| &one[..5]).collect();
        assert_eq!(codes, [expected], "{name}: {rows}: {found:?}");
    }
}

#[test]
fn what_belongs_to_the_pod_on_the_node_is_compared_and_nothing_else() {
    for (rows, expected) in [
        ("+ node route peer(eth1): 10.9.0.0/16 = unicast proto boot", &["PL352"][..]),
        ("~ node link peer(eth1): mtu=1400", &["PL350"]),
        (r"+ node file: /var/lib/cni/networks/d/10.8.0.77 = run-0\neth1", &["PL352"]),
        ("- node file: /var/lib/cni/networks/d/10.8.0.2", &["PL350"]),
        (r"~ node file: /var/lib/cni/networks/d/10.8.0.2 = run-7\neth1", &["PL350"]),
        // Other pods and other programs change these.
        (r"+ node file: /var/lib/cni/networks/d/10.8.0.77 = run-7\neth1", &[]),
        (r"+ node file: /var/lib/cni/networks/d/10.8.0.77 = run-0\neth0", &[]),
        ("+ node route: 10.9.0.0/16 = blackhole", &[]),
        ("+ node sysctl: net/ipv4/ip_forward = 7", &[]),
    ] {
        let found = recording("ptp").bent("add 1", rows).findings_after();
        let codes: Vec<&str> = found.iter().map(|one| &one[..5]).collect();
        assert_eq!(codes, expected, "{rows}: {found:?}");
    }
}

#[test]
fn a_chain_with_a_plugin_without_model_is_not_compared() {
    let config = |recording: Recording| recording.with_config("\"route-override\"", "\"other\"");
    assert_eq!(config(recording("macvlan")).findings_after(), Vec::<String>::new());
    let bent = config(recording("macvlan")).bent("add 1", "~ pod link eth1: mtu=1400");
    assert_eq!(bent.findings_after(), Vec::<String>::new());
}
