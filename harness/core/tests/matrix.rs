//! Scenario files with a matrix: their cases, and mistakes in them with the place of the cause.

mod common;

use common::edited::{Files, S, assert_refused};
use plumbline_core::plan::{Plan, split_case};
use plumbline_core::scenario::{InputError, LoadError, load_case, load_scenario, load_scenarios};
use serde_json::json;

/// A scenario with two axes: one by names with mappings, one of scalars.
const SCENARIO: &str = r#"apiVersion: plumbline.dev/v1alpha1
kind: Scenario
metadata:
  name: topic/case
  summary: "{{ case.main }} with mtu {{ mtu }}"
  covers: "{{ main.covers }}"
matrix:
  axes:
    main:
      ptp: { conf: { type: ptp }, covers: [R01], address: 192.168.1.9/24, extra: false }
      macvlan: { conf: { type: macvlan, master: br }, covers: [], address: 10.0.0.9/8, extra: true }
    mtu: [1400, 1500]
  exclude:
    - { main: ptp, mtu: 1500 }
networks:
  - { template: nad.yaml, values: { name: lan, config: "{{ main.conf }}", mtu: "{{ mtu }}" } }
  - { template: nad.yaml, values: { name: "more-{{ mtu }}", config: { type: ptp } }, when: "{{ main.extra }}" }
pods:
  - manifest: pod.yaml
expect:
  client:
    interfaces:
      net1: { mtu: "{{ mtu }}", addresses: ["{{ main.address }}"] }
"#;
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: client\n  annotations:\n    k8s.v1.cni.cncf.io/networks: lan\nspec:\n  containers: [{ name: a, image: b }]\n";
const TEMPLATE: &str = "values:\n  name: { type: name }\n  config: { type: any }\n  mtu: { type: integer, optional: true }\n---\napiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata:\n  name: {{ name }}\nspec:\n  config: '{ \"cniVersion\": \"1.0.0\", \"mtu\": {{ mtu }}, \"plugins\": [{{ config }}] }'\n";

fn files(scenario: &str) -> Files {
    let texts = [(S, scenario), ("s/pod.yaml", POD), ("s/templates/nad.yaml", TEMPLATE)];
    Files(texts.into_iter().map(|(path, text)| (path, text.as_bytes().to_vec())).collect())
}

fn load(scenario: &str) -> Result<Vec<Plan>, Vec<InputError>> {
    let files = files(scenario);
    load_scenarios(S, &|path: &str| files.0.get(path).cloned().ok_or(LoadError::NotFound))
}

/// The lines of the errors of a scenario with one text replaced.
#[track_caller]
fn errors(from: &str, to: &str) -> Vec<String> {
    assert!(SCENARIO.contains(from), "{from}");
    let errors = load(&SCENARIO.replacen(from, to, 1)).expect_err(to);
    errors.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_error(from: &str, to: &str, place: &str, part: &str) {
    let lines = errors(from, to);
    let place = format!("{S}:{place}: ");
    assert!(lines.iter().any(|line| line.starts_with(&place) && line.contains(part)), "{place}{part}\n{lines:#?}");
}

#[test]
fn each_combination_that_is_not_excluded_is_a_case() {
    let plans = load(SCENARIO).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
    assert_eq!(names, ["topic/case[ptp,1400]", "topic/case[macvlan,1400]", "topic/case[macvlan,1500]"]);
    let last = &plans[2];
    assert_eq!(last.summary, "macvlan with mtu 1500");
    assert_eq!((plans[0].covers.len(), last.covers.len()), (1, 0));
    assert_eq!(plans[0].networks.len(), 1, "an entry that is not there");
    assert_eq!(last.networks[1].name, "more-1500");
    let chain = last.networks[0].chain.as_ref().unwrap();
    assert_eq!(chain.links[0].conf["master"], json!("br"));
    assert_eq!(last.expect[0].interfaces[0].mtu.as_ref().unwrap().value, 1500);
}

#[test]
fn places_are_those_of_the_file() {
    let plans = load(SCENARIO).unwrap();
    let interface = &plans[1].expect[0].interfaces[0];
    let mtu = &interface.mtu.as_ref().unwrap().source;
    assert_eq!(mtu.to_string(), format!("{S}:12:11"), "the value of the axis");
    let address = &interface.addresses.as_ref().unwrap().items[0].source;
    assert_eq!(address.to_string(), format!("{S}:11:76"), "the part of the axis's value");
    assert_eq!(plans[1].networks[0].source.to_string(), format!("{S}:16:5"));
}

#[test]
fn a_value_of_an_axis_can_use_the_axes_before_it() {
    let second = "mtu:\n      low: { value: \"{{ 1400 if main.extra else 1300 }}\" }";
    let text = SCENARIO.replacen("mtu: [1400, 1500]\n  exclude:\n    - { main: ptp, mtu: 1500 }", second, 1);
    let text = text.replace("{{ mtu }}", "{{ mtu.value }}");
    let plans = load(&text).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let mtu = |plan: &Plan| plan.expect[0].interfaces[0].mtu.as_ref().map(|mtu| mtu.value);
    assert_eq!(plans.iter().map(mtu).collect::<Vec<_>>(), [Some(1300), Some(1400)]);
    let itself = load(&text.replacen("main.extra", "mtu.extra", 1)).unwrap_err();
    assert!(itself[0].to_string().starts_with("s/case.yaml:13:21: matrix.axes.mtu.low.value: `1400 if"), "{itself:#?}");
}

#[test]
fn one_case_is_read_by_its_name() {
    let files = files(SCENARIO);
    let read = |path: &str| files.0.get(path).cloned().ok_or(LoadError::NotFound);
    assert_eq!(load_case(S, "macvlan,1400", &read).unwrap().name, "topic/case[macvlan,1400]");
    let unknown = load_case(S, "macvlan,1401", &read).unwrap_err()[0].to_string();
    assert!(unknown.contains("has no case `macvlan,1401`; did you mean `macvlan,1400`"), "{unknown}");
    let several = load_scenario(S, &read).unwrap_err()[0].to_string();
    assert!(several.contains("has 3 cases") && several.contains("case.yaml[ptp,1400]"), "{several}");
    assert_eq!(split_case("a/b[c,d]"), ("a/b", Some("c,d")));
    assert_eq!(split_case("a/b"), ("a/b", None));
}

#[test]
fn errors_point_at_the_cause() {
    // In the matrix, although the value is used elsewhere.
    assert_error("192.168.1.9/24", "192.168.1.999/24", "10:59", "`192.168.1.999`");
    assert_error("192.168.1.9/24", "[a]", "10:59", "");
    // After a placeholder in the same line.
    assert_error("[\"{{ main.address }}\"]", "[\"{{ main.address }}\"], mtuu: 5", "23:68", "unknown field `mtuu`");
    assert_error("[\"{{ main.address }}\"]", "[\"{{ main.address }}\"], kind: vet", "23:74", "vet");
    // In an expression.
    assert_error("{{ main.address }}", "{{ main.adress }}", "23:45", "is undefined");
    assert_error("{{ main.address }}", "{{ mian.address }}", "23:45", "mian");
    assert_error("{{ main.address }}", "{{ main.address ", "23:45", "without its");
    assert_error("{{ main.address }}", "{% if main %}{{ main }}", "23:45", "belong in templates");
    assert_error("more-{{ mtu }}", "more-{{ main }}", "17:43", "can't be part of a text");
    assert_error("name: topic/case", "name: \"topic/{{ mtu }}\"", "4:9", "all cases have one name");
    assert_error("kind: Scenario", "kind: \"{{ main.kind }}\"", "2:7", "a placeholder is not allowed here");
    assert_error("    interfaces:", "    \"{{ main }}\": {}\n    interfaces:", "22:5", "a placeholder in a key");
    assert_error("\"{{ mtu }}\", addresses", "\"{{ mtu\n        }}\", addresses", "23:20", "more than one line");
}

#[test]
fn errors_say_which_cases_have_them() {
    let lines = errors("address: 192.168.1.9/24", "address: 192.168.1.999/24");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].ends_with("(case [ptp,1400])"), "{lines:#?}");
    let lines = errors("10.0.0.9/8", "10.0.0.999/8");
    assert!(lines[0].ends_with("(case [macvlan,1400] and 1 more)"), "{lines:#?}");
    let lines = errors("manifest: pod.yaml", "manifest: none.yaml");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(!lines[0].contains("(case"), "{lines:#?}");
}

#[test]
fn mistakes_in_the_matrix_are_errors() {
    assert_error("mtu: [1400, 1500]", "mtu: []", "12:10", "has no values");
    assert_error("mtu: [1400, 1500]", "mtu: [1400, 1400]", "12:17", "there twice");
    assert_error("mtu: [1400, 1500]", "mtu: [1400, [1500]]", "12:17", "other values have names");
    assert_error("mtu: [1400, 1500]", "mtu: [1400, a/b]", "12:17", "can't be part of a case's name");
    assert_error("    mtu: [", "    case: [", "12:5", "word of expressions");
    assert_error("    mtu: [", "    Mtu: [", "12:5", "no name of an axis");
    assert_error("mtu: 1500 }", "mtu: 1501 }", "14:25", "axis `mtu` has no `1501`");
    assert_error("mtu: 1500 }", "mtus: 1500 }", "14:20", "there is no axis `mtus`; did you mean `mtu`");
    assert_error("{ main: ptp, mtu: 1500 }", "{}", "14:7", "names no axis");
    assert_error("{ main: ptp, mtu: 1500 }", "{ main: [ptp, macvlan] }", "8:3", "has no case");
    let twice = "- { main: ptp, mtu: 1500 }\n    - { mtu: 1500, main: [ptp] }";
    assert_error("- { main: ptp, mtu: 1500 }", twice, "15:7", "excludes no combination");
    assert_error("  exclude:", "  excluded:", "13:3", "unknown field `excluded`");
    assert_refused(
        "a name that no case can have",
        &files(&SCENARIO.replacen("ptp:", "\"p,p\":", 1)),
        &format!("{S}:10:7"),
        "matrix.axes.main.p,p",
        "case's name",
    );
}

#[test]
fn more_than_a_thousand_cases_are_refused() {
    let axis = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    let many = SCENARIO.replacen("1400, 1500", &axis(501), 1).replacen("mtu: 1500", "mtu: 0", 1);
    let text = load(&many).unwrap_err()[0].to_string();
    assert!(text.contains(":8:3: matrix: has 1001 cases; at most 1000 are read"), "{text}");
    let huge = SCENARIO.replacen("1400, 1500", &format!("{}]\n    more: [{}", axis(900), axis(900)), 1);
    let huge = huge.replacen("mtu: 1500", "mtu: 0", 1);
    let text = load(&huge).unwrap_err()[0].to_string();
    assert!(text.contains("combinations; at most 1000 cases"), "{text}");
}

#[test]
fn without_a_matrix_braces_are_text() {
    let plain = "apiVersion: plumbline.dev/v1alpha1\nkind: Scenario\nmetadata: { name: a, summary: \"{{ matrix }}\" }\npods: [{ manifest: pod.yaml }]\nnetworks: [{ template: nad.yaml, values: { name: lan, config: { type: ptp }, mtu: null } }]\n";
    let plans = load(plain).unwrap_or_else(|errors| panic!("{errors:#?}"));
    assert_eq!((plans.len(), plans[0].name.as_str(), plans[0].summary.as_str()), (1, "a", "{{ matrix }}"));
    let escaped = SCENARIO.replacen("matrix:", "\"m\\x61trix\":", 1);
    assert!(load(&escaped).is_err());
}
