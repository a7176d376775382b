//! The rules on every scenario of the suite: those that must fail show the codes that they are listed with, and no
//! scenario has a warning that is not listed.

mod common;

use plumbline_core::judge::lint;
use plumbline_core::lint::Releases;
use plumbline_core::scenario::{load_scenario, load_scenarios};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The codes that a scenario is listed with, by the lane's own list too.
fn listed(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("  ")) {
        let Some((name, rest)) = line.trim().split_once(": ") else { continue };
        let name = name.trim_matches('"');
        let codes = rest.match_indices("PL6").filter_map(|(at, _)| rest.get(at..at + 5)).map(str::to_owned);
        found.entry(name.to_owned()).or_default().extend(codes);
    }
    found
}

fn scenarios(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scenarios(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn no_scenario_has_a_finding_that_is_not_listed() {
    let suites = common::suites();
    let listed = listed(&std::fs::read_to_string(suites.join("expected.yaml")).unwrap());
    let none = BTreeSet::new();
    let mut problems = Vec::new();
    for folder in ["scenarios", "negative"] {
        let folder = suites.join(folder);
        let mut files = Vec::new();
        scenarios(&folder, &mut files);
        for file in files {
            let loader = Templates(&suites);
            for plan in load_scenarios(file.to_str().unwrap(), &loader).unwrap_or_default() {
                let wanted = listed.get(&plan.name).unwrap_or(&none);
                for finding in lint(&plan, &Releases::default()) {
                    if !wanted.contains(finding.code.as_str()) {
                        let source = finding.source.as_ref().map(ToString::to_string).unwrap_or_default();
                        problems.push(format!("{}: {} {} ({source})", plan.name, finding.code, finding.message));
                    }
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The bridges of a scenario have the kernel's MTU.
#[test]
fn an_mtu_above_that_of_a_bridge_of_the_scenario_is_found() {
    let file = common::suites().join("scenarios/macvlan/mac-and-mtu.yaml");
    for (mtu, wanted) in [(1500, 0), (1501, 1)] {
        let mut plan = load_scenario(file.to_str().unwrap(), &Templates(&common::suites())).unwrap();
        let chain = plan.networks[0].chain.as_mut().unwrap();
        chain.links[0].conf["mtu"] = mtu.into();
        let findings = lint(&plan, &Releases::default());
        assert_eq!(findings.len(), wanted, "{findings:?}");
        assert!(findings.iter().all(|finding| finding.message.contains("above that of br-ex")), "{findings:?}");
    }
}

/// Reads files from disk, and templates from the suite's folder.
struct Templates<'a>(&'a Path);

impl plumbline_core::scenario::Loader for Templates<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, plumbline_core::scenario::LoadError> {
        common::read(path)
    }

    fn shared_templates(&self) -> Option<&str> {
        let _ = self.0;
        None
    }
}
