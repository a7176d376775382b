//! The seed's scenario: its manifests as printed, and the same scenario by template.

mod common;

use plumbline_core::plan::Plan;
use serde_json::Value;

fn without_sources(plan: &Plan) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("source");
                map.remove("keys");
                map.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(plan).unwrap();
    strip(&mut value);
    for key in ["name", "summary", "file"] {
        value.as_object_mut().unwrap().remove(key);
    }
    value
}

#[test]
fn manifests_as_printed_and_templates_give_an_equal_plan() {
    let printed = common::load("openshift/chain-example.yaml").unwrap();
    let templated = common::load("openshift/chain-example-by-template.yaml").unwrap();
    let (printed, templated) = (without_sources(&printed), without_sources(&templated));
    assert_eq!(printed, templated);
    assert_eq!(printed["networks"].as_array().unwrap().len(), 2);
}

#[test]
fn every_expectation_has_its_line() {
    let plan = common::load("openshift/chain-example.yaml").unwrap();
    let text = std::fs::read_to_string(&plan.file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let eth1 = &plan.expect[0].interfaces[0];
    let address = &eth1.addresses.as_ref().unwrap().items[0];
    let at = &address.source;
    assert!(lines[at.line - 1][at.column - 1..].starts_with("192.168.100.10/24"), "{at}");
    let route = &eth1.routes.as_ref().unwrap().items[1];
    assert!(lines[route.source.line - 1].contains("10.0.0.0/8"), "{}", route.source);
    let dev = &plan.expect[0].default.as_ref().unwrap().dev.source;
    assert!(lines[dev.line - 1][dev.column - 1..].starts_with("eth0"), "{dev}");
}

#[test]
fn a_key_of_the_users_configuration_has_its_line() {
    let plan = common::load("openshift/chain-example.yaml").unwrap();
    let at = &plan.networks[0].keys["plugins/0/vlan"];
    assert_eq!((at.line, at.column), (14, 9), "{at}");
    assert!(at.file.ends_with("chain-example/management.yaml"));
}

#[test]
fn rendered_objects_match_their_golden_text() {
    let plan = common::load("openshift/chain-example.yaml").unwrap();
    let rendered = plumbline_core::scenario::render(&plan);
    assert_eq!(
        rendered.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["network/management-net", "network/sip-net", "pod/chain-test-pod"]
    );
    for (name, text) in &rendered {
        insta::assert_snapshot!(name.replace('/', "-"), text);
    }
}
