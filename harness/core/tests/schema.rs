//! The schemas accept every shipped file, and refuse what the reader refuses for its shape.

mod common;

use common::edited::{Files, P, S, SCENARIO};
use jsonschema::Validator;
use plumbline_core::scenario::{load_scenarios, scenario_schema, template_schema};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn validator(schema: &Value) -> Validator {
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    jsonschema::validator_for(schema).unwrap()
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn mistakes(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Every YAML file below a folder whose text has a line.
fn files(folder: &Path, line: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, line, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml")
            && std::fs::read_to_string(&path).unwrap().lines().any(|other| other == line)
        {
            found.push(path);
        }
    }
}

fn scenarios() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&common::suites(), "kind: Scenario", &mut found);
    found.sort();
    assert!(found.len() > 60, "{}", found.len());
    found
}

#[test]
fn every_scenario_follows_its_schema() {
    let validator = validator(&scenario_schema());
    for path in scenarios() {
        let value = yaml(&std::fs::read_to_string(&path).unwrap());
        assert_eq!(mistakes(&validator, &value), Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn every_template_follows_its_schema() {
    let validator = validator(&template_schema());
    let mut found = Vec::new();
    files(&common::suites().join("templates"), "---", &mut found);
    assert!(found.len() >= 10, "{}", found.len());
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        let head = yaml(text.split("\n---\n").next().unwrap());
        assert_eq!(mistakes(&validator, &head), Vec::<String>::new(), "{}", path.display());
    }
    assert!(validator.is_valid(&json!({ "apiVersion": "v1", "kind": "Pod" })), "the body of a template");
}

#[test]
fn a_template_head_of_another_shape_is_refused_by_both() {
    let validator = validator(&template_schema());
    for head in [
        "summary: x",
        "values: []",
        "values: { a: string }",
        "values: { a: { type: text } }",
        "values: { a: { type: string, choice: [x] } }",
        "values: { a: { type: integer, min: low } }",
        "values: { a: { type: string, optional: maybe } }",
        "values: {}\nsummaries: x",
    ] {
        assert!(!validator.is_valid(&yaml(head)), "{head}");
        let mut files = Files::new();
        files.0.insert("s/templates/t.yaml", format!("{head}\n---\nkind: Pod\n").into_bytes());
        let pods = files.replace_text(S, "  - manifest: pod.yaml", "  - template: t.yaml");
        let errors = pods.load().unwrap_err();
        assert!(errors.iter().any(|error| error.source_at.file.ends_with("t.yaml")), "{head}: {errors:?}");
    }
}

/// One change each of the scenario that all tests of bad files begin with.
#[test]
fn what_the_reader_refuses_for_its_shape_the_schema_refuses() {
    let validator = validator(&scenario_schema());
    assert_eq!(mistakes(&validator, &yaml(SCENARIO)), Vec::<String>::new());
    let topology = |text: &str| SCENARIO.replacen("topology:", &format!("topology:\n  {text}"), 1);
    let pod = |text: &str| format!("{SCENARIO}    {text}\n");
    let entry = |text: &str| SCENARIO.replacen("  - manifest: pod.yaml", &format!("  - {text}"), 1);
    for bad in [
        SCENARIO.replacen("v1alpha1", "v9", 1),
        SCENARIO.replacen("kind: Scenario", "kind: Pod", 1),
        SCENARIO.replacen("topic/case", "topic/Case", 1),
        SCENARIO.replacen("topology:", "requires: [macvlann]\ntopology:", 1),
        SCENARIO.replacen("topology:", "lanes: [moon]\ntopology:", 1),
        SCENARIO.replacen("  name: topic/case", "  name: topic/case\n  covers: [R1]", 1),
        SCENARIO.replacen("pods:\n  - manifest: pod.yaml\n", "pods: []\n", 1),
        SCENARIO.replacen("pods:\n  - manifest: pod.yaml\n", "", 1),
        entry("{}"),
        entry("{ manifest: pod.yaml, template: t.yaml }"),
        entry("{ manifest: pod.yaml, values: { a: 1 } }"),
        entry("{ existing: net }"),
        entry("{ manifest: pod.yaml, namespace: a }"),
        entry("{ manifest: pod.yaml, copies: 101 }"),
        entry("{ manifest: pod.yaml, node: 0 }"),
        topology("nodes: 17"),
        topology("links: [{ name: a, parent: b, vlan: 4095 }]"),
        topology("links: [{ name: a-name-too-long-for-linux, parent: b, vlan: 1 }]"),
        topology("links: [{ name: a, parent: b, vlan: 5, protocol: 802.1x }]"),
        topology("gateways: [{ name: gw }]"),
        topology("gateways: [{ name: gw, ports: [] }]"),
        topology("tuningAllowList: []"),
        topology("kubeMarkMasq: maybe"),
        pod("linkLocal: any"),
        pod("sysctls: { kernel.msgmax: \"1\" }"),
        pod("reaches: [{ by: icmp }]"),
        pod("reaches: [{ to: 10.0.0.1, pod: other, interface: eth1, by: icmp }]"),
        pod("reaches: [{ pod: other, by: icmp }]"),
        pod("reaches: [{ to: 10.0.0.1, by: sctp }]"),
        pod("reaches: [{ to: 10.0.0.1/24, by: icmp }]"),
        pod("reaches: [{ to: 10.0.0.1, by: udp, port: 0 }]"),
        pod("reaches: [{ to: 10.0.0.1, by: icmp, tags: [1, 2, 3] }]"),
        pod("reaches: [{ to: 10.0.0.1, by: udp, port: 53, lookup: a.b }]"),
        pod("cannotReach: [{ to: 10.0.0.1, by: icmp, control: { to: 10.0.0.2 } }]"),
        pod("cannotReach: [{ to: 10.0.0.1, by: icmp, because: no-route }]"),
        pod("cannotReach: [{ to: 10.0.0.1, by: icmp, because: luck, control: { to: 10.0.0.2 } }]"),
        pod("reachedBy: [{ sender: node, by: icmp, port: 80 }]"),
        pod("reachedBy: [{ sender: node, at: here, by: tcp, port: 80 }]"),
    ] {
        let value = yaml(&bad);
        let mut files = Files::new();
        files.0.insert(S, bad.clone().into_bytes());
        assert!(files.load().is_err(), "the reader accepts this\n{bad}");
        assert!(!validator.is_valid(&value), "the schema accepts this\n{bad}");
    }
}

/// The place of a value: keys that the format has, `*` for items and for names that users choose.
fn shape(path: &[String], value: &Value) -> String {
    let mut place = String::new();
    let mut free = false;
    for step in path {
        let is_index = step.parse::<usize>().is_ok();
        place.push('/');
        place.push_str(if is_index || free { "*" } else { step });
        free = ["expect", "interfaces", "routes", "sysctls"].contains(&step.as_str()) && !free && !is_index;
    }
    let kind = match value {
        Value::Object(_) => "{}",
        Value::Array(_) => "[]",
        _ => "",
    };
    place + kind
}

fn walk(value: &Value, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, Value)>) {
    // Values of templates and of axes are free data.
    if path.last().is_some_and(|key| key == "values" || key == "axes") {
        return;
    }
    found.push((path.clone(), value.clone()));
    let items: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (step, value) in items {
        path.push(step);
        walk(value, path, found);
        path.pop();
    }
}

fn pointer(path: &[String]) -> String {
    path.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}

/// Of every place that some shipped scenario has: an unknown field, a value of another type, a field less.
#[test]
fn a_changed_scenario_that_the_reader_refuses_for_its_shape_the_schema_refuses() {
    let validator = validator(&scenario_schema());
    let mut seen = BTreeSet::new();
    let mut counts = [0; 3];
    for path in scenarios() {
        let name = path.to_str().unwrap();
        let whole = yaml(&std::fs::read_to_string(&path).unwrap());
        let errors = |changed: &Value| {
            let text = changed.to_string().into_bytes();
            let read = |asked: &str| if asked == name { Ok(text.clone()) } else { common::read(asked) };
            load_scenarios(name, &read).err().unwrap_or_default()
        };
        let mut places = Vec::new();
        walk(&whole, &mut Vec::new(), &mut places);
        for (path, value) in places {
            if !seen.insert(shape(&path, &value)) {
                continue;
            }
            let at = pointer(&path);
            let mut check = |index: usize, changed: Value, is_shape: &dyn Fn(&str) -> bool| {
                let found = errors(&changed);
                if found.iter().any(|error| is_shape(&error.message)) {
                    counts[index] += 1;
                    assert!(!validator.is_valid(&changed), "{name}: {at}: {found:?}\n{changed}");
                }
            };
            if value.is_object() {
                let mut changed = whole.clone();
                changed.pointer_mut(&at).unwrap()["zzz"] = json!(1);
                check(0, changed, &|message| message.contains("unknown field"));
            }
            let mut changed = whole.clone();
            *changed.pointer_mut(&at).unwrap() = json!({ "zzz": { "zzz": 1 } });
            check(1, changed, &|_| true);
            if let Some((last, above)) = path.split_last() {
                let mut changed = whole.clone();
                if let Value::Object(map) = changed.pointer_mut(&pointer(above)).unwrap() {
                    map.remove(last);
                    check(2, changed, &|message| message.starts_with('`') && message.ends_with("` is missing"));
                }
            }
        }
    }
    assert!(seen.len() > 100 && counts.iter().all(|count| *count > 10), "{} places, {counts:?}", seen.len());
}

#[test]
fn the_manifests_of_a_scenario_are_not_in_its_schema() {
    let files = Files::new();
    assert!(!validator(&scenario_schema()).is_valid(&yaml(std::str::from_utf8(&files.0[P]).unwrap())));
}
