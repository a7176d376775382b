//! The lint of `eni-config`: each finding in its case, and none in valid files.

mod common;

use common::seed_edits::texts;
use plumbline_core::finding::Finding;
use plumbline_core::lint::Releases;
use plumbline_core::release::Release;
use plumbline_core::terway::{
    Access, CONF, CONFLIST, ClusterSeen, EniConfig, NodeFacts, NodeSeen, Usage, lint, lint_with,
};
use std::collections::BTreeSet;

const ENTRY: &str =
    r#"{"cniVersion": "0.4.0", "name": "terway", "type": "terway", "capabilities": {"bandwidth": true}}"#;
const PORTMAP: &str = r#"{"type": "portmap", "capabilities": {"portMappings": true}}"#;
const KNOWN: Usage = Usage {
    datapath_v2: Some(false),
    access: Some(Access::Node),
    terway_version: Some(Release::new(1, 17, 5)),
    portmap_version: Some(Release::new(1, 9, 1)),
};

/// A file with these texts.
fn file(keys: &[(&str, &str)]) -> EniConfig {
    let data: String = keys.iter().map(|(key, text)| format!("  {key}: |\n{}", indented(text))).collect();
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: eni-config, namespace: kube-system }}\ndata:\n{data}"
    );
    EniConfig::read("eni.yaml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// A file with Terway's entry and a chain of these plugins.
fn chain(plugins: &str) -> EniConfig {
    file(&[(CONF, ENTRY), (CONFLIST, &format!("{{\"plugins\": [{plugins}]}}"))])
}

fn behind(plugins: &str) -> EniConfig {
    chain(&format!("{ENTRY}, {plugins}"))
}

fn codes(findings: &[Finding]) -> Vec<&str> {
    let codes: BTreeSet<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
    codes.into_iter().collect()
}

/// The findings of a chain for a node's private address.
fn lint_for_node(config: &EniConfig) -> Vec<Finding> {
    lint(config, &KNOWN, None).findings
}

#[test]
fn files_of_wrong_shape_have_their_findings() {
    let whole = |keys: &[(&str, &str)]| {
        EniConfig::of_cluster(keys.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect())
    };
    let list = format!("{{\"plugins\": [{ENTRY}, {PORTMAP}]}}");
    let list = list.as_str();
    let mut all = Vec::new();
    for (what, config, wanted) in [
        ("in order", whole(&[("eni_conf", "{}"), (CONF, ENTRY), (CONFLIST, list)]), vec![]),
        ("no eni_conf in a cluster", whole(&[(CONF, ENTRY), (CONFLIST, list)]), vec!["PL620"]),
        ("no entry in a cluster", whole(&[("eni_conf", "{}"), (CONFLIST, list)]), vec!["PL620", "PL622"]),
        ("a misspelt key of eni_conf", file(&[("eni_conf", "{\"vswitchs\": {}}")]), vec!["PL624"]),
        ("a key of eni_conf", file(&[("eni_conf", "{\"vswitches\": {}}")]), vec![]),
        ("a fragment with neither entry nor chain", file(&[("eni_conf", "{}")]), vec![]),
        ("the chain alone, in a file", file(&[(CONFLIST, list)]), vec![]),
        (
            "eni_conf is no JSON",
            file(&[("eni_conf", "{ version: 1 }"), (CONF, ENTRY), (CONFLIST, list)]),
            vec!["PL621"],
        ),
        ("the chain is a list", file(&[(CONF, ENTRY), (CONFLIST, "[]")]), vec!["PL621"]),
        ("the chain is empty", whole(&[("eni_conf", "{}"), (CONF, ENTRY), (CONFLIST, "")]), vec!["PL621"]),
        ("no plugins", chain(""), vec!["PL622"]),
        ("plugins is no list", file(&[(CONF, ENTRY), (CONFLIST, "{\"plugins\": {}}")]), vec!["PL622"]),
        ("a plugin without type", chain(&format!("{ENTRY}, {{}}")), vec!["PL622"]),
        ("a path", behind(r#"{"type": "../portmap"}"#), vec!["PL622", "PL628", "PL633"]),
        (
            "a virtual type that Terway does not know",
            chain(&format!(
                "{}, {PORTMAP}",
                ENTRY.replace("\"terway\", \"cap", "\"terway\", \"eniip_virtual_type\": \"vlan\", \"cap")
            )),
            vec!["PL622"],
        ),
    ] {
        let found = lint_for_node(&config);
        assert_eq!(codes(&found), wanted, "{what}: {found:#?}");
        all.extend(found);
    }
    insta::assert_snapshot!("finding-texts-of-shape", texts(&all));
}

/// The findings of a cluster's own file without a chain, and of a mistyped key.
#[test]
fn a_first_chain_gets_a_note_about_its_key() {
    let alone = lint_for_node(&file(&[(CONF, ENTRY)]));
    assert_eq!(codes(&alone), ["PL628"]);
    assert!(alone[0].notes.iter().any(|note| note.starts_with("there is no 10-terway.conflist yet")), "{alone:#?}");
    let there = lint_for_node(&chain(ENTRY));
    assert_eq!(codes(&there), ["PL628"]);
    assert!(!there[0].notes.iter().any(|note| note.contains("yet")), "{there:#?}");

    let list = format!("{{\"plugins\": [{ENTRY}, {PORTMAP}]}}");
    let typo = lint_for_node(&file(&[(CONF, ENTRY), (CONFLIST, &list), ("10-terway.confList", &list)]));
    assert_eq!(codes(&typo), ["PL624"]);
    assert_eq!(typo[0].notes, ["did you mean `10-terway.conflist`?"]);

    // The line is that of the plugin without a type, and that of the incomplete text.
    let line = |config: &EniConfig| lint_for_node(config)[0].source.as_ref().map(|source| source.line);
    let typeless = format!("{{\"plugins\": [\n{ENTRY},\n{{\n\"capabilities\": {{}}\n}}]}}");
    assert_eq!(line(&file(&[(CONFLIST, &typeless)])), Some(9));
    assert_eq!(line(&file(&[(CONFLIST, "{\n\"plugins\": [\n")])), Some(7));
}

#[test]
fn the_first_plugin_must_be_the_entry() {
    let first = |entry: &str| chain(&format!("{entry}, {PORTMAP}"));
    let with = |key: &str| first(&ENTRY.replace("\"type\"", &format!("{key}, \"type\"")));
    for (what, config, wanted) in [
        ("as it must be", first(ENTRY), vec![]),
        (
            "in another order",
            first(
                r#"{"capabilities": {"bandwidth": true}, "type": "terway", "name": "terway", "cniVersion": "0.4.0"}"#,
            ),
            vec![],
        ),
        (
            "a key that is missing",
            first(r#"{"cniVersion": "0.4.0", "name": "terway", "type": "terway"}"#),
            vec!["PL623"],
        ),
        ("a key that is changed", first(&ENTRY.replace("true", "false")), vec!["PL623"]),
        ("another plugin", chain(&format!("{PORTMAP}, {ENTRY}")), vec!["PL623", "PL630"]),
        ("another plugin, and no Terway", chain(PORTMAP), vec!["PL623"]),
        (
            "name and version are dropped anyway",
            first(r#"{"type": "terway", "capabilities": {"bandwidth": true}}"#),
            vec!["PL627"],
        ),
        ("a key that Terway knows", with("\"mtu\": 1400"), vec![]),
        ("a key that it does not know", with("\"symetric_routing\": true"), vec!["PL624"]),
        ("a key of terway-cli in other letters", with("\"Symmetric_Routing\": true"), vec!["PL624"]),
    ] {
        let found = lint_for_node(&config);
        assert_eq!(codes(&found), wanted, "{what}: {found:#?}");
    }
    let typo = lint_for_node(&with("\"symetric_routing\": true"));
    assert_eq!(typo[0].notes, ["did you mean `symmetric_routing`?"]);
}

#[test]
fn plugins_and_values_have_their_findings() {
    let portmap = |keys: &str| behind(&PORTMAP.replace("}}", &format!("}}, {keys}}}")));
    let tuned = |sysctl: &str| behind(&format!("{PORTMAP}, {{\"type\": \"tuning\", \"sysctl\": {sysctl}}}"));
    let terway = |keys: &str| chain(&format!("{}, {PORTMAP}", ENTRY.replace("\"type\"", &format!("{keys}, \"type\""))));
    let mut all = Vec::new();
    for (what, config, wanted) in [
        ("a chain for kube-proxy", portmap(r#""externalSetMarkChain": "KUBE-MARK-MASQ""#), vec![]),
        ("cilium-cni behind", behind(&format!("{{\"type\": \"cilium-cni\"}}, {PORTMAP}")), vec![]),
        (
            "cilium-cni before",
            chain(&format!("{{\"type\": \"cilium-cni\"}}, {ENTRY}, {PORTMAP}")),
            vec!["PL623", "PL630"],
        ),
        ("Terway twice", behind(&format!("{ENTRY}, {PORTMAP}")), vec!["PL630"]),
        ("a second main plugin", behind(&format!("{{\"type\": \"macvlan\"}}, {PORTMAP}")), vec!["PL630"]),
        ("bandwidth", behind(&format!("{PORTMAP}, {{\"type\": \"bandwidth\"}}")), vec!["PL630"]),
        ("a slip in a name", behind(&format!("{PORTMAP}, {{\"type\": \"tunning\"}}")), vec!["PL633"]),
        ("a slip in a plugin's key", portmap("\"masqall_\": true"), vec!["PL602"]),
        ("masqAll as a text", portmap("\"masqAll\": \"true\""), vec!["PL634"]),
        ("both marks", portmap(r#""externalSetMarkChain": "A", "markMasqBit": 13"#), vec!["PL634"]),
        ("a bit too high", portmap(r#""markMasqBit": 32"#), vec!["PL634"]),
        ("a bit", portmap(r#""markMasqBit": 31"#), vec![]),
        ("a backend that is none", portmap(r#""backend": "nft""#), vec!["PL634"]),
        ("nftables", portmap(r#""backend": "nftables""#), vec![]),
        (
            "nftables with a chain of iptables",
            portmap(r#""backend": "nftables", "externalSetMarkChain": "A""#),
            vec!["PL634"],
        ),
        ("a sysctl as a number", tuned(r#"{"net.core.somaxconn": 1}"#), vec!["PL634"]),
        ("a sysctl of another tree", tuned(r#"{"vm.overcommit_memory": "1"}"#), vec!["PL634"]),
        ("sysctl is a list", tuned("[]"), vec!["PL634"]),
        ("a sysctl", tuned(r#"{"net.core.somaxconn": "1024"}"#), vec![]),
        ("default alone", tuned(r#"{"net.ipv6.conf.default.disable_ipv6": "1"}"#), vec!["PL635"]),
        (
            "default with all",
            tuned(r#"{"net/ipv6/conf/default/disable_ipv6": "1", "net.ipv6.conf.all.disable_ipv6": "1"}"#),
            vec![],
        ),
        ("a key twice", portmap("\"snat\": true, \"snat\": false"), vec!["PL635"]),
        (
            "a key beside plugins",
            file(&[
                (CONF, ENTRY),
                (CONFLIST, &format!("{{\"disableCheck\": true, \"plugins\": [{ENTRY}, {PORTMAP}]}}")),
            ]),
            vec!["PL635"],
        ),
        ("symmetric_routing as a text", terway("\"symmetric_routing\": \"true\""), vec!["PL635"]),
        ("settings of a feature that is off", terway("\"symmetric_routing_config\": {\"mark\": 32}"), vec!["PL635"]),
        (
            "settings",
            terway(
                "\"symmetric_routing\": true, \"symmetric_routing_config\": {\"mark\": 32, \"backend\": \"nftables\"}",
            ),
            vec!["PL629"],
        ),
        (
            "a setting that is refused",
            terway("\"symmetric_routing\": true, \"symmetric_routing_config\": {\"mark\": \"32\"}"),
            vec!["PL629", "PL634"],
        ),
        (
            "a backend of it that is none",
            terway("\"symmetric_routing\": true, \"symmetric_routing_config\": {\"backend\": \"ipvs\"}"),
            vec!["PL629", "PL634"],
        ),
        (
            "a setting that Terway ignores",
            terway("\"symmetric_routing\": true, \"symmetric_routing_config\": {\"mask\": 0}"),
            vec!["PL629", "PL635"],
        ),
        (
            "a setting that is not known",
            terway("\"symmetric_routing\": true, \"symmetric_routing_config\": {\"tableid\": 1}"),
            vec!["PL624", "PL629"],
        ),
        (
            "settings that are a text",
            terway("\"symmetric_routing\": true, \"symmetric_routing_config\": \"x\""),
            vec!["PL629", "PL634"],
        ),
        ("no portmap", behind("{\"type\": \"tuning\"}"), vec!["PL628"]),
        ("portmap without the capability", behind("{\"type\": \"portmap\"}"), vec!["PL628"]),
        (
            "the capability is false",
            behind(r#"{"type": "portmap", "capabilities": {"portMappings": false}}"#),
            vec!["PL628"],
        ),
    ] {
        let found = lint_for_node(&config);
        assert_eq!(codes(&found), wanted, "{what}: {found:#?}");
        all.extend(found);
    }
    insta::assert_snapshot!("finding-texts-of-values", texts(&all));
}

#[test]
fn disabling_ipv6_in_a_dual_stack_cluster_is_a_finding() {
    let list = format!(
        r#"{{"plugins": [{ENTRY}, {PORTMAP}, {{"type": "tuning", "sysctl": {{"net.ipv6.conf.all.disable_ipv6": "1"}}}}]}}"#
    );
    let stack = |stack: &str| {
        lint_for_node(&file(&[
            ("eni_conf", &format!("{{\"ip_stack\": \"{stack}\"}}")),
            (CONF, ENTRY),
            (CONFLIST, &list),
        ]))
    };
    assert_eq!(codes(&stack("dual")), ["PL635"]);
    assert_eq!(codes(&stack("ipv4")), [""; 0]);
}

#[test]
fn a_finding_points_at_its_line() {
    let config = file(&[
        (CONF, ENTRY),
        (
            CONFLIST,
            &format!(
                "{{\n  \"plugins\": [\n    {ENTRY},\n    {{\n      \"type\": \"portmap\",\n      \"masqAll\": 1\n    }}\n  ]\n}}"
            ),
        ),
    ]);
    let found = lint_for_node(&config);
    let at = |code: &str| {
        found.iter().find(|finding| finding.code.as_str() == code).unwrap().source.clone().unwrap().to_string()
    };
    assert_eq!(at("PL634"), "eni.yaml:13:11");
    assert_eq!(at("PL628"), "eni.yaml:12:11", "a missing setting has the line of its plugin");
    let fault = lint_for_node(&file(&[(CONF, ENTRY), (CONFLIST, "{\n  \"plugins\": [\n    {},\n  ]\n}")]));
    assert_eq!(fault[0].source.clone().unwrap().to_string(), "eni.yaml:11:7");
}

/// The document's whole table: both columns, every access, both settings, and the versions around the limits.
#[test]
fn every_row_of_the_documents_table_has_its_findings() {
    let version = |text: &str| text.parse::<Release>().unwrap();
    let mut seen = 0;
    for v2 in [false, true] {
        let way = if v2 { r#""eniip_virtual_type": "datapathv2", "type""# } else { "\"type\"" };
        let entry = ENTRY.replace("\"type\"", way);
        for access in [Access::None, Access::Node, Access::Public, Access::Both] {
            for masq in ["", r#", "masqAll": false"#, r#", "masqAll": true"#] {
                for symmetric in ["", r#""symmetric_routing": false, "#, r#""symmetric_routing": true, "#] {
                    let first = entry.replace("\"cniVersion\"", &format!("{symmetric}\"cniVersion\""));
                    let portmap = PORTMAP.replace("}}", &format!("}}{masq}}}"));
                    let config = file(&[(CONF, &entry), (CONFLIST, &format!("{{\"plugins\": [{first}, {portmap}]}}"))]);
                    for (terway, knows_chains, knows_symmetric) in [
                        ("1.5.5", false, false),
                        ("1.5.6", true, false),
                        ("1.14.9", true, false),
                        ("1.15.0", true, true),
                    ] {
                        for (maps, knows_masq, by_document) in [
                            ("1.1.1", false, false),
                            ("1.2.0", true, false),
                            ("1.7.0", true, false),
                            ("1.7.1", true, true),
                        ] {
                            let usage = Usage {
                                datapath_v2: Some(v2),
                                access: Some(access),
                                terway_version: Some(version(terway)),
                                portmap_version: Some(version(maps)),
                            };
                            let (wants_masq, wants_symmetric) = (masq.contains("true"), symmetric.contains("true"));
                            let public = matches!(access, Access::Public | Access::Both);
                            let mut wanted = BTreeSet::new();
                            let mut add = |holds: bool, code| holds.then(|| wanted.insert(code));
                            add(!knows_chains || (wants_symmetric && !knows_symmetric), "PL625");
                            add(wants_masq && !knows_masq, "PL626");
                            add(wants_masq && knows_masq && !by_document, "PL627");
                            add(public && !(wants_symmetric && knows_symmetric), "PL628");
                            add(public && v2 && !(wants_masq && knows_masq), "PL628");
                            add(access == Access::None, "PL629");
                            add(!public && (wants_masq || wants_symmetric), "PL629");
                            add(public && !v2 && wants_masq, "PL629");
                            let found = lint(&config, &usage, None);
                            let wanted: Vec<&str> = wanted.into_iter().collect();
                            assert_eq!(codes(&found.findings), wanted, "{usage:?} {masq} {symmetric}: {found:#?}");
                            assert!(found.checked > 8 && found.table.len() == 2);
                            seen += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(seen, 2 * 4 * 3 * 3 * 4 * 4);
}

#[test]
fn masq_all_by_backend_and_version() {
    let config = |keys: &str| behind(&PORTMAP.replace("}}", &format!("}}, \"masqAll\": true, {keys}}}")));
    let usage = |version: Option<&str>| Usage {
        access: Some(Access::Public),
        portmap_version: version.map(|v| v.parse().unwrap()),
        ..KNOWN
    };
    let lint_for_node = |keys: &str, version: Option<&str>| {
        let mut all = lint(&config(keys), &usage(version), None).findings;
        // Other tests check symmetric_routing (PL628) and unneeded masqAll (PL629).
        all.retain(|finding| !["PL628", "PL629"].contains(&finding.code.as_str()));
        all
    };
    let nftables = r#""backend": "nftables""#;
    for (keys, version, wanted) in [
        (nftables, Some("1.9.1"), vec!["PL626"]),
        (nftables, Some("1.6.0"), vec!["PL626"]),
        (nftables, Some("1.9.2"), vec![]),
        (nftables, Some("1.5.1"), vec!["PL627", "PL635"]),
        (nftables, None, vec!["PL626"]),
        (r#""backend": "iptables""#, Some("1.9.1"), vec![]),
        ("\"snat\": false", Some("1.9.1"), vec!["PL626"]),
        ("\"snat\": true", None, vec![]),
    ] {
        let found = lint_for_node(keys, version);
        assert_eq!(codes(&found), wanted, "{keys} {version:?}: {found:#?}");
    }
}

#[test]
fn missing_facts_are_reported_as_unknown() {
    let symmetric = chain(&format!(
        "{}, {}",
        ENTRY.replace("\"type\"", "\"symmetric_routing\": true, \"type\""),
        PORTMAP.replace("}}", "}, \"masqAll\": true}")
    ));
    let report = lint(&symmetric, &Usage::default(), None);
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    for part in ["--access", "--terway-version", "--portmap-version", "--context"] {
        assert!(report.untold.iter().any(|line| line.contains(part)), "{part}: {:#?}", report.untold);
    }
    // The node decides if ebpf policy means Datapath V2. The document has a different masqAll for each case.
    let ebpf = ENTRY.replace("\"type\"", "\"network_policy_provider\": \"ebpf\", \"type\"");
    let first = ebpf.replace("\"type\"", "\"symmetric_routing\": true, \"type\"");
    let config = file(&[(CONF, &ebpf), (CONFLIST, &format!("{{\"plugins\": [{first}, {PORTMAP}]}}"))]);
    let usage = Usage { access: Some(Access::Public), datapath_v2: None, ..KNOWN };
    let report = lint(&config, &usage, None);
    assert_eq!(codes(&report.findings), ["PL627"]);
    assert!(report.untold.iter().any(|line| line.contains("--datapath-v2")));
    assert_eq!(codes(&lint(&config, &Usage { datapath_v2: Some(false), ..usage }, None).findings), [""; 0]);
    assert_eq!(codes(&lint(&config, &Usage { datapath_v2: Some(true), ..usage }, None).findings), ["PL628"]);
}

#[test]
fn a_datapath_option_that_contradicts_the_chain_is_a_finding() {
    let usage = |v2| Usage { datapath_v2: Some(v2), access: None, ..KNOWN };
    let veth = behind(PORTMAP);
    assert_eq!(codes(&lint(&veth, &usage(true), None).findings), ["PL635"]);
    assert_eq!(codes(&lint(&veth, &usage(false), None).findings), [""; 0]);
    let v2 = ENTRY.replace("\"type\"", "\"eniip_virtual_type\": \"datapathv2\", \"type\"");
    let v2 = file(&[(CONF, &v2), (CONFLIST, &format!("{{\"plugins\": [{v2}, {PORTMAP}]}}"))]);
    assert_eq!(codes(&lint(&v2, &usage(false), None).findings), ["PL635"]);
    assert_eq!(codes(&lint(&v2, &usage(true), None).findings), [""; 0]);
}

#[test]
fn terways_own_nftables_backend_has_a_version() {
    let config = chain(&format!(
        "{}, {PORTMAP}",
        ENTRY.replace(
            "\"type\"",
            "\"symmetric_routing\": true, \"symmetric_routing_config\": {\"backend\": \"nftables\"}, \"type\""
        )
    ));
    let usage =
        |version: &str| Usage { access: Some(Access::Public), terway_version: Some(version.parse().unwrap()), ..KNOWN };
    assert_eq!(codes(&lint(&config, &usage("1.16.1"), None).findings), ["PL625"]);
    assert_eq!(codes(&lint(&config, &usage("1.17.1"), None).findings), [""; 0]);
}

#[test]
fn findings_of_observed_nodes() {
    let node = |name: &str, plugins: &[&str], exclusive: bool| NodeSeen {
        name: name.into(),
        plugins: Some(plugins.iter().map(|plugin| ((*plugin).to_owned(), Release::find("v1.9.1"))).collect()),
        facts: NodeFacts { exclusive, ..NodeFacts::default() },
        ..NodeSeen::default()
    };
    let seen = |nodes: Vec<NodeSeen>| ClusterSeen { nodes, ..ClusterSeen::default() };
    let config = behind(PORTMAP);
    let lint_for_node = |config: &EniConfig, nodes: Vec<NodeSeen>| lint(config, &KNOWN, Some(&seen(nodes))).findings;
    assert_eq!(codes(&lint_for_node(&config, vec![node("a", &["portmap"], false)])), [""; 0]);
    let found = lint_for_node(
        &config,
        vec![node("a", &["portmap"], false), node("b", &["tuning"], false), node("c", &["portmap"], true)],
    );
    assert_eq!(codes(&found), ["PL631", "PL632"]);
    assert!(found.iter().any(|finding| finding.message == "plugin `portmap` is not on b"), "{found:#?}");
    let own = behind(&format!("{PORTMAP}, {{\"type\": \"our-own\"}}"));
    assert_eq!(
        codes(&lint_for_node(&own, vec![node("a", &["portmap", "our-own"], false)])),
        [""; 0],
        "a plugin that is on the node is known"
    );
    let bare = file(&[(CONF, ENTRY)]);
    assert_eq!(
        codes(&lint(&bare, &Usage { access: None, ..KNOWN }, Some(&seen(vec![node("c", &[], true)]))).findings),
        [""; 0]
    );
}

/// The releases that `plumbline lint` is given.
#[test]
fn releases_of_plugins_count_as_versions_of_the_usage() {
    let entry = ENTRY.replace("\"type\"", "\"symmetric_routing\": true, \"type\"");
    let portmap = PORTMAP.replace("}}", "}, \"masqAll\": true}");
    let list = format!("{{\"plugins\": [{entry}, {portmap}]}}");
    let config = file(&[(CONF, &entry), (CONFLIST, &list), ("cni_chain", "- type: portmap")]);
    let find = |names: &[(&str, &str)]| {
        let mut releases = Releases::default();
        names.iter().for_each(|(name, release)| releases.set(name, release).unwrap());
        let findings = lint_with(&config, &Usage::default(), &releases, None).findings;
        let mut codes: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
        codes.sort_unstable();
        codes.join(" ")
    };
    let plain = find(&[]);
    assert!(plain.contains("PL610") && !plain.contains("PL625") && !plain.contains("PL626"), "{plain}");
    assert!(!find(&[("terway", "v1.18.0")]).contains("PL610"));
    assert!(find(&[("terway", "v1.14.0")]).contains("PL625"));
    for name in ["portmap", "plugins"] {
        assert!(find(&[(name, "v1.1.1")]).contains("PL626"), "{}", find(&[(name, "v1.1.1")]));
    }
    // One mistake is one finding.
    assert_eq!(find(&[("portmap", "v1.1.1")]).matches("PL610").count(), 1);
}
