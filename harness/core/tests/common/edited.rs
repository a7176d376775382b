//! A small scenario with its files. Tests of refusals edit it.

use plumbline_core::plan::Plan;
use plumbline_core::scenario::{InputError, LoadError, load_scenario};
use std::collections::HashMap;

/// A valid scenario, which every case edits.
pub const SCENARIO: &str = "\
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

/// Its pod.
pub const POD: &str = "\
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

/// Its network's template.
pub const TEMPLATE: &str = "\
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

/// The files by path.
pub struct Files(pub HashMap<&'static str, Vec<u8>>);

impl Files {
    /// The valid files.
    pub fn new() -> Self {
        let texts = [("s/case.yaml", SCENARIO), ("s/pod.yaml", POD), ("s/templates/nad.yaml", TEMPLATE)];
        Self(texts.into_iter().map(|(path, text)| (path, text.as_bytes().to_vec())).collect())
    }

    /// Replaces a text of a file, which must contain it.
    pub fn replace_text(mut self, path: &'static str, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self.0[path].clone()).unwrap();
        assert!(text.contains(from), "{from} is not in {path}");
        self.0.insert(path, text.replacen(from, to, 1).into_bytes());
        self
    }

    /// Loads the scenario.
    pub fn load(&self) -> Result<Plan, Vec<InputError>> {
        load_scenario("s/case.yaml", &|path: &str| self.0.get(path).cloned().ok_or(LoadError::NotFound))
    }
}

/// Asserts that one of the errors is at `place` (`file:line:column`), names `field`, and contains `part`.
#[track_caller]
pub fn assert_refused(what: &str, files: &Files, place: &str, field: &str, part: &str) {
    let errors = files.load().expect_err(what);
    let hit = errors.iter().any(|error| {
        let text = error.to_string();
        error.source_at.to_string() == place && error.field == field && text.contains(part)
    });
    let all: Vec<String> =
        errors.iter().map(|error| format!("  got {} field {:?}: {error}", error.source_at, error.field)).collect();
    assert!(hit, "{what}: expected at {place} field {field:?} with {part:?}; got\n{}", all.join("\n"));
}

/// Path of the scenario.
pub const S: &str = "s/case.yaml";
/// Path of the pod.
pub const P: &str = "s/pod.yaml";
/// Path of the template.
pub const T: &str = "s/templates/nad.yaml";
