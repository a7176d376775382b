//! How the lint reads texts: many forms, bad files, ignored findings, places, size.

mod common;

use common::linted::{chain, codes, lint_as, lint_text, nad, pod, shown};
use plumbline_core::finding::{Finding, FindingCode};
use plumbline_core::lint::{ClusterFacts, FileOrigin, InputFile, Options, lint};

const BAD: &str = r#"{ "cniVersion": "1.0.0", "name": "net", "type": "macvlan", "mode": "l2" }"#;

/// Places and codes, as `LINE:COLUMN CODE`.
fn places(text: &str) -> Vec<String> {
    let report = lint_text(text);
    assert!(report.errors.is_empty(), "{}", shown(&report));
    let place = |finding: &plumbline_core::finding::Finding| {
        let source = finding.source.clone().unwrap_or_default();
        format!("{}:{} {}", source.line, source.column, finding.code)
    };
    report.findings.iter().map(place).collect()
}

#[test]
fn a_finding_points_at_its_key_in_every_form_of_text() {
    let head = "kind: NetworkAttachmentDefinition\nmetadata: { name: net }\nspec:\n";
    let json = r#"{ "cniVersion": "1.0.0", "type": "macvlan", "mode": "l2" }"#;
    let escaped = json.replace('"', "\\\"");
    for (form, place) in [
        (format!("  config: '{json}'\n"), "4:56 PL605"),
        (format!("  config: \"{escaped}\"\n"), "4:64 PL605"),
        (
            "  config: |\n    { \"cniVersion\": \"1.0.0\", \"type\": \"macvlan\",\n      \"mode\": \"l2\" }".to_owned(),
            "6:7 PL605",
        ),
        (
            "  config: >-\n    { \"cniVersion\": \"1.0.0\", \"type\": \"macvlan\",\n    \"mode\": \"l2\" }\n"
                .to_owned(),
            "6:5 PL605",
        ),
        (
            "  config: '{ \"cniVersion\": \"1.0.0\", \"type\": \"macvlan\",\n    \"mode\": \"l2\" }'\n".to_owned(),
            "5:5 PL605",
        ),
        (
            "  config: '{ \"cniVersion\": \"1.0.0\", \"type\": \"macvlan\",\n \"mode\": \"l2\"\n}'\n".to_owned(),
            "5:2 PL605",
        ),
        ("  config: '{ \"cniVersion\": \"1.0.0\", \"type\" \"macvlan\" }'\n".to_owned(), "4:44 PL603"),
        ("  config: |\n    { \"cniVersion\": \"1.0.0\",\n      \"type\": macvlan }\n".to_owned(), "6:15 PL603"),
    ] {
        assert_eq!(places(&format!("{head}{form}")), [place], "{form}");
        // The same as the second of two documents, and as an item of a list.
        let (line, rest) = place.split_once(':').unwrap();
        let moved = format!("{}:{rest}", line.parse::<usize>().unwrap() + 2);
        assert_eq!(places(&format!("kind: Other\n---\n{head}{form}")), [moved.as_str()], "{form}");
    }
    let items = format!("kind: List\nitems:\n- {}", format!("{head}  config: '{json}'\n").replace('\n', "\n  "));
    assert_eq!(places(&items), ["6:58 PL605"]);
    let list = format!(
        r#"{{"kind":"List","items":[{{"kind":"NetworkAttachmentDefinition","metadata":{{"name":"n"}},"spec":{{"config":"{escaped}"}}}}]}}"#
    );
    assert_eq!(places(&list), ["1:157 PL605"]);
}

#[test]
fn an_annotation_points_at_its_element() {
    let net = nad("net", &chain(r#"{ "type": "macvlan" }"#));
    let before = net.lines().count();
    let annotation = r#"[ { "name": "net" }, { "name": "net", "speed": 1 } ]"#;
    assert_eq!(places(&(net.clone() + &pod("web", annotation))), [format!("{}:73 PL602", before + 7)]);
    assert_eq!(places(&(net + &pod("web", "net, nte@eth1"))), [format!("{}:40 PL640", before + 7)]);
}

#[test]
fn a_file_of_a_node_is_a_configuration() {
    let report = lint_as("10-net.conflist", BAD, &Options::default());
    assert_eq!(codes(&report.findings), ["PL605"]);
    assert_eq!(report.findings[0].source.as_ref().unwrap().to_string(), "10-net.conflist:1:60");
    assert_eq!(report.objects["CNI configuration"], 1);
    // Without the name of such a file, by its keys.
    assert_eq!(codes(&lint_as("net.json", BAD, &Options::default()).findings), ["PL605"]);
    let default = chain(
        r#"{ "type": "bridge", "isDefaultGateway": true, "ipam": { "type": "host-local", "subnet": "192.0.2.0/24" } }"#,
    );
    assert_eq!(codes(&lint_as("10-net.conflist", &default, &Options::default()).findings), [""; 0]);
    assert_eq!(codes(&lint_as("10-net.conflist", "{ ", &Options::default()).findings), ["PL603"]);
    // Another program's file.
    assert_eq!(codes(&lint_as("nginx.conf", "server { listen 80; }", &Options::default()).findings), [""; 0]);
}

#[test]
fn other_objects_are_counted_and_left_alone() {
    let vm = "---\nkind: VirtualMachine\nmetadata: { name: vm }\nspec: { networks: [ { multus: { networkName: default/net } } ] }\n";
    let net = nad("net", &chain(r#"{ "type": "macvlan" }"#));
    let report = lint_text(&(net + vm + &pod("web", "other") + "---\na: 1\n---\n# nothing\n"));
    assert_eq!(report.others.get("VirtualMachine"), Some(&1));
    assert_eq!(report.others.get("no kind"), Some(&1));
    assert_eq!(report.objects.get("Pod"), Some(&1));
    // The virtual machine uses the network.
    assert_eq!(codes(&report.findings), ["PL640"], "{}", shown(&report));
    assert!(report.findings[0].message.contains("other"), "{}", shown(&report));
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_place() {
    for (text, wanted) in [
        ("a: [\n", "f.yaml:1:4: not YAML"),
        ("---\na: b\n---\na: {{ .Values.x }\n", "f.yaml:4:"),
        ("kind: NetworkAttachmentDefinition\nmetadata: {}\n", "f.yaml:1:1: metadata.name: is missing"),
        ("kind: Deployment\napiVersion: apps/v1\nmetadata: { name: a }\n", "f.yaml:1:1: spec.template: is missing"),
        (
            "kind: Pod\napiVersion: v1\nmetadata: { annotations: { k8s.v1.cni.cncf.io/networks: [ a ] } }\n",
            "f.yaml:3:57: metadata.annotations[k8s.v1.cni.cncf.io/networks]: must be a string",
        ),
    ] {
        let report = lint_text(text);
        let errors: Vec<String> = report.errors.iter().map(ToString::to_string).collect();
        assert!(errors.len() == 1 && errors[0].starts_with(wanted), "{text}\n{errors:?}");
    }
}

#[test]
fn an_object_ignores_a_code_with_a_reason() {
    let with = |annotation: &str| {
        nad("net", BAD).replace("  name: net\n", &format!("  name: net\n  annotations: {{ {annotation} }}\n"))
    };
    let report = lint_text(&with("lint.plumbline.dev/ignore-PL605: our build has this mode"));
    assert_eq!((codes(&report.findings), report.ignored.len()), (vec![], 1), "{}", shown(&report));
    assert_eq!(report.ignored[0].reason.as_deref(), Some("our build has this mode"));
    for (annotation, wanted) in [
        ("lint.plumbline.dev/ignore-PL606: why", vec!["PL605"]),
        ("lint.plumbline.dev/ignore-PL605: ''", vec!["PL605", "PL605"]),
        ("lint.plumbline.dev/ignore-PL999: why", vec!["PL602", "PL605"]),
    ] {
        assert_eq!(codes(&lint_text(&with(annotation)).findings), wanted, "{annotation}");
    }
    // The annotation counts for its own object alone.
    let two = with("lint.plumbline.dev/ignore-PL605: why") + &nad("other", BAD);
    assert_eq!(codes(&lint_text(&two).findings), ["PL605"]);
    let options = Options { ignore: [FindingCode::PL605].into(), ..Options::default() };
    let report = lint_as("f.yaml", &nad("net", BAD), &options);
    assert_eq!((report.findings.len(), report.ignored.len()), (0, 1));
    assert_eq!(report.ignored[0].reason, None);
}

#[test]
fn texts_are_linted_together() {
    let files = [
        InputFile::new("net.yaml", nad("net", &chain(r#"{ "type": "macvlan" }"#))),
        InputFile::new("pod.yaml", pod("web", "net")),
    ];
    assert_eq!(codes(&lint(&files, &Options::default()).findings), [""; 0]);
}

#[test]
fn two_thousand_networks_take_less_than_ten_seconds_unoptimised() {
    let config = |number: usize| {
        format!(
            "{{ \"cniVersion\": \"1.0.0\", \"name\": \"net-{number}\", \"type\": \"macvlan\", \"master\": \"eth1\",\n  \"ipam\": {{ \"type\": \"host-local\", \"subnet\": \"10.{}.{}.0/24\" }} }}",
            number / 256,
            number % 256
        )
    };
    let text: String = (0..2000).map(|number| nad(&format!("net-{number}"), &config(number))).collect();
    let begin = std::time::Instant::now();
    let report = lint_text(&text);
    assert_eq!(report.objects["NetworkAttachmentDefinition"], 2000);
    assert!(report.findings.is_empty() && report.errors.is_empty(), "{}", shown(&report));
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
}

fn in_folder(name: &str, text: &str) -> InputFile {
    InputFile { origin: FileOrigin::InFolder, ..InputFile::new(name, text) }
}

#[test]
fn files_of_other_programs_are_left_out_in_folders() {
    let foreign = [
        ("a/babel.json", r#"{ "name": "pkg", "plugins": ["a"] }"#),
        ("a/journald.conf", "[Journal]\nStorage=auto\n"),
        ("a/tsconfig.json", "// comment\n{ \"a\": 1 }\n"),
        ("a/vault.yaml", "password: !vault secret\n"),
        ("a/e.conf", ""),
    ];
    let files = foreign.map(|(name, text)| in_folder(name, text));
    let report = lint(&files, &Options::default());
    assert_eq!((codes(&report.findings), report.errors.len()), (vec![], 0), "{}", shown(&report));
    assert!(report.objects.is_empty(), "{:?}", report.objects);
    let skipped: Vec<&str> = report.skipped.iter().map(|error| error.source_at.file.as_str()).collect();
    assert_eq!(skipped, ["a/journald.conf", "a/tsconfig.json", "a/vault.yaml", "a/e.conf"]);
    assert!(report.skipped[2].message.contains("!vault"), "{:?}", report.skipped);
    // The same files, named by the user.
    let named = foreign.map(|(name, text)| lint_as(name, text, &Options::default()));
    assert_eq!(named.each_ref().map(|report| report.errors.len()), [0, 1, 1, 1, 0]);
    assert_eq!((codes(&named[0].findings), codes(&named[4].findings)), (vec!["PL603"], vec!["PL603"]));
    // What has a sign of Kubernetes is not left out, and what is a configuration is checked.
    let template = in_folder("a/nad.yaml", "kind: NetworkAttachmentDefinition\nmetadata: {{ .Values.a }}\nb: [\n");
    assert_eq!(lint(&[template], &Options::default()).errors.len(), 1);
    let bare = in_folder("a/net.json", r#"{ "cniVersion": "1.0.0", "name": "n", "type": "macvlan", "vlan": 1 }"#);
    assert_eq!(codes(&lint(&[bare], &Options::default()).findings), ["PL601"]);
}

#[test]
fn references_are_neither_counted_nor_reported() {
    let range = |name: &str, space: &str, range: &str| {
        let ipam = format!(r#"{{ "type": "host-local", "subnet": "{range}" }}"#);
        let config = format!(
            r#"{{ "cniVersion": "1.0.0", "name": "{name}", "type": "macvlan", "master": "eth1", "vlan": 5, "ipam": {ipam} }}"#
        );
        nad(name, &config).replace("metadata:\n", &format!("metadata:\n  namespace: {space}\n"))
    };
    let (wide, part) = (range("wide", "a", "192.0.2.0/24"), range("part", "b", "192.0.2.128/25"));
    let reference = |name: &str, text: &str| InputFile { origin: FileOrigin::Reference, ..InputFile::new(name, text) };
    // The overlap is reported on the named one of both, wherever its range begins.
    for files in [
        [InputFile::new("own.yaml", &wide), reference("other.yaml", &part)],
        [reference("other.yaml", &wide), InputFile::new("own.yaml", &part)],
    ] {
        let report = lint(&files, &Options::default());
        assert_eq!(codes(&report.findings), ["PL601", "PL615"], "{}", shown(&report));
        let is_own = |finding: &Finding| finding.source.as_ref().is_some_and(|source| source.file == "own.yaml");
        assert!(report.findings.iter().all(is_own), "{}", shown(&report));
        assert_eq!(report.objects.values().sum::<usize>(), 1);
    }
    let report = lint(&[reference("a.yaml", &wide), reference("b.yaml", &part)], &Options::default());
    assert!(report.findings.is_empty() && report.objects.is_empty(), "{}", shown(&report));
    // A pod can request it.
    let pod = InputFile::new("pod.yaml", pod("web", "b/part"));
    let cluster = ClusterFacts { has_all_networks: true, ..ClusterFacts::default() };
    let report = lint(&[pod, reference("b.yaml", &part)], &Options { cluster, ..Options::default() });
    assert_eq!(codes(&report.findings), [""; 0], "{}", shown(&report));
}

#[test]
fn pods_that_could_not_be_read_can_request_a_network() {
    let files = nad("net", &chain(r#"{ "type": "macvlan" }"#))
        + &pod("web", "net")
        + &nad("lan", &chain(r#"{ "type": "macvlan" }"#));
    assert_eq!(codes(&lint_text(&files).findings), ["PL640"]);
    let cluster = ClusterFacts { has_unread_pods: true, ..ClusterFacts::default() };
    let report = lint_as("f.yaml", &files, &Options { cluster, ..Options::default() });
    assert_eq!(codes(&report.findings), [""; 0]);
}

/// The lint of Terway's chain has options that this one does not have.
#[test]
fn what_is_not_known_of_terway_names_an_option_that_exists() {
    let list =
        r#"{ "plugins": [ { "type": "terway", "symmetric_routing": true }, { "type": "portmap", "masqAll": true } ] }"#;
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: eni-config, namespace: kube-system }}\ndata:\n  10-terway.conflist: '{list}'\n"
    );
    let report = lint_text(&text);
    let assumed = report.assumed.join("\n");
    for part in ["`plumbline chain lint --access` takes node", "--plugin-version terway=", "--plugin-version portmap="]
    {
        assert!(assumed.contains(part), "wanted {part:?} in: {assumed}");
    }
    for option in ["say --access", "--terway-version", "--portmap-version", "say --datapath-v2"] {
        assert!(!assumed.contains(option), "{option:?} in: {assumed}");
    }
}
