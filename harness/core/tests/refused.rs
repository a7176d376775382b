//! Bad scenario files: each is refused with file, line, column and field, before anything is made.
//! The numbers are those of the project's list of bad inputs.

mod common;

use common::edited::{Files, P, S, SCENARIO, assert_refused};
use plumbline_core::scenario::{LoadError, load_scenario};

#[test]
fn the_scenario_that_is_changed_is_valid() {
    let plan = Files::new().load().unwrap();
    assert_eq!(plan.pods[0].attachments[0].interface, "eth1");
}

#[test]
fn files_that_are_no_scenario() {
    let whole = |bytes: &[u8]| {
        let mut files = Files::new();
        files.0.insert(S, bytes.to_vec());
        files
    };
    assert_refused("I01 empty", &whole(b""), S, "", "empty");
    assert_refused("I02 only comments", &whole(b"# one\n\n  # two\n"), S, "", "empty");
    assert_refused("I03 not UTF-8", &whole(b"apiVersion: x\nkind: \xff\n"), "s/case.yaml:2:7", "", "not UTF-8");
    assert_refused("I04 byte order mark", &whole(b"\xef\xbb\xbfkind: Scenario\n"), S, "", "byte order mark");
    assert_refused("I06 too large", &whole(&vec![b'#'; 2_000_000]), S, "", "larger than");
    assert_refused(
        "I12 tabs",
        &Files::new().replace_text(S, "  name: topic", "\tname: topic"),
        "s/case.yaml:4:2",
        "",
        "tab",
    );
    assert_refused(
        "I13 two documents",
        &whole(format!("{SCENARIO}---\n{SCENARIO}").as_bytes()),
        "s/case.yaml:21:1",
        "",
        "more than one document",
    );
    assert_refused(
        "I21 a scalar of 10 MiB",
        &whole(format!("kind: {}", "x".repeat(10 << 20)).as_bytes()),
        S,
        "",
        "larger than",
    );
    assert_refused("a list", &whole(b"- a\n- b\n"), "s/case.yaml:1:1", "", "");
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
    assert_refused(
        "a field by its old name",
        &f().replace_text(S, "  name: topic", "  rows: [R01]\n  name: topic"),
        "s/case.yaml:4:3",
        "metadata.rows",
        "`rows` is now `covers`",
    );
    assert_refused(
        "I10 duplicate key",
        &f().replace_text(S, "kind: Scenario\n", "kind: Scenario\nkind: Scenario\n"),
        "s/case.yaml:3:1",
        "kind",
        "twice",
    );
    assert_refused(
        "I11 unknown field",
        &f().replace_text(S, "addresses: [10.0", "adresses: [10.0"),
        "s/case.yaml:16:67",
        "expect.pod.interfaces.eth1.adresses",
        "did you mean `addresses`?",
    );
    assert_refused(
        "unknown field at the top",
        &f().replace_text(S, "topology:", "topologies:"),
        "s/case.yaml:5:1",
        "topologies",
        "did you mean `topology`?",
    );
    assert_refused(
        "I14 alias to itself",
        &f().replace_text(S, "[10.2.0.0/16]", "&a [*a]"),
        "s/case.yaml:10:72",
        "",
        "",
    );
    assert_refused(
        "I18 custom tag",
        &f().replace_text(S, "topic/case", "!secret topic/case"),
        "s/case.yaml:4:17",
        "",
        "tag",
    );
    assert_refused(
        "I19 merge key",
        &f().replace_text(S, "{ dev: eth0 }", "{ <<: { dev: eth0 } }"),
        "s/case.yaml:20:16",
        "expect.pod.default",
        "merge keys",
    );
    assert_refused("another version", &f().replace_text(S, "v1alpha1", "v9"), "s/case.yaml:1:13", "apiVersion", "v9");
    assert_refused(
        "another kind",
        &f().replace_text(S, "kind: Scenario", "kind: Scenery"),
        "s/case.yaml:2:7",
        "kind",
        "Scenery",
    );
    assert_refused(
        "a manifest among scenarios",
        &f().replace_text(S, "kind: Scenario\n", "kind: Pod\nspec: {}\n"),
        "s/case.yaml:2:7",
        "kind",
        "in the folder a/ beside it",
    );
    assert_refused(
        "a capability misspelt",
        &f().replace_text(S, "topology:", "requires: [macvlann]\ntopology:"),
        "s/case.yaml:5:12",
        "requires[0]",
        "did you mean `macvlan`?",
    );
    assert_refused(
        "missing name",
        &f().replace_text(S, "  name: topic/case\n", "  summary: x\n"),
        "s/case.yaml:4:3",
        "metadata.summary",
        "`name` is missing",
    );
    assert_refused(
        "I61 upper case",
        &f().replace_text(S, "topic/case", "topic/Case"),
        "s/case.yaml:4:9",
        "metadata.name",
        "Case",
    );
    assert_refused("no pods", &f().replace_text(S, "pods:\n  - manifest: pod.yaml\n", "pods: []\n"), S, "", "no pods");
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
    assert_refused("I16 in a manifest", &deep, "s/pod.yaml:1:69", "", "nested deeper");
    let mut many = Files::new();
    many.0.insert(P, "a: 1\n---\n".repeat(1000).into_bytes());
    assert_refused("I13 a thousand documents", &many, "s/pod.yaml:128:1", "", "more than 64 documents");
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
            "IPv4-mapped",
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
        ("gateway", "via: 10.0.0.1", "via: router", "19:35", "expect.pod.routes.eth1[0].via", "no IP address"),
        (
            "I41 metric",
            "metric: 5",
            "metric: 4294967296",
            "19:53",
            "expect.pod.routes.eth1[0].metric",
            "is `4294967296`; expected a whole number from 0 to 4294967295",
        ),
        (
            "count",
            "{ dev: eth0 }",
            "{ dev: eth0, count: one }",
            "20:34",
            "expect.pod.default.count",
            "is `one`; expected a whole number from 0 up",
        ),
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
        assert_refused(what, &f().replace_text(S, from, to), &format!("s/case.yaml:{at}"), field, part);
    }
}

#[test]
fn expected_absences_alone_are_refused() {
    let mut files = Files::new();
    let head = SCENARIO.split("expect:").next().unwrap();
    let only = format!("{head}expect:\n  pod:\n    interfaces:\n      eth9: {{ absent: true }}\n");
    files.0.insert(S, only.into_bytes());
    assert_refused("absence alone", &files, "s/case.yaml:16:7", "expect.pod", "only absences");
    let both = format!(
        "{head}expect:\n  pod:\n    interfaces:\n      eth9: {{ absent: true }}\n      eth1: {{ kind: macvlan }}\n"
    );
    files.0.insert(S, both.into_bytes());
    assert!(files.load().unwrap().expect[0].interfaces[0].absent);
}
