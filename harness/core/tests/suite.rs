//! Every scenario of the suite is valid, except those that must be refused.

mod common;

use plumbline_core::plan::{Plan, split_case};
use plumbline_core::scenario::{InputError, load_scenario, load_scenarios, same_names};
use std::path::{Path, PathBuf};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            if text.contains("kind: Scenario") {
                found.push(path);
            }
        }
    }
}

/// What a file holds.
type Loaded = Result<Vec<Plan>, Vec<InputError>>;

fn load_all(folder: &str) -> Vec<(PathBuf, Loaded)> {
    let mut found = Vec::new();
    files(&common::suites().join(folder), &mut found);
    found.sort();
    let load = |path: PathBuf| (path.clone(), load_scenarios(path.to_str().unwrap(), &common::read));
    found.into_iter().map(load).collect()
}

fn name_by_path(path: &Path, folder: &str) -> String {
    let below = path.strip_prefix(common::suites().join(folder)).unwrap();
    below.with_extension("").to_str().unwrap().to_owned()
}

#[test]
fn every_scenario_is_valid_and_named_by_its_path() {
    let mut plans = Vec::new();
    for (path, loaded) in load_all("scenarios") {
        for plan in loaded.unwrap_or_else(|errors| panic!("{}: {errors:#?}", path.display())) {
            assert_eq!(split_case(&plan.name).0, name_by_path(&path, "scenarios"));
            assert!(!plan.summary.is_empty(), "{}", path.display());
            assert!(plan.networks.iter().all(|network| network.chain.is_some()), "{}", path.display());
            plans.push(plan);
        }
    }
    assert!(plans.len() >= 15, "{}", plans.len());
    assert_eq!(same_names(&plans), []);
}

#[test]
fn negative_scenarios_are_valid_files_except_one() {
    let mut refused = Vec::new();
    let all = load_all("negative");
    for (path, loaded) in &all {
        match loaded {
            Ok(plans) => {
                let names = plans.iter().map(|plan| split_case(&plan.name).0);
                names.for_each(|name| assert_eq!(name, name_by_path(path, "negative")));
            }
            Err(errors) => refused.push((name_by_path(path, "negative"), errors.clone())),
        }
    }
    assert!(all.len() >= 12, "{}", all.len());
    assert_eq!(refused.len(), 1, "{refused:#?}");
    let (name, errors) = &refused[0];
    assert_eq!(name, "networks/not-brought");
    let text = errors[0].to_string();
    assert!(
        text.contains("pod `client` names network `plian`, which this scenario does not have; did you mean `plain`?"),
        "{text}"
    );
}

#[test]
fn the_expectations_of_the_reference_page_are_valid() {
    let text = std::fs::read_to_string(common::suites().join("../docs/scenario.md")).unwrap();
    let blocks: Vec<&str> = text.split("```").filter_map(|block| block.strip_prefix("yaml\n")).collect();
    let head = blocks.iter().find(|block| block.starts_with("apiVersion")).unwrap();
    let expect = blocks.iter().find(|block| block.starts_with("expect:")).unwrap();
    let head = head.split("networks: ...").next().unwrap();
    let files = "networks: [{ manifest: management.yaml }, { manifest: sip.yaml }]\npods: [{ manifest: pod.yaml }]\n";
    let scenario = format!("{head}{files}{expect}");
    let folder = common::suites().join("scenarios/openshift/chain-example");
    let read = |path: &str| match path {
        "doc.yaml" => Ok(scenario.clone().into_bytes()),
        _ => common::read(folder.join(path).to_str().unwrap()),
    };
    let plan = load_scenario("doc.yaml", &read).unwrap_or_else(|errors| panic!("{errors:#?}"));
    assert_eq!(plan.expect[0].interfaces.len(), 3);
    assert!(plan.expect[0].default6.is_some());
}
