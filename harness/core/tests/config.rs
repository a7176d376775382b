//! Suspicious settings in users' configurations: each with its code and, if known, its line.

mod common;

use common::observed::seed;
use common::seed_edits::texts;
use plumbline_core::finding::Finding;
use plumbline_core::judge::judge;
use plumbline_core::observe::Observation;
use plumbline_core::plan::Plan;
use plumbline_core::scenario::{LoadError, load_scenario};

/// A plan with one network of this configuration and a pod without attachments.
fn plan(config: &str) -> Plan {
    let nad = format!(
        "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {{ name: net }}\nspec:\n  config: |\n{}\n",
        config.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
    );
    let scenario = "apiVersion: plumbline.dev/v1alpha1\nkind: Scenario\nmetadata: { name: a }\nnetworks: [{ manifest: nad.yaml }]\npods: [{ manifest: pod.yaml }]\n";
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: { name: pod }\nspec: { containers: [{ name: a, image: b }] }\n";
    let files = |path: &str| match path {
        "s.yaml" => Ok(scenario.as_bytes().to_vec()),
        "nad.yaml" => Ok(nad.as_bytes().to_vec()),
        "pod.yaml" => Ok(pod.as_bytes().to_vec()),
        _ => Err(LoadError::NotFound),
    };
    load_scenario("s.yaml", &files).unwrap()
}

fn findings(config: &str) -> Vec<Finding> {
    judge(&plan(config), &Observation::default()).findings
}

#[test]
fn a_configuration_that_is_not_json_is_reported_at_its_own_position() {
    let own = findings("{ nothing").remove(0);
    assert_eq!((own.code.as_str(), own.source.unwrap().to_string().as_str()), ("PL603", "nad.yaml:6:7"));
}

#[test]
fn suspicious_settings_and_their_codes() {
    let chain = |plugins: &str| format!("{{ \"cniVersion\": \"1.0.0\", \"name\": \"n\", \"plugins\": [ {plugins} ] }}");
    let mac = "{ \"type\": \"macvlan\", \"master\": \"br-ex\" }";
    let of_static = |addresses: &str| {
        chain(&format!(
            "{{ \"type\": \"macvlan\", \"ipam\": {{ \"type\": \"static\", \"addresses\": [ {addresses} ] }} }}"
        ))
    };
    let with_route =
        |route: &str| chain(&format!("{mac}, {{ \"type\": \"route-override\", \"addroutes\": [ {route} ] }}"));
    let mut all = Vec::new();
    for (what, config, wanted) in [
        ("in order", chain(mac), vec![]),
        (
            "case does not matter",
            chain("{ \"type\": \"macvlan\", \"MASTER\": \"x\", \"LinkInContainer\": true }"),
            vec![],
        ),
        ("vlan on macvlan", chain("{ \"type\": \"macvlan\", \"VLAN\": 100 }"), vec!["PL601"]),
        ("vlan on ipvlan", chain("{ \"type\": \"ipvlan\", \"vlan\": 100, \"ipam\": { \"type\": \"dhcp\" } }"), vec!["PL601"]),
        ("vlan on bridge is known", chain("{ \"type\": \"bridge\", \"vlan\": 100 }"), vec![]),
        ("unknown key", chain("{ \"type\": \"macvlan\", \"mster\": \"x\" }"), vec!["PL602"]),
        ("a plugin not known here", chain("{ \"type\": \"own\", \"anything\": 1 }"), vec![]),
        (
            "unknown key of ipam",
            chain("{ \"type\": \"macvlan\", \"ipam\": { \"type\": \"static\", \"address\": [] } }"),
            vec!["PL602"],
        ),
        (
            "unknown key of an address",
            of_static("{ \"address\": \"10.0.0.1/24\", \"gw\": \"10.0.0.2\" }"),
            vec!["PL602"],
        ),
        ("I47 empty chain", chain(""), vec!["PL603"]),
        ("I53 not JSON", "{ nothing".to_owned(), vec!["PL603"]),
        ("I53 trailing text", format!("{} x", chain(mac)), vec!["PL603"]),
        ("I49 a path as type", chain("{ \"type\": \"/bin/sh\" }"), vec!["PL603"]),
        ("I50 version a number", "{ \"cniVersion\": 1, \"type\": \"bridge\" }".to_owned(), vec!["PL603"]),
        ("I48 route-override first", chain("{ \"type\": \"route-override\" }"), vec!["PL604"]),
        (
            "tuning alone",
            "{ \"cniVersion\": \"1.0.0\", \"name\": \"n\", \"type\": \"tuning\" }".to_owned(),
            vec!["PL604"],
        ),
        ("I24 prefix", of_static("{ \"address\": \"10.0.0.1/33\" }"), vec!["PL605"]),
        (
            "I28 gateway outside",
            of_static("{ \"address\": \"10.0.0.1/24\", \"gateway\": \"10.0.1.1\" }"),
            vec!["PL605"],
        ),
        (
            "I29 gateway is the address",
            of_static("{ \"address\": \"10.0.0.1/24\", \"gateway\": \"10.0.0.1\" }"),
            vec!["PL605"],
        ),
        (
            "a link-local gateway is fine",
            of_static("{ \"address\": \"2001:db8::1/64\", \"gateway\": \"fe80::1\" }"),
            vec![],
        ),
        ("I35 multicast", of_static("{ \"address\": \"224.0.0.1/24\" }"), vec!["PL605"]),
        ("I35 loopback", of_static("{ \"address\": \"127.0.0.1/8\" }"), vec!["PL605"]),
        (
            "a bare plugin with a key of lists",
            "{ \"cniVersion\": \"1.0.0\", \"name\": \"n\", \"type\": \"bridge\", \"disableCheck\": true, \"bridg\": 1 }".to_owned(),
            vec!["PL602"],
        ),
        ("I44 mode", chain("{ \"type\": \"macvlan\", \"mode\": \"l2\" }"), vec!["PL605"]),
        ("I43 VLAN id", chain("{ \"type\": \"bridge\", \"vlan\": 4095 }"), vec!["PL605"]),
        ("I25 host bits", with_route("{ \"dst\": \"10.0.0.1/8\" }"), vec!["PL605"]),
        ("no destination", with_route("{ \"gw\": \"10.0.0.1\" }"), vec!["PL605"]),
        ("I50 version unknown", format!("{{ \"cniVersion\": \"9.9.9\", \"plugins\": [ {mac} ] }}"), vec!["PL606"]),
        (
            "1.1.0 with route-override",
            format!("{{ \"cniVersion\": \"1.1.0\", \"plugins\": [ {mac}, {{ \"type\": \"route-override\" }} ] }}"),
            vec!["PL606"],
        ),
        ("two main plugins", chain(&format!("{mac}, {{ \"type\": \"bridge\", \"vlan\": 5 }}")), vec!["PL607"]),
    ] {
        let found = findings(&config);
        let codes: Vec<&str> = found.iter().map(|finding| finding.code.as_str()).collect();
        assert_eq!(codes, wanted, "{what}: {found:#?}");
        all.extend(found);
    }
    insta::assert_snapshot!("finding-texts", texts(&all));
}

#[test]
fn a_finding_points_at_its_line() {
    let config = "{\n  \"cniVersion\": \"1.0.0\",\n  \"plugins\": [\n    {\n      \"type\": \"macvlan\",\n      \"vlan\": 100\n    }\n  ]\n}";
    let found = findings(config);
    assert_eq!(found[0].source.as_ref().unwrap().to_string(), "nad.yaml:11:11");
    assert!(found[0].message.contains("VLAN 100"), "{}", found[0].message);
}

#[test]
fn an_existing_network_has_no_findings() {
    let mut plan = common::load("openshift/chain-example.yaml").unwrap();
    for network in &mut plan.networks {
        (network.manifest, network.config, network.chain) = (None, None, None);
    }
    assert!(judge(&plan, &seed()).findings.is_empty());
}
