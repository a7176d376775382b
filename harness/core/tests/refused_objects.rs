//! Bad templates and Kubernetes objects: each is refused with file, line, column and field, before anything is
//! made. The numbers are those of the project's list of bad inputs.

mod common;

use common::edited::{Files, P, S, SCENARIO, T, assert_refused};
use plumbline_core::scenario::same_names;

#[test]
fn templates_and_their_values() {
    let f = Files::new;
    let values = "networks[0].values";
    for (what, from, to, at, field, part) in [
        ("I43 VLAN 0", "vlan: 100", "vlan: 0", "10:32", "vlan", "1 to 4094"),
        ("I43 VLAN 4095", "vlan: 100", "vlan: 4095", "10:32", "vlan", "1 to 4094"),
        ("a text for a number", "vlan: 100", "vlan: hundred", "10:32", "vlan", "an integer"),
        ("unknown value", "vlan: 100", "vlna: 100", "10:26", "vlna", "did you mean `vlan`?"),
        ("I24", "10.0.0.10/24", "10.0.0.10/33", "10:46", "address", "/33"),
        ("not a list", "[10.2.0.0/16]", "10.2.0.0/16", "10:68", "routes", "a list"),
        ("I25", "[10.2.0.0/16]", "[10.2.0.7/16]", "10:68", "routes", "host bits"),
        ("name", "name: one", "name: One", "10:21", "name", "One"),
    ] {
        assert_refused(
            what,
            &f().replace_text(S, from, to),
            &format!("s/case.yaml:{at}"),
            &format!("{values}.{field}"),
            part,
        );
    }
    assert_refused(
        "missing value",
        &f().replace_text(S, "vlan: 100, ", ""),
        "s/case.yaml:9:15",
        "networks[0].values.vlan",
        "missing",
    );
    assert_refused("I54 undefined", &f().replace_text(T, "{{ vlan }}", "{{ vlam }}"), T, "", "`vlam`");
    assert_refused(
        "I54 attribute",
        &f().replace_text(T, "{{ vlan }}", "{{ routes.first }}"),
        "s/templates/nad.yaml:12",
        "",
        "undefined",
    );
    assert_refused(
        "I57 endless",
        &f().replace_text(
            T,
            "{{ vlan }}",
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}1",
        ),
        "s/templates/nad.yaml:12",
        "",
        "too long",
    );
    assert_refused(
        "I57 huge range",
        &f().replace_text(T, "{{ vlan }}", "{{ range(1000000000) }}"),
        "s/templates/nad.yaml:12",
        "",
        "",
    );
    assert_refused(
        "I59 output",
        &f().replace_text(T, "{{ vlan }}", "{{ 'x' * 3000000 }}"),
        "s/templates/nad.yaml:12",
        "",
        "",
    );
    let piece = "x".repeat(60_000);
    let wide = format!("{{% for a in range(50) %}}{piece}{{% endfor %}}");
    assert_refused("I59 output in pieces", &f().replace_text(T, "{{ vlan }}", &wide), T, "", "more than");
    assert_refused(
        "I60 include",
        &f().replace_text(T, "{{ vlan }}", "{% include '/etc/passwd' %}"),
        "s/templates/nad.yaml:12",
        "",
        "",
    );
    assert_refused("I60 environment", &f().replace_text(T, "{{ vlan }}", "{{ env('HOME') }}"), T, "", "`env`");
    assert_refused(
        "within quotes",
        &f().replace_text(T, "{{ vlan }}", "\"{{ name }}\""),
        "s/templates/nad.yaml:12:80",
        "",
        "within quotes",
    );
    assert_refused("no head", &f().replace_text(T, "---", "--"), T, "", "no head");
    assert_refused("syntax", &f().replace_text(T, "{{ vlan }}", "{{ vlan"), "s/templates/nad.yaml:12", "", "syntax");
    assert_refused(
        "no template",
        &f().replace_text(S, "template: nad.yaml", "template: nod.yaml"),
        "s/case.yaml:9:15",
        "networks[0].template",
        "nod.yaml",
    );
    assert_refused(
        "two sources",
        &f().replace_text(S, "template: nad.yaml", "template: nad.yaml\n    manifest: x.yaml"),
        "s/case.yaml:9:5",
        "networks[0]",
        "one of",
    );
    assert_refused(
        "I22 a template in a template",
        &f().replace_text(T, "{{ vlan }}", "{% extends 'nad.yaml' %}"),
        "s/templates/nad.yaml:12",
        "",
        "",
    );
    assert_refused(
        "no YAML",
        &f().replace_text(T, "kind: Net", "kind: ][ Net"),
        "s/case.yaml:9:5",
        "networks[0]",
        "no YAML",
    );
}

#[test]
fn template_values_are_always_data() {
    // Each value goes into free text of a template, where quotes or braces could end it.
    let hostile = [
        "x\", \"type\": \"evil",
        "{{ name }}",
        "{% raw %}",
        "' }\nkind: Evil\nx: '",
        "a\u{2028}kind: Evil",
        "a\u{85}kind: Evil",
        "\\\"",
        "# comment",
        "*alias",
        "&anchor !tag",
        "\u{0}\u{7f}\u{feff}",
        "yes",
        "0755",
        "\u{1F600} \u{e9}",
        ": , ] }",
    ];
    for text in hostile {
        for style in [
            "  config: '{ \"type\": \"macvlan\", \"note\": {{ note }} }'",
            "  config: |\n    { \"type\": \"macvlan\",\n      \"note\": {{ note }} }",
        ] {
            let template = format!(
                "values:\n  name: {{ type: name }}\n  note: {{ type: string }}\n---\napiVersion: k8s.cni.cncf.io/v1\n\
                 kind: NetworkAttachmentDefinition\nmetadata:\n  name: {{{{ name }}}}\n  annotations:\n    note: {{{{ note }}}}\nspec:\n{style}\n"
            );
            let mut files = Files::new();
            files.0.insert(T, template.into_bytes());
            let value = serde_json::to_string(text)
                .unwrap()
                .replace('\u{7f}', "\\x7f")
                .replace('\u{feff}', "\\uFEFF")
                .replace('\u{85}', "\\x85")
                .replace('\u{2028}', "\\u2028");
            let scenario =
                SCENARIO.replace("vlan: 100, address: 10.0.0.10/24, routes: [10.2.0.0/16]", &format!("note: {value}"));
            files.0.insert(S, scenario.into_bytes());
            let plan = files.load().unwrap_or_else(|errors| panic!("{text:?}: {errors:?}"));
            let network = &plan.networks[0];
            let link = &network.chain.as_ref().unwrap().links[0];
            assert_eq!((link.plugin.as_str(), link.conf["note"].as_str()), ("macvlan", Some(text)), "{style}");
            assert_eq!(link.conf.as_object().unwrap().len(), 2, "no key was added");
            let manifest = network.manifest.as_ref().unwrap();
            assert_eq!(manifest["metadata"]["annotations"]["note"].as_str(), Some(text));
            assert_eq!(manifest.as_object().unwrap().len(), 4);
        }
    }
}

#[test]
fn kubernetes_objects() {
    let f = Files::new;
    let net = "metadata.annotations[k8s.v1.cni.cncf.io/networks]";
    let one = "{ \"name\": \"one\", \"interface\": \"eth1\" }";
    let first = format!("{net}[0]");
    for (what, from, to, at, field, part) in [
        ("duplicate key", "kind: Pod\n", "kind: Pod\nkind: Pod\n", "3:1", "", "twice"),
        ("another kind", "kind: Pod", "kind: Service", "2:7", "kind", "expected Pod, Deployment"),
        ("not a text", "kind: Pod", "kind: yes", "2:7", "kind", "true"),
        ("I61 upper case", "  name: pod", "  name: Pod", "4:9", "metadata.name", "Pod"),
        ("I61 long", "  name: pod", &format!("  name: {}", "p".repeat(64)), "4:9", "metadata.name", "64 characters"),
        (
            "I63 kube-system",
            "  name: pod",
            "  namespace: kube-system\n  name: pod",
            "4:14",
            "metadata.namespace",
            "belongs to the cluster",
        ),
        (
            "I62 privileged",
            "image: b }",
            "image: b, securityContext: { privileged: true } }",
            "9:57",
            "spec.containers[0].securityContext.privileged",
            "privileged",
        ),
        ("I62 host network", "spec:", "spec:\n  hostNetwork: true", "8:16", "spec.hostNetwork", "not run"),
        (
            "I62 hostPath",
            "spec:",
            "spec:\n  volumes:\n  - { name: x, hostPath: { path: / } }",
            "9:26",
            "spec.volumes[0].hostPath",
            "node's files",
        ),
        (
            "no containers",
            "  containers:\n  - { name: a, image: b }",
            "  containers: []",
            "8:3",
            "spec.containers",
            "container",
        ),
        ("I18 tag", "name: pod", "name: !x pod", "4:9", "", "tag"),
        ("not JSON", one, "{ \"name\": ", "6:34", net, "not a JSON list"),
        ("I37 interface", "\"eth1\"", "\"eth/1\"", "6:34", &first, "'/'"),
        ("I37 dot", "\"eth1\"", "\"..\"", "6:34", &first, "`..`"),
        ("I38 eth0", "\"eth1\"", "\"eth0\"", "6:34", &first, "belongs to"),
        ("I39 MAC", "\"interface\": \"eth1\"", "\"mac\": \"zz\"", "6:34", &first, "no MAC"),
        (
            "I45 port",
            "\"interface\": \"eth1\"",
            "\"portMappings\": [{\"hostPort\": 65536, \"containerPort\": 1}]",
            "6:34",
            &first,
            "hostPort",
        ),
        (
            "I45 protocol",
            "\"interface\": \"eth1\"",
            "\"portMappings\": [{\"hostPort\": 6, \"containerPort\": 1, \"protocol\": \"icmp\"}]",
            "6:34",
            &first,
            "icmp",
        ),
        ("two of one name", one, &format!("{one}, {one}"), "6:34", &format!("{net}[1]"), "two attachments"),
        ("I64 many", one, &vec![one; 200].join(","), "6:34", net, "at most 64"),
        ("a network that is not there", "\"one\"", "\"two\"", "1:1", net, "does not have"),
        (
            "a network elsewhere",
            "\"name\": \"one\"",
            "\"name\": \"one\", \"namespace\": \"x\"",
            "1:1",
            net,
            "without a namespace",
        ),
    ] {
        assert_refused(what, &f().replace_text(P, from, to), &format!("s/pod.yaml:{at}"), field, part);
    }
    let mut error = Files::new();
    error.0.insert(P, b"a: [1\nb: 2\n".to_vec());
    assert_refused("not YAML", &error, "s/pod.yaml:2:2", "", "not YAML");
    let mut empty = Files::new();
    empty.0.insert(P, b"---\n# nothing\n".to_vec());
    assert_refused("empty", &empty, P, "", "expected a Pod");
    assert_refused(
        "no manifest",
        &f().replace_text(S, "manifest: pod.yaml", "manifest: pot.yaml"),
        "s/case.yaml:12:15",
        "pods[0].manifest",
        "no such file",
    );
}

#[test]
fn an_invalid_cni_configuration_does_not_refuse_the_scenario() {
    for config in ["", "no json", "{ \"plugins\": [] }", "{ \"type\": \"../x\" }", "[1]"] {
        let mut files = Files::new().replace_text(S, "template: nad.yaml", "manifest: nad.yaml");
        let text = String::from_utf8(files.0[S].clone()).unwrap();
        let without: Vec<&str> = text.lines().filter(|line| !line.contains("values:")).collect();
        files.0.insert(S, without.join("\n").into_bytes());
        let nad = format!(
            "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {{ name: one }}\nspec:\n  config: '{config}'\n"
        );
        files.0.insert("s/nad.yaml", nad.into_bytes());
        let plan = files.load().unwrap_or_else(|errors| panic!("{config}: {errors:?}"));
        assert!(plan.networks[0].chain.is_none(), "{config}");
    }
}

#[test]
fn an_existing_network_needs_no_manifest() {
    let files = Files::new().replace_text(
        S,
        "  - template: nad.yaml\n    values: { name: one, vlan: 100, address: 10.0.0.10/24, routes: [10.2.0.0/16] }",
        "  - existing: one",
    );
    let plan = files.load().unwrap();
    assert!(plan.networks[0].manifest.is_none());
    let with_values = files.replace_text(S, "- existing: one", "- existing: one\n    manifest: x.yaml");
    assert_refused("existing and more", &with_values, "s/case.yaml:9:5", "networks[0]", "stands alone");
}

#[test]
fn two_scenarios_of_one_name_are_refused() {
    let plan = Files::new().load().unwrap();
    assert!(same_names(std::slice::from_ref(&plan)).is_empty());
    let errors = same_names(&[plan.clone(), plan]);
    assert!(errors[0].to_string().contains("defined twice"), "I23: {}", errors[0]);
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let files = Files::new()
        .replace_text(S, "10.2.0.0/16, via", "10.2.0.1/16, via")
        .replace_text(S, "kind: macvlan", "kind: mac")
        .replace_text(S, "dev: eth0", "dev: 'a/b'");
    assert_eq!(files.load().unwrap_err().len(), 3);
}
