//! Bad inputs: each is refused with file, line, column and field, before anything is made.
//! The numbers are those of the project's list of bad inputs.

use plumbline_core::plan::Plan;
use plumbline_core::scenario::{InputError, LoadError, load_scenario, same_names};
use std::collections::HashMap;

/// A scenario in order: what every case below bends.
const SCENARIO: &str = "\
apiVersion: plumbline.dev/v1alpha1
kind: Scenario
metadata:
  name: topic/case
topology:
  bridges:
    - { name: br-ex, addresses: [10.1.0.1/24] }
networks:
  - template: nad.yaml
    values: { name: one, vlan: 100, address: 10.0.0.10/24, routes: [10.2.0.0/16] }
pods:
  - manifest: pod.yaml
expect:
  pod:
    interfaces:
      eth1: { kind: macvlan, state: up, mac: '02:00:00:00:00:01', addresses: [10.0.0.10/24] }
    routes:
      eth1:
        - { to: 10.2.0.0/16, via: 10.0.0.1, metric: 5 }
    default: { dev: eth0 }
";

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: pod
  annotations:
    k8s.v1.cni.cncf.io/networks: '[{ \"name\": \"one\", \"interface\": \"eth1\" }]'
spec:
  containers:
  - { name: a, image: b }
";

const TEMPLATE: &str = "\
values:
  name: { type: name }
  vlan: { type: integer, min: 1, max: 4094 }
  address: { type: address }
  routes: { type: network, list: true, optional: true }
---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  name: {{ name }}
spec:
  config: '{ \"cniVersion\": \"1.0.0\", \"plugins\": [ { \"type\": \"macvlan\", \"vlan\": {{ vlan }}, \"a\": {{ address }}, \"r\": {{ routes }} } ] }'
";

struct Files(HashMap<&'static str, Vec<u8>>);

impl Files {
    fn new() -> Self {
        let texts = [("s/case.yaml", SCENARIO), ("s/pod.yaml", POD), ("s/templates/nad.yaml", TEMPLATE)];
        Self(texts.into_iter().map(|(path, text)| (path, text.as_bytes().to_vec())).collect())
    }

    /// Puts one piece of a file in the place of another, which must be there.
    fn bend(mut self, path: &'static str, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self.0[path].clone()).unwrap();
        assert!(text.contains(from), "{from} is not in {path}");
        self.0.insert(path, text.replacen(from, to, 1).into_bytes());
        self
    }

    fn load(&self) -> Result<Plan, Vec<InputError>> {
        load_scenario("s/case.yaml", &|path: &str| self.0.get(path).cloned().ok_or(LoadError::NotFound))
    }
}

#[test]
fn the_scenario_that_is_bent_is_in_order() {
    let plan = Files::new().load().unwrap();
    assert_eq!(plan.pods[0].attachments[0].interface, "eth1");
}

/// Asserts that one error among those given is at `place` (`file:line:column`), of `field`, and says `part`.
#[track_caller]
fn refused(what: &str, files: &Files, place: &str, field: &str, part: &str) {
    let errors = files.load().expect_err(what);
    let hit = errors.iter().any(|error| {
        let text = error.to_string();
        error.source_at.to_string() == place && error.field == field && text.contains(part)
    });
    let all: Vec<String> =
        errors.iter().map(|error| format!("  got {} field {:?}: {error}", error.source_at, error.field)).collect();
    assert!(hit, "{what}: wanted at {place} field {field:?} with {part:?}; got\n{}", all.join("\n"));
}

const S: &str = "s/case.yaml";
const P: &str = "s/pod.yaml";
const T: &str = "s/templates/nad.yaml";

#[test]
fn files_that_are_no_scenario() {
    let whole = |bytes: &[u8]| {
        let mut files = Files::new();
        files.0.insert(S, bytes.to_vec());
        files
    };
    refused("I01 empty", &whole(b""), S, "", "empty");
    refused("I02 only comments", &whole(b"# one\n\n  # two\n"), S, "", "empty");
    refused("I03 not UTF-8", &whole(b"apiVersion: x\nkind: \xff\n"), "s/case.yaml:2:7", "", "not UTF-8");
    refused("I04 byte order mark", &whole(b"\xef\xbb\xbfkind: Scenario\n"), S, "", "byte order mark");
    refused("I06 too large", &whole(&vec![b'#'; 2_000_000]), S, "", "larger than");
    refused("I12 tabs", &Files::new().bend(S, "  name: topic", "\tname: topic"), "s/case.yaml:4:2", "", "tab");
    refused(
        "I13 two documents",
        &whole(format!("{SCENARIO}---\n{SCENARIO}").as_bytes()),
        "s/case.yaml:21:1",
        "",
        "more than one document",
    );
    refused(
        "I21 a scalar of 10 MiB",
        &whole(format!("kind: {}", "x".repeat(10 << 20)).as_bytes()),
        S,
        "",
        "larger than",
    );
    refused("a list", &whole(b"- a\n- b\n"), "s/case.yaml:1:1", "", "");
    let files = Files::new();
    let missing =
        load_scenario("s/none.yaml", &|path: &str| files.0.get(path).cloned().ok_or(LoadError::NotFound)).unwrap_err();
    assert_eq!(missing[0].to_string(), "s/none.yaml: cannot read `s/none.yaml`: no such file");
    let folder = load_scenario("s", &|_: &str| Err(LoadError::Refused("a folder, not a file".into()))).unwrap_err();
    assert!(folder[0].to_string().contains("a folder"), "I08, I09: {}", folder[0]);
}

#[test]
fn the_form_of_the_file() {
    let f = Files::new;
    refused(
        "I10 duplicate key",
        &f().bend(S, "kind: Scenario\n", "kind: Scenario\nkind: Scenario\n"),
        "s/case.yaml:3:1",
        "kind",
        "twice",
    );
    refused(
        "I11 unknown field",
        &f().bend(S, "addresses: [10.0", "adresses: [10.0"),
        "s/case.yaml:16:67",
        "expect.pod.interfaces.eth1.adresses",
        "did you mean `addresses`?",
    );
    refused(
        "unknown field at the top",
        &f().bend(S, "topology:", "topologies:"),
        "s/case.yaml:5:1",
        "topologies",
        "did you mean `topology`?",
    );
    refused("I14 alias to itself", &f().bend(S, "[10.2.0.0/16]", "&a [*a]"), "s/case.yaml:10:72", "", "");
    refused("I18 custom tag", &f().bend(S, "topic/case", "!secret topic/case"), "s/case.yaml:4:17", "", "tag");
    refused(
        "I19 merge key",
        &f().bend(S, "{ dev: eth0 }", "{ <<: { dev: eth0 } }"),
        "s/case.yaml:20:16",
        "expect.pod.default",
        "merge keys",
    );
    refused("another version", &f().bend(S, "v1alpha1", "v9"), "s/case.yaml:1:13", "apiVersion", "v9");
    refused("another kind", &f().bend(S, "kind: Scenario", "kind: Scenery"), "s/case.yaml:2:7", "kind", "Scenery");
    refused(
        "missing name",
        &f().bend(S, "  name: topic/case\n", "  summary: x\n"),
        "s/case.yaml:4:3",
        "metadata.summary",
        "`name` is missing",
    );
    refused("I61 upper case", &f().bend(S, "topic/case", "topic/Case"), "s/case.yaml:4:9", "metadata.name", "Case");
    refused("no pods", &f().bend(S, "pods:\n  - manifest: pod.yaml\n", "pods: []\n"), S, "", "no pods");
}

#[test]
fn depth_and_aliases_are_limited() {
    let mut files = Files::new();
    files.0.insert(S, format!("kind: {}{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes());
    assert!(files.load().is_err(), "I16 nesting 100,000 deep");
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    for path in [S, P] {
        let mut files = Files::new();
        files.0.insert(path, bomb.clone().into_bytes());
        let start = std::time::Instant::now();
        assert!(files.load().is_err(), "I15 alias bomb in {path}");
        assert!(start.elapsed().as_millis() < 1000, "I15 takes too long");
    }
    let mut deep = Files::new();
    deep.0.insert(P, format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes());
    refused("I16 in a manifest", &deep, "s/pod.yaml:1:68", "", "nested deeper");
    let mut many = Files::new();
    many.0.insert(P, "a: 1\n---\n".repeat(1000).into_bytes());
    refused("I13 a thousand documents", &many, "s/pod.yaml:128:1", "", "more than 64 documents");
}

#[test]
fn addresses_and_names_of_the_scenarios_own_fields() {
    let f = Files::new;
    let address = "expect.pod.interfaces.eth1.addresses[0]";
    for (what, from, to, at, field, part) in [
        ("I24 prefix too long", "addresses: [10.0.0.10/24]", "addresses: [10.0.0.10/33]", "16:79", address, "/33"),
        ("no prefix", "addresses: [10.0.0.10/24]", "addresses: [10.0.0.10]", "16:79", address, "no prefix length"),
        ("I26 no address", "addresses: [10.0.0.10/24]", "addresses: [999.1.1.1/8]", "16:79", address, "999.1.1.1"),
        (
            "I34 mapped",
            "addresses: [10.0.0.10/24]",
            "addresses: ['::ffff:10.0.0.1/120']",
            "16:79",
            address,
            "IPv6 clothes",
        ),
        ("I35 multicast", "addresses: [10.0.0.10/24]", "addresses: [224.0.0.1/24]", "16:79", address, "can't be"),
        ("I35 loopback", "addresses: [10.0.0.10/24]", "addresses: [127.0.0.1/8]", "16:79", address, "can't be"),
        (
            "twice",
            "addresses: [10.0.0.10/24]",
            "addresses: [10.0.0.10/24, 10.0.0.10/24]",
            "16:93",
            "expect.pod.interfaces.eth1.addresses[1]",
            "twice",
        ),
        ("I25 host bits", "to: 10.2.0.0/16", "to: 10.2.0.1/16", "19:17", "expect.pod.routes.eth1[0].to", "10.2.0.0/16"),
        ("I32 family", "via: 10.0.0.1", "src: 'fe80::1'", "19:35", "expect.pod.routes.eth1[0].src", "another family"),
        ("gateway", "via: 10.0.0.1", "via: nobody", "19:35", "expect.pod.routes.eth1[0].via", "no IP address"),
        ("I41 metric", "metric: 5", "metric: 4294967296", "19:53", "expect.pod.routes.eth1[0].metric", ""),
        ("I42 table 255", "metric: 5", "table: 255", "19:52", "expect.pod.routes.eth1[0].table", "255"),
        ("I42 table 0", "metric: 5", "table: 0", "19:52", "expect.pod.routes.eth1[0].table", "table 0"),
        ("scope", "metric: 5", "scope: site", "19:52", "expect.pod.routes.eth1[0].scope", "site"),
        (
            "I39 MAC multicast",
            "'02:00:00:00:00:01'",
            "'01:00:00:00:00:01'",
            "16:46",
            "expect.pod.interfaces.eth1.mac",
            "multicast",
        ),
        (
            "I39 MAC zero",
            "'02:00:00:00:00:01'",
            "'00:00:00:00:00:00'",
            "16:46",
            "expect.pod.interfaces.eth1.mac",
            "all zero",
        ),
        (
            "I39 MAC short",
            "'02:00:00:00:00:01'",
            "'02:00:00:00:01'",
            "16:46",
            "expect.pod.interfaces.eth1.mac",
            "six bytes",
        ),
        (
            "I37 interface of 16",
            "eth1: { kind",
            "eth1567890123456: { kind",
            "16:7",
            "expect.pod.interfaces.eth1567890123456",
            "16 characters",
        ),
        (
            "kind",
            "kind: macvlan",
            "kind: macvlam",
            "16:21",
            "expect.pod.interfaces.eth1.kind",
            "did you mean `macvlan`?",
        ),
        ("state", "state: up", "state: working", "16:37", "expect.pod.interfaces.eth1.state", "working"),
        ("bridge name", "name: br-ex", "name: 'br ex'", "7:15", "topology.bridges[0].name", "' '"),
        ("bridge address", "10.1.0.1/24", "10.1.0.1", "7:34", "topology.bridges[0].addresses[0]", "no prefix length"),
        ("pod name", "  pod:\n    interfaces", "  prd:\n    interfaces", "14:3", "expect.prd", "did you mean `pod`?"),
        ("default without dev", "{ dev: eth0 }", "{ count: 1 }", "20:14", "expect.pod.default", "`dev` is missing"),
    ] {
        refused(what, &f().bend(S, from, to), &format!("s/case.yaml:{at}"), field, part);
    }
}

#[test]
fn an_absence_needs_a_presence_beside_it() {
    let mut files = Files::new();
    let head = SCENARIO.split("expect:").next().unwrap();
    let only = format!("{head}expect:\n  pod:\n    interfaces:\n      eth9: {{ absent: true }}\n");
    files.0.insert(S, only.into_bytes());
    refused("absence alone", &files, "s/case.yaml:16:7", "expect.pod", "absence");
    let both = format!(
        "{head}expect:\n  pod:\n    interfaces:\n      eth9: {{ absent: true }}\n      eth1: {{ kind: macvlan }}\n"
    );
    files.0.insert(S, both.into_bytes());
    assert!(files.load().unwrap().expect[0].interfaces[0].absent);
}

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
        refused(what, &f().bend(S, from, to), &format!("s/case.yaml:{at}"), &format!("{values}.{field}"), part);
    }
    refused("missing value", &f().bend(S, "vlan: 100, ", ""), "s/case.yaml:9:15", "networks[0].values.vlan", "missing");
    refused("I54 undefined", &f().bend(T, "{{ vlan }}", "{{ vlam }}"), T, "", "`vlam`");
    refused(
        "I54 attribute",
        &f().bend(T, "{{ vlan }}", "{{ routes.first }}"),
        "s/templates/nad.yaml:12",
        "",
        "undefined",
    );
    refused(
        "I57 endless",
        &f().bend(T, "{{ vlan }}", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}1"),
        "s/templates/nad.yaml:12",
        "",
        "too long",
    );
    refused("I57 huge range", &f().bend(T, "{{ vlan }}", "{{ range(1000000000) }}"), "s/templates/nad.yaml:12", "", "");
    refused("I59 output", &f().bend(T, "{{ vlan }}", "{{ 'x' * 3000000 }}"), "s/templates/nad.yaml:12", "", "");
    let piece = "x".repeat(60_000);
    let wide = format!("{{% for a in range(50) %}}{piece}{{% endfor %}}");
    refused("I59 output in pieces", &f().bend(T, "{{ vlan }}", &wide), T, "", "more than");
    refused(
        "I60 include",
        &f().bend(T, "{{ vlan }}", "{% include '/etc/passwd' %}"),
        "s/templates/nad.yaml:12",
        "",
        "",
    );
    refused("I60 environment", &f().bend(T, "{{ vlan }}", "{{ env('HOME') }}"), T, "", "`env`");
    refused(
        "within quotes",
        &f().bend(T, "{{ vlan }}", "\"{{ name }}\""),
        "s/templates/nad.yaml:12:80",
        "",
        "within quotes",
    );
    refused("no head", &f().bend(T, "---", "--"), T, "", "no head");
    refused("syntax", &f().bend(T, "{{ vlan }}", "{{ vlan"), "s/templates/nad.yaml:12", "", "syntax");
    refused(
        "no template",
        &f().bend(S, "template: nad.yaml", "template: nod.yaml"),
        "s/case.yaml:9:15",
        "networks[0].template",
        "nod.yaml",
    );
    refused(
        "two sources",
        &f().bend(S, "template: nad.yaml", "template: nad.yaml\n    manifest: x.yaml"),
        "s/case.yaml:9:5",
        "networks[0]",
        "one of",
    );
    refused(
        "I22 a template in a template",
        &f().bend(T, "{{ vlan }}", "{% extends 'nad.yaml' %}"),
        "s/templates/nad.yaml:12",
        "",
        "",
    );
    refused("no YAML", &f().bend(T, "kind: Net", "kind: ][ Net"), "s/case.yaml:9:5", "networks[0]", "no YAML");
}

#[test]
fn values_are_data_whatever_they_hold() {
    // Free text in a template is where a value would break out.
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
        ("another kind", "kind: Pod", "kind: Deployment", "2:7", "kind", "`Pod` is wanted"),
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
        ("unknown key", "\"interface\"", "\"intrface\"", "6:34", net, "does not know"),
        ("I37 interface", "\"eth1\"", "\"eth/1\"", "6:34", &first, "'/'"),
        ("I37 empty", "\"eth1\"", "\"\"", "6:34", &first, "empty"),
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
        refused(what, &f().bend(P, from, to), &format!("s/pod.yaml:{at}"), field, part);
    }
    let mut broken = Files::new();
    broken.0.insert(P, b"a: [1\nb: 2\n".to_vec());
    refused("not YAML", &broken, "s/pod.yaml:2:2", "", "not YAML");
    let mut empty = Files::new();
    empty.0.insert(P, b"---\n# nothing\n".to_vec());
    refused("empty", &empty, P, "", "a Pod is wanted");
    refused(
        "no manifest",
        &f().bend(S, "manifest: pod.yaml", "manifest: pot.yaml"),
        "s/case.yaml:12:15",
        "pods[0].manifest",
        "no such file",
    );
}

#[test]
fn what_is_wrong_inside_a_configuration_is_no_reason_to_refuse() {
    for config in ["", "no json", "{ \"plugins\": [] }", "{ \"type\": \"../x\" }", "[1]"] {
        let mut files = Files::new().bend(S, "template: nad.yaml", "manifest: nad.yaml");
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
fn an_existing_network_need_not_be_brought() {
    let files = Files::new().bend(
        S,
        "  - template: nad.yaml\n    values: { name: one, vlan: 100, address: 10.0.0.10/24, routes: [10.2.0.0/16] }",
        "  - existing: one",
    );
    let plan = files.load().unwrap();
    assert!(plan.networks[0].manifest.is_none());
    let with_values = files.bend(S, "- existing: one", "- existing: one\n    manifest: x.yaml");
    refused("existing and more", &with_values, "s/case.yaml:9:5", "networks[0]", "stands alone");
}

#[test]
fn two_scenarios_of_one_name_are_refused() {
    let plan = Files::new().load().unwrap();
    assert!(same_names(std::slice::from_ref(&plan)).is_empty());
    let errors = same_names(&[plan.clone(), plan]);
    assert!(errors[0].to_string().contains("there twice"), "I23: {}", errors[0]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let files = Files::new()
        .bend(S, "10.2.0.0/16, via", "10.2.0.1/16, via")
        .bend(S, "kind: macvlan", "kind: mac")
        .bend(S, "dev: eth0", "dev: 'a/b'");
    assert_eq!(files.load().unwrap_err().len(), 3);
}
